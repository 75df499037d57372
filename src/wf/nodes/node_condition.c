/* src/wf/nodes/node_condition.c - the "condition" node: if, else if, else, by typed comparisons. */
#include "wf/nodes/conditions.h"
#include "wf/nodes/table.h"

enum { CASES_MAX = 100, ID_MAX = 64 };

struct one_case {
    Str id, title, logic;
    struct wf_list conditions;
};

struct condition_cfg {
    struct wf_list cases;
};

/* ---- settings ---- */

static const struct field case_fields[] = {
    {"id", F_STR, offsetof(struct one_case, id), .required = true, .min = 1, .max = ID_MAX,
     .title = "Id", .help = "The handle that is taken when this case holds."},
    {"title", F_STR, offsetof(struct one_case, title), .max = 200, .title = "Title"},
    {"logic", F_ENUM, offsetof(struct one_case, logic), .dflt = "and", .one_of = "and or",
     .title = "Logic", .help = "Whether all conditions must hold or one."},
    {"conditions", F_LIST, offsetof(struct one_case, conditions), .required = true, .min = 1,
     .max = CONDITIONS_MAX, .sub = condition_fields, .sub_size = sizeof(struct one_condition),
     .title = "Conditions"},
    {0},
};

static const struct field fields[] = {
    {"cases", F_LIST, offsetof(struct condition_cfg, cases), .required = true, .min = 1,
     .max = CASES_MAX, .sub = case_fields, .sub_size = sizeof(struct one_case), .title = "Cases",
     .help = "The first case that holds is taken, \"else\" when none does."},
    {0},
};

static const struct one_case *case_at(const struct condition_cfg *cfg, size_t i)
{
    return (const struct one_case *)cfg->cases.at + i;
}

static void check_case(struct wf_check *ck, const struct condition_cfg *cfg, size_t i)
{
    const struct one_case *one = case_at(cfg, i);
    Str at = str_fmt(ck->a, "cases/%zu/id", i);

    if (str_eq(one->id, S("else")) || str_eq(one->id, S("error")))
        wf_check_problem(ck, at, S("reserved"), "\"%.*s\" is a handle of its own.", P(one->id));
    for (size_t k = 0; k < i; k++)
        if (str_eq(case_at(cfg, k)->id, one->id))
            wf_check_problem(ck, at, S("duplicate_id"), "There are two cases with the id \"%.*s\".",
                             P(one->id));
    conditions_check(ck, str_fmt(ck->a, "cases/%zu/conditions", i), &one->conditions);
}

static void check(struct wf_check *ck, void *settings)
{
    const struct condition_cfg *cfg = settings;

    for (size_t i = 0; i < cfg->cases.n; i++)
        check_case(ck, cfg, i);
}

static bool has_handle(const void *settings, Str handle)
{
    const struct condition_cfg *cfg = settings;

    if (str_eq(handle, S("else")))
        return true;
    for (size_t i = 0; i < cfg->cases.n; i++)
        if (str_eq(case_at(cfg, i)->id, handle))
            return true;
    return false;
}

/* ---- running ---- */

static Err case_holds(struct wf_step *step, const struct one_case *one, bool *ret_holds)
{
    return conditions_hold(step, &one->conditions, one->logic,
                           str_fmt(step->a, "case \"%.*s\"", P(one->id)), ret_holds);
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct condition_cfg *cfg = settings;
    Str taken = S("else");
    bool yes = false;

    for (size_t i = 0; i < cfg->cases.n; i++) {
        TRY(case_holds(step, case_at(cfg, i), &yes));
        if (!yes)
            continue;
        taken = case_at(cfg, i)->id;
        break;
    }
    ret_outcome->output = json_obj(step->a, "case", json_str(step->a, taken), NULL);
    ret_outcome->handle = taken;
    return OK;
}

const struct wf_node_type wf_node_condition = {
    .name = "condition",
    .title = "Condition",
    .help = "Takes the first case that holds, or \"else\".",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct condition_cfg),
    .effects = WF_PURE,
    .handles = "else",
    .check = check,
    .has_handle = has_handle,
    .run = run,
};
