/* src/llm/dialects/dialect_responses_test.c - responses keep their meaning on the way to other
 * dialects and back, however the bytes of their streams are cut. */
#include "llm/dialects/dialect_responses.h"

#include "base/test.h"
#include "net/sse.h"

static const struct llm_dialect *const others[] = {&llm_dialect_openai, &llm_dialect_anthropic,
                                                   &llm_dialect_gemini};

static struct llm_chat *chat_new(const struct llm_dialect *to)
{
    struct llm_chat *c = arena_new_of(t_arena(), struct llm_chat);

    c->a = c->text = t_arena();
    c->to = to;
    return c;
}

static struct json *parsed(Str text)
{
    struct json *v = NULL;

    if (json_parse(t_arena(), text, &v) != OK)
        t_fail(__FILE__, __LINE__, "no JSON: %.*s", P(text));
    return v;
}

/* The request as one of @to, or the detail of the refusal. */
static Str translate(const struct llm_dialect *to, Str text, struct llm_chat **ret_chat)
{
    struct llm_chat *c = chat_new(to);
    struct json *body;
    Err e = llm_dialect_responses.read_request(c, parsed(text));

    if (e == OK)
        e = to->write_request(c, S("m"), true, &body);
    if (ret_chat)
        *ret_chat = c;
    return e == OK ? json_text(t_arena(), body) : str_dup(t_arena(), str_c(err_client_text(e)));
}

static bool has(Str text, const char *part)
{
    return str_find(text, str_c(part)) != SIZE_MAX;
}

#define REQUEST                                                                                    \
    "{\"model\":\"m\",\"instructions\":\"Be kind.\",\"input\":[{\"role\":\"user\",\"content\":["   \
    "{\"type\":\"input_text\",\"text\":\"What?\"},{\"type\":\"input_image\",\"image_url\":"        \
    "\"data:image/png;base64,AAAA\"}]},{\"type\":\"message\",\"role\":\"assistant\",\"id\":"       \
    "\"msg_1\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":"          \
    "\"I look.\",\"annotations\":[]}]},{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":"   \
    "\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":[1,null]}\"},{\"type\":"                     \
    "\"function_call_output\",\"call_id\":\"c1\",\"output\":\"rain\"},{\"role\":\"user\","         \
    "\"content\":\"So?\"}],\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":"      \
    "\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}],\"tool_choice\":{\"type\":"      \
    "\"function\",\"name\":\"f\"},\"parallel_tool_calls\":false,\"max_output_tokens\":9,"          \
    "\"temperature\":0.5,\"top_p\":1,\"user\":\"u\",\"text\":{\"format\":{\"type\":"               \
    "\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":\"object\"},\"strict\":true}},"           \
    "\"metadata\":{\"a\":\"b\"},\"store\":false,\"truncation\":\"disabled\"}"

