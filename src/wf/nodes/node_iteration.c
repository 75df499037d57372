/* src/wf/nodes/node_iteration.c - the "iteration" node: its body once for each item of a list.
 *
 * Items run beside each other, as many as "parallel" says; results keep the order of the list.
 */
#include "wf/core.h"
#include "wf/nodes/table.h"

enum { PARALLEL_MAX = 1000 };

struct iteration_cfg {
    struct wf_value *items;
    int64_t parallel, max_items;
    Str on_item_error;
};

static const struct field fields[] = {
    {"items", F_VALUE, offsetof(struct iteration_cfg, items), .required = true, .title = "Items",
     .help = "An array, or an object whose members are gone through as {key, value}."},
    {"parallel", F_INT, offsetof(struct iteration_cfg, parallel), .dflt = "10", .min = 1,
     .max = PARALLEL_MAX, .title = "At once",
     .help = "Items under way at the same time; 1 for one after the other."},
    {"on_item_error", F_ENUM, offsetof(struct iteration_cfg, on_item_error), .dflt = "fail",
     .one_of = "fail skip null", .title = "When an item fails",
     .help = "Fail as a whole, leave the item out of the results, or put null in its place."},
    {"max_items", F_INT, offsetof(struct iteration_cfg, max_items), .dflt = "100000", .min = 1,
     .max = WF_CYCLE_MAX, .title = "Most items", .help = "A longer list is an error."},
    {0},
};

static struct wf_cycle_rules cycle(const void *settings)
{
    const struct iteration_cfg *cfg = settings;

    return (struct wf_cycle_rules){.parallel = (int)cfg->parallel,
                                   .on_item_error =
                                       str_eq(cfg->on_item_error, S("skip"))   ? WF_ITEM_SKIP
                                       : str_eq(cfg->on_item_error, S("null")) ? WF_ITEM_NULL
                                                                               : WF_ITEM_FAIL};
}

static Err open_items(struct wf_step *step, const void *settings, struct wf_opening *ret_opening)
{
    const struct iteration_cfg *cfg = settings;
    struct json *items;

    TRY(wf_value_eval(step->a, cfg->items, step->scope, step->deadline, &items));
    if (!json_is(items, JSON_ARR) && !json_is(items, JSON_OBJ))
        return err_detail(E_INVALID,
                          "The items of node %.*s must be an array or an object, not %s.",
                          P(step->node->id), json_type_name(items));
    if (json_len(items) > (size_t)cfg->max_items)
        return err_detail(E_TOO_LARGE, "Node %.*s was given %zu items; its max_items is %lld.",
                          P(step->node->id), json_len(items), (long long)cfg->max_items);
    ret_opening->items = items;
    ret_opening->count = (int64_t)json_len(items);
    return OK;
}

const struct wf_node_type wf_node_iteration = {
    .name = "iteration",
    .title = "Iteration",
    .help = "Runs the nodes inside it once for each item of a list.",
    .group = "logic",
    .fields = fields,
    .settings_size = sizeof(struct iteration_cfg),
    .effects = WF_PURE,
    .cycle = cycle,
    .open = open_items,
};
