/* src/wf/subrun.c - runs that a step of another run starts: how they begin, what their end means.
 *
 * The child is written in the transaction of the event that starts it, and from there on it is a
 * run like any other, on whatever node; it answers the wait of its parent in its last transaction.
 * So a parent has each child once and hears of its end once, whoever dies. A parent that ends asks
 * those it waited for to stop.
 */
#include "wf/event_start.h"

enum { DEPTH_MAX = 16 };

/* ---- beginning ---- */

Err run_find_workflow(struct wf_run *run, struct arena *a, Str name, struct workflow_row *ret_row)
{
    struct db *db = run->engine->db;
    Id id;
    Err e;

    do
        e = id_parse(name, &id) == OK ? store_workflow_get(db, a, run->row.tenant, id, ret_row)
                                      : store_workflow_named(db, a, run->row.tenant, name, ret_row);
    while (run_try_again(run, e));
    if (e == E_NOT_FOUND)
        return err_detail(E_NOT_FOUND, "There is no workflow \"%.*s\".", P(str_head(name, 200)));
    TRY(e);
    if (!ret_row->published_version)
        return err_detail(E_NOT_FOUND, "The workflow \"%.*s\" has no published version.",
                          P(ret_row->name));
    return OK;
}

/* The workflows whose runs are above the children of @run, its own last: ids. */
static struct json *path_below(const struct wf_run *run, struct arena *a)
{
    const struct json *above = json_at(run->state->parent, "path");
    struct json *path = json_arr(a);

    for (size_t i = 0; i < json_len(above); i++)
        json_push(a, path, json_item(above, i));
    json_push(a, path, json_id(a, run->row.workflow));
    return path;
}

static Err check_path(const struct json *path, const struct workflow_row *row)
{
    char id[ID_TEXT_SIZE];
    Str text = id_text(row->id, id);

    for (size_t i = 0; i < json_len(path); i++)
        if (str_eq(json_str_of(json_item(path, i), S("")), text))
            return err_detail(E_INVALID,
                              "The workflow \"%.*s\" would run itself: a run of it is under way "
                              "above this step.",
                              P(row->name));
    if (json_len(path) >= DEPTH_MAX)
        return err_detail(E_INVALID, "Workflows may run each other %d deep at most.", DEPTH_MAX);
    return OK;
}

Err run_check_input(struct wf_run *run, const struct workflow_row *row, const struct json *input,
                    const struct json **ret_input)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO(wf_def) *def = NULL;
    Err e;

    do
        e = wf_engine_def(run->engine, row->published, &def);
    while (run_try_again(run, e));
    TRY(e);
    TRY(wf_def_check_input(def, a, input, NULL));
    *ret_input = wf_def_run_input(def, run_side_arena(run), input);
    return OK;
}

Err run_first_batch(struct wf_engine *e, struct arena *a, const struct wf_event *started,
                    struct journal_batch *ret_batch, size_t *ret_n)
{
    AUTO(piece_book) *book = NULL;
    AUTO_BUF(text, EVENT_TEXT_MAX);

    buf_add_char(&text, '[');
    json_write(&text, wf_event_json(a, NULL, started));
    buf_add_char(&text, ']');
    if (buf_ok(&text) != OK)
        return err_detail(E_TOO_LARGE, "The input of a run may have %d MiB as JSON.",
                          EVENT_TEXT_MAX >> 20);
    *ret_n = text.n;
    return store_payload_pack(e->db, a, ID_NONE, false, &book, str_dup(a, buf_str(&text)),
                              ret_batch);
}

/* Everything about the child that has to be known before it is written; in memory that stays until
 * the next commit. */
