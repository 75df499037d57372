/* src/llm/hooks/said_test.c - every text of a request is seen, and can be put into other words. */
#include "llm/hooks/said.h"

#include "base/test.h"

/* "kind role path: text", a line for each part. */
static Str lines(Str text, bool answer, struct llm_said *said, struct json **ret_v)
{
    AUTO_BUF(b, KIB(64));

    *said = (struct llm_said){.a = t_arena()};
    Err e = json_parse(t_arena(), text, ret_v);
    if (e == OK)
        e = answer ? llm_said_answer(said, *ret_v) : llm_said_request(said, *ret_v);
    if (e != OK)
        return str_c(err_slug(e));
    vec_each(&said->parts, p)
        buf_add_fmt(&b, "%.*s %.*s %.*s: %.*s\n", P(llm_said_kinds[p->kind]), P(p->role),
                    P(p->path), P(p->text));
    return str_dup(t_arena(), buf_str(&b));
}

static Str request(const char *text)
{
    struct llm_said said;
    struct json *v;

    return lines(str_c(text), false, &said, &v);
}

static Str answer(const char *text)
{
    struct llm_said said;
    struct json *v;

    return lines(str_c(text), true, &said, &v);
}

TEST(said_reads_a_chat_of_openai)
{
    t_expect_str(
        request(
            "{\"model\":\"gpt\",\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what is this\"},"
            "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.example/y.png\"}}]},"
            "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_1\","
            "\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"a\\\":1}"
            "\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"a cat\"}],"
            "\"temperature\":1,\"stream\":true,\"tools\":[{\"type\":\"function\"}]}"),
        S("text system /messages/0/content: be brief\n"
          "text user /messages/1/content/0/text: what is this\n"
          "image user /messages/1/content/1/image_url/url: https://x.example/y.png\n"
          "tool_call assistant /messages/2/tool_calls/0/function/arguments: {\"a\":1}\n"
          "tool_result tool /messages/3/content: a cat\n"
          "other  /tools: [{\"type\":\"function\"}]\n"));
}

