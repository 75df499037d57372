/* src/llm/hooks/sieve_test.c - nothing of a stream is out before it was looked at, however it is
 * cut.
 */
#include "llm/hooks/sieve.h"

#include "base/test.h"

#define CHUNK(text)                                                                                \
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                 \
    "\"},\"finish_reason\":null}]}\n\n"
#define LAST                                                                                       \
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE "data: [DONE]\n\n"

/* Takes "secret" out of what it is shown; refuses what has "evil". */
struct looker {
    unsigned chunks, wholes;
    size_t most; /* bytes that it was shown at once */
    const struct buf *out;
};

static Err look(void *ctx, struct llm_said *said, bool whole)
{
    struct looker *l = ctx;

    *(whole ? &l->wholes : &l->chunks) += 1;
    vec_each(&said->parts, p) {
        Str text = p->text;
        size_t at;
        l->most = text.n > l->most ? text.n : l->most;
        if (str_find(text, S("evil")) != SIZE_MAX)
            return err_set(E_BLOCKED, "evil");
        while ((at = str_find(text, S("secret"))) != SIZE_MAX)
            p->with = text =
                str_fmt(said->a, "%.*s[...]%.*s", P(str_head(text, at)), P(str_skip(text, at + 6)));
    }
    return OK;
}

/* Feed @text in pieces: the first of @first bytes, the others of @size. */
static Err run(const struct llm_sieve_rule *rule, Str text, size_t first, size_t size,
               struct looker *l, struct buf *out)
{
    AUTO(llm_sieve) *s = llm_sieve_new(rule, look, l);
    Str piece;

    for (size_t at = 0; at < text.n;) {
        size_t n = at == 0 && first ? first : size;
        char *copy = str_dup_c(t_arena(), str_head(str_skip(text, at), n));
        TRY(llm_sieve_feed(s, str_from(copy, str_head(str_skip(text, at), n).n), &piece));
        buf_add(out, piece);
        at += n;
    }
    TRY(llm_sieve_end(s, &piece));
    buf_add(out, piece);
    return OK;
}

/* All that the events say together. */
static Str said_in(Str events, const char *mark)
{
    AUTO_BUF(b, KIB(64));
    Str m = str_c(mark);

    for (;;) {
        size_t at = str_find(events, m);
        if (at == SIZE_MAX)
            break;
        events = str_skip(events, at + m.n);
        buf_add(&b, str_head(events, str_find_char(events, '"')));
    }
    return str_dup(t_arena(), buf_str(&b));
}

static const struct llm_sieve_rule usual = {
    .kind = LLM_SIEVE_CHUNKS, .window = 8, .back = 8, .chunks = true};

TEST(sieve_lets_what_was_looked_at_out_as_it_came)
{
    struct looker l = {0};
    AUTO_BUF(out, KIB(64));
    Str text = S(CHUNK("Hello ") CHUNK("you all, ") CHUNK("how are you?") LAST DONE);

    t_expect_ok(run(&usual, text, 0, 64, &l, &out));
    t_expect_str(buf_str(&out), text);
    t_expect(l.chunks >= 1);
    t_expect_int(l.wholes, 0);
}

TEST(sieve_sends_no_byte_of_what_is_taken_out_however_it_is_cut)
{
    Str text = S(CHUNK("It is ") CHUNK("se") CHUNK("cr") CHUNK("et, and that ") CHUNK("s")
                     CHUNK("ecret") CHUNK(" is kept well.") LAST DONE);

    for (size_t cut = 1; cut <= text.n; cut++) {
        for (size_t size = 1; size <= text.n; size += text.n - 1) {
            struct looker l = {0};
            AUTO_BUF(out, KIB(64));
            t_expect_ok(run(&usual, text, cut, size, &l, &out));
            t_expect_str(said_in(buf_str(&out), "\"content\":\""),
                         S("It is [...], and that [...] is kept well."));
            t_expect(str_ends(buf_str(&out), S(LAST DONE)));
        }
    }
}

TEST(sieve_ends_with_what_was_refused_and_lets_nothing_of_it_out)
{
    Str text = S(CHUNK("Good words, and ") CHUNK("then e") CHUNK("vi") CHUNK("l ones.") LAST DONE);

    for (size_t cut = 1; cut <= text.n; cut++) {
        struct looker l = {0};
        AUTO_BUF(out, KIB(64));
        t_expect_err(run(&usual, text, cut, 1, &l, &out), E_BLOCKED);
        Str said = said_in(buf_str(&out), "\"content\":\"");
        t_expect(str_find(said, S("vi")) == SIZE_MAX);
        t_expect(str_find(buf_str(&out), S("DONE")) == SIZE_MAX);
    }
}