#define CHAT                                                                                       \
    "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},"               \
    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What?\"},{\"type\":"            \
    "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]},"                     \
    "{\"role\":\"assistant\",\"content\":\"I look.\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"     \
    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":[1,null]}\"}}]},"        \
    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"rain\"},"                            \
    "{\"role\":\"user\",\"content\":\"So?\"}],\"tools\":[{\"type\":\"function\",\"function\":{"    \
    "\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}]" \
    ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"                      \
    "\"parallel_tool_calls\":false,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":" \
    "{\"name\":\"n\",\"schema\":{\"type\":\"object\"},\"strict\":true}},"                          \
    "\"max_completion_tokens\":9,\"temperature\":0.5,\"top_p\":1,\"user\":\"u\"}"

TEST(responses_a_request_is_the_same_chat)
{
    struct llm_chat *c;
    Str chat = translate(&llm_dialect_openai, S(REQUEST), &c);

    if (!json_equal(parsed(chat), parsed(S(CHAT))))
        t_fail(__FILE__, __LINE__, "%.*s", P(chat));
    t_expect_int(c->dropped.n, 0);
    Str text =
        translate(&llm_dialect_openai, S("{\"input\":\"hi\",\"previous_response_id\":null}"), NULL);
    t_expect_str(text,
                 S("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"));
    for (size_t i = 1; i < ARRAY_LEN(others); i++) {
        text = translate(others[i], S(REQUEST), NULL);
        t_expect(has(text, "Be kind.") && has(text, "rain") && has(text, "[1,null]"));
    }
}

TEST(responses_fields_without_translation_are_refused_or_noted_by_name)
{
    static const struct {
        const char *member, *says;
    } refused[] = {
        {"\"tools\":[{\"type\":\"file_search\"}]", "file_search"},
        {"\"background\":true", "\"background\""},
        {"\"conversation\":{\"id\":\"c\"}", "\"conversation\""},
        {"\"prompt\":{\"id\":\"p\"}", "\"prompt\""},
        {"\"previous_response_id\":\"resp_x\"", "\"previous_response_id\""},
        {"\"truncation\":\"some\"", "\"truncation\""},
        {"\"tool_choice\":{\"type\":\"web_search\"}", "\"tool_choice\""},
        {"\"metadata\":{\"a\":1}", "\"metadata\""},
        {"\"max_output_tokens\":-1", "\"max_output_tokens\""},
        {"\"reasoning\":{\"effort\":\"some\"}", "\"reasoning.effort\""},
        {"\"text\":{\"format\":{\"type\":\"x\"}}", "\"text.format\""},
        {"\"input\":[{\"type\":\"item_reference\",\"id\":\"x\"}]", "item_reference"},
        {"\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}]", "input_audio"},
        {"\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"file_id\":\"f\"}]}"
         "]",
         "\"file_id\""},
        {"\"input\":[7]", "\"input\""},
        {"\"input\":{}", "\"input\""},
        {"\"input\":[{\"type\":\"function_call_output\",\"output\":\"x\"}]", "call_id"},
    };
    struct llm_chat *c;

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        Str text = translate(&llm_dialect_openai,
                             str_fmt(t_arena(), "{\"input\":\"a\",%s}", refused[i].member), NULL);
        if (!has(text, refused[i].says) || str_starts(text, S("{")))
            t_fail(__FILE__, __LINE__, "%s: %.*s", refused[i].member, P(text));
    }
    Str text =
        translate(&llm_dialect_openai,
                  S("{\"input\":[{\"role\":\"user\",\"content\":\"a\",\"new\":1},{\"type\":"
                    "\"reasoning\",\"summary\":[],\"encrypted_content\":\"gAAAA\"}],\"x\":1,"
                    "\"include\":[\"reasoning.encrypted_content\",\"file_search_call.results\""
                    "],\"text\":{\"verbosity\":\"low\"},\"service_tier\":\"priority\"}"),
                  &c);
    static const char *const dropped[] = {"input.new", "input.reasoning", "x",
                                          "include",   "text.verbosity",  "service_tier"};
    t_expect(str_starts(text, S("{")));
    t_expect_int(c->dropped.n, ARRAY_LEN(dropped));
    for (size_t i = 0; i < ARRAY_LEN(dropped) && i < c->dropped.n; i++)
        t_expect_str(c->dropped.at[i], str_c(dropped[i]));
}

TEST(responses_items_are_bounded)
{
    AUTO(arena) *a = arena_new(MIB(512));
    AUTO_BUF(b, MIB(16));
    struct llm_chat *c = arena_new_of(a, struct llm_chat);
    struct json *v;

    buf_add_c(&b, "{\"input\":[");
    for (int i = 0; i < LLM_PARTS_MAX; i++)
        buf_add_c(&b, "{\"role\":\"user\"},");
    buf_add_c(&b, "{}]}");
    c->a = c->text = a;
    t_expect_ok(json_parse(a, buf_str(&b), &v));
    t_expect_err(llm_dialect_responses.read_request(c, v), E_TOO_LARGE);
}

/* ---- streams ---- */

#define ANTHROPIC_EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define DELTA(i, type, rest)                                                                       \
    ANTHROPIC_EVENT("content_block_delta",                                                         \
                    ",\"index\":" i ",\"delta\":{\"type\":\"" type "\"," rest "}")
#define BLOCK(i, rest)                                                                             \
    ANTHROPIC_EVENT("content_block_start", ",\"index\":" i ",\"content_block\":{" rest "}")
#define STOP(i) ANTHROPIC_EVENT("content_block_stop", ",\"index\":" i)