TEST(said_reads_the_messages_of_anthropic)
{
    t_expect_str(
        request(
            "{\"model\":\"c\",\"system\":[{\"type\":\"text\",\"text\":\"be kind\"}],\"messages\":"
            "[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":[{"
            "\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},{\"type\":"
            "\"tool_use\",\"id\":\"t1\",\"name\":\"look\",\"input\":{\"q\":\"cats\"}}]},{\"role\":"
            "\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":"
            "[{\"type\":\"text\",\"text\":\"two\"}]}]}]}"),
        S("text system /system/0/text: be kind\n"
          "text user /messages/0/content: hi\n"
          "thinking assistant /messages/1/content/0/thinking: hm\n"
          "tool_call assistant /messages/1/content/1/input: {\"q\":\"cats\"}\n"
          "tool_result tool /messages/2/content/0/content/0/text: two\n"));
}

TEST(said_reads_responses_completions_embeddings_and_gemini)
{
    t_expect_str(
        request("{\"model\":\"m\",\"instructions\":\"short\",\"input\":[{\"role\":\"user\","
                "\"content\":[{\"type\":\"input_text\",\"text\":\"hi\"}]},{\"type\":"
                "\"function_call_output\",\"call_id\":\"c\",\"output\":\"42 cats\"}]}"),
        S("text system /instructions: short\n"
          "text user /input/0/content/0/text: hi\n"
          "tool_result tool /input/1/output: 42 cats\n"));
    t_expect_str(request("{\"model\":\"m\",\"prompt\":[\"a b\",\"c d\"]}"),
                 S("text user /prompt/0: a b\ntext user /prompt/1: c d\n"));
    t_expect_str(request("{\"model\":\"m\",\"input\":\"one text\"}"),
                 S("text user /input: one text\n"));
    t_expect_str(
        request(
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi you\"},{\"inlineData\":{"
            "\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}]}],\"systemInstruction\":{\"parts\":["
            "{\"text\":\"be calm\"}]}}"),
        S("text user /contents/0/parts/0/text: hi you\n"
          "image user /contents/0/parts/1/inlineData/data: AAAA\n"
          "text system /systemInstruction/parts/0/text: be calm\n"));
}

TEST(said_lets_nothing_go_by_in_an_odd_place)
{
    /* A text as tokens, a name that is a sentence, a member that nobody knows, a name of a member.
     */
    t_expect_str(request("{\"prompt\":[1,2,3]}"), S("other user /prompt: [1,2,3]\n"));
    t_expect_str(request("{\"messages\":[{\"role\":\"do as I say\",\"name\":\"and more of it\","
                         "\"content\":\"x y\",\"say this\":1}],\"extra\":{\"a\":\"b c\"},"
                         "\"user\":\"some one\"}"),
                 S("other user /messages/0/role: do as I say\n"
                   "other user /messages/0/name: and more of it\n"
                   "text user /messages/0/content: x y\n"
                   "other  /messages/0: say this\n"
                   "other  /extra: {\"a\":\"b c\"}\n"
                   "other  /user: some one\n"));
}

TEST(said_reads_whole_answers)
{
    t_expect_str(
        answer("{\"id\":\"1\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"
               "\"message\":{\"role\":\"assistant\",\"content\":\"yes\",\"reasoning_content\":"
               "\"so so\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
               "\"logprobs\":{\"content\":[{\"token\":\"yes\"}]},\"finish_reason\":\"stop\"}],"
               "\"usage\":{\"x\":\"y z\"}}"),
        S("text assistant /choices/0/message/content: yes\n"
          "thinking assistant /choices/0/message/reasoning_content: so so\n"
          "tool_call assistant /choices/0/message/tool_calls/0/function/arguments: {}\n"));
    t_expect_str(
        answer("{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
               "\"text\":\"hello\"}]}"),
        S("text assistant /content/0/text: hello\n"));
    t_expect_str(answer("{\"object\":\"response\",\"output\":[{\"type\":\"message\",\"content\":[{"
                        "\"type\":\"output_text\",\"text\":\"hello\"}]}]}"),
                 S("text assistant /output/0/content/0/text: hello\n"));
}

TEST(said_puts_other_words_in_their_places)
{
    struct llm_said said;
    struct json *v;
    bool changed;

    (void)lines(
        S("{\"seed\":12345678901234567890,\"messages\":[{\"role\":\"user\",\"content\":\"my "
          "number\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"name\":"
          "\"f\",\"input\":{\"a\":\"my number\"}}]}]}"),
        false, &said, &v);
    t_expect_int(said.parts.n, 2);
    t_expect_ok(llm_said_apply(&said, t_arena(), &changed));
    t_expect(!changed);
    said.parts.at[0].with = S("");
    said.parts.at[1].with = S("{\"a\":\"[it]\"}");
    t_expect_ok(llm_said_apply(&said, t_arena(), &changed));
    t_expect(changed);
    t_expect_str(
        json_text(t_arena(), v),
        S("{\"seed\":12345678901234567890,\"messages\":[{\"role\":\"user\",\"content\":\"\"},"
          "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"name\":\"f\","
          "\"input\":{\"a\":\"[it]\"}}]}]}"));
    said.parts.at[1].with = S("no JSON");
    t_expect_err(llm_said_apply(&said, t_arena(), &changed), E_INVALID);
    said.parts.at[1].with = S("[1]");
    t_expect_err(llm_said_apply(&said, t_arena(), &changed), E_INVALID);
}

TEST(said_refuses_what_is_too_deep_or_too_much)
{
    AUTO(arena) *a = arena_new(LLM_SAID_ARENA);
    AUTO(arena) *tree = arena_new(MIB(64));
    AUTO_BUF(b, MIB(4));
    struct llm_said said = {.a = a};
    struct json *v;

    buf_add_c(&b, "{\"messages\":");
    for (int i = 0; i < 60; i++)
        buf_add_char(&b, '[');
    buf_add_c(&b, "\"x y\"");
    for (int i = 0; i < 60; i++)
        buf_add_char(&b, ']');
    buf_add_char(&b, '}');
    t_expect_ok(json_parse(tree, buf_str(&b), &v));
    t_expect_err(llm_said_request(&said, v), E_TOO_LARGE);
    buf_reset(&b);
    buf_add_c(&b, "{\"input\":[\"a b\"");
    for (int i = 0; i < LLM_SAID_PARTS_MAX; i++)
        buf_add_c(&b, ",\"a b\"");
    buf_add_c(&b, "]}");
    t_expect_ok(json_parse(tree, buf_str(&b), &v));
    said = (struct llm_said){.a = a};
    t_expect_err(llm_said_request(&said, v), E_TOO_LARGE);
}
