/* src/llm/relay_test.c - event streams cut anywhere come out the same, and what they say is seen.
 */
#include "llm/relay.h"

#include "base/test.h"

#define CHUNK(text)                                                                                \
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                 \
    "\"},\"finish_reason\":null}],\"usage\":null}\n\n"
#define LAST                                                                                       \
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE                                                                                      \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,"                \
    "\"prompt_tokens_details\":{\"cached_tokens\":2},"                                             \
    "\"completion_tokens_details\":{\"reasoning_tokens\":1}}}\n\n"
#define DONE "data: [DONE]\n\n"

/* Feed @text in pieces of @size (the first of @first) and gather what comes out. */
static void run(struct llm_relay *r, Str text, size_t first, size_t size, struct buf *out)
{
    size_t at = 0;

    while (at < text.n) {
        size_t n = at == 0 && first ? first : size;
        Str piece = str_head(str_skip(text, at), n);
        /* A piece is gone after the call, as the buffer of a socket is. */
        char *copy = str_dup_c(t_arena(), piece);
        buf_add(out, llm_relay_feed(r, str_from(copy, piece.n)));
        at += piece.n;
    }
    buf_add(out, llm_relay_rest(r));
}

TEST(relay_hands_whole_events_on_at_once_and_where_they_are)
{
    struct llm_relay r;
    Str text = S(CHUNK("a") CHUNK("b"));

    llm_relay_init(&r, true);
    Str out = llm_relay_feed(&r, text);
    t_expect(out.p == text.p && out.n == text.n);
    t_expect_int(r.chunks, 2);
    t_expect(!r.done && !r.finished && !r.usage.known);
    llm_relay_done(&r);
}

TEST(relay_takes_out_the_usage_that_nobody_asked_for_however_it_is_cut)
{
    Str text = S(": hello\n\n" CHUNK("a\xc3\xa9") CHUNK("b") LAST USAGE DONE);
    Str want = S(": hello\n\n" CHUNK("a\xc3\xa9") CHUNK("b") LAST DONE);

    for (size_t cut = 1; cut <= text.n; cut++) {
        for (size_t size = 1; size <= text.n; size += text.n - 1) {
            struct llm_relay r;
            AUTO_BUF(out, KIB(8));
            llm_relay_init(&r, true);
            run(&r, text, cut, size, &out);
            t_expect_str(buf_str(&out), want);
            t_expect(r.done && r.finished && !r.failed && r.usage.known);
            t_expect_int(r.usage.prompt, 7);
            t_expect_int(r.usage.cached, 2);
            t_expect_int(r.usage.completion, 3);
            t_expect_int(r.usage.reasoning, 1);
            llm_relay_done(&r);
        }
    }
}

TEST(relay_leaves_the_usage_that_was_asked_for)
{
    struct llm_relay r;
    AUTO_BUF(out, KIB(8));
    Str text = S(CHUNK("a") LAST USAGE DONE);

    llm_relay_init(&r, false);
    run(&r, text, 0, 7, &out);
    t_expect_str(buf_str(&out), text);
    t_expect_int(r.usage.completion, 3);
    llm_relay_done(&r);
}

TEST(relay_keeps_a_last_chunk_that_has_both_text_and_usage)
{
    struct llm_relay r;
    AUTO_BUF(out, KIB(8));
    Str text = S("data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],"
                 "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n" DONE);

    llm_relay_init(&r, true);
    run(&r, text, 0, 5, &out);
    t_expect_str(buf_str(&out), text);
    t_expect_int(r.usage.completion, 2);
    llm_relay_done(&r);
}

TEST(relay_knows_events_by_every_kind_of_line_end)
{
    static const char *const ends[] = {"\n", "\r\n", "\r"};

    for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
        AUTO_BUF(text, KIB(8));
        AUTO_BUF(want, KIB(8));
        buf_add_fmt(&text, "data:{\"choices\":[]}%s%s", ends[e], ends[e]);
        buf_add(&want, buf_str(&text));
        buf_add_fmt(&text, "data:{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}%s%s", ends[e],
                    ends[e]);
        buf_add_fmt(&text, "event: x%sdata: [DONE]%s%s", ends[e], ends[e], ends[e]);
        buf_add_fmt(&want, "event: x%sdata: [DONE]%s%s", ends[e], ends[e], ends[e]);
        for (size_t size = 1; size < text.n; size++) {
            struct llm_relay r;
            AUTO_BUF(out, KIB(8));
            llm_relay_init(&r, true);
            run(&r, buf_str(&text), 0, size, &out);
            t_expect_str(buf_str(&out), buf_str(&want));
            t_expect(r.done && r.usage.known);
            llm_relay_done(&r);
        }
    }
}

