/* src/wf/error_run.c - the run that hears of a run's failure.
 *
 * It is written in the transaction of the failure itself: there is one for each failed run of a
 * workflow that names an error workflow, whatever crashes. A run that was started so starts none.
 */
#include "rt/log.h"
#include "wf/event_start.h"

enum { INPUT_BYTES = 1 << 20 }; /* of the failed run; a larger one is not handed on */

static struct json *small_input(struct wf_run *run)
{
    AUTO_BUF(text, INPUT_BYTES);

    json_write(&text, run->state->input);
    return buf_ok(&text) == OK ? (struct json *)(uintptr_t)run->state->input : NULL;
}

/* What the error workflow is started with. */
static struct json *failure_json(struct wf_run *run)
{
    const struct wf_state *s = run->state;
    struct arena *a = run_side_arena(run);
    struct json *node =
        s->error_node >= 0 ? json_str(a, s->def->nodes[s->error_node].id) : json_null(a);
    struct json *error = json_obj(a, "code", json_str(a, s->error.code), "message",
                                  json_str(a, s->error.message), "node", node, NULL);
    struct json *of = json_obj(
        a, "id", json_id(a, run->row.id), "workflow_id", json_id(a, run->row.workflow),
        "workflow_name", json_str(a, s->def->name), "version", json_int(a, run->row.version),
        "trigger", json_str(a, run->row.origin), "created_at", json_time(a, run->row.created_at),
        "finished_at", json_time(a, s->ended_at), "input", small_input(run), NULL);

    return json_obj(a, "error", error, "run", of, NULL);
}

static Err make(struct wf_run *run, struct side *side)
{
    const struct wf_state *s = run->state;
    struct arena *a = run_side_arena(run);
    struct workflow_row row;
    const struct json *input;
    size_t bytes;

    TRY(run_find_workflow(run, a, run->def->error_workflow, &row));
    TRY(run_check_input(run, &row, failure_json(run), &input));
    side->run = (struct run_row){.id = id_new(),
                                 .tenant = run->row.tenant,
                                 .workflow = row.id,
                                 .version = row.published_version,
                                 .hash = row.published,
                                 .origin = S("error"),
                                 .state = WF_RUN_QUEUED,
                                 .created_at = run_now(run)};
    Str node = s->error_node >= 0 ? s->def->nodes[s->error_node].id : S("");
    side->child = (struct child_row){side->run.id, run->row.id, node, ID_NONE};
    struct wf_event started = {
        .seq = 1,
        .at = side->run.created_at,
        .kind = WF_EV_RUN_STARTED,
        .node = -1,
        .data = input,
        .parent = json_obj(a, "run_id", json_id(a, run->row.id), "node", json_str(a, node), NULL),
        .cause = run_cause_below(run, a)};
    return run_first_batch(run->engine, a, &started, &side->batch, &bytes);
}

Err run_tell_failure(struct wf_run *run)
{
    struct side made = {.kind = SIDE_CHILD};

    if (run->state->run != WF_RUN_FAILED || !run->def->error_workflow.n ||
        str_eq(run->row.origin, S("error")) || run->state->dry_run)
        return OK;
    Err e = make(run, &made);
    if (e == E_CANCELLED && fiber_cancelled())
        return e;
    if (e != OK) {
        LOG_WARN("the error workflow of a failed run is not started", L_ERR(e));
        return OK;
    }
    *run_add_side(run) = made;
    run->kick = true;
    return OK;
}
