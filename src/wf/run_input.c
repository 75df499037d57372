/* src/wf/run_input.c - what a step was given: its settings with their templates answered.
 *
 * It is not journaled: a step's settings and everything templates read are in the journal already
 * and never change, so it is computed when somebody looks. What is called as secrets are is hidden
 * from everybody, also where a variable brought it into another text.
 */
#include "wf/engine_private.h"

static const Usec PATIENCE = 100 * USEC_MS;
enum { INPUT_BYTES = 1 << 20 }; /* of one setting, and of one step; more is not shown */

/* A copy, as the value may be shared and parts of it are hidden; NULL when it is too large. */
static struct json *copy(struct arena *a, const struct json *value)
{
    AUTO_BUF(text, INPUT_BYTES);
    struct json *result;

    json_write(&text, value);
    if (buf_ok(&text) != OK || json_parse(a, str_dup(a, buf_str(&text)), &result) != OK)
        return NULL;
    return result;
}

/* The names of templates, with stars for secret variables. */
struct shown {
    struct wf_names names;
    struct wf_scope scope;
};

static struct json *root(void *ctx, Str name)
{
    struct shown *shown = ctx;
    struct arena *a = shown->names.a;
    struct json *value = shown->scope.root(shown->scope.ctx, name);

    if (!value || wf_def_node(shown->names.state->def, name) >= 0 || str_eq(name, S("input")) ||
        str_eq(name, S("request")))
        return value;
    /* A variable by its own name, or all of them. */
    struct json *named = json_obj(a, NULL);
    struct json *own = copy(a, value);
    if (!own)
        return value; /* too large for a secret */
    json_set(a, named, name, own);
    wf_hide_secrets_in(a, named);
    return json_get(named, name);
}

static struct json *answer(struct arena *a, const struct json *setting,
                           const struct wf_scope *scope)
{
    struct wf_value *value;
    struct json *result;

    if (wf_value_compile(a, setting, &value) != OK ||
        wf_value_find(a, value, scope, usec_in(PATIENCE), &result) != OK || !result)
        return json_null(a);
    result = copy(a, result);
    return result ? result : json_null(a);
}

struct json *run_step_input(struct arena *a, const struct wf_state *s, const struct wf_facts *facts,
                            const struct wf_node_run *step)
{
    int node = step->node;
    const struct json *data =
        json_at(json_item(json_at(s->def->json, "nodes"), (size_t)node), "data");
    struct shown shown = {.names = {a, s, facts, step->frame}};
    struct wf_scope scope = {root, &shown};
    struct json *input = json_obj(a, NULL);
    size_t before = arena_used(a);

    shown.scope = wf_core_scope(&shown.names);
    if (node == s->def->trigger)
        return s->input ? (struct json *)(uintptr_t)s->input : json_null(a);
    for (size_t i = 0; json_is(data, JSON_OBJ) && i < data->n; i++) {
        Str name = str_from(data->obj[i].key.s, data->obj[i].key.n);
        json_set(a, input, name, answer(a, &data->obj[i].val, &scope));
        if (arena_used(a) - before > INPUT_BYTES)
            return json_null(a);
    }
    wf_def_hide_settings(a, s->def->nodes[node].type, input);
    return input;
}