TEST(relay_hides_no_error_behind_an_end_in_order)
{
    struct llm_relay r;
    AUTO_BUF(out, KIB(8));
    Str error = S("data: {\"error\":{\"message\":\"overloaded\"}}\n\n");

    llm_relay_init(&r, true);
    buf_add(&out, llm_relay_feed(&r, error));
    buf_add(&out, llm_relay_feed(&r, S(DONE)));
    t_expect_str(buf_str(&out), error);
    t_expect(r.failed);
    llm_relay_done(&r);
}

TEST(relay_holds_no_more_than_a_part_of_an_event)
{
    struct llm_relay r;
    AUTO_BUF(text, MIB(2));
    AUTO_BUF(out, MIB(2));

    buf_add_c(&text, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    while (text.n < MIB(1))
        buf_add_c(&text, "0123456789abcdef");
    buf_add_c(&text, "\"}}]}\n\n" CHUNK("z") USAGE DONE);
    llm_relay_init(&r, true);
    for (size_t at = 0; at < text.n; at += 1000) {
        buf_add(&out, llm_relay_feed(&r, str_head(str_skip(buf_str(&text), at), 1000)));
        t_expect(r.held.n <= LLM_HELD_MAX);
    }
    t_expect_int(out.n, text.n - (sizeof USAGE - 1));
    t_expect(str_ends(buf_str(&out), S(CHUNK("z") DONE)));
    t_expect(r.done && r.usage.known);
    llm_relay_done(&r);
}

TEST(relay_lets_a_cut_event_not_go_out)
{
    struct llm_relay r;
    AUTO_BUF(out, KIB(8));

    llm_relay_init(&r, true);
    run(&r, S(CHUNK("a") "data: {\"choices\":[{\"del"), 0, 1000, &out);
    t_expect_str(buf_str(&out), S(CHUNK("a")));
    t_expect(!r.done && !r.finished);
    llm_relay_done(&r);
    /* A last [DONE] without its empty line is one all the same. */
    buf_reset(&out);
    llm_relay_init(&r, true);
    run(&r, S(CHUNK("a") "data: [DONE]"), 0, 1000, &out);
    t_expect_str(buf_str(&out), S(CHUNK("a") "data: [DONE]"));
    t_expect(r.done);
    llm_relay_done(&r);
}

#define MESSAGE                                                                                    \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{"             \
    "\"input_tokens\":4,\"cache_read_input_tokens\":2,\"output_tokens\":1}}}\n\n"                  \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":"     \
    "\"message_stop\"}}\n\n"                                                                       \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"          \
    "\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n"
#define MESSAGE_STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

TEST(relay_understands_the_events_of_messages_and_touches_none)
{
    Str text = S(MESSAGE MESSAGE_STOP);

    for (size_t cut = 1; cut <= text.n; cut++) {
        struct llm_relay r;
        AUTO_BUF(out, KIB(64));
        llm_relay_init(&r, true);
        r.events = LLM_EVENTS_MESSAGES;
        run(&r, text, cut, text.n, &out);
        t_expect_str(buf_str(&out), text);
        t_expect(r.done && r.finished && !r.failed);
        t_expect_int(r.usage.prompt, 6);
        t_expect_int(r.usage.completion, 9);
        t_expect_int(r.chunks, 1);
        llm_relay_done(&r);
    }
}

#define PASSED(type, more) "event: " type "\ndata: {\"type\":\"" type "\"" more "}\n\n"

TEST(relay_sees_the_end_and_the_usage_of_sound_however_it_is_cut)
{
    Str text = S(PASSED("transcript.text.delta", ",\"delta\":\"a\"") PASSED(
        "transcript.text.done", ",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,"
                                "\"output_tokens\":45}"));

    for (size_t cut = 1; cut <= text.n; cut++) {
        struct llm_relay r;
        AUTO_BUF(out, KIB(8));
        llm_relay_init(&r, true);
        r.events = LLM_EVENTS_PASSED;
        run(&r, text, cut, text.n, &out);
        t_expect_str(buf_str(&out), text);
        t_expect(r.done && !r.failed && r.usage.known);
        t_expect_int(r.chunks, 1);
        t_expect_int(r.usage.completion, 45);
        llm_relay_done(&r);
    }
}

TEST(relay_reads_the_usage_behind_an_image_that_is_too_long_to_be_held)
{
    AUTO_BUF(text, MIB(4));
    size_t sizes[] = {1000, 4096, 65536};

    buf_add(&text, S("event: image_generation.completed\ndata: "
                     "{\"type\":\"image_generation.completed\",\"b64_json\":\""));
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, 'A');
    buf_add(&text, S("\",\"usage\":{\"total_tokens\":100,\"input_tokens\":50,\"output_tokens\":"
                     "50,\"input_tokens_details\":{\"text_tokens\":10,\"image_tokens\":40}}}\n\n"));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct llm_relay r;
        AUTO_BUF(out, MIB(1));
        llm_relay_init(&r, true);
        r.events = LLM_EVENTS_PASSED;
        run(&r, buf_str(&text), 0, sizes[i], &out);
        t_expect_str(buf_str(&out), buf_str(&text));
        t_expect(r.done && r.usage.known);
        t_expect_int(r.usage.prompt, 50);
        t_expect_int(r.usage.completion, 50);
        llm_relay_done(&r);
    }
}

