/* src/wf/nodes/node_error.c - the "error" node: a failure that the workflow itself decides on. */
#include "wf/nodes/table.h"

enum { CODE_MAX = 64, MESSAGE_MAX = 4000 };

struct error_cfg {
    Str code;
    struct wf_template *message;
};

static const struct field fields[] = {
    {"message", F_TEMPLATE, offsetof(struct error_cfg, message), .required = true,
     .title = "Message", .help = "What went wrong, for whoever sees the run.", .lines = true},
    {"code", F_STR, offsetof(struct error_cfg, code), .dflt = "stopped", .min = 1, .max = CODE_MAX,
     .title = "Code", .help = "A word in lower case, for programs."},
    {0},
};

static void check(struct wf_check *ck, void *settings)
{
    const struct error_cfg *cfg = settings;

    for (size_t i = 0; i < cfg->code.n; i++) {
        char c = cfg->code.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
            continue;
        wf_check_problem(ck, S("code"), S("bad_name"),
                         "\"%.*s\" is no code: use lower-case letters, digits and \"_\".",
                         P(cfg->code));
        return;
    }
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct error_cfg *cfg = settings;
    Str message;

    TRY(wf_template_text(step->a, cfg->message, step->scope, step->deadline, &message));
    ret_outcome->error_code = cfg->code;
    return err_detail(E_STOPPED, "%.*s", P(str_head(message, MESSAGE_MAX)));
}

const struct wf_node_type wf_node_error = {
    .name = "error",
    .title = "Error",
    .help = "Ends what it is in as failed: the run, or the item.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct error_cfg),
    .effects = WF_PURE,
    .handles = "",
    .check = check,
    .run = run,
};
