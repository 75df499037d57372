/* src/llm/tokens/trim_test.c - what is left out of a conversation, and what stays. */
#include "llm/tokens/trim.h"

#include "base/arena.h"
#include "base/test.h"

#define LONG "one two three four five six seven eight nine ten "

/* What stays of @messages within @most tokens, as JSON. */
static Str trim(Str messages, int64_t most, struct llm_trimmed *trimmed)
{
    struct llm_tally empty;
    struct json *v = NULL;
    Str body = str_fmt(t_arena(), "{\"model\":\"x\",\"messages\":%.*s}", P(messages));

    if (json_parse(t_arena(), body, &v) != OK)
        t_fail(__FILE__, __LINE__, "no JSON: %.*s", P(messages));
    llm_tally_init(&empty, NULL, S("gpt-4o"));
    if (llm_trim(t_arena(), &empty, v, most, trimmed) != OK)
        t_fail(__FILE__, __LINE__, "not trimmed: %.*s", P(messages));
    return json_text(t_arena(), trimmed->messages);
}

#define SYSTEM "{\"role\":\"system\",\"content\":\"s\"}"
#define ASK(n) "{\"role\":\"user\",\"content\":\"" n " " LONG "\"}"
#define TELL(n) "{\"role\":\"assistant\",\"content\":\"" n " " LONG "\"}"
#define CALL(n)                                                                                    \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"" n                        \
    "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"
#define RESULT(n) "{\"role\":\"tool\",\"tool_call_id\":\"" n "\",\"content\":\"" LONG "\"}"

TEST(trim_leaves_what_fits)
{
    const Str all = str_c("[" SYSTEM "," ASK("1") "," TELL("1") "," ASK("2") "]");
    struct llm_trimmed t;

    t_expect_str(trim(all, 1000, &t), all);
    t_expect_int((int64_t)t.dropped, 0);
    t_expect(t.tokens > 30 && t.tokens < 80);
}

TEST(trim_drops_the_oldest_turns_and_keeps_the_system)
{
    const Str all =
        str_c("[" SYSTEM "," ASK("1") "," TELL("1") "," ASK("2") "," TELL("2") "," ASK("3") "]");
    struct llm_trimmed t;

    t_expect_str(trim(all, 65, &t), str_c("[" SYSTEM "," ASK("2") "," TELL("2") "," ASK("3") "]"));
    t_expect_int((int64_t)t.dropped, 2);
    t_expect_str(trim(all, 30, &t), str_c("[" SYSTEM "," ASK("3") "]"));
    t_expect_int((int64_t)t.dropped, 4);
    t_expect_str(trim(all, 1, &t), str_c("[" SYSTEM "," ASK("3") "]")); /* more cannot go */
    t_expect(t.tokens > 1);
}

TEST(trim_never_parts_a_result_from_its_call)
{
    const Str all = str_c("[" ASK("1") "," CALL("a") "," RESULT("a") "," TELL("1") "," ASK(
        "2") "," CALL("b") "," RESULT("b") "," CALL("c") "," RESULT("c") "]");
    struct llm_trimmed t;

    t_expect_str(trim(all, 75, &t), str_c("[" ASK("2") "," CALL("b") "," RESULT("b") "," CALL(
                                        "c") "," RESULT("c") "]"));
    t_expect_str(trim(all, 50, &t), str_c("[" ASK("2") "," CALL("c") "," RESULT("c") "]"));
    t_expect_str(trim(all, 1, &t), str_c("[" ASK("2") "," CALL("c") "," RESULT("c") "]"));
}

TEST(trim_knows_results_in_messages_of_users)
{
    const Str all = str_c("[" ASK("1") "," TELL("1") "," ASK(
        "2") ",{\"role\":\"assistant\",\"content\":[{\"type\":"
             "\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\","
             "\"content\":"
             "[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"" LONG "\"}]}]");
    struct llm_trimmed t;

    (void)trim(all, 1, &t);
    t_expect_int((int64_t)t.dropped, 2); /* the first turn alone */
    t_expect_str(json_str_of(json_at(json_item(t.messages, 0), "content"), S("")),
                 str_c("2 " LONG));
}

TEST(trim_takes_items_of_responses)
{
#define MADE(n)                                                                                    \
    "{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"" LONG             \
    "\"}]},{\"type\":\"function_call\",\"call_id\":\"" n                                           \
    "\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"" n  \
    "\",\"output\":\"" LONG "\"}"
    static const char body[] =
        "{\"input\":[" ASK("1") "," TELL("1") "," ASK("2") "," MADE("a") "," MADE("b") "]}";
    struct llm_trimmed t;
    struct llm_tally empty;
    struct json *v;

    t_expect_ok(json_parse(t_arena(), str_c(body), &v));
    llm_tally_init(&empty, NULL, S("gpt-4o"));
    t_expect_ok(llm_trim(t_arena(), &empty, v, 70, &t));
    t_expect_str(json_text(t_arena(), t.messages), str_c("[" ASK("2") "," MADE("b") "]"));
    t_expect_ok(json_parse(t_arena(), S("{\"input\":\"" LONG "\"}"), &v));
    t_expect_ok(llm_trim(t_arena(), &empty, v, 1, &t));
    t_expect_int((int64_t)t.dropped, 0);
}

TEST(trim_takes_odd_conversations)
{
    static const char *const odd[] = {"[]",
                                      "null",
                                      "[1,\"x\",null]",
                                      "[{}]",
                                      "[" TELL("1") "]",
                                      "[" SYSTEM "]",
                                      "[" RESULT("a") "," TELL("1") "]",
                                      "{}"};
    struct llm_trimmed t;

    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        t_expect(trim(str_c(odd[i]), 0, &t).n > 0);
}

TEST(trim_refuses_too_many_messages)
{
    AUTO(arena) *a = arena_new(MIB(8));
    AUTO_BUF(b, MIB(1));
    struct llm_tally empty;
    struct llm_trimmed t;
    struct json *v;

    buf_add_c(&b, "{\"messages\":[" ASK("1"));
    for (int i = 0; i < LLM_TRIM_MAX; i++)
        buf_add_c(&b, ",0");
    buf_add_c(&b, "]}");
    t_expect_ok(json_parse(a, buf_str(&b), &v));
    llm_tally_init(&empty, NULL, S("gpt-4o"));
    t_expect_err(llm_trim(a, &empty, v, 1, &t), E_TOO_LARGE);
}
