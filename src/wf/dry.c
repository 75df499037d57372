/* src/wf/dry.c - dry runs: everything is computed, nothing is called and nobody is asked.
 *
 * A step that would call out, ask people or wait takes a placeholder (sample.h) as its result at
 * once, and says so; its settings are answered first, and fail as they would. Runs of other
 * workflows that it starts are dry too. A dry run passes no gate, tells no subscriber and starts no
 * error workflow.
 */
#include "wf/engine_private.h"
#include "wf/sample.h"

bool run_is_pretended(const struct wf_run *run, const struct wf_node *node)
{
    bool waits = node->type->wait && !str_eq(str_c(node->type->name), S("sub_workflow"));

    return run->state->dry_run && !node->body && (waits || wf_node_effects(node) != WF_PURE);
}

static bool is_approval(const struct wf_node *node)
{
    return str_eq(str_c(node->type->name), S("approval"));
}

/* What a wait gives that is over at once. */
static Err pretend_wait(struct wf_run *run, struct wf_step *step, struct wf_outcome *ret)
{
    struct arena *a = step->a;
    struct wf_wait w = {0};

    TRY(step->node->type->wait(step, step->node->settings, &w));
    if (w.event.n) {
        ret->output = wf_sample_output(a, run->def, step->node->index);
        return OK;
    }
    bool people = is_approval(step->node);
    ret->handle = people ? S("approve") : S("out");
    ret->output =
        json_obj(a, "outcome", json_str_c(a, people ? "approve" : "due"), "since",
                 json_time(a, run_now(run)), "by", people ? json_str_c(a, "placeholder") : NULL,
                 "data", people ? wf_sample_answer(a, run->def, step->node->index) : NULL, "until",
                 w.until ? json_time(a, w.until) : NULL, NULL);
    return OK;
}

Err run_pretend(struct wf_run *run, struct wf_node_run *n, int number)
{
    struct arena *a = run_arena(run, n);
    struct wf_outcome outcome = {0};
    struct wf_names names;
    struct wf_scope scope;
    struct wf_step step = run_step(run, a, n, number, &names, &scope);
    Err e = run_check_memory(run, 0);

    if (e == OK)
        e = step.node->type->wait ? pretend_wait(run, &step, &outcome)
                                  : wf_sample_run(&step, &outcome);
    if (e == OK)
        e = run_record(run, (struct wf_event){.kind = WF_EV_STEP_FINISHED,
                                              .node = n->node,
                                              .in = n->frame->path,
                                              .attempt = number,
                                              .handle = outcome.handle,
                                              .data = outcome.output,
                                              .kept_by = S("placeholder")});
    if (e == OK || (e == E_CANCELLED && fiber_cancelled()) ||
        (e != E_TOO_LARGE && n->state == WF_NODE_DONE))
        return e;
    return run_record_failure(run, n, number, e, str_dup(a, str_c(err_client_text(e))), 0, 0);
}