#define CALL(more) "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[" more "]}}]}\n\n"
#define STOP "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define CALLED                                                                                     \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"

TEST(relay_numbers_calls_that_came_without_a_number_and_tells_their_end)
{
    Str text =
        S(CHUNK("a") CALL("{\"id\":\"x\",\"function\":{\"name\":\"f\"}}")
              CALL("{\"function\":{\"arguments\":\"{}\"}}") CALL("{\"id\":\"y\"},{\"id\":\"z\"}")
                  CALL("{\"id\":\"z\",\"function\":{\"arguments\":\"1\"}}") STOP DONE);
    Str want = S(CHUNK("a") CALL("{\"id\":\"x\",\"function\":{\"name\":\"f\"},\"index\":0}")
                     CALL("{\"function\":{\"arguments\":\"{}\"},\"index\":0}")
                         CALL("{\"id\":\"y\",\"index\":1},{\"id\":\"z\",\"index\":2}")
                             CALL("{\"id\":\"z\",\"function\":{\"arguments\":\"1\"},\"index\":2}")
                                 CALLED DONE);

    for (size_t cut = 1; cut <= text.n; cut++) {
        struct llm_relay r;
        AUTO_BUF(out, KIB(8));
        llm_relay_init(&r, true);
        r.mend = true;
        run(&r, text, cut, text.n, &out);
        t_expect_str(buf_str(&out), want);
        t_expect(r.done && r.finished);
        llm_relay_done(&r);
    }
}

TEST(relay_leaves_calls_alone_that_are_right)
{
    Str text = S(CALL("{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"f\"}}")
                     CALL("{\"index\":0,\"function\":{\"arguments\":\"{}\"}}") CALLED DONE);
    struct llm_relay r;

    llm_relay_init(&r, true);
    r.mend = true;
    Str out = llm_relay_feed(&r, text);
    t_expect(out.p == text.p && out.n == text.n);
    llm_relay_done(&r);
    llm_relay_init(&r, true); /* a request without tools is none that could be answered with one */
    out = llm_relay_feed(&r, S(CALL("{\"id\":\"x\"}") STOP));
    t_expect_str(out, S(CALL("{\"id\":\"x\"}") STOP));
    llm_relay_done(&r);
}

TEST(relay_numbers_calls_in_an_event_that_leaves_no_memory)
{
    /* 16 bytes for each element: about 4 MiB, which is all that an event may take. */
    enum { FROM = 260000, TO = 262300, STEP = 50 };
    size_t mended = 0;

    for (size_t n = FROM; n < TO; n += STEP) {
        AUTO_BUF(b, MIB(1));
        struct llm_relay r;
        buf_add_c(&b, "data: {\"x\":[0");
        for (size_t i = 1; i < n; i++)
            buf_add_c(&b, ",0");
        buf_add_c(&b, "],\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"id\":\"x\"");
        for (int i = 0; i < 30; i++)
            buf_add_fmt(&b, ",\"m%d\":0", i);
        buf_add_c(&b, "}]}}]}\n\n");
        llm_relay_init(&r, true);
        r.mend = true;
        Str out = llm_relay_feed(&r, buf_str(&b));
        bool numbered = str_find(out, S(",\"index\":0}]")) != SIZE_MAX;
        t_expect(numbered || str_eq(out, buf_str(&b)));
        mended += numbered;
        llm_relay_done(&r);
    }
    t_expect(mended > 0 && mended < (TO - FROM) / STEP);
}

