/* src/llm/demo/demo_test.c - what the demo says, calls and embeds. */
#include "llm/demo/demo.h"

#include "base/arena.h"
#include "base/test.h"

/* Its one part stands in *part. */
static struct llm_answer answer(const char *body, struct llm_part *part)
{
    struct llm_chat *chat = arena_new_of(t_arena(), struct llm_chat);
    struct llm_answer answer = {0};
    struct json *v = NULL;

    chat->a = chat->text = t_arena();
    if (json_parse(t_arena(), str_c(body), &v) != OK ||
        llm_dialect_openai.read_request(chat, v) != OK)
        t_fail(__FILE__, __LINE__, "no request: %s", body);
    else
        llm_demo_answer(chat, S("demo"), &answer);
    *part = answer.parts.n ? answer.parts.at[0] : (struct llm_part){0};
    return answer;
}

#define TOOLS                                                                                      \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{"        \
    "\"type\":"                                                                                    \
    "\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"unit\":{\"enum\":[\"C\",\"F\"]}," \
    "\"n\":{\"type\":\"integer\",\"minimum\":3},\"other\":{\"type\":\"string\"}},\"required\":["   \
    "\"city\",\"unit\",\"n\"]}}}]"

TEST(demo_says_what_it_is_and_what_was_said)
{
    struct llm_part part;
    struct llm_answer a =
        answer("{\"messages\":[{\"role\":\"user\",\"content\":\"Gr\u00fc\u00dfe\"}]}", &part);

    t_expect_str(part.text, str_c(LLM_DEMO_SAYS " You said: \"Gr\u00fc\u00dfe\""));
    t_expect(a.finish == LLM_FINISH_STOP && a.usage.known && a.usage.prompt > 0);
}

TEST(demo_calls_a_tool_that_is_named_and_tells_its_result)
{
    struct llm_part part;
    struct llm_answer a = answer(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"the weather?\"}]," TOOLS "}", &part);

    t_expect(a.finish == LLM_FINISH_CALLS);
    t_expect_str(json_text(t_arena(), part.input),
                 S("{\"city\":\"the weather?\",\"unit\":\"C\",\"n\":3}"));
    a = answer("{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]," TOOLS "}", &part);
    t_expect(a.finish == LLM_FINISH_STOP);
    a = answer("{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],"
               "\"tool_choice\":\"required\"," TOOLS "}",
               &part);
    t_expect(a.finish == LLM_FINISH_CALLS);
    a = answer("{\"messages\":[{\"role\":\"user\",\"content\":\"weather\"},{\"role\":\"assistant\","
               "\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{"
               "\"name\":\"weather\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
               "\"a\",\"content\":\"rain\"}],\"tool_choice\":\"required\"," TOOLS "}",
               &part);
    t_expect(a.finish == LLM_FINISH_STOP);
    t_expect(str_find(part.text, S("The tool answered: rain")) != SIZE_MAX);
}

TEST(demo_answers_by_a_schema)
{
    struct llm_part part;
    struct llm_answer a = answer(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"response_format\":{\"type\":"
        "\"json_schema\",\"json_schema\":{\"name\":\"s\",\"schema\":{\"type\":\"object\","
        "\"properties\":{\"a\":{\"type\":\"array\",\"minItems\":2,\"items\":{\"type\":\"boolean\"}}"
        ","
        "\"b\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]},\"c\":{\"const\":7}},"
        "\"required\":[\"a\",\"b\",\"c\"]}}}}",
        &part);

    t_expect(a.finish == LLM_FINISH_STOP);
    t_expect_str(part.text, S("{\"a\":[true,true],\"b\":null,\"c\":7}"));
}

/* Arrays in arrays, and constants in them. */
TEST(demo_values_are_bounded)
{
    static const char *const inner[] = {"{}", "{'const':'%s'}",
                                        "{'type':'object','properties':{},'required':['%s']}"};
    AUTO_BUF(name, KIB(16));

    for (int i = 0; i < 10000; i++)
        buf_add_char(&name, 'n');
    for (size_t k = 0; k < ARRAY_LEN(inner); k++) {
        AUTO_BUF(b, KIB(32));
        struct json *schema;
        for (int i = 0; i < 6; i++)
            buf_add_c(&b, "{\"type\":\"array\",\"minItems\":64,\"items\":");
        for (const char *c = inner[k]; *c; c++)
            if (*c == '%')
                buf_add(&b, buf_str(&name)), c++;
            else
                buf_add_char(&b, *c == '\'' ? '"' : *c);
        buf_add_c(&b, "}}}}}}");
        t_expect_ok(json_parse(t_arena(), buf_str(&b), &schema));
        Str text = json_text(t_arena(), llm_demo_value(t_arena(), schema, S("text")));
        t_expect(text.n > 100 && text.n <= KIB(96));
    }
}

TEST(demo_tells_no_more_results_than_fit)
{
    struct llm_part part;
    AUTO_BUF(b, MIB(2));

    buf_add_c(&b, "{\"messages\":[");
    for (int i = 0; i < 9000; i++)
        buf_add_fmt(&b, "%s{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"rain %d\"}",
                    i ? "," : "", i);
    buf_add_c(&b, "]}");
    buf_add_char(&b, 0);
    (void)answer(b.p, &part);
    t_expect(str_find(part.text, S("rain 1")) != SIZE_MAX && part.text.n < KIB(65));
}

static double likeness(const char *x, const char *y)
{
    float u[LLM_DEMO_DIMENSIONS], v[LLM_DEMO_DIMENSIONS];
    double sum = 0;

    llm_demo_embed(str_c(x), u, LLM_DEMO_DIMENSIONS);
    llm_demo_embed(str_c(y), v, LLM_DEMO_DIMENSIONS);
    for (size_t i = 0; i < LLM_DEMO_DIMENSIONS; i++)
        sum += (double)u[i] * (double)v[i];
    return sum;
}

TEST(demo_embeds_texts_of_the_same_words_near_each_other)
{
    t_expect(likeness("a quick brown fox", "A quick, brown fox!") > 0.999);
    t_expect(likeness("a quick brown fox", "a quick brown dog") >
             likeness("a quick brown fox", "invoices are paid monthly") + 0.3);
    t_expect(likeness("", "") > 0.999);
}
