/* src/wf/def_hide.c - a definition for those who may look at it but not change it: without what
 * opens doors elsewhere. */
#include "wf/node.h"

enum { DEPTH_MAX = 120 }; /* a definition nests at most 100 deep */

static const Str hidden = S_INIT(WF_HIDDEN);

static bool names_secret(struct arena *a, Str name)
{
    static const Str parts[] = {S_INIT("secret"),  S_INIT("password"),   S_INIT("token"),
                                S_INIT("api_key"), S_INIT("api-key"),    S_INIT("apikey"),
                                S_INIT("cookie"),  S_INIT("credential"), S_INIT("authorization")};
    Str lower = str_lower(a, name);

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_find(lower, parts[i]) != SIZE_MAX)
            return true;
    return str_ends(lower, S("key"));
}

/* "{{ vars.key }}" says where a secret comes from, and is none. */
static bool is_reference(Str text)
{
    text = str_trim(text);
    return str_starts(text, S("{{")) && str_find(text, S("}}")) == text.n - 2 &&
           str_find_char(text, '"') == SIZE_MAX && str_find_char(text, '\'') == SIZE_MAX;
}

static void hide(struct arena *a, struct json *v)
{
    Str text = json_str_of(v, S(""));

    if (text.n && !is_reference(text))
        *v = *json_str(a, hidden);
}

/* Texts that are called as secrets are, wherever they stand. */
static void hide_named(struct arena *a, struct json *v, int depth)
{
    if (depth == DEPTH_MAX)
        return;
    for (size_t i = 0; json_is(v, JSON_ARR) && i < json_len(v); i++)
        hide_named(a, &v->arr[i], depth + 1);
    for (size_t i = 0; json_is(v, JSON_OBJ) && i < json_len(v); i++) {
        if (names_secret(a, json_str_of(&v->obj[i].key, S(""))))
            hide(a, &v->obj[i].val);
        hide_named(a, &v->obj[i].val, depth + 1);
    }
}

/* Settings that their type says are secret. */
static void hide_fields(struct arena *a, struct json *data, const struct field *f)
{
    for (; f->name; f++) {
        struct json *v = json_get(data, str_c(f->name));
        if (f->secret)
            hide(a, v);
        else if (f->kind == F_OBJECT)
            hide_fields(a, v, f->sub);
        for (size_t i = 0; f->kind == F_LIST && json_is(v, JSON_ARR) && i < json_len(v); i++)
            hide_fields(a, &v->arr[i], f->sub);
    }
}

static void hide_variables(struct arena *a, struct json *list)
{
    for (size_t i = 0; json_is(list, JSON_ARR) && i < json_len(list); i++)
        if (names_secret(a, json_str_of(json_at(&list->arr[i], "name"), S(""))))
            hide(a, json_at(&list->arr[i], "value"));
}

void wf_hide_secrets_in(struct arena *a, struct json *v)
{
    hide_named(a, v, 0);
}

void wf_def_hide_settings(struct arena *a, const struct wf_node_type *type, struct json *data)
{
    hide_fields(a, data, type->fields);
    hide_named(a, data, 0);
}

struct json *wf_def_hide_secrets(struct arena *a, const struct json *definition)
{
    struct json *copy = json_dup(a, definition), *nodes = json_at(copy, "nodes");

    for (size_t i = 0; json_is(nodes, JSON_ARR) && i < json_len(nodes); i++) {
        const struct wf_node_type *type =
            wf_node_type_find(json_str_of(json_at(&nodes->arr[i], "type"), S("")));
        if (type)
            hide_fields(a, json_at(&nodes->arr[i], "data"), type->fields);
    }
    hide_variables(a, json_at(copy, "variables"));
    hide_named(a, copy, 0);
    return copy;
}
