/* src/llm/prompt_test.c - how much a prompt may become with its values. */
#include "llm/prompt.h"

#include "base/json.h"
#include "base/test.h"
#include "llm/llm_private.h"

static Err name_x(struct arena *a, const struct json *value, void (*fn)(void *ctx, Str name),
                  void *ctx)
{
    (void)a;
    (void)value;
    fn(ctx, S("x"));
    return OK;
}

/* One message, in whose content the value stands 200 times. */
static Err put_often(struct arena *a, const struct json *value, struct json *values,
                     struct json **ret_value)
{
    struct json *content = json_arr(a), *messages = json_arr(a);

    (void)value;
    for (int i = 0; i < 200; i++)
        json_push(a, content, json_at(values, "x"));
    json_push(a, messages, json_obj(a, "role", json_str_c(a, "user"), "content", content, NULL));
    *ret_value = messages;
    return OK;
}

static Err fill(size_t n, struct json **ret_messages)
{
    static const struct llm_templates templates = {name_x, put_often};
    static struct llm llm = {.templates = &templates};
    struct arena *a = t_arena();
    char *x = arena_array(a, char, n);

    memset(x, 'x', n);
    return llm_prompt_fill(&llm, a, S("p"), json_obj(a, NULL),
                           json_obj(a, "x", json_str(a, str_from(x, n)), NULL), ret_messages);
}

TEST(prompt_with_its_values_is_bounded_however_often_they_stand)
{
    struct json *messages;

    t_expect_ok(fill(10, &messages));
    t_expect_int((int64_t)json_str_of(json_at(json_item(messages, 0), "content"), S("")).n,
                 200 * 13 + 1);
    t_expect_err(fill(LLM_PROMPT_FILLED_MAX / 2, &messages), E_TOO_LARGE);
}
