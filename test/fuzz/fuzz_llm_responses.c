/* test/fuzz/fuzz_llm_responses.c - any JSON as a request of OpenAI's responses, as a turn that was
 * kept and as the input of one: read or refused; what was read can be written in each dialect, and
 * what was made of turns is JSON again. The first byte says what the text is. */
#include "llm/dialects/dialect_responses.h"
#include "llm/talk.h"

#include <assert.h>

static void request(const struct llm_dialect *to, Str text)
{
    AUTO(arena) *tree = arena_new(MIB(64)), *made = arena_new(MIB(256));
    struct llm_chat *c = arena_new_of(made, struct llm_chat);
    struct llm_reply reply = {.id = S_INIT("resp_x"), .previous = S_INIT("resp_y")};
    struct llm_answer answer = {.reply = &reply};
    struct json *v, *body;

    c->a = made;
    c->text = tree;
    c->to = to;
    if (json_parse(tree, text, &v) != OK || llm_dialect_responses.read_request(c, v) != OK)
        return;
    assert(llm_dialect_responses.write_frame(c, v, &reply) == OK);
    assert(json_at(llm_dialect_responses.write_answer(made, &answer), "instructions"));
    if (to->write_request(c, S("m"), true, &body) == OK)
        assert(json_text(made, body).n > 0);
}

static void check_json(const struct buf *b)
{
    AUTO(arena) *a = arena_new(MIB(64));
    struct json *v;

    assert(json_parse(a, buf_str(b), &v) == OK);
}

static void turn(Str text, bool newest_first)
{
    AUTO(arena) *work = arena_new(MIB(64));
    AUTO_BUF(list, MIB(4));
    AUTO_BUF(page, MIB(4));
    struct llm_talk_turn turns[] = {{.text = text}, {.text = text}};
    struct llm_talk_range range = {.limit = 7, .newest_first = newest_first};

    buf_add_char(&list, '[');
    if (llm_talk_add(work, text, &list) == OK && llm_talk_add(work, text, &list) == OK) {
        buf_add_char(&list, ']');
        check_json(&list);
    }
    if (llm_talk_page(work, turns, 2, &range, &page) == OK)
        check_json(&page);
}

/* @v as a list that refers to turns of which one is itself. */
static void resolve(const struct json *v, Str text)
{
    AUTO(arena) *work = arena_new(MIB(64));
    AUTO_BUF(out, MIB(4));
    struct llm_talk_turn turns[2] = {{.text = text}, {{{1}}, S_INIT("{\"input\":[{}]}")}};
    Id ids[2];
    size_t n;
    Str gone = S("");

    llm_talk_refs(v, ids, ARRAY_LEN(ids), &n);
    if (llm_talk_resolve(work, v, turns, ARRAY_LEN(turns), &out, &gone) == OK)
        check_json(&out);
}

static void input(Str text)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO_BUF(list, MIB(4));
    struct json *v;

    if (json_parse(a, text, &v) != OK)
        return; /* it is the member of a body that was read */
    buf_add_c(&list, "[{}");
    if (llm_talk_add_input(text, &list) != OK)
        return;
    buf_add_char(&list, ']');
    check_json(&list);
    resolve(v, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct llm_dialect *const all[] = {&llm_dialect_openai, &llm_dialect_anthropic,
                                                    &llm_dialect_gemini};

    if (size < 2 || size > KIB(64))
        return 0;
    Str text = {(const char *)data + 1, size - 1};
    switch (data[0] % 4) {
    case 0:
        turn(text, data[0] & 4);
        return 0;
    case 1:
        input(text);
        return 0;
    default:
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            request(all[i], text);
        return 0;
    }
}