#define CHUNK(delta, finish)                                                                       \
    "data: {\"id\":\"x\",\"model\":\"c\",\"choices\":[{\"index\":0,\"delta\":{" delta              \
    "},\"finish_reason\":" finish "}]}\n\n"
#define OPENAI_CALL(i, rest) CHUNK("\"tool_calls\":[{\"index\":" i "," rest "}]", "null")

/* Events of the same answer, by the place of the dialect in others. */
static const char *const streams[][16] = {
    {
        CHUNK("\"role\":\"assistant\",\"reasoning_content\":\"Hm\"", "null"),
        CHUNK("\"content\":\"Gr\xc3\xbc\xc3\x9f\"", "null"),
        CHUNK("\"content\":\" \xc3\xa9\"", "null"),
        OPENAI_CALL("0", "\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}"),
        OPENAI_CALL("1", "\"id\":\"t2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}"),
        OPENAI_CALL("0", "\"function\":{\"arguments\":\"{\\\"a\\\":\"}"),
        OPENAI_CALL("0", "\"function\":{\"arguments\":\"1}\"}"),
        CHUNK("", "\"stop\""),
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7}}\n\n",
        "data: [DONE]\n\n",
    },
    {
        ANTHROPIC_EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"model\":\"c\","
                                         "\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}"),
        BLOCK("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""),
        DELTA("0", "thinking_delta", "\"thinking\":\"Hm\""),
        DELTA("0", "signature_delta", "\"signature\":\"c2ln\"") STOP("0"),
        BLOCK("1", "\"type\":\"redacted_thinking\",\"data\":\"c2VjcmV0\"") STOP("1"),
        BLOCK("2", "\"type\":\"text\",\"text\":\"\""),
        DELTA("2", "text_delta", "\"text\":\"Gr\xc3\xbc\xc3\x9f\""),
        DELTA("2", "text_delta", "\"text\":\" \\u00e9\"") STOP("2"),
        BLOCK("3", "\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}"),
        DELTA("3", "input_json_delta", "\"partial_json\":\"{\\\"a\\\":\""),
        DELTA("3", "input_json_delta", "\"partial_json\":\"1}\"") STOP("3"),
        BLOCK("4", "\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}"),
        STOP("4"),
        ANTHROPIC_EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
                                         "\"output_tokens\":7}"),
        ANTHROPIC_EVENT("message_stop", ""),
    },
    {
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hm\","
        "\"thought\":true}]}}],\"responseId\":\"r\",\"modelVersion\":\"c\"}\r\n\r\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
        "\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\"},{\"functionCall\":{\"name\":\"f\",\"args\":{"
        "\"a\":1}},\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"name\":\"g\"}}]},"
        "\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":10,"
        "\"candidatesTokenCount\":4,\"thoughtsTokenCount\":3}}\r\n\r\n",
    },
};

static Str stream_of(size_t i)
{
    AUTO_BUF(b, KIB(16));

    for (size_t k = 0; k < ARRAY_LEN(streams[i]) && streams[i][k]; k++)
        buf_add_c(&b, streams[i][k]);
    return str_dup(t_arena(), buf_str(&b));
}

static const struct llm_reply reply = {
    .id = S_INIT("resp_0123456789abcdef0123456789abcdef"),
    .created = 7,
    .frame = S_INIT(",\"store\":true,\"tools\":[]"),
};

/* All that goes out for @text, cut at @cut. */
static Str pass(struct llm_stream *s, Str text, size_t cut)
{
    AUTO_BUF(out, MIB(1));

    s->nonce = 7;
    s->reply = &reply;
    buf_add(&out, llm_stream_feed(s, str_dup(t_arena(), str_head(text, cut))));
    buf_add(&out, llm_stream_feed(s, str_dup(t_arena(), str_skip(text, cut))));
    buf_add(&out, llm_stream_end(s));
    return str_dup(t_arena(), buf_str(&out));
}

static Str once(const struct llm_dialect *from, Str text, size_t cut)
{
    AUTO(llm_stream) *s = llm_stream_new(from, &llm_dialect_responses, S("m"), true);
    Str out = pass(s, text, cut);

    if (!s->done || s->failed || s->fault != OK)
        t_fail(__FILE__, __LINE__, "cut at %zu the stream was not understood: %.*s", cut, P(out));
    return out;
}

