/* src/wf/nodes/node_sub_workflow.c - the "sub_workflow" node: runs another workflow, as a run of
 * its own, and waits for its end.
 *
 * While the other run goes on this one costs a row. What becomes of it is in wf/subrun.c.
 */
#include "wf/nodes/table.h"

enum { NAME_MAX_BYTES = 800 }; /* of a workflow: 200 characters */

struct sub_workflow_cfg {
    struct wf_template *workflow;
    struct wf_value *input;
    bool wait;
    Usec max_wait;
};

static const struct field fields[] = {
    {"workflow", F_TEMPLATE, offsetof(struct sub_workflow_cfg, workflow), .required = true,
     .title = "Workflow", .help = "Its id or its name; the published version is run."},
    {"input", F_VALUE, offsetof(struct sub_workflow_cfg, input), .title = "Input",
     .help = "Any JSON with templates: the input of its run.", .lines = true},
    {"wait", F_BOOL, offsetof(struct sub_workflow_cfg, wait), .dflt = "true",
     .title = "Wait for its end",
     .help = "Else the step ends at once, and the other run goes its own way."},
    {"max_wait", F_USEC, offsetof(struct sub_workflow_cfg, max_wait), .dflt = "0s",
     .max = 3660.0 * 86400, .title = "Wait at most",
     .help = "Then its run is stopped and the way \"timeout\" is taken; 0s: for ever."},
    {0},
};

static void check(struct wf_check *ck, void *settings)
{
    const struct sub_workflow_cfg *cfg = settings;

    if (!cfg->wait && cfg->max_wait)
        wf_check_problem(ck, S("max_wait"), S("not_used"),
                         "\"max_wait\" has no meaning where \"wait\" is false.");
}

static Err wait(struct wf_step *step, const void *settings, struct wf_wait *ret_wait)
{
    const struct sub_workflow_cfg *cfg = settings;
    Str name;

    TRY(wf_template_text(step->a, cfg->workflow, step->scope, step->deadline, &name));
    name = str_trim(name);
    if (!name.n)
        return err_detail(E_INVALID, "The name of the workflow is empty.");
    if (name.n > NAME_MAX_BYTES)
        return err_detail(E_INVALID, "No workflow has a name of more than %d bytes.",
                          NAME_MAX_BYTES);
    if (cfg->input)
        TRY(wf_value_eval(step->a, cfg->input, step->scope, step->deadline, &ret_wait->input));
    ret_wait->workflow = name;
    ret_wait->detached = !cfg->wait;
    ret_wait->what = json_obj(step->a, "kind", json_str_c(step->a, "workflow"), NULL);
    ret_wait->span = cfg->max_wait;
    ret_wait->handle = S("timeout");
    return OK;
}

const struct wf_node_type wf_node_sub_workflow = {
    .name = "sub_workflow",
    .title = "Sub-workflow",
    .help = "Runs another workflow and gives its result.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct sub_workflow_cfg),
    .effects = WF_PURE,
    .handles = "out timeout",
    .check = check,
    .wait = wait,
};
