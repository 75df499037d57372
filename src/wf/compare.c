/* src/wf/compare.c - two runs beside each other: which steps went another way, and where their
 * results differ. What is told is bounded, whatever the runs hold. */
#include "base/json_diff.h"
#include "wf/engine_private.h"

enum { OF_STEP = 50, OF_RUN = 1000, VALUE_BYTES = 256 };

struct side_run {
    struct run_row row;
    struct wf_state *state;
};

struct comparison {
    struct arena *a;
    struct side_run left, right;
    size_t told; /* differences so far */
    bool same, whole;
};

static void unref_def(void *def)
{
    wf_def_unref(def);
}

static Err load(struct wf_engine *e, struct arena *a, Id tenant, Id id, struct side_run *ret)
{
    struct wf_def *def;
    size_t text;

    TRY(store_run_get(e->db, a, tenant, id, &ret->row));
    TRY(wf_engine_def(e, ret->row.hash, &def));
    arena_defer(a, unref_def, def); /* the state points into it */
    TRY(run_fold(e, a, id, def, NULL, &ret->state, &text));
    if (!ret->state->seq) /* its input is still being gathered */
        return err_detail(E_CONFLICT, "The run has not begun yet.");
    return OK;
}

/* @value as it is shown beside its path; NULL when there is none, or too much of it. */
static struct json *shown(struct arena *a, const struct json *value)
{
    AUTO_BUF(text, VALUE_BYTES);

    if (!value)
        return NULL;
    json_write(&text, value);
    return buf_ok(&text) == OK ? json_dup(a, value) : NULL;
}

static struct json *difference_json(struct arena *a, const struct json_difference *d)
{
    const char *kind = !d->left ? "added" : !d->right ? "removed" : "changed";
    return json_obj(a, "path", json_str(a, d->path), "kind", json_str_c(a, kind), "left",
                    shown(a, d->left), "right", shown(a, d->right), NULL);
}

/* Where @x and @y differ; *ret_same whether they do not. */
static struct json *differences(struct comparison *c, const struct json *x, const struct json *y,
                                bool *ret_same)
{
    JsonDifferences found = {0};
    struct json *list = json_arr(c->a);
    size_t room = c->told < OF_RUN ? OF_RUN - c->told : 0;

    bool all = json_diff(c->a, x, y, room < OF_STEP ? room : OF_STEP, &found);
    vec_each(&found, d)
        json_push(c->a, list, difference_json(c->a, d));
    c->told += found.n;
    c->whole = c->whole && all;
    *ret_same = all && found.n == 0;
    return list;
}

static bool has_run(const struct wf_node_run *n)
{
    return n && n->state != WF_NODE_IDLE && n->state != WF_NODE_SKIPPED;
}

static struct json *step_side(struct arena *a, const struct wf_node_run *n)
{
    Usec took = n ? usec_max(n->ended_at - n->first_at, 0) : 0;
    bool ended = n && (n->state == WF_NODE_DONE || n->state == WF_NODE_FAILED);

    if (!n)
        return json_null(a);
    return json_obj(a, "state", json_str_c(a, run_step_state_name(n->state)), "attempts",
                    json_int(a, n->attempt), "duration_ms",
                    ended ? json_double(a, (double)took / 1000) : json_null(a), "handle",
                    n->handle.n ? json_str(a, n->handle) : json_null(a), "kept",
                    n->kept_by.n ? json_str(a, n->kept_by) : json_null(a), "error_code",
                    n->error.code.n ? json_str(a, n->error.code) : json_null(a), NULL);
}

static const char *change_name(const struct wf_node_run *x, const struct wf_node_run *y, bool same)
{
    if (has_run(x) != has_run(y))
        return has_run(x) ? "only_left" : "only_right";
    return same ? "same" : "changed";
}

static struct json *compare_step(struct comparison *c, const struct wf_node *node,
                                 const struct wf_node_run *x, const struct wf_node_run *y)
{
    bool same = true;
    struct json *list =
        has_run(x) && has_run(y) ? differences(c, x->output, y->output, &same) : json_arr(c->a);

    same = same && x && y && x->state == y->state && str_eq(x->handle, y->handle) &&
           str_eq(x->error.code, y->error.code) && str_eq(x->error.message, y->error.message);
    const char *change = change_name(x, y, same);
    c->same = c->same && (same || (!has_run(x) && !has_run(y)));
    return json_obj(c->a, "node", json_str(c->a, node->id), "title", json_str(c->a, node->title),
                    "type", json_str_c(c->a, node->type->name), "change",
                    json_str_c(c->a, has_run(x) || has_run(y) ? change : "same"), "left",
                    step_side(c->a, x), "right", step_side(c->a, y), "differences", list, NULL);
}

static const struct wf_node_run *run_of(const struct wf_state *s, Str id)
{
    int node = wf_def_node(s->def, id);
    return node >= 0 ? &s->nodes[node] : NULL;
}

/* In the order of the left, then what the right alone has. */
static struct json *compare_steps(struct comparison *c)
{
    const struct wf_state *x = c->left.state, *y = c->right.state;
    struct json *steps = json_arr(c->a);

    for (int i = 0; i < x->def->n_nodes; i++)
        json_push(c->a, steps,
                  compare_step(c, &x->def->nodes[i], &x->nodes[i], run_of(y, x->def->nodes[i].id)));
    for (int i = 0; i < y->def->n_nodes; i++)
        if (!run_of(x, y->def->nodes[i].id))
            json_push(c->a, steps, compare_step(c, &y->def->nodes[i], NULL, &y->nodes[i]));
    return steps;
}

static struct json *run_side(struct arena *a, const struct side_run *side)
{
    const struct wf_state *s = side->state;
    struct json *doc = wf_run_row_json(a, &side->row);

    json_set(a, doc, S("state"), json_str_c(a, wf_run_state_name(s->run)));
    json_set(a, doc, S("duration_ms"),
             s->ended_at ? json_double(a, (double)(s->ended_at - s->started_at) / 1000)
                         : json_null(a));
    return doc;
}

static struct json *compare_values(struct comparison *c, const struct json *x, const struct json *y)
{
    bool same;
    struct json *list = differences(c, x, y, &same);

    c->same = c->same && same;
    return list;
}

Err wf_run_compare(struct wf_engine *e, struct arena *a, Id tenant, Id left, Id right,
                   struct json **ret_json)
{
    struct comparison c = {.a = a, .same = true, .whole = true};

    TRY(load(e, a, tenant, left, &c.left));
    TRY(load(e, a, tenant, right, &c.right));
    const struct wf_state *x = c.left.state, *y = c.right.state;
    struct json *input = compare_values(&c, x->input, y->input);
    struct json *output = compare_values(&c, x->output, y->output);
    struct json *steps = compare_steps(&c);
    bool same = c.same && x->run == y->run;
    *ret_json = json_obj(a, "left", run_side(a, &c.left), "right", run_side(a, &c.right), "same",
                         json_bool(a, same), "same_definition",
                         json_bool(a, memcmp(x->def->hash, y->def->hash, sizeof x->def->hash) == 0),
                         "input", input, "output", output, "steps", steps, "whole",
                         json_bool(a, c.whole), NULL);
    return OK;
}
