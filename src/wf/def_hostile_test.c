/* src/wf/def_hostile_test.c - definitions as large and as wrong as they may be are refused in
 * bounded time and memory.
 */
#include "wf/test_node.h"

enum { ROOM = WF_TEXT_MAX - 200 };

/* A definition whose output node has @head, then @piece as often as there is room for, then @tail.
 */
static Str filled(const char *head, const char *piece, const char *tail)
{
    struct buf b = BUF(MIB(8));

    buf_add_c(
        &b,
        "{\"heddle\":1,\"name\":\"x\",\"nodes\":[{\"id\":\"t\",\"type\":\"trigger\",\"data\":{}},"
        "{\"id\":\"n\",\"type\":\"output\",\"data\":{\"output\":");
    buf_add_c(&b, head);
    while (b.n + strlen(piece) + strlen(tail) + 16 < ROOM) {
        const char *hash = strchr(piece, '#');
        if (!hash) {
            buf_add_c(&b, piece);
            continue;
        }
        buf_add(&b, (Str){piece, (size_t)(hash - piece)});
        buf_add_u64(&b, b.n);
        buf_add_c(&b, hash + 1);
    }
    buf_add_c(&b, tail);
    buf_add_c(&b, "}}],\"edges\":[{\"id\":\"e\",\"source\":\"t\",\"target\":\"n\"}]}");
    Str text = str_dup(t_arena(), buf_str(&b));
    buf_done(&b);
    return text;
}

/* The code of the first problem, "" for none; the test fails when it takes long or needs much. */
static Str outcome(Str text)
{
    AUTO(arena) *a = arena_new(MIB(8)); /* what a caller has for problems */
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    Usec began = time_mono();
    Err e = wf_def_parse(a, text, &problems, &def);

    if (time_mono() - began > 20 * USEC_S)
        t_fail(__FILE__, __LINE__, "took %lld us", (long long)(time_mono() - began));
    if (e == E_TOO_LARGE && problems.n == 0)
        return S("E_TOO_LARGE");
    return problems.n ? str_dup(t_arena(), problems.at[0].code) : S("");
}

TEST(hostile_definition_of_unknown_fields)
{
    t_expect_str(outcome(filled("1", ",\"k#\":1", "")), S("unknown_field"));
}

TEST(hostile_definition_of_templates)
{
    t_expect_str(outcome(filled("[0", ",\"{{ t.a.b }}\"", "]")), S("too_many"));
    t_expect_str(
        outcome(filled(
            "[0",
            ",\"{{nobody.x}}   padding padding padding padding padding padding padding padding "
            "padding padding\"",
            "]")),
        S("unknown_name"));
    t_expect_str(outcome(filled("[0", ",\"{{ }}\"", "]")), S("template"));
    t_expect_str(outcome(filled("[0", ",\"{{ a+b }}\"", "]")), S("unsupported"));
    t_expect_str(outcome(filled("\"", "{{t}}", "\"")), S("template"));
    t_expect_str(outcome(filled("[0", ",\"{{t}}{{t}}{{t}}{{t}}{{t}}{{t}}{{t}}\"", "]")),
                 S("too_many"));
    t_expect_str(outcome(filled("\"", "{{", "\"")), S("template"));
    t_expect_str(outcome(filled("\"{{ t", ".a", " }}\"")), S("template"));
    t_expect_str(outcome(filled("\"{{ t", " ?? t", " }}\"")), S("template"));
    t_expect_str(outcome(filled("\"{{ '", "x", "' }}\"")), S(""));
}

TEST(hostile_definition_of_long_names)
{
    AUTO_BUF(b, MIB(8));

    buf_add_c(&b, "{\"");
    for (int i = 0; i < 1 << 20; i++)
        buf_add_char(&b, 'k');
    buf_add_c(&b, "\":[0");
    buf_add_char(&b, 0);
    t_expect_str(outcome(filled(b.p, ",\"{{ t.a }}\"", "]}")), S("too_many"));
    t_expect_str(outcome(filled(b.p, ",\"{{ }}\"", "]}")), S("template"));
}

TEST(hostile_definition_of_small_values)
{
    t_expect_str(outcome(filled("[0", ",[]", "]")), S(""));
    t_expect_str(outcome(filled("[0", ",0", "]")), S(""));
    t_expect_str(outcome(filled("{\"a\":0", ",\"#\":0", "}")), S(""));
    t_expect_str(outcome(filled("[\"{{ t }}\"", ",0", "]")), S(""));
}

TEST(hostile_definition_of_variables)
{
    AUTO_BUF(b, MIB(8));

    buf_add_c(&b, "{\"heddle\":1,\"name\":\"x\",\"variables\":[");
    for (int i = 0; i < 1000; i++)
        buf_add_fmt(&b, "%s{\"name\":\"variable_%d\",\"value\":1}", i ? "," : "", i);
    buf_add_c(&b, "],\"nodes\":[{\"id\":\"t\",\"type\":\"trigger\"},{\"id\":\"n\",\"type\":"
                  "\"output\",\"data\":{\"output\":[0");
    for (int i = 0; i < 40000; i++)
        buf_add_fmt(&b, ",\"{{ varable_%d }} {{ vars.varable_%d }}\"", i, i);
    buf_add_c(&b, "]}}]}");
    t_expect_str(outcome(str_dup(t_arena(), buf_str(&b))), S("unknown_name"));
}

TEST(hostile_definition_that_is_too_large)
{
    t_expect_str(outcome(str_fmt(t_arena(), "%.*s%*s", P(filled("[0", ",0", "]")), 4 << 20, "")),
                 S("too_large"));
}
