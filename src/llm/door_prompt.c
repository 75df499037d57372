/* src/llm/door_prompt.c - a call of a prompt: becomes that of its model, with its messages.
 *
 * The prompt's messages come before the client's; in Anthropic's dialect those of the system are
 * put before the client's "system", in OpenAI's responses before "instructions". Parameters count
 * where the client says nothing. The body is written anew, so that all that follows sees an
 * ordinary call.
 */
#include "base/arena.h"
#include "base/json.h"
#include "llm/door_private.h"
#include "llm/prompt.h"

enum { BODY_MAX = 4 << 20, TREE_MAX = 256 << 20 };

/* "prompt/NAME@WHICH" */
static Str split(Str model, Str *ret_which)
{
    Str name, rest = str_skip(model, S("prompt/").n);

    *ret_which = str_cut(rest, '@', &name);
    return name;
}

static Err find(struct llm_call *c, Str *ret_name, struct json **ret_version)
{
    struct arena *a = c->req->a;
    struct prompt_version_row version;
    struct prompt_row row;
    int64_t number;
    Str which, name = split(c->model, &which);

    Err e = store_prompt_get(c->llm->db, a, c->req->who.tenant, ID_NONE, name, &row);
    if (e == E_NOT_FOUND)
        return err_detail(e, "There is no prompt \"%.*s\".", P(str_head(name, LLM_NAME_MAX)));
    TRY(e);
    TRY(llm_prompt_number(a, &row, which, &number));
    TRY(store_prompt_version(c->llm->db, a, row.id, number, &version));
    *ret_name = row.name;
    c->called = str_fmt(a, "prompt/%.*s@%lld", P(row.name), (long long)number);
    return json_parse(a, version.body, ret_version);
}

/* The text of a message; of parts, that of those that are texts. */
static Str text_of(struct arena *a, const struct json *content)
{
    AUTO_BUF(b, LLM_PROMPT_FILLED_MAX); /* they are not more together */

    for (size_t i = 0; json_is(content, JSON_ARR) && i < json_len(content); i++) {
        if (b.n)
            buf_add_c(&b, "\n\n");
        buf_add(&b, json_str_of(json_at(json_item(content, i), "text"), S("")));
    }
    return json_is(content, JSON_STR) ? json_str_of(content, S("")) : str_dup(a, buf_str(&b));
}

/* Anthropic's clients say apart what the system says. */
static Err take_system(struct arena *a, struct json *body, const struct json *messages,
                       struct json *rest)
{
    const struct json *theirs = json_at(body, "system");
    struct json *blocks = json_arr(a);

    for (size_t i = 0; i < json_len(messages); i++) {
        const struct json *m = json_item(messages, i);
        Str role = json_str_of(json_at(m, "role"), S(""));
        if (!str_eq(role, S("system")) && !str_eq(role, S("developer"))) {
            json_push(a, rest, m);
            continue;
        }
        json_push(a, blocks,
                  json_obj(a, "type", json_str_c(a, "text"), "text",
                           json_str(a, text_of(a, json_at(m, "content"))), NULL));
    }
    if (theirs && !json_is(theirs, JSON_STR) && !json_is(theirs, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"system\" must be a text or a list.");
    if (json_is(theirs, JSON_STR))
        json_push(a, blocks, json_obj(a, "type", json_str_c(a, "text"), "text", theirs, NULL));
    for (size_t i = 0; json_is(theirs, JSON_ARR) && i < json_len(theirs); i++)
        json_push(a, blocks, json_item(theirs, i));
    if (json_len(blocks))
        json_set(a, body, S("system"), blocks);
    return OK;
}

/* ---- as items of responses ---- */

static struct json *part_item(struct arena *a, const struct json *part, bool said)
{
    const struct json *text = json_at(part, "text");

    if (text)
        return json_obj(a, "type", json_str_c(a, said ? "output_text" : "input_text"), "text", text,
                        NULL);
    const struct json *image = json_at(part, "image_url");
    return image ? json_obj(a, "type", json_str_c(a, "input_image"), "image_url",
                            json_is(image, JSON_OBJ) ? json_at(image, "url") : image, NULL)
                 : json_dup(a, part);
}

static struct json *message_item(struct arena *a, const struct json *m)
{
    const struct json *content = json_at(m, "content");
    bool said = str_eq(json_str_of(json_at(m, "role"), S("")), S("assistant"));
    struct json *parts = json_arr(a);

