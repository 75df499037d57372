/* src/wf/nodes/node_merge.c - the "merge" node: branches come together, and so do their results. */
#include "wf/core.h"
#include "wf/nodes/step.h"
#include "wf/nodes/table.h"

struct merge_cfg {
    Str wait, mode;
    struct wf_value *inputs;
};

static const struct field fields[] = {
    {"wait", F_ENUM, offsetof(struct merge_cfg, wait), .dflt = "all", .one_of = "all first",
     .title = "Wait for",
     .help = "All branches that are taken, or the first; the others go on by themselves."},
    {"mode", F_ENUM, offsetof(struct merge_cfg, mode), .dflt = "object",
     .one_of = "object append combine pick zip", .title = "Result",
     .help = "By node id, lists one behind the other, members of objects together, the first that "
             "is not null, or elements of lists side by side."},
    {"inputs", F_VALUE, offsetof(struct merge_cfg, inputs), .title = "Inputs",
     .help = "A list of what to put together; else the outputs of the branches that came."},
    {0},
};

static void check(struct wf_check *ck, void *settings)
{
    const struct merge_cfg *cfg = settings;
    const struct json *inputs = json_at(ck->data, "inputs");

    if (!inputs || json_type(inputs) == JSON_NULL)
        return;
    if (str_eq(cfg->mode, S("object")) && json_is(inputs, JSON_ARR))
        wf_check_problem(ck, S("inputs"), S("type"),
                         "The inputs of mode \"object\" are an object with names of your choice.");
    else if (!str_eq(cfg->mode, S("object")) && json_is(inputs, JSON_OBJ))
        wf_check_problem(ck, S("inputs"), S("type"), "The inputs of mode \"%.*s\" are an array.",
                         P(cfg->mode));
}

static bool joins_first(const void *settings)
{
    return str_eq(((const struct merge_cfg *)settings)->wait, S("first"));
}

/* The outputs of the nodes from which taken edges lead here, in the order of the edges. */
static struct json *outputs(struct wf_step *step, bool by_id)
{
    struct json *all = by_id ? json_obj(step->a, NULL) : json_arr(step->a);
    const struct wf_node *node = step->node;

    for (int i = 0; step->self && i < node->n_in; i++) {
        const struct wf_edge *e = &step->def->edges[node->in[i]];
        const struct wf_node_run *from = wf_core_came(step->state, step->self, e);
        if (from && by_id)
            json_set(step->a, all, step->def->nodes[e->from].id, from->output);
        else if (from)
            json_push(step->a, all, from->output);
    }
    return all;
}

static Err wrong_input(const struct wf_step *step, size_t i, const char *wanted,
                       const struct json *is)
{
    return err_detail(E_INVALID, "Input %zu of node %.*s must be %s, not %s.", i + 1,
                      P(step->node->id), wanted, json_type_name(is));
}

static Err append(struct wf_step *step, const struct json *inputs, struct json *to)
{
    size_t began = arena_used(step->a);

    for (size_t i = 0; i < json_len(inputs); i++) {
        const struct json *one = json_item(inputs, i);
        if (!json_is(one, JSON_ARR)) {
            json_push(step->a, to, one);
            continue;
        }
        for (size_t k = 0; k < json_len(one); k++) {
            TRY(step_room(step, began));
            json_push(step->a, to, json_item(one, k));
        }
    }
    return OK;
}

static Err combine(struct wf_step *step, const struct json *inputs, struct json *to)
{
    size_t began = arena_used(step->a);

    for (size_t i = 0; i < json_len(inputs); i++) {
        const struct json *one = json_item(inputs, i);
        if (json_type(one) == JSON_NULL)
            continue;
        if (!json_is(one, JSON_OBJ))
            return wrong_input(step, i, "an object", one);
        for (size_t k = 0; k < json_len(one); k++) {
            TRY(step_room(step, began));
            json_set(step->a, to, json_str_of(&one->obj[k].key, S("")), &one->obj[k].val);
        }
    }
    return OK;
}

/* The first elements, the second ones ...; what is missing in a shorter list is null. */
static Err zip(struct wf_step *step, const struct json *inputs, struct json *to)
{
    size_t longest = 0, began = arena_used(step->a);

    for (size_t i = 0; i < json_len(inputs); i++) {
        const struct json *one = json_item(inputs, i);
        if (!json_is(one, JSON_ARR))
            return wrong_input(step, i, "an array", one);
        longest = json_len(one) > longest ? json_len(one) : longest;
    }
    for (size_t k = 0; k < longest; k++) {
        struct json *row = json_arr(step->a);
        for (size_t i = 0; i < json_len(inputs); i++)
            json_push(step->a, row, json_item(json_item(inputs, i), k));
        TRY(step_room(step, began));
        json_push(step->a, to, row);
    }
    return OK;
}

static struct json *pick(struct wf_step *step, const struct json *inputs)
{
    for (size_t i = 0; i < json_len(inputs); i++)
        if (json_type(json_item(inputs, i)) != JSON_NULL)
            return json_item(inputs, i);
    return json_null(step->a);
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct merge_cfg *cfg = settings;
    bool by_id = str_eq(cfg->mode, S("object"));
    struct json *inputs = NULL, *to;

    if (cfg->inputs)
        TRY(wf_value_eval(step->a, cfg->inputs, step->scope, step->deadline, &inputs));
    if (json_type(inputs) == JSON_NULL)
        inputs = outputs(step, by_id);
    if (by_id && !json_is(inputs, JSON_OBJ))
        return wrong_input(step, 0, "in an object", inputs);
    if (!by_id && !json_is(inputs, JSON_ARR))
        return wrong_input(step, 0, "in an array", inputs);
    to = by_id                             ? inputs
         : str_eq(cfg->mode, S("combine")) ? json_obj(step->a, NULL)
                                           : json_arr(step->a);
    if (str_eq(cfg->mode, S("append")))
        TRY(append(step, inputs, to));
    else if (str_eq(cfg->mode, S("combine")))
        TRY(combine(step, inputs, to));
    else if (str_eq(cfg->mode, S("zip")))
        TRY(zip(step, inputs, to));
    else if (!by_id)
        to = pick(step, inputs);
    ret_outcome->output = to;
    return OK;
}

const struct wf_node_type wf_node_merge = {
    .name = "merge",
    .title = "Merge",
    .help = "Brings branches together, and their results.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct merge_cfg),
    .effects = WF_PURE,
    .check = check,
    .joins_first = joins_first,
    .run = run,
};
