/* src/wf/nodes/node_output.c - the "output" node: what a run gives as its result. */
#include "wf/nodes/table.h"

struct output_cfg {
    struct wf_value *output;
};

static const struct field fields[] = {
    {"output", F_VALUE, offsetof(struct output_cfg, output), .required = true, .title = "Output",
     .help = "Any JSON with templates: the result of the run.", .lines = true},
    {0},
};

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct output_cfg *cfg = settings;

    return wf_value_eval(step->a, cfg->output, step->scope, step->deadline, &ret_outcome->output);
}

const struct wf_node_type wf_node_output = {
    .name = "output",
    .title = "Output",
    .help = "Gives the result of the run.",
    .group = "data",
    .fields = fields,
    .settings_size = sizeof(struct output_cfg),
    .effects = WF_PURE,
    .handles = "",
    .run = run,
};