    for (size_t i = 0; json_is(content, JSON_ARR) && i < json_len(content); i++)
        json_push(a, parts, part_item(a, json_item(content, i), said));
    return json_obj(a, "type", json_str_c(a, "message"), "role", json_at(m, "role"), "content",
                    json_is(content, JSON_ARR) ? parts : content, NULL);
}

/* What the system says is said anew each turn; the rest is a part of the conversation. */
static Err merge_response(struct arena *a, struct json *body, const struct json *messages)
{
    const struct json *theirs = json_at(body, "input"), *words = json_at(body, "instructions");
    struct json *items = json_arr(a);
    VEC(Str) texts = {0};

    if (theirs && !json_is(theirs, JSON_ARR) && !json_is(theirs, JSON_STR))
        return err_detail(E_BAD_INPUT, "\"input\" must be a string or a list of items.");
    if (words && !json_is(words, JSON_STR) && !json_is(words, JSON_NULL))
        return err_detail(E_BAD_INPUT, "\"instructions\" beside a prompt must be a string.");
    for (size_t i = 0; i < json_len(messages); i++) {
        const struct json *m = json_item(messages, i);
        Str role = json_str_of(json_at(m, "role"), S(""));
        if (str_eq(role, S("system")) || str_eq(role, S("developer")))
            vec_push(a, &texts, text_of(a, json_at(m, "content")));
        else
            json_push(a, items, message_item(a, m));
    }
    if (json_is(theirs, JSON_STR))
        json_push(a, items,
                  json_obj(a, "type", json_str_c(a, "message"), "role", json_str_c(a, "user"),
                           "content", theirs, NULL));
    for (size_t i = 0; json_is(theirs, JSON_ARR) && i < json_len(theirs); i++)
        json_push(a, items, json_item(theirs, i));
    if (json_str_of(words, S("")).n)
        vec_push(a, &texts, json_str_of(words, S("")));
    if (texts.n)
        json_set(a, body, S("instructions"),
                 json_str(a, str_join(a, texts.at, texts.n, S("\n\n"))));
    json_set(a, body, S("input"), items);
    return OK;
}

/* By the name that it has in the dialect of the call. */
static Str parameter_name(const struct llm_call *c, Str name)
{
    bool most = str_eq(name, S("max_tokens")) || str_eq(name, S("max_completion_tokens"));

    return c->op == LLM_RESPONSES && most ? S("max_output_tokens") : name;
}

static Err merge_messages(struct llm_call *c, struct arena *a, struct json *body,
                          const struct json *messages)
{
    const struct json *theirs = json_at(body, "messages");
    struct json *all = json_arr(a);

    if (theirs && !json_is(theirs, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"messages\" must be a list.");
    if (c->op == LLM_MESSAGES)
        TRY(take_system(a, body, messages, all));
    for (size_t i = 0; c->op != LLM_MESSAGES && i < json_len(messages); i++)
        json_push(a, all, json_item(messages, i));
    for (size_t i = 0; i < json_len(theirs); i++)
        json_push(a, all, json_item(theirs, i));
    json_set(a, body, S("messages"), all);
    return OK;
}

static Err merge(struct llm_call *c, struct arena *a, struct json *body, const struct json *version,
                 const struct json *messages)
{
    const struct json *parameters = json_at(version, "parameters");

    TRY(c->op == LLM_RESPONSES ? merge_response(a, body, messages)
                               : merge_messages(c, a, body, messages));
    json_set(a, body, S("model"), json_at(version, "model"));
    for (size_t i = 0; i < json_len(parameters); i++) {
        Str name = parameter_name(c, json_str_of(&parameters->obj[i].key, S("")));
        if (!json_get(body, name))
            json_set(a, body, name, &parameters->obj[i].val);
    }
    return OK;
}

static Err write_body(struct llm_call *c, const struct json *body)
{
    AUTO_BUF(b, LLM_BODY_MAX);

    json_write(&b, body);
    char *to = b.failed ? NULL : arena_try(c->req->a, b.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The prompt and what came with it pass %d MiB.",
                          LLM_BODY_MAX >> 20);
    c->body = str_from(memcpy(to, b.p, b.n), b.n);
    return OK;
}

Err llm_prompt_apply(struct llm_call *c)
{
    AUTO(arena) *tree = arena_new(TREE_MAX), *made = arena_new(TREE_MAX);
    struct json *body, *version, *messages;
    Str name;

    if (!llm_is_prompt(c->model))
        return OK;
    if (!llm_chats(c->op) && c->op != LLM_RESPONSES)
        return err_detail(E_BAD_INPUT, "Prompts are for chats: \"%.*s\" takes none.",
                          P(llm_operation_name(c->op)));
    if (c->body.n > BODY_MAX)
        return err_detail(E_TOO_LARGE, "A call of a prompt has at most %d bytes.", BODY_MAX);
    TRY(find(c, &name, &version));
    if (json_parse(tree, c->body, &body) != OK || !json_is(body, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "The body is not valid JSON.");
    TRY(llm_prompt_fill(c->llm, c->req->a, name, version, json_at(body, "prompt_variables"),
                        &messages));
    c->named = c->op == LLM_GENERATE;
    c->model = str_dup(c->req->a, json_str_of(json_at(version, "model"), S("")));
    TRY(c->named ? llm_prompt_merge_gemini(made, body, version, messages)
                 : merge(c, c->req->a, body, version, messages));
    (void)json_remove(body, S("prompt_variables")); /* if it is there */
    TRY(write_body(c, body));
    res_header(c->res, S("X-Heddle-Prompt"), str_skip(c->called, S("prompt/").n));
    return llm_call_scan(c);
}