static Err make_child(struct wf_run *run, const struct wf_node_run *n, int number,
                      const struct wf_wait *w, Id wait, struct side *side, Str *ret_name,
                      size_t *ret_bytes)
{
    struct arena *a = run_side_arena(run);
    struct json *path = path_below(run, a);
    const struct json *input;
    struct workflow_row row;

    TRY(run_find_workflow(run, a, w->workflow, &row));
    TRY(check_path(path, &row));
    TRY(run_check_input(run, &row, w->input, &input));
    side->run = (struct run_row){.id = id_new(),
                                 .tenant = run->row.tenant,
                                 .workflow = row.id,
                                 .version = row.published_version,
                                 .hash = row.published,
                                 .origin = S("workflow"),
                                 .state = WF_RUN_QUEUED,
                                 .dry_run = run->state->dry_run,
                                 .created_at = run_now(run)};
    side->child = (struct child_row){side->run.id, run->row.id, run->def->nodes[n->node].id, wait};
    struct wf_event started = {
        .seq = 1,
        .at = side->run.created_at,
        .kind = WF_EV_RUN_STARTED,
        .node = -1,
        .dry_run = run->state->dry_run,
        .data = input ? input : json_null(a),
        .parent = json_obj(a, "run_id", json_id(a, run->row.id), "node",
                           json_str(a, side->child.node), "attempt", json_int(a, number), "waits",
                           json_bool(a, !id_is_none(wait)), "path", path, NULL),
        .cause = run_cause_below(run, a)};
    *ret_name = row.name;
    return run_first_batch(run->engine, a, &started, &side->batch, ret_bytes);
}

/* The event that begins the wait for the child, or ends the step that does not wait; in the memory
 * of the step. */
static struct wf_event begin_event(struct wf_run *run, const struct wf_node_run *n, int number,
                                   const struct wf_wait *w, const struct side *made, Str name)
{
    struct arena *a = run_arena(run, n);
    struct json *what =
        json_obj(a, "run_id", json_id(a, made->run.id), "workflow_id",
                 json_id(a, made->run.workflow), "workflow", json_str(a, str_dup(a, name)), NULL);
    struct wf_event ev = {.node = n->node, .in = n->frame->path, .attempt = number, .data = what};

    if (w->detached) {
        ev.kind = WF_EV_STEP_FINISHED;
        return ev;
    }
    json_set(a, what, S("kind"), json_str_c(a, "workflow"));
    json_set(a, what, S("id"), json_id(a, made->child.wait));
    ev.kind = WF_EV_STEP_WAITING;
    ev.until = w->span ? usec_add(run_now(run), w->span) : 0;
    ev.relative = w->span != 0;
    ev.handle = w->handle;
    ev.clock = run_clock(run);
    return ev;
}

Err run_begin_child(struct wf_run *run, struct wf_node_run *n, int number, struct wf_wait *w,
                    Usec began)
{
    struct side made = {.kind = SIDE_CHILD};
    Id wait = w->detached ? ID_NONE : id_new();
    size_t bytes;
    Str name;

    /* Many of them are written one after the other, not all in one transaction. */
    if (run->text.n + run->side_bytes >= COMMIT_TEXT_GOOD)
        TRY(run_commit(run));
    Err e = run_check_memory(run, 0);
    if (e == OK)
        e = make_child(run, n, number, w, wait, &made, &name, &bytes);
    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    if (e != OK)
        return run_record_failure(run, n, number, e,
                                  str_dup(run_arena(run, n), str_c(err_client_text(e))), 0,
                                  time_mono() - began);
    TRY(run_record(run, begin_event(run, n, number, w, &made, name)));
    *run_add_side(run) = made;
    run->side_bytes += bytes;
    run->kick = true; /* when it is durable */
    return OK;
}

Err run_child_enter(struct wf_run *run)
{
    Err e = run_flow_enter(run);

    if (e == OK) {
        run_flow_be_patient(run);
        return OK;
    }
    /* It was accepted with its parent: what is wrong with it is its failure. */
    return run_record(run,
                      (struct wf_event){.kind = WF_EV_RUN_FAILED,
                                        .node = -1,
                                        .error = {str_c(err_slug(e)),
                                                  str_dup(run->a, str_c(err_client_text(e)))}});
}

/* ---- ending ---- */

