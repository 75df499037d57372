/* src/llm/prompt.c - prompts: what they may be, their variables, versions and labels. */
#include "llm/prompt.h"

#include "base/json.h"
#include "llm/llm_private.h"

enum { MESSAGES_MAX = 100, VARIABLES_MAX = 100 };

static const Str prefix = S_INIT("prompt/");
static const Str published = S_INIT("published");

bool llm_is_prompt(Str model)
{
    return str_starts(model, prefix);
}

/* ---- versions ---- */

static Err check_message(const struct json *m)
{
    static const Str roles[] = {S_INIT("system"), S_INIT("developer"), S_INIT("user"),
                                S_INIT("assistant")};
    const struct json *content = json_at(m, "content");
    bool known = false;

    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        known = known || str_eq(json_str_of(json_at(m, "role"), S("")), roles[i]);
    if (!known)
        return err_detail(E_INVALID, "The role of a prompt's message is system, developer, user or "
                                     "assistant.");
    if (!json_is(content, JSON_STR) && !json_len(content))
        return err_detail(E_INVALID,
                          "A prompt's message needs a content: a text or a list of parts.");
    return OK;
}

static Err check_messages(const struct json *messages)
{
    if (!json_is(messages, JSON_ARR) || !json_len(messages) || json_len(messages) > MESSAGES_MAX)
        return err_detail(E_INVALID, "A prompt needs \"messages\", a list of 1 to %d.",
                          MESSAGES_MAX);
    for (size_t i = 0; i < json_len(messages); i++)
        TRY(check_message(json_item(messages, i)));
    return OK;
}

/* What a prompt may not preset: what it is made of, and what is of the client alone. */
static Err check_parameters(const struct json *parameters)
{
    static const Str not_these[] = {S_INIT("model"),          S_INIT("messages"),
                                    S_INIT("system"),         S_INIT("stream"),
                                    S_INIT("stream_options"), S_INIT("prompt_variables")};

    if (parameters && !json_is(parameters, JSON_OBJ))
        return err_detail(E_INVALID, "\"parameters\" of a prompt must be an object.");
    for (size_t i = 0; i < ARRAY_LEN(not_these); i++)
        if (json_get(parameters, not_these[i]))
            return err_detail(E_INVALID, "\"%.*s\" is no parameter of a prompt.", P(not_these[i]));
    return OK;
}

static Err check_members(const struct json *body)
{
    static const Str known[] = {S_INIT("model"), S_INIT("messages"), S_INIT("parameters"),
                                S_INIT("defaults")};

    for (size_t i = 0; i < json_len(body); i++) {
        Str name = json_str_of(&body->obj[i].key, S(""));
        bool is_known = false;
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            is_known = is_known || str_eq(name, known[k]);
        if (!is_known)
            return err_detail(E_INVALID, "A prompt has no \"%.*s\".", P(str_head(name, 64)));
    }
    return OK;
}

Err llm_prompt_check(const struct llm *llm, struct arena *a, const struct json *body)
{
    Str model = json_str_of(json_at(body, "model"), S(""));
    const struct json *defaults = json_at(body, "defaults");
    LlmNames names = {0}, needed = {0};

    if (!json_is(body, JSON_OBJ))
        return err_detail(E_INVALID, "A prompt must be an object.");
    TRY(check_members(body));
    if (!model.n || model.n > LLM_MODEL_MAX)
        return err_detail(E_INVALID, "A prompt needs a \"model\" of 1 to %d bytes.", LLM_MODEL_MAX);
    if (llm_is_prompt(model))
        return err_detail(E_INVALID, "The model of a prompt cannot be a prompt.");
    TRY(check_messages(json_at(body, "messages")));
    TRY(check_parameters(json_at(body, "parameters")));
    if (defaults && !json_is(defaults, JSON_OBJ))
        return err_detail(E_INVALID, "\"defaults\" of a prompt must be an object.");
    if (json_text(a, body).n > LLM_PROMPT_BODY_MAX)
        return err_detail(E_INVALID, "A prompt has at most %d bytes of JSON.", LLM_PROMPT_BODY_MAX);
    TRY(llm_prompt_variables(llm, a, body, &names, &needed));
    for (size_t i = 0; i < json_len(defaults); i++) {
        Str name = json_str_of(&defaults->obj[i].key, S(""));
        bool used = false;
        vec_each(&names, n)
            used = used || str_eq(*n, name);
        if (!used)
            return err_detail(E_INVALID, "There is a default for \"%.*s\", which no message has.",
                              P(str_head(name, 64)));
    }
    return OK;
}