/* What a client does with the events of a stream. */
struct client {
    struct buf text[8]; /* deltas, by output_index */
    bool begun[8], done[8];
    int64_t sequence;
    const struct json *response; /* of the last event */
};

static void take(struct client *c, const struct json *v)
{
    Str type = json_str_of(json_at(v, "type"), S(""));
    size_t at = (size_t)json_int_of(json_at(v, "output_index"), 0);

    t_expect_int(json_int_of(json_at(v, "sequence_number"), -1), c->sequence);
    c->sequence++;
    t_expect(at < 8);
    if (str_eq(type, S("response.output_item.added"))) {
        t_expect(!c->begun[at] && (at == 0 || c->begun[at - 1]));
        c->begun[at] = true;
    }
    if (str_ends(type, S(".delta"))) {
        t_expect(c->begun[at] && !c->done[at]);
        buf_add(&c->text[at], json_str_of(json_at(v, "delta"), S("")));
    }
    const struct json *whole = json_at(v, "text") ? json_at(v, "text") : json_at(v, "arguments");
    if (whole)
        t_expect_str(json_str_of(whole, S("")), buf_str(&c->text[at]));
    if (str_eq(type, S("response.output_item.done")))
        c->done[at] = true;
    if (json_at(v, "response"))
        c->response = json_dup(t_arena(), json_at(v, "response"));
}

static const struct json *read_events(Str text)
{
    AUTO(sse_parser) *parser = sse_parser_new(MIB(1));
    struct client c = {0};
    struct sse_event event;
    bool whole;

    for (size_t i = 0; i < ARRAY_LEN(c.text); i++)
        c.text[i] = BUF(MIB(1));
    while (text.n && sse_parser_feed(parser, &text, &event, &whole) == OK)
        if (whole && event.data.n)
            take(&c, parsed(str_dup(t_arena(), event.data)));
    for (size_t i = 0; i < ARRAY_LEN(c.text); i++) {
        if (c.begun[i] != c.done[i])
            t_fail(__FILE__, __LINE__, "item %zu is not whole", i);
        buf_done(&c.text[i]);
    }
    return c.response;
}

TEST(responses_a_stream_is_the_same_wherever_it_is_cut_and_tells_its_items_whole)
{
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        Str text = stream_of(i), want = once(others[i], text, 0);
        for (size_t cut = 0; cut <= text.n; cut++)
            t_expect_str(once(others[i], text, cut), want);
        const struct json *v = read_events(want), *output = json_at(v, "output");
        t_expect_str(json_str_of(json_at(v, "status"), S("")), S("completed"));
        t_expect_str(json_str_of(json_at(v, "id"), S("")), reply.id);
        t_expect(json_bool_of(json_at(v, "store"), false));
        t_expect_int(json_int_of(json_at(json_at(v, "usage"), "total_tokens"), 0), 17);
        Str all = json_text(t_arena(), output);
        t_expect(has(all, "{\"type\":\"summary_text\",\"text\":\"Hm\"}"));
        t_expect(has(all, "\"text\":\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\""));
        t_expect(has(all, "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\""));
        t_expect(has(all, "\"name\":\"g\",\"arguments\":\"{}\""));
    }
}

/* What was answered is what is sent again in the next turn. */
TEST(responses_what_was_answered_goes_back_with_its_signatures)
{
    static const char *const back[] = {
        "\"content\":\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\",\"tool_calls\":[{\"id\":\"t1\"",
        "[{\"type\":\"thinking\",\"thinking\":\"Hm\",\"signature\":\"c2ln\"},{\"type\":"
        "\"redacted_thinking\",\"data\":\"c2VjcmV0\"},{\"type\":\"text\",\"text\":"
        "\"Gr\xc3\xbc\xc3\x9f \xc3\xa9\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\","
        "\"input\":{\"a\":1}}",
        "{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":\"c2ln\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct json *v = read_events(once(others[i], stream_of(i), 0));
        const struct json *input = json_at(v, "output");
        Str request = str_fmt(t_arena(), "{\"input\":%.*s}", P(json_text(t_arena(), input)));
        Str there = translate(others[i], request, NULL);
        if (!has(there, back[i]))
            t_fail(__FILE__, __LINE__, "%s: %.*s", others[i]->name, P(there));
        /* Nobody else gets what was sealed. */
        for (size_t k = 0; k < ARRAY_LEN(others); k++)
            t_expect(k == i || !has(translate(others[k], request, NULL), "c2ln"));
    }
}