bool run_is_child_wait(const struct wf_node_run *n)
{
    return str_eq(json_str_of(json_at(n->wait, "kind"), S("")), S("workflow"));
}

void run_stop_child(struct wf_run *run, const struct wf_node_run *n)
{
    Id child;

    if (!run_is_child_wait(n) ||
        id_parse(json_str_of(json_at(n->wait, "run_id"), S("")), &child) != OK)
        return;
    struct side *side = run_add_side(run);
    side->kind = SIDE_STOP;
    side->child.run = child;
    run->kick = true;
}

/* The end of a child, as its parent hears it: no more of its output than a step may give. */
static Str report(struct wf_run *run)
{
    const struct wf_state *s = run->state;
    struct arena *a = run->a;
    size_t max = run->engine->o.env.max_output;
    AUTO_BUF(text, max + KIB(64));
    struct json *o = json_obj(a, "id", json_id(a, run->row.id), "state",
                              json_str_c(a, wf_run_state_name(s->run)), "output", s->output, NULL);

    if (s->error.code.n)
        json_set(a, o, S("error"),
                 json_obj(a, "code", json_str(a, s->error.code), "message",
                          json_str(a, s->error.message), "node",
                          s->error_node >= 0 ? json_str(a, s->def->nodes[s->error_node].id) : NULL,
                          NULL));
    json_write(&text, o);
    if (buf_ok(&text) == OK)
        return str_dup(a, buf_str(&text));
    o = json_obj(a, "code", json_str(a, S("too_large")), "message",
                 json_str(a, str_fmt(a, "Its output is larger than %zu bytes.", max)), NULL);
    return json_text(a, json_obj(a, "id", json_id(a, run->row.id), "state",
                                 json_str(a, S("failed")), "error", o, NULL));
}

void run_write_end(struct wf_run *run, struct db_tx *tx)
{
    const struct wf_state *s = run->state;

    if (json_bool_of(json_at(s->parent, "waits"), false)) {
        if (!run->report.n)
            run->report = report(run);
        store_child_report(tx, &run->row.id, run->report, time_wall());
        run->kick = true;
    }
    if (s->has_children) {
        store_child_cancel_all(tx, run->row.id);
        run->kick = true;
    }
}

/* What the child's failure is called here. One that was cancelled did not end by its parent's
 * will: that is a failure like any other. */
static Err err_of(Str code)
{
    Err e = err_by_slug(code.p, code.n);
    return e == OK || e == E_CANCELLED ? E_RUN_FAILED : e;
}

static Str failure_text(struct arena *a, const struct wf_node_run *n, const struct json *answer)
{
    const struct json *error = json_at(answer, "error");
    Str name = json_str_of(json_at(n->wait, "workflow"), S(""));
    Str step = json_str_of(json_at(error, "node"), S(""));
    Str state = json_str_of(json_at(answer, "state"), S("failed"));

    if (!error)
        return str_fmt(a, "The run of the workflow \"%.*s\" was %.*s.", P(name), P(state));
    return str_fmt(a, "The workflow \"%.*s\" failed%s%.*s%s: %.*s", P(name),
                   step.n ? " at step \"" : "", P(step), step.n ? "\"" : "",
                   P(json_str_of(json_at(error, "message"), S(""))));
}

void wf_core_child_answer(struct arena *a, const struct wf_state *s, const struct wf_node_run *n,
                          const struct json *answer, Usec now, struct wf_event *ret_event)
{
    Str state = json_str_of(json_at(answer, "state"), S(""));
    Str code = json_str_of(json_at(json_at(answer, "error"), "code"), state);

    if (str_eq(state, S("succeeded"))) {
        struct json *output = json_at(answer, "output");
        *ret_event = (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                       .node = n->node,
                                       .in = n->frame->path,
                                       .attempt = n->attempt,
                                       .handle = S("out"),
                                       .data = output ? output : json_null(a)};
        return;
    }
    wf_core_failure(a, s, n, n->attempt, err_of(code), failure_text(a, n, answer), now, 0, 0,
                    ret_event);
    ret_event->error.code = code;
}
