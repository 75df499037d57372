/* src/wf/rerun.c - running a run again: with its input, from a step on, or with other results.
 *
 * The new run is a run like any other. What it takes over stands in its first event, so a crash, a
 * later deletion of the first run or a change of its workflow alter nothing.
 */
#include "wf/engine_private.h"

/* ---- while it runs ---- */

Err run_keep_step(struct wf_run *run, struct wf_node_run *n)
{
    struct wf_event ev;

    wf_core_kept(run->state, n, &ev);
    Err e = run_record(run, ev);
    if (e == E_TOO_LARGE) /* the limits are lower now than they were */
        e = run_record_failure(run, n, ev.attempt, e, str_dup(run->a, str_c(err_client_text(e))), 0,
                               0);
    TRY(e);
    return fiber_breathe();
}

/* ---- before it starts ---- */

struct plan {
    struct arena *a;
    const struct wf_rerun *rerun;
    const struct wf_def *def;     /* of the new run */
    const struct wf_state *state; /* of the one that is run again */
    bool same;                    /* both are of the same definition */
    bool *again, *passed;         /* by node of def: runs again; all behind it is marked to */
};

/* Whether what is known of @node of the former run holds for the new one. */
static bool may_keep(const struct plan *p, int node, const struct wf_node_run **ret_former)
{
    const struct wf_node *n = &p->def->nodes[node];
    int former = wf_def_node(p->state->def, n->id);

    if (former < 0 || p->state->def->nodes[former].type != n->type ||
        p->state->nodes[former].state != WF_NODE_DONE)
        return false;
    *ret_former = &p->state->nodes[former];
    return p->same || n->n_out == 0 || wf_node_has_handle(n, (*ret_former)->handle);
}

/* Mark everything behind @node, and itself if @with. */
static void mark_behind(const struct plan *p, int node, bool with)
{
    p->again[node] = p->again[node] || with;
    if (p->passed[node])
        return;
    AUTO(arena) *a = arena_new(MIB(1));
    int *stack = arena_array(a, int, p->def->n_nodes), n = 0;
    stack[n++] = node;
    p->passed[node] = true;
    while (n) {
        const struct wf_node *at = &p->def->nodes[stack[--n]];
        for (int i = 0; i < at->n_out; i++) {
            int to = p->def->edges[at->out[i]].to;
            p->again[to] = true;
            if (!p->passed[to])
                stack[n++] = to;
            p->passed[to] = true;
        }
    }
}

static Err find_node(const struct plan *p, Str id, int *ret_node)
{
    int node = wf_def_node(p->def, id);

    if (node < 0)
        return err_detail(E_INVALID, "The workflow has no step \"%.*s\".", P(str_head(id, 100)));
    if (p->def->nodes[node].parent >= 0)
        return err_detail(E_INVALID, "Step \"%.*s\" is inside of \"%.*s\", which runs again whole.",
                          P(id), P(p->def->nodes[p->def->nodes[node].parent].id));
    *ret_node = node;
    return OK;
}

/* The step of the workflow itself that @node is, or is inside of. */
static int outermost(const struct wf_def *def, int node)
{
    while (def->nodes[node].parent >= 0)
        node = def->nodes[node].parent;
    return node;
}

static Err mark_from(const struct plan *p)
{
    const struct wf_rerun *r = p->rerun;
    int node = 0, former;

    TRY(find_node(p, r->from, &node));
    former = wf_def_node(p->state->def, r->from);
    if (former >= 0 && p->state->nodes[former].state == WF_NODE_SKIPPED && p->same &&
        !json_len(r->edits))
        return err_detail(
            E_INVALID,
            "The run did not come to step \"%.*s\", and would not with the results it "
            "keeps: begin with the step that decides, or edit its result.",
            P(r->from));
    mark_behind(p, node, true);
    return OK;
}

/* The way that the edited step @node takes. */
static Err handle_of_edit(const struct plan *p, int node, Str *ret_handle)
{
    const struct wf_node *n = &p->def->nodes[node];
    const struct wf_node_run *former = NULL;
    Str asked = json_str_of(json_get(p->rerun->handles, n->id), S(""));

    if (asked.n && !wf_node_has_handle(n, asked))
        return err_detail(E_INVALID, "Step \"%.*s\" has no handle \"%.*s\".", P(n->id),
                          P(str_head(asked, 100)));
    *ret_handle = asked.n ? asked : S("out");
    if (asked.n || n->n_out == 0)
        return OK;
    if (may_keep(p, node, &former))
        *ret_handle = former->handle;
    else if (!wf_node_has_handle(n, *ret_handle))
        return err_detail(E_INVALID,
                          "Step \"%.*s\" may go on in several ways: say in \"handles\" which one.",
                          P(n->id));
    return OK;
}