TEST(responses_whole_answers_have_the_items_of_streams)
{
    struct llm_answer answer;
    struct json *v = parsed(
        S("{\"id\":\"x\",\"model\":\"c\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"Hm\","
          "\"signature\":\"c2ln\"},{\"type\":\"redacted_thinking\",\"data\":\"c2VjcmV0\"},"
          "{\"type\":\"text\",\"text\":\"Gr\xc3\xbc\xc3\x9f\"},{\"type\":\"text\",\"text\":"
          "\" \xc3\xa9\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1}},"
          "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":"
          "\"tool_use\",\"usage\":{\"input_tokens\":10,\"output_tokens\":7}}"));
    t_expect_ok(llm_dialect_anthropic.read_answer(chat_new(NULL), v, &answer));
    answer.from = &llm_dialect_anthropic;
    answer.reply = &reply;
    struct json *whole = llm_dialect_responses.write_answer(t_arena(), &answer);
    const struct json *streamed = read_events(once(&llm_dialect_anthropic, stream_of(1), 0));
    if (!json_equal(whole, streamed))
        t_fail(__FILE__, __LINE__, "%.*s\ninstead of\n%.*s", P(json_text(t_arena(), whole)),
               P(json_text(t_arena(), streamed)));
    answer.finish = LLM_FINISH_LENGTH;
    Str text = json_text(t_arena(), llm_dialect_responses.write_answer(t_arena(), &answer));
    t_expect(has(text, "\"status\":\"incomplete\",\"error\":null,\"incomplete_details\":{"
                       "\"reason\":\"max_output_tokens\"}"));
}

TEST(responses_an_error_in_a_stream_fails_the_response)
{
    AUTO(llm_stream) *s =
        llm_stream_new(&llm_dialect_openai, &llm_dialect_responses, S("m"), false);
    Str out = pass(
        s,
        S(CHUNK("\"content\":\"a\"",
                "null") "data: {\"error\":{\"message\":\"Bad.\",\"code\":\"server_error\"}}\n\n"),
        0);

    t_expect(s->failed && !s->done && !s->answer_n);
    t_expect(has(out, "event: response.failed\n"));
    t_expect(has(out, "\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":"
                      "\"Bad.\"}"));
    t_expect(has(out, "event: error\ndata: {"));
    t_expect(!has(out, "response.completed"));
}

TEST(responses_an_answer_without_an_end_is_a_fault_before_it_is_too_long)
{
    AUTO(llm_stream) *s =
        llm_stream_new(&llm_dialect_openai, &llm_dialect_responses, S("m"), false);
    AUTO_BUF(piece, MIB(2));

    buf_add_c(&piece, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    for (int i = 0; i < 1 << 20; i++)
        buf_add_char(&piece, 'a');
    buf_add_c(&piece, "\"}}]}\n\n");
    for (int i = 0; i < 16 && s->fault == OK; i++)
        (void)llm_stream_feed(s, buf_str(&piece));
    t_expect(s->fault == E_UPSTREAM);
}

TEST(responses_repeat_what_was_asked)
{
    struct llm_reply r = {.previous = S_INIT("resp_p"), .store = true};
    const struct json *body = parsed(S("{\"instructions\":\"I\",\"metadata\":{\"a\":\"b\"}}"));

    t_expect_ok(llm_dialect_responses.write_frame(chat_new(NULL), body, &r));
    t_expect(has(r.frame, ",\"previous_response_id\":\"resp_p\",\"background\":false,"
                          "\"store\":true,\"instructions\":\"I\""));
    t_expect(has(r.frame, "\"metadata\":{\"a\":\"b\"}"));
    (void)parsed(str_fmt(t_arena(), "{%.*s}", P(str_skip(r.frame, 1))));
}
