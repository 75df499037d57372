/* src/llm/dialects/chat.c - what the dialects share: parts, notes, fields, data URLs. */
#include "llm/dialects/chat.h"

#include <stdio.h>

enum { NOTE_MAX = 64 };

Err llm_chat_too_many(void)
{
    return err_detail(E_TOO_LARGE, "The conversation has more than %d parts.", LLM_PARTS_MAX);
}

struct llm_part *llm_chat_part(struct llm_chat *c, LlmParts *parts, enum llm_part_kind kind)
{
    if (c->n_parts >= LLM_PARTS_MAX)
        return NULL;
    c->n_parts++;
    struct llm_part *p = vec_add(c->a, parts);
    p->kind = kind;
    return p;
}

LlmParts *llm_chat_turn(struct llm_chat *c, enum llm_role role)
{
    if (c->messages.n && c->messages.at[c->messages.n - 1].role == role)
        return &c->messages.at[c->messages.n - 1].parts;
    if (c->n_parts >= LLM_PARTS_MAX)
        return NULL;
    c->n_parts++;
    struct llm_message *m = vec_add(c->a, &c->messages);
    m->role = role;
    return &m->parts;
}

/* ---- notes ---- */

static bool is_plain(Str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '.' && c != '-')
            return false;
    }
    return name.n > 0 && name.n <= NOTE_MAX;
}

static void note(struct llm_chat *c, LlmNotes *notes, Str name)
{
    if (!is_plain(name))
        name = S("other"); /* it goes into a header */
    vec_each(notes, n)
        if (str_eq(*n, name))
            return;
    if (notes->n == LLM_NOTES_MAX - 1)
        name = S("more");
    if (notes->n < LLM_NOTES_MAX)
        vec_push(c->a, notes, str_dup(c->a, name));
}

void llm_chat_drop(struct llm_chat *c, Str name)
{
    note(c, &c->dropped, name);
}

void llm_chat_change(struct llm_chat *c, Str name)
{
    note(c, &c->changed, name);
}

/* Nothing is made of a name that is known already: there may be very many. */
static void note_in(struct llm_chat *c, Str where, Str name)
{
    char text[2 * NOTE_MAX];
    int n = snprintf(text, sizeof text, "%.*s%.*s", P(where), P(str_head(name, NOTE_MAX)));

    llm_chat_drop(c, str_from(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

static bool says_nothing(const struct json *v)
{
    return llm_is_none(v) || (json_is(v, JSON_ARR) && json_len(v) == 0);
}

void llm_chat_drop_others(struct llm_chat *c, const struct json *v, Str where,
                          const char *const *known)
{
    for (size_t i = 0; json_is(v, JSON_OBJ) && i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        bool is_known = says_nothing(&v->obj[i].val);
        for (const char *const *k = known; !is_known && *k; k++)
            is_known = str_eq(name, str_c(*k));
        if (!is_known)
            note_in(c, where, name);
    }
}

Err llm_chat_refuse(const char *field)
{
    return err_detail(E_BAD_INPUT, "\"%s\" cannot be translated for the provider of this model.",
                      field);
}

/* ---- reading ---- */

bool llm_data_url(Str url, Str *ret_media, Str *ret_data)
{
    static const Str mark = S_INIT(";base64");
    Str head;

    if (!str_starts_nocase(url, S("data:")))
        return false;
    Str data = str_cut(str_skip(url, 5), ',', &head);
    if (!data.p || !str_ends(head, mark))
        return false;
    (void)str_cut(str_head(head, head.n - mark.n), ';', ret_media);
    *ret_data = data;
    return true;
}

Err llm_chat_arguments(struct llm_chat *c, Str text, const struct json **ret_input)
{
    struct json *v;

    if (!str_trim(text).n) {
        *ret_input = json_obj(c->a, NULL);
        return OK;
    }
    if (json_parse(c->text, text, &v) != OK || !json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT,
                          "The arguments of a tool call are no JSON object; the provider of this "
                          "model takes no others.");
    *ret_input = v;
    return OK;
}

Err llm_chat_fields(struct llm_chat *c, const struct json *body, const struct llm_field *fields)
{
    if (!json_is(body, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "The body must be a JSON object.");
    for (size_t i = 0; i < json_len(body); i++) {
        Str name = json_str_of(&body->obj[i].key, S(""));
        const struct json *v = &body->obj[i].val;
        const struct llm_field *f = fields;
        while (f->name && !str_eq(name, str_c(f->name)))
            f++;
        if (says_nothing(v) && !(f->name && json_is(v, JSON_ARR)))
            continue;
        if (!f->name)
            llm_chat_drop(c, name);
        else if (f->read)
            TRY(f->read(c, v));
    }
    return OK;
}

Err llm_chat_number(const struct json *v, const char *name, const struct json **ret_number)
{
    if (!json_is_number(v))
        return err_detail(E_BAD_INPUT, "\"%s\" must be a number.", name);
    *ret_number = v;
    return OK;
}

/* ---- writing ---- */

Str llm_parts_text(struct arena *a, const LlmParts *parts)
{
    VEC(Str) texts = {0};

    vec_each(parts, p)
        if (p->kind == LLM_TEXT)
            vec_push(a, &texts, p->text);
    return texts.n == 1 ? texts.at[0] : str_join(a, texts.at, texts.n, S("\n\n"));
}

bool llm_parts_have(const LlmParts *parts, enum llm_part_kind kind)
{
    vec_each(parts, p)
        if (p->kind == kind)
            return true;
    return false;
}

bool llm_answer_calls(const struct llm_answer *answer)
{
    return llm_parts_have(&answer->parts, LLM_TOOL_CALL);
}
