/* src/wf/nodes/node_loop.c - the "loop" node: its body again and again, until a condition holds.
 *
 * Variables are carried from round to round. What a round sets them to is recorded with its end:
 * "append" records the new element alone, so that a list which grows by each round costs its
 * elements once and not once a round.
 */
#include "wf/core.h"
#include "wf/nodes/conditions.h"
#include "wf/nodes/table.h"

enum { VARIABLES_MAX = 100, NAME_MAX_CHARS = 64 };

struct variable {
    Str name;
    struct wf_value *value;
    bool appended; /* "append" names it: it is a list */
};

struct until {
    Str logic;
    struct wf_list conditions;
};

struct loop_cfg {
    struct wf_list variables;
    struct wf_value *next, *append;
    struct until until;
    int64_t max_rounds;
    Str on_max;
};

static const struct field variable_fields[] = {
    {"name", F_STR, offsetof(struct variable, name), .required = true, .min = 1,
     .max = NAME_MAX_CHARS, .title = "Name"},
    {"value", F_VALUE, offsetof(struct variable, value), .required = true, .title = "At first"},
    {0},
};

static const struct field until_fields[] = {
    {"logic", F_ENUM, offsetof(struct until, logic), .dflt = "and", .one_of = "and or",
     .title = "Logic", .help = "Whether all conditions must hold or one."},
    {"conditions", F_LIST, offsetof(struct until, conditions), .required = true, .min = 1,
     .max = CONDITIONS_MAX, .sub = condition_fields, .sub_size = sizeof(struct one_condition),
     .title = "Conditions"},
    {0},
};

static const struct field fields[] = {
    {"variables", F_LIST, offsetof(struct loop_cfg, variables), .max = VARIABLES_MAX,
     .sub = variable_fields, .sub_size = sizeof(struct variable), .title = "Variables",
     .help = "Carried from round to round."},
    {"next", F_VALUE, offsetof(struct loop_cfg, next), .in_body = true, .title = "Set",
     .help = "What variables are in the next round, by name."},
    {"append", F_VALUE, offsetof(struct loop_cfg, append), .in_body = true, .title = "Append",
     .help = "What is added to variables that are lists, by name."},
    {"until", F_OBJECT, offsetof(struct loop_cfg, until), .in_body = true, .sub = until_fields,
     .title = "Until",
     .help = "Looked at after each round, with its nodes and the variables as they were in it."},
    {"max_rounds", F_INT, offsetof(struct loop_cfg, max_rounds), .dflt = "100", .min = 1,
     .max = WF_CYCLE_MAX, .title = "Most rounds"},
    {"on_max", F_ENUM, offsetof(struct loop_cfg, on_max), .dflt = "finish", .one_of = "finish fail",
     .title = "When there were so many", .help = "Go on as if the condition held, or fail."},
    {0},
};

/* ---- checking ---- */

static const struct variable *variable_of(const struct loop_cfg *cfg, Str name)
{
    const struct variable *v = cfg->variables.at;

    for (size_t i = 0; i < cfg->variables.n; i++)
        if (str_eq(v[i].name, name))
            return &v[i];
    return NULL;
}

/* The names that @field of the settings sets. */
static void check_names(struct wf_check *ck, const struct loop_cfg *cfg, const char *field)
{
    const struct json *set = json_get(ck->data, str_c(field));

    if (set && !json_is(set, JSON_OBJ)) {
        wf_check_problem(ck, str_c(field), S("type"),
                         "\"%s\" must be an object with the names of variables, not %s.", field,
                         json_type_name(set));
        return;
    }
    for (size_t i = 0; json_is(set, JSON_OBJ) && i < json_len(set); i++) {
        Str name = json_str_of(&set->obj[i].key, S(""));
        if (!variable_of(cfg, name))
            wf_check_problem(ck, str_c(field), S("unknown_variable"),
                             "The loop has no variable \"%.*s\".", P(str_head(name, 64)));
        else if (strcmp(field, "append") == 0 && json_get(json_at(ck->data, "next"), name))
            wf_check_problem(ck, str_c(field), S("duplicate_name"),
                             "\"%.*s\" is set by \"next\" already.", P(name));
    }
}

static void check(struct wf_check *ck, void *settings)
{
    const struct loop_cfg *cfg = settings;
    struct variable *v = cfg->variables.at;

    for (size_t i = 0; i < cfg->variables.n; i++) {
        v[i].appended = json_get(json_at(ck->data, "append"), v[i].name) != NULL;
        if (variable_of(cfg, v[i].name) != &v[i])
            wf_check_problem(ck, str_fmt(ck->a, "variables/%zu/name", i), S("duplicate_name"),
                             "There are two variables \"%.*s\".", P(v[i].name));
    }
    check_names(ck, cfg, "next");
    check_names(ck, cfg, "append");
    conditions_check(ck, S("until/conditions"), &cfg->until.conditions);
}

static struct wf_cycle_rules cycle(const void *settings)
{
    (void)settings;
    return (struct wf_cycle_rules){.rounds = true, .parallel = 1};
}

/* ---- running ---- */

static Err open_rounds(struct wf_step *step, const void *settings, struct wf_opening *ret_opening)
{
    const struct loop_cfg *cfg = settings;
    const struct variable *v = cfg->variables.at;
    struct json *vars = json_obj(step->a, NULL), *value;

    for (size_t i = 0; i < cfg->variables.n; i++) {
        TRY(wf_value_eval(step->a, v[i].value, step->scope, step->deadline, &value));
        if (v[i].appended && !json_is(value, JSON_ARR))
            return err_detail(E_INVALID,
                              "Variable \"%.*s\" of node %.*s is appended to: it must begin as an "
                              "array, not %s.",
                              P(v[i].name), P(step->node->id), json_type_name(value));
        json_set(step->a, vars, v[i].name, value);
    }
    ret_opening->vars = vars;
    ret_opening->count = cfg->max_rounds;
    return OK;
}

static Err round_over(struct wf_step *step, const void *settings, struct wf_round *ret_round)
{
    const struct loop_cfg *cfg = settings;
    struct json *value;

    if (cfg->next) {
        TRY(wf_value_eval(step->a, cfg->next, step->scope, step->deadline, &value));
        ret_round->set = value;
    }
    if (cfg->append) {
        TRY(wf_value_eval(step->a, cfg->append, step->scope, step->deadline, &value));
        ret_round->append = value;
    }
    ret_round->must_end = str_eq(cfg->on_max, S("fail"));
    if (cfg->until.conditions.n)
        TRY(conditions_hold(step, &cfg->until.conditions, cfg->until.logic, S("\"until\""),
                            &ret_round->over));
    return OK;
}

const struct wf_node_type wf_node_loop = {
    .name = "loop",
    .title = "Loop",
    .help = "Runs the nodes inside it again and again, until a condition holds.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct loop_cfg),
    .effects = WF_PURE,
    .check = check,
    .cycle = cycle,
    .open = open_rounds,
    .round = round_over,
};
