/* src/llm/door_moderate.c - questions of what texts are (moderations), answered by a hook where no
 * provider has a model for them.
 */
#include "base/json.h"
#include "llm/door_private.h"

enum { TREE_MAX = 256 << 20 };

static Err add(struct llm_said *said, Str text)
{
    struct llm_said_part part = {.role = S("user"), .path = S("/input"), .text = text, .group = -1};

    if (said->parts.n == LLM_MODERATIONS_MAX)
        return err_detail(E_BAD_INPUT, "\"input\" has more than %d texts.", LLM_MODERATIONS_MAX);
    return llm_said_add(said, &part);
}

/* Parts of one input: its texts together. */
static Err add_parts(struct llm_said *said, const struct json *list)
{
    AUTO_BUF(b, LLM_BODY_MAX);

    for (size_t i = 0; i < json_len(list); i++) {
        const struct json *item = json_item(list, i), *text = json_at(item, "text");
        if (!json_is(text, JSON_STR))
            return err_detail(E_BAD_INPUT, "Nobody here looks at images: \"input\" must be texts.");
        if (b.n)
            buf_add_char(&b, '\n');
        buf_add(&b, json_str_of(text, S("")));
    }
    char *to = b.failed ? NULL : arena_try(said->a, b.n + 1);
    if (!to)
        return err_detail(E_TOO_LARGE, "\"input\" is too large.");
    memcpy(to, b.n ? b.p : "", b.n);
    return add(said, str_from(to, b.n));
}

/* A text, a list of texts, or one input of several parts. */
static Err read_input(struct llm_said *said, const struct json *input)
{
    if (json_is(input, JSON_STR))
        return add(said, json_str_of(input, S("")));
    if (!json_is(input, JSON_ARR) || !json_len(input))
        return err_detail(E_BAD_INPUT, "\"input\" must be a text or a list of texts.");
    if (json_is(json_item(input, 0), JSON_OBJ))
        return add_parts(said, input);
    for (size_t i = 0; i < json_len(input); i++) {
        const struct json *text = json_item(input, i);
        if (!json_is(text, JSON_STR))
            return err_detail(E_BAD_INPUT, "\"input\" must be a text or a list of texts.");
        TRY(add(said, json_str_of(text, S(""))));
    }
    return OK;
}

static Err send_results(struct llm_call *c, const struct json *results)
{
    struct arena *a = c->req->a;
    struct json *list = json_arr(a);

    for (size_t i = 0; i < json_len(results); i++) {
        const struct json *r = json_item(results, i), *scores = json_at(r, "category_scores");
        json_push(a, list,
                  json_obj(a, "flagged", json_at(r, "flagged"), "categories",
                           json_at(r, "categories"), "category_scores",
                           scores ? scores : json_obj(a, NULL), NULL));
    }
    struct json *answer =
        json_obj(a, "id", json_str(a, str_fmt(a, "modr-%.*s", P(c->req->request_id))), "model",
                 json_str(a, c->model), "results", list, NULL);
    c->status = 200;
    return res_json(c->res, 200, answer);
}

Err llm_hook_moderate(struct llm_call *c, const struct llm_view *view, Str asked)
{
    AUTO(arena) *tree = arena_new(TREE_MAX), *a = arena_new(LLM_SAID_ARENA);
    struct llm_said said = {.a = a};
    const struct json *results;
    struct llm_hold aside;
    struct json *body;

    llm_hook_find(c, view, false);
    if (!llm_hook_moderates(c)) {
        c->hook = NULL;
        return E_NOT_FOUND;
    }
    Err e = json_parse(tree, c->body, &body);
    if (e == E_SYNTAX)
        return err_detail(E_BAD_INPUT, "The body is not valid JSON.");
    TRY(e);
    TRY(read_input(&said, json_at(body, "input")));
    TRY(llm_call_reserve_aside(c, asked, 0, 0, &aside));
    llm_call_settle_aside(c, &aside, 0, 0);
    TRY(llm_hook_results(c, &said, &results));
    return send_results(c, results);
}
