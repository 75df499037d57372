/* src/wf/nodes/table.c - every node type there is, in alphabetical order. */
#include "wf/nodes/table.h"
#include "wf/check.h"

const struct wf_node_type *const wf_node_types[] = {
    &wf_node_api_call,       &wf_node_approval,     &wf_node_condition,
    &wf_node_data_transform, &wf_node_delay,        &wf_node_error,
    &wf_node_iteration,      &wf_node_llm,          &wf_node_loop,
    &wf_node_merge,          &wf_node_output,       &wf_node_parallel,
    &wf_node_respond,        &wf_node_sub_workflow, &wf_node_trigger,
    &wf_node_wait_event,     &wf_node_webhook,      NULL,
};

const struct wf_node_type *wf_node_type_find(Str name)
{
    for (size_t i = 0; wf_node_types[i]; i++)
        if (str_eq(str_c(wf_node_types[i]->name), name))
            return wf_node_types[i];
    return NULL;
}

enum wf_effects wf_node_effects(const struct wf_node *node)
{
    return node->type->effects_of ? node->type->effects_of(node->settings) : node->type->effects;
}

static const char *effects_name(enum wf_effects effects)
{
    switch (effects) {
    case WF_PURE:
        return "pure";
    case WF_IDEMPOTENT:
        return "idempotent";
    default:
        return "external";
    }
}

static struct json *handles_json(struct arena *a, const struct wf_node_type *t)
{
    struct json *arr = json_arr(a);
    Str rest = str_c(t->handles ? t->handles : "out"), head;

    while (rest.p) {
        rest = str_cut(rest, ' ', &head);
        if (head.n)
            json_push(a, arr, json_str(a, head));
    }
    return arr;
}

static struct json *span_json(struct arena *a, Usec span)
{
    char text[TIME_RFC3339_SIZE];

    return json_str(a, str_dup(a, time_span(span, text)));
}

static struct json *type_json(struct arena *a, const struct wf_node_type *t)
{
    return json_obj(a, "type", json_str_c(a, t->name), "title", json_str_c(a, t->title), "help",
                    json_str_c(a, t->help), "group", json_str_c(a, t->group), "effects",
                    json_str_c(a, effects_name(t->effects)), "handles", handles_json(a, t),
                    "handles_by_settings", json_bool(a, t->has_handle), "timeout",
                    span_json(a, t->timeout ? t->timeout : USEC_MIN), "max_attempts",
                    json_int(a, t->retry.max_attempts ? t->retry.max_attempts : 1), "fields",
                    field_json(a, t->fields), NULL);
}

struct json *wf_node_types_json(struct arena *a)
{
    struct json *types = json_arr(a);

    for (size_t i = 0; wf_node_types[i]; i++)
        json_push(a, types, type_json(a, wf_node_types[i]));
    return json_obj(a, "types", types, "common", field_json(a, wf_common_fields()), NULL);
}
