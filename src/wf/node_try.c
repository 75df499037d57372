/* src/wf/node_try.c - one node alone, run once with values that the caller gives: no run, no
 * journal, nothing after it. What calls out does call out. */
#include "wf/engine_private.h"

static void no_live(struct wf_step *step, Str kind, const struct json *data)
{
    (void)step, (void)kind, (void)data; /* nobody watches */
}

static Err give_outputs(struct wf_state *s, const struct json *outputs)
{
    for (size_t i = 0; json_is(outputs, JSON_OBJ) && i < outputs->n; i++) {
        Str id = str_from(outputs->obj[i].key.s, outputs->obj[i].key.n);
        int node = wf_def_node(s->def, id);
        if (node < 0)
            return err_detail(E_INVALID, "The workflow has no step \"%.*s\".",
                              P(str_head(id, 100)));
        s->nodes[node].state = WF_NODE_DONE;
        s->nodes[node].output = &outputs->obj[i].val;
    }
    return OK;
}

static Err check_node(const struct wf_def *def, int node)
{
    const struct wf_node *n = &def->nodes[node];

    if (n->parent >= 0 || (!n->type->run && !n->type->wait))
        return err_detail(E_UNSUPPORTED,
                          "Step \"%.*s\" cannot be run alone: it is, or is inside "
                          "of, one that runs others.",
                          P(n->id));
    return OK;
}

/* What came of it, in @a. */
static Err result_json(struct arena *a, const struct wf_outcome *outcome, size_t max,
                       struct json **ret_json)
{
    AUTO_BUF(text, max);

    json_write(&text, outcome->output);
    if (buf_ok(&text) != OK || arena_used(a) + text.n * 6 + MIB(1) > arena_max(a))
        return err_detail(E_TOO_LARGE, "The output is too large to be shown.");
    *ret_json =
        json_obj(a, "state", json_str(a, S("succeeded")), "output",
                 outcome->output ? json_dup(a, outcome->output) : json_null(a), "handle",
                 json_str(a, outcome->handle.n ? str_dup(a, outcome->handle) : S("out")), NULL);
    return OK;
}

static Err run_one(struct arena *a, struct wf_step *step, size_t max, struct json **ret_json)
{
    struct wf_outcome outcome = {0};
    struct wf_wait wait = {0};
    const struct wf_node_type *type = step->node->type;
    Err e = type->wait ? type->wait(step, step->node->settings, &wait)
                       : type->run(step, step->node->settings, &outcome);

    if (e == OK && type->wait) {
        *ret_json = json_obj(a, "state", json_str(a, S("waiting")), "waiting_for",
                             json_dup(a, wait.what), NULL);
        return OK;
    }
    if (e == OK)
        e = result_json(a, &outcome, max, ret_json);
    if (e == OK || (e == E_CANCELLED && fiber_cancelled()))
        return e;
    Str code = outcome.error_code.n ? str_dup(a, outcome.error_code) : str_c(err_slug(e));
    *ret_json = json_obj(a, "state", json_str(a, S("failed")), "error",
                         json_obj(a, "code", json_str(a, code), "message",
                                  json_str(a, str_dup(a, str_c(err_client_text(e)))), NULL),
                         NULL);
    return OK;
}

Err wf_node_try(struct wf_engine *e, struct arena *a, const struct wf_try *t,
                struct json **ret_json)
{
    AUTO(arena) *memory = arena_new(ATTEMPT_MEMORY_MAX);
    struct wf_state *s = wf_core_new(memory, t->def);
    struct wf_facts facts = {.run = id_new(),
                             .workflow = t->workflow,
                             .tenant = t->tenant,
                             .version = t->version,
                             .created_at = time_wall(),
                             .trigger = S("test")};
    struct wf_names names = {.a = memory, .state = s, .facts = &facts};
    const struct wf_node *node = &t->def->nodes[t->node];
    char id[ID_TEXT_SIZE];

    TRY(check_node(t->def, t->node));
    s->input = t->input ? t->input : json_null(memory);
    s->vars = t->vars;
    s->started_at = facts.created_at;
    TRY(give_outputs(s, t->outputs));
    struct wf_scope scope = wf_core_scope(&names);
    struct wf_step step = {
        .a = memory,
        .env = &e->o.env,
        .def = t->def,
        .node = node,
        .scope = &scope,
        .tenant = t->tenant,
        .workflow = t->workflow,
        .run = facts.run,
        .attempt = 1,
        .key = str_fmt(memory, "%.*s:%.*s", P(id_text(facts.run, id)), P(node->id)),
        .deadline = usec_min(usec_in(node->timeout), fiber_deadline()),
        .input = s->input,
        .live = no_live,
        .engine = e,
    };
    Usec former = fiber_deadline(), began = time_mono();
    (void)fiber_deadline_set(step.deadline);
    Err err = run_one(a, &step, e->o.env.max_output, ret_json);
    (void)fiber_deadline_set(former);
    TRY(err);
    json_set(a, *ret_json, S("duration_ms"), json_double(a, (double)(time_mono() - began) / 1000));
    return OK;
}
