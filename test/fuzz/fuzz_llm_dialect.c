/* test/fuzz/fuzz_llm_dialect.c - any JSON as a request or an answer of each dialect: read or
 * refused, and what was read can be written in each. */
#include "llm/dialects/chat.h"

#include <assert.h>

static void request(const struct llm_dialect *from, const struct llm_dialect *to, Str text)
{
    AUTO(arena) *tree = arena_new(MIB(64)), *made = arena_new(MIB(256));
    struct llm_chat *c = arena_new_of(made, struct llm_chat);
    struct json *v, *body;

    c->a = made;
    c->text = tree;
    if (json_parse(tree, text, &v) != OK || from->read_request(c, v) != OK)
        return;
    if (to->write_request(c, S("m"), true, &body) == OK)
        assert(json_text(made, body).n > 0);
}

static void answer(const struct llm_dialect *from, const struct llm_dialect *to, Str text)
{
    AUTO(arena) *tree = arena_new(MIB(64)), *made = arena_new(MIB(256));
    struct llm_chat *c = arena_new_of(made, struct llm_chat);
    struct llm_answer answer;
    struct json *v;

    c->a = made;
    c->text = tree;
    if (json_parse(tree, text, &v) == OK && from->read_answer(c, v, &answer) == OK)
        assert(json_text(made, to->write_answer(made, &answer)).n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct llm_dialect *const all[] = {&llm_dialect_openai, &llm_dialect_anthropic,
                                                    &llm_dialect_gemini};
    Str text = {(const char *)data, size};

    if (size > KIB(64))
        return 0;
    for (size_t client = 0; client < ARRAY_LEN(all); client++)
        for (size_t server = 0; server < ARRAY_LEN(all); server++) {
            request(all[client], all[server], text);
            answer(all[server], all[client], text);
        }
    return 0;
}