TEST(sieve_holds_all_where_only_the_whole_is_looked_at)
{
    struct llm_sieve_rule rule = {.kind = LLM_SIEVE_CHUNKS, .window = SIZE_MAX, .whole = true};
    struct looker l = {0};
    AUTO(llm_sieve) *s = llm_sieve_new(&rule, look, &l);
    Str piece;

    t_expect_ok(llm_sieve_feed(s, S(CHUNK("a sec") CHUNK("ret") LAST DONE), &piece));
    t_expect_int(piece.n, 0);
    t_expect_ok(llm_sieve_end(s, &piece));
    t_expect_str(said_in(piece, "\"content\":\""), S("a [...]"));
    t_expect_int(l.wholes, 1);
    t_expect_int(l.chunks, 0);
}

TEST(sieve_keeps_the_end_until_the_whole_was_looked_at)
{
    struct llm_sieve_rule rule = usual;
    struct looker l = {0};
    AUTO(llm_sieve) *s = NULL;
    Str piece;

    rule.whole = true;
    s = llm_sieve_new(&rule, look, &l);
    t_expect_ok(llm_sieve_feed(
        s, S(CHUNK("Good words, many of them, ") CHUNK("and more") LAST DONE), &piece));
    t_expect_str(said_in(piece, "\"content\":\""), S("Good words, many of them, and more"));
    t_expect(str_find(piece, S("finish_reason\":\"stop")) == SIZE_MAX);
    t_expect_ok(llm_sieve_end(s, &piece));
    t_expect_str(piece, S(LAST DONE));
    t_expect_int(l.wholes, 1);
}

TEST(sieve_holds_the_arguments_of_a_call_until_they_are_complete)
{
    struct looker l = {0};
    AUTO(llm_sieve) *s = llm_sieve_new(&usual, look, &l);
    Str piece;

#define ARGUMENTS(text)                                                                            \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"      \
    "\"arguments\":\"" text "\"}}]}}]}\n\n"
    t_expect_ok(
        llm_sieve_feed(s, S(ARGUMENTS("a long beginning of ") ARGUMENTS("arguments")), &piece));
    t_expect_int(piece.n, 0);
    t_expect_ok(llm_sieve_feed(s, S(LAST), &piece));
    t_expect_str(said_in(piece, "\"arguments\":\""), S("a long beginning of arguments"));
}

TEST(sieve_takes_what_is_said_twice_out_twice)
{
    struct llm_sieve_rule rule = usual;
    struct looker l = {0};
    AUTO_BUF(out, KIB(64));

    rule.kind = LLM_SIEVE_REPEATS;
    Str text =
        S("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
          "\"output_index\":0,\"content_index\":0,\"delta\":\"my se\"}\n\n"
          "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
          "\"output_index\":0,\"content_index\":0,\"delta\":\"cret\"}\n\n"
          "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\","
          "\"output_index\":0,\"content_index\":0,\"text\":\"my secret\"}\n\n"
          "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{"
          "\"output\":[{\"content\":[{\"type\":\"output_text\",\"text\":\"my secret\"},{"
          "\"type\":\"output_text\",\"text\":\"another secret\"}]}]}}\n\n");
    for (size_t size = 1; size <= text.n; size += 7) {
        buf_reset(&out);
        t_expect_ok(run(&rule, text, 0, size, &l, &out));
        t_expect(str_find(buf_str(&out), S("cret")) == SIZE_MAX);
        t_expect_str(said_in(buf_str(&out), "\"delta\":\""), S("my [...]"));
        t_expect_str(said_in(buf_str(&out), "\"text\":\""), S("my [...]my [...]another [...]"));
    }
}

TEST(sieve_reads_the_events_of_anthropic_and_plain_words)
{
    struct llm_sieve_rule rule = usual;
    struct looker l = {0};
    AUTO_BUF(out, KIB(64));

    rule.kind = LLM_SIEVE_MESSAGES;
    Str text =
        S("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
          "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
          "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
          "\"delta\":{\"type\":\"text_delta\",\"text\":\"a sec\"}}\n\n"
          "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
          "\"delta\":{\"type\":\"text_delta\",\"text\":\"ret\"}}\n\n"
          "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
          "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    t_expect_ok(run(&rule, text, 0, 3, &l, &out));
    t_expect_str(said_in(buf_str(&out), "\"text\":\""), S("a [...]"));
    buf_reset(&out);
    t_expect_err(run(&rule, S("data: evil without JSON\n\n"), 0, 5, &l, &out), E_BLOCKED);
    t_expect_int(out.n, 0);
}

TEST(sieve_is_bounded)
{
    struct llm_sieve_rule rule = {.kind = LLM_SIEVE_CHUNKS, .window = SIZE_MAX, .whole = true};
    struct looker l = {0};
    AUTO(llm_sieve) *s = llm_sieve_new(&rule, look, &l);
    Str piece;
    Err e = OK;

    for (int i = 0; e == OK && i < 100000; i++)
        e = llm_sieve_feed(s, S(CHUNK("many words that go on and on and on and on and on and on")),
                           &piece);
    t_expect_err(e, E_TOO_LARGE);
}