struct collect {
    struct arena *a;
    LlmNames *names;
};

static void collect_name(void *ctx, Str name)
{
    struct collect *x = ctx;

    vec_each(x->names, n)
        if (str_eq(*n, name))
            return;
    vec_push(x->a, x->names, str_dup(x->a, name));
}

Err llm_prompt_variables(const struct llm *llm, struct arena *a, const struct json *body,
                         LlmNames *ret_names, LlmNames *ret_needed)
{
    const struct json *defaults = json_at(body, "defaults");
    struct collect x = {a, ret_names};

    *ret_names = *ret_needed = (LlmNames){0};
    TRY(llm->templates->names(a, json_at(body, "messages"), collect_name, &x));
    if (ret_names->n > VARIABLES_MAX)
        return err_detail(E_INVALID, "A prompt has at most %d variables.", VARIABLES_MAX);
    vec_each(ret_names, n)
        if (!json_get(defaults, *n))
            vec_push(a, ret_needed, *n);
    return OK;
}

/* ---- filling ---- */

static Err check_values(Str name, const struct json *values, const LlmNames *names,
                        const LlmNames *needed)
{
    if (values && !json_is(values, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"prompt_variables\" must be an object.");
    vec_each(needed, n)
        if (!json_get(values, *n))
            return err_detail(E_BAD_INPUT, "The prompt \"%.*s\" needs the variable \"%.*s\".",
                              P(name), P(*n));
    for (size_t i = 0; values && i < json_len(values); i++) {
        Str given = json_str_of(&values->obj[i].key, S(""));
        bool known = false;
        vec_each(names, n)
            known = known || str_eq(*n, given);
        if (!known)
            return err_detail(E_BAD_INPUT, "The prompt \"%.*s\" has no variable \"%.*s\".", P(name),
                              P(str_head(given, 64)));
    }
    return OK;
}

/* A value may stand in many places, each of which shares it: only what is written has them all. */
static Err check_filled(Str name, const struct json *messages)
{
    AUTO_BUF(b, LLM_PROMPT_FILLED_MAX);

    json_write(&b, messages);
    if (b.failed)
        return err_detail(E_TOO_LARGE, "The prompt \"%.*s\" with its values passes %d MiB.",
                          P(name), LLM_PROMPT_FILLED_MAX >> 20);
    return OK;
}

/* A content that is one expression has the value's type: models take texts. */
static void make_texts(struct arena *a, struct json *messages)
{
    for (size_t i = 0; i < json_len(messages); i++) {
        struct json *m = json_item(messages, i);
        const struct json *content = json_at(m, "content");
        bool parts = json_is(content, JSON_ARR) && json_at(json_item(content, 0), "type");
        if (json_is(content, JSON_NULL))
            json_set(a, m, S("content"), json_str(a, S("")));
        else if (!json_is(content, JSON_STR) && !parts)
            json_set(a, m, S("content"), json_str(a, json_text(a, content)));
    }
}

Err llm_prompt_fill(const struct llm *llm, struct arena *a, Str name, const struct json *body,
                    const struct json *values, struct json **ret_messages)
{
    const struct json *defaults = json_at(body, "defaults");
    struct json *all = json_obj(a, NULL), *messages;
    LlmNames names = {0}, needed = {0};

    TRY(llm_prompt_variables(llm, a, body, &names, &needed));
    TRY(check_values(name, values, &names, &needed));
    vec_each(&names, n) {
        const struct json *v = json_get(values, *n);
        json_set(a, all, *n, v ? v : json_get(defaults, *n));
    }
    Err e = llm->templates->fill(a, json_at(body, "messages"), all, &messages);
    if (e == E_INVALID || e == E_TOO_LARGE) { /* a path leads nowhere: the values' fault */
        Str why = str_dup(a, str_c(err_client_text(e)));
        return err_detail(E_BAD_INPUT, "The prompt \"%.*s\" cannot be filled: %.*s", P(name),
                          P(why));
    }
    TRY(e);
    TRY(check_filled(name, messages));
    make_texts(a, messages);
    *ret_messages = messages;
    return OK;
}

/* ---- labels ---- */

Err llm_prompt_number(struct arena *a, const struct prompt_row *row, Str which, int64_t *ret_number)
{
    struct json *labels;
    uint64_t n;

    if (which.n && str_to_u64(which, &n) == OK && n <= INT32_MAX) {
        *ret_number = (int64_t)n;
        return OK;
    }
    TRY(json_parse(a, row->labels, &labels));
    const struct json *v = json_get(labels, which.n ? which : published);
    if (!v && !which.n)
        return err_detail(E_NOT_FOUND, "No version of the prompt \"%.*s\" is published.",
                          P(row->name));
    if (!v)
        return err_detail(E_NOT_FOUND, "The prompt \"%.*s\" has no version \"%.*s\".", P(row->name),
                          P(str_head(which, 64)));
    *ret_number = json_int_of(v, 0);
    return OK;
}

static Err set_label(struct arena *a, struct prompt_row *row, Str label, int64_t number)
{
    struct json *labels;

    TRY(json_parse(a, row->labels, &labels));
    if (number)
        json_set(a, labels, label, json_int(a, number));
    else if (!json_remove(labels, label))
        return err_detail(E_NOT_FOUND, "There is no label \"%.*s\".", P(str_head(label, 64)));
    if (json_len(labels) > LLM_PROMPT_LABELS_MAX)
        return err_detail(E_INVALID, "A prompt has at most %d labels.", LLM_PROMPT_LABELS_MAX);
    row->labels = json_text(a, labels);
    return OK;
}

/* ---- changes ---- */

static Err check_text(const char *what, Str text)
{
    if (text.n > LLM_PROMPT_TEXT_MAX)
        return err_detail(E_INVALID, "The %s of a prompt has at most %d bytes.", what,
                          LLM_PROMPT_TEXT_MAX);
    return OK;
}

static Err check_version(const struct llm *llm, struct arena *a,
                         const struct prompt_version_row *version)
{
    struct json *body;

    TRY(check_text("note", version->note));
    TRY(json_parse(a, version->body, &body));
    return llm_prompt_check(llm, a, body);
}

static Err written(Err e, Str name)
{
    if (e == E_EXISTS)
        return err_detail(e, "There is a prompt \"%.*s\" already.", P(name));
    if (e == E_CONFLICT)
        return err_detail(e, "The prompt was changed meanwhile: read it again.");
    return e;
}

Err llm_prompt_create(struct llm *llm, struct arena *a, struct prompt_row *row,
                      struct prompt_version_row *version)
{
    if (!llm_is_name(row->name))
        return err_detail(E_INVALID,
                          "A prompt's name is 1 to %d of a-z, 0-9, \"-\", \"_\" and \".\", and "
                          "begins with a letter or digit.",
                          LLM_NAME_MAX);
    TRY(check_text("description", row->description));
    TRY(check_version(llm, a, version));
    row->id = version->prompt = id_new();
    row->labels = S("{\"published\":1}");
    row->latest = version->number = 1;
    row->revision = 1;
    row->created_at = row->updated_at = version->created_at = time_wall();
    return written(store_prompt_create(llm->db, a, row, version), row->name);
}

Err llm_prompt_add(struct llm *llm, struct arena *a, struct prompt_row *row,
                   struct prompt_version_row *version, bool publish)
{
    TRY(check_version(llm, a, version));
    version->prompt = row->id;
    version->number = ++row->latest;
    version->created_at = time_wall();
    if (publish)
        TRY(set_label(a, row, published, version->number));
    return written(store_prompt_update(llm->db, a, row, version), row->name);
}

Err llm_prompt_label(struct llm *llm, struct arena *a, struct prompt_row *row, Str label,
                     int64_t number)
{
    struct prompt_version_row version;
    uint64_t n;

    if (!llm_is_name(label) || str_to_u64(label, &n) == OK)
        return err_detail(E_INVALID, "A label is made as a prompt's name, and is no number.");
    if (number)
        TRY(store_prompt_version(llm->db, a, row->id, number, &version));
    TRY(set_label(a, row, label, number));
    return written(store_prompt_update(llm->db, a, row, NULL), row->name);
}
