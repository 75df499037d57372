/* src/llm/door_quirks.c - what servers that took OpenAI's dialect over refuse of it, taken out of
 * requests that else go through byte for byte.
 *
 * Which kind refuses what stands in the table of kinds. What is taken out says nothing that the
 * server would not do anyway, or is said in its older word; the answer names it.
 */
#include "llm/door_private.h"

#include "llm/dialects/dialect_responses.h"

enum { TREE_MAX = 512 << 20 };

static const Str reasoning_names[] = {S_INIT("reasoning_content"), S_INIT("reasoning"),
                                      S_INIT("thinking_blocks")};

static size_t back_over_space(Str body, size_t at)
{
    while (at > 0 && str_find_char(S(" \t\r\n"), body.p[at - 1]) != SIZE_MAX)
        at--;
    return at;
}

static size_t over_space(Str body, size_t at)
{
    while (at < body.n && str_find_char(S(" \t\r\n"), body.p[at]) != SIZE_MAX)
        at++;
    return at;
}

/* Where the name of a member with the value @m begins; 0: it is written in another way, with
 * escapes. */
static size_t name_of(Str body, const struct llm_member *m)
{
    size_t at = back_over_space(body, m->from);

    if (!at || body.p[at - 1] != ':')
        return 0;
    at = back_over_space(body, at - 1);
    size_t n = m->name.n + 2;
    if (at < n || body.p[at - 1] != '"' || body.p[at - n] != '"' ||
        !str_eq(str_from(body.p + at - n + 1, m->name.n), m->name))
        return 0;
    return at - n;
}

/* The member and one comma beside it. */
static struct llm_edit without(Str body, const struct llm_member *m, size_t name)
{
    size_t from = back_over_space(body, name), to = over_space(body, m->to);

    if (from > 0 && body.p[from - 1] == ',')
        return (struct llm_edit){from - 1, m->to, S("")};
    if (to < body.n && body.p[to] == ',')
        return (struct llm_edit){name, to + 1, S("")};
    return (struct llm_edit){name, m->to, S("")};
}

static void note(struct llm_call *c, Str *notes, const char *name)
{
    *notes = notes->n ? str_fmt(c->req->a, "%.*s, %s", P(*notes), name) : str_c(name);
}

/* Put @edits into force; the body as it came is kept for another target. */
static Err change(struct llm_call *c, const struct llm_edit *edits, size_t n)
{
    AUTO_BUF(out, 2 * LLM_BODY_MAX);

    llm_body_edit(c->body, edits, n, &out);
    TRY(buf_ok(&out));
    char *to = arena_try(c->req->a, out.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The request is too large to be changed.");
    if (!c->untrimmed) {
        c->untrimmed = arena_new_of(c->req->a, struct llm_untrimmed);
        c->untrimmed->body = c->body;
        memcpy(c->untrimmed->members, c->members, sizeof c->members);
    }
    c->body = str_from(memcpy(to, out.p, out.n), out.n);
    return llm_scan_text(c->body, c->members, MEMBERS);
}

/* Some give usage without being asked, and refuse the question. */
static Err drop_stream_options(struct llm_call *c)
{
    const struct llm_member *m = &c->members[MEMBER_STREAM_OPTIONS];
    size_t name = m->to ? name_of(c->body, m) : 0;

    if (!name)
        return OK;
    struct llm_edit edit = without(c->body, m, name);
    return change(c, &edit, 1);
}

/* Some know the older word for it alone. */
static Err rename_max_tokens(struct llm_call *c)
{
    const struct llm_member *m = &c->members[MEMBER_MAX_COMPLETION_TOKENS];
    size_t name = m->to && !c->members[MEMBER_MAX_TOKENS].to ? name_of(c->body, m) : 0;

    if (!name)
        return OK;
    struct llm_edit edit = {name, name + m->name.n + 2, S("\"max_tokens\"")};
    note(c, &c->changed, "max_completion_tokens");
    return change(c, &edit, 1);
}

/* Some refuse what a model thought before, when it comes back in a conversation. */
static Err drop_reasoning(struct llm_call *c)
{
    AUTO(arena) *tree = arena_new(TREE_MAX);
    struct llm_member messages = {S("messages"), 0, 0};
    struct json *v;
    bool any = false, found = false;

    for (size_t i = 0; i < ARRAY_LEN(reasoning_names); i++)
        found = found || str_find(c->body, reasoning_names[i]) != SIZE_MAX;
    if (!found)
        return OK;
    TRY(llm_scan_text(c->body, &messages, 1));
    TRY(json_parse(tree, llm_member_text(c->body, &messages), &v));
    for (size_t i = 0; json_is(v, JSON_ARR) && i < json_len(v); i++)
        for (size_t k = 0; k < ARRAY_LEN(reasoning_names); k++)
            any |= json_is(json_item(v, i), JSON_OBJ) &&
                   json_remove(json_item(v, i), reasoning_names[k]);
    if (!any)
        return OK;
    note(c, &c->dropped, "messages.reasoning_content");
    struct llm_edit edit = {messages.from, messages.to, json_text(tree, v)};
    return change(c, &edit, 1);
}

/* What was thought elsewhere and sealed here nobody else can open: those that have responses refuse
 * it. */
static Err drop_sealed(struct llm_call *c)
{
    AUTO(arena) *tree = arena_new(TREE_MAX);
    struct llm_member input = {S("input"), 0, 0};
    struct json *v, *kept;

    if (str_find(c->body, S("\"" LLM_SEALED)) == SIZE_MAX)
        return OK;
    TRY(llm_scan_text(c->body, &input, 1));
    TRY(json_parse(tree, llm_member_text(c->body, &input), &v));
    if (json_len(v) > LLM_PARTS_MAX)
        return llm_chat_too_many();
    kept = json_arr(tree);
    for (size_t i = 0; json_is(v, JSON_ARR) && i < json_len(v); i++) {
        Str sealed = json_str_of(json_at(json_item(v, i), "encrypted_content"), S(""));
        if (!str_starts(sealed, S(LLM_SEALED)))
            json_push(tree, kept, json_item(v, i));
    }
    if (!json_is(v, JSON_ARR) || json_len(kept) == json_len(v))
        return OK;
    note(c, &c->dropped, "input.reasoning");
    struct llm_edit edit = {input.from, input.to, json_text(tree, kept)};
    return change(c, &edit, 1);
}

Err llm_quirks(struct llm_call *c)
{
    const struct llm_kind *kind = c->target.provider->kind;

    if (c->op == LLM_RESPONSES && !c->translated)
        return drop_sealed(c);
    if (c->op != LLM_CHAT || c->translated)
        return OK;
    if (kind->no_stream_options)
        TRY(drop_stream_options(c));
    if (kind->max_tokens)
        TRY(rename_max_tokens(c));
    return kind->no_reasoning ? drop_reasoning(c) : OK;
}
