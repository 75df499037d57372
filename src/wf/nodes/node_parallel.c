/* src/wf/nodes/node_parallel.c - the "parallel" node: several named branches, all taken at once.
 *
 * Nodes that are ready run at the same time anyway; this one says so, and gives each branch a name.
 */
#include "wf/nodes/table.h"

enum { BRANCHES_MAX = 100, ID_MAX = 64 };

struct branch {
    Str id, title;
};

struct parallel_cfg {
    struct wf_list branches;
};

static const struct field branch_fields[] = {
    {"id", F_STR, offsetof(struct branch, id), .required = true, .min = 1, .max = ID_MAX,
     .title = "Id", .help = "The handle of this branch."},
    {"title", F_STR, offsetof(struct branch, title), .max = 200, .title = "Title"},
    {0},
};

static const struct field fields[] = {
    {"branches", F_LIST, offsetof(struct parallel_cfg, branches), .required = true, .min = 1,
     .max = BRANCHES_MAX, .sub = branch_fields, .sub_size = sizeof(struct branch),
     .title = "Branches", .help = "All of them are taken."},
    {0},
};

static const struct branch *find(const struct parallel_cfg *cfg, Str id)
{
    const struct branch *b = cfg->branches.at;

    for (size_t i = 0; i < cfg->branches.n; i++)
        if (str_eq(b[i].id, id))
            return &b[i];
    return NULL;
}

static void check(struct wf_check *ck, void *settings)
{
    const struct parallel_cfg *cfg = settings;
    const struct branch *b = cfg->branches.at;

    for (size_t i = 0; i < cfg->branches.n; i++) {
        Str at = str_fmt(ck->a, "branches/%zu/id", i);
        if (str_eq(b[i].id, S("error")) || str_eq(b[i].id, S("*")))
            wf_check_problem(ck, at, S("reserved"), "\"%.*s\" means something else.", P(b[i].id));
        else if (find(cfg, b[i].id) != &b[i])
            wf_check_problem(ck, at, S("duplicate_id"),
                             "There are two branches with the id \"%.*s\".", P(b[i].id));
    }
}

static bool has_handle(const void *settings, Str handle)
{
    return find(settings, handle) != NULL;
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct parallel_cfg *cfg = settings;
    const struct branch *b = cfg->branches.at;
    struct json *taken = json_arr(step->a);

    for (size_t i = 0; i < cfg->branches.n; i++)
        json_push(step->a, taken, json_str(step->a, b[i].id));
    ret_outcome->output = json_obj(step->a, "branches", taken, NULL);
    ret_outcome->handle = S(WF_ALL_HANDLES);
    return OK;
}

const struct wf_node_type wf_node_parallel = {
    .name = "parallel",
    .title = "Parallel",
    .help = "Goes on in several branches at the same time.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct parallel_cfg),
    .effects = WF_PURE,
    .handles = "",
    .takes_all = true,
    .check = check,
    .has_handle = has_handle,
    .run = run,
};