TEST(relay_has_room_for_every_call_that_an_event_has_room_for)
{
    static const char *const calls[] = {"{},", "{\"a\":0},", "{\"id\":\"\",\"b\":0},",
                                        "{\"a\":0,\"b\":0,\"c\":0,\"d\":0},"};

    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        for (size_t most = KIB(32); most < MIB(1); most += most / 4) {
            AUTO_BUF(b, MIB(2));
            struct llm_relay r;
            buf_add_c(&b, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[");
            while (b.n < most)
                buf_add_c(&b, calls[i]);
            buf_add_c(&b, "{}]}}]}\n\n");
            llm_relay_init(&r, true);
            r.mend = true;
            Str out = llm_relay_feed(&r, buf_str(&b));
            t_expect(str_ends(out, S("}]}}]}\n\n")) && out.n >= b.n);
            llm_relay_done(&r);
        }
    }
}

TEST(relay_ends_events_where_the_server_only_ended_their_lines)
{
    static const char *const ends[] = {"\n", "\r\n"};

    for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
        Str text =
            str_fmt(t_arena(), "data: {\"choices\":[1]}%sdata:{\"choices\":[2]}%s%sdata: [DONE]%s",
                    ends[e], ends[e], ends[e], ends[e]);
        for (size_t cut = 1; cut <= text.n; cut++) {
            struct llm_relay r;
            AUTO_BUF(out, KIB(1));
            llm_relay_init(&r, true);
            run(&r, text, cut, text.n, &out);
            t_expect_str(buf_str(&out), S("data: {\"choices\":[1]}\n\ndata:{\"choices\":[2]}\n\n"
                                          "data: [DONE]\n\n"));
            t_expect(r.done);
            llm_relay_done(&r);
        }
    }
}

#define GEMINI_EVENT(text, rest)                                                                   \
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"" text "\"}]}" rest "}\r\n\r\n"
#define GEMINI_END                                                                                 \
    ",\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":7,"                      \
    "\"candidatesTokenCount\":2,\"thoughtsTokenCount\":1}"

TEST(relay_reads_a_stream_of_gemini_in_passing_however_it_is_cut)
{
    Str text =
        S(GEMINI_EVENT("a \\\"finishReason\\\":\\\"x\\\"", "}]") GEMINI_EVENT("b", GEMINI_END));

    for (size_t cut = 1; cut <= text.n; cut++) {
        struct llm_relay r;
        AUTO_BUF(out, KIB(8));
        llm_relay_init(&r, false);
        r.events = LLM_EVENTS_GEMINI;
        run(&r, text, cut, text.n, &out);
        t_expect_str(buf_str(&out), text);
        t_expect(r.finished && !r.done && !r.failed && r.usage.known);
        t_expect_int(r.usage.prompt, 7);
        t_expect_int(r.usage.completion, 3);
        t_expect_int(r.chunks, 2);
        llm_relay_done(&r);
    }
}

TEST(relay_reads_the_end_of_an_event_of_gemini_that_is_too_long_to_wait)
{
    struct llm_relay r;
    AUTO_BUF(text, MIB(16));
    AUTO_BUF(out, MIB(16));

    buf_add_c(&text, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"");
    for (int i = 0; i < 300000; i++)
        buf_add_c(&text, "\\\"finishReason\\\":");
    buf_add_c(&text, "\"}]}" GEMINI_END "}\n\n");
    llm_relay_init(&r, false);
    r.events = LLM_EVENTS_GEMINI;
    run(&r, buf_str(&text), 0, 60000, &out);
    t_expect(str_eq(buf_str(&out), buf_str(&text)));
    t_expect(r.finished && !r.done && !r.inside);
    t_expect_int(r.usage.completion, 3);
    llm_relay_done(&r);
}

TEST(relay_takes_no_stream_of_gemini_for_whole_whose_reason_did_not_come)
{
    struct llm_relay r;
    AUTO_BUF(out, KIB(8));

    llm_relay_init(&r, false);
    r.events = LLM_EVENTS_GEMINI;
    run(&r, S(GEMINI_EVENT("a", "}]") "data: {\"error\":{\"code\":503}}\n\n"), 0, 9, &out);
    t_expect(!r.finished && !r.done && r.failed);
    llm_relay_done(&r);
}