static Err add_edits(const struct plan *p, struct json *kept)
{
    const struct json *edits = p->rerun->edits, *handles = p->rerun->handles;
    Str handle = S("");
    int node = 0;

    for (size_t i = 0; json_is(handles, JSON_OBJ) && i < handles->n; i++) {
        Str id = str_from(handles->obj[i].key.s, handles->obj[i].key.n);
        if (!json_get(edits, id))
            return err_detail(E_INVALID, "\"handles\" names step \"%.*s\", which is not edited.",
                              P(str_head(id, 100)));
    }
    for (size_t i = 0; json_is(edits, JSON_OBJ) && i < edits->n; i++) {
        Str id = str_from(edits->obj[i].key.s, edits->obj[i].key.n);
        TRY(find_node(p, id, &node));
        if (node == p->def->trigger)
            return err_detail(E_INVALID, "The result of the trigger is the input of the run: start "
                                         "a new run with another input.");
        TRY(handle_of_edit(p, node, &handle));
        json_set(p->a, kept, p->def->nodes[node].id,
                 json_obj(p->a, "output", &edits->obj[i].val, "handle", json_str(p->a, handle),
                          "by", json_str(p->a, S("edit")), NULL));
        mark_behind(p, node, false);
    }
    return OK;
}

/* What did not change its ways and lies before no step that runs again. */
static void add_results(const struct plan *p, struct json *kept)
{
    for (int i = 0; i < p->def->n_nodes; i++) {
        const struct wf_node *n = &p->def->nodes[i];
        const struct wf_node_run *former = NULL;
        if (i == p->def->trigger || p->again[i] || json_get(kept, n->id) ||
            !may_keep(p, i, &former))
            continue;
        json_set(p->a, kept, n->id,
                 json_obj(p->a, "output", former->output ? former->output : json_null(p->a),
                          "handle", json_str(p->a, former->handle), "by", json_str(p->a, S("run")),
                          NULL));
    }
}

/* Whether @node is new in this version, or what it gave has no place in it any more. */
static bool has_changed(const struct plan *p, int node)
{
    const struct wf_node *n = &p->def->nodes[node];
    int former = wf_def_node(p->state->def, n->id);
    const struct wf_node_run *result = NULL;

    if (former < 0 || p->state->def->nodes[former].type != n->type)
        return true;
    return p->state->nodes[former].state == WF_NODE_DONE && !may_keep(p, node, &result);
}

/* A step that has changed takes all behind it along. */
static void mark_changed(const struct plan *p)
{
    for (int i = 0; i < p->def->n_nodes && !p->same; i++)
        if (i != p->def->trigger && !p->again[i] && has_changed(p, i) &&
            !json_get(p->rerun->edits, p->def->nodes[i].id))
            mark_behind(p, outermost(p->def, i), true);
}

static struct json *origin_of(struct arena *a, const struct wf_rerun *r)
{
    struct json *edited = json_arr(a);

    for (size_t i = 0; json_is(r->edits, JSON_OBJ) && i < r->edits->n; i++)
        json_push(a, edited, &r->edits->obj[i].key);
    return json_obj(a, "run_id", json_id(a, r->row->id), "from",
                    r->from.n ? json_str(a, r->from) : json_null(a), "edited", edited, NULL);
}

static void unref_def(void *def)
{
    wf_def_unref(def);
}

Err wf_rerun_prepare(struct wf_engine *e, struct arena *a, const struct wf_rerun *r,
                     struct wf_start *start)
{
    struct plan p = {.a = a, .rerun = r, .def = start->def};
    struct json *kept = json_obj(a, NULL);
    struct wf_def *former;
    struct wf_state *state;
    size_t text;

    TRY(wf_engine_def(e, r->row->hash, &former));
    arena_defer(a, unref_def, former); /* the state points into it */
    TRY(run_fold(e, a, r->row->id, former, NULL, &state, &text));
    if (!state->seq) /* its input is still being gathered */
        return err_detail(E_CONFLICT, "The run has not begun yet.");
    p.state = state;
    p.same = memcmp(p.def->hash, former->hash, sizeof former->hash) == 0;
    p.again = arena_array(a, bool, p.def->n_nodes);
    p.passed = arena_array(a, bool, p.def->n_nodes);
    if (r->from.n)
        TRY(mark_from(&p));
    TRY(add_edits(&p, kept));
    if (r->from.n || json_len(r->edits)) {
        mark_changed(&p);
        add_results(&p, kept);
    }
    start->input = state->input;
    start->request = state->request;
    start->vars = state->vars;
    start->kept = json_len(kept) ? kept : NULL;
    start->rerun_of = origin_of(a, r);
    start->dry_run = state->dry_run; /* its placeholders are nothing that a real run could use */
    return OK;
}

/* Whether @node asks people, or a node in its body does. Bodies nest only so deep. */
static bool asks(const struct wf_def *def, int node)
{
    const struct wf_node *n = &def->nodes[node];

    for (int i = 0; n->body && i < n->body->n; i++)
        if (asks(def, n->body->nodes[i]))
            return true;
    return str_eq(str_c(n->type->name), S("approval"));
}

bool wf_rerun_approves(const struct wf_def *def, const struct json *kept)
{
    for (size_t i = 0; json_is(kept, JSON_OBJ) && i < kept->n; i++) {
        int node = wf_def_node(def, str_from(kept->obj[i].key.s, kept->obj[i].key.n));
        if (node >= 0 && asks(def, node))
            return true;
    }
    return false;
}
