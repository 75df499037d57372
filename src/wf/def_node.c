/* src/wf/def_node.c - the nodes of a definition: id, type, looks, what every type has, its own
 * settings. */
#include "wf/check.h"

#include <math.h>

enum { ID_MAX = 64 };

/* What stands beside a node's data. The looks are React Flow's own: kept, or dropped (def_text.c).
 */
struct node_outer {
    Str id, type, parent;
    const struct json *position, *data, *looks;
};
#define LOOK(name_)                                                                                \
    {                                                                                              \
        .name = (name_), .kind = F_JSON, .offset = offsetof(struct node_outer, looks)              \
    }
static const struct field outer_fields[] = {
    {"id", F_STR, offsetof(struct node_outer, id), .required = true},
    {"type", F_STR, offsetof(struct node_outer, type), .required = true},
    {"position", F_JSON, offsetof(struct node_outer, position)},
    {"data", F_JSON, offsetof(struct node_outer, data)},
    LOOK("width"),
    LOOK("height"),
    {"parentId", F_STR, offsetof(struct node_outer, parent)},
    LOOK("extent"),
    LOOK("zIndex"),
    LOOK("style"),
    LOOK("className"),
    LOOK("selected"),
    LOOK("dragging"),
    LOOK("measured"),
    LOOK("resizing"),
    LOOK("positionAbsolute"),
    {0},
};

/* What every type takes in its data. */
struct retry_in {
    int64_t max_attempts;
    Str backoff;
    Usec delay, max_delay;
    double jitter;
    const struct json *on;
};
struct on_error_in {
    Str strategy;
    const struct json *output;
};
struct common {
    Str title, notes;
    Usec timeout, total_timeout;
    struct retry_in retry;
    struct on_error_in on_error;
    Str on_unknown, compensate;
};

#define SPAN_MAX (366.0 * 86400)

static const struct field retry_fields[] = {
    {"max_attempts", F_INT, offsetof(struct retry_in, max_attempts), .dflt = FIELD_UNSET, .min = 1,
     .max = WF_ATTEMPTS_MAX, .title = "Attempts", .help = "How often it is tried in all."},
    {"backoff", F_ENUM, offsetof(struct retry_in, backoff), .one_of = "exponential constant",
     .title = "Back-off", .help = "Whether the wait doubles after each attempt."},
    {"delay", F_USEC, offsetof(struct retry_in, delay), .dflt = FIELD_UNSET, .max = SPAN_MAX,
     .title = "Delay", .help = "The wait before the second attempt."},
    {"max_delay", F_USEC, offsetof(struct retry_in, max_delay), .dflt = FIELD_UNSET,
     .max = SPAN_MAX, .title = "Longest delay"},
    {"jitter", F_REAL, offsetof(struct retry_in, jitter), .dflt = FIELD_UNSET, .min = 0, .max = 1,
     .title = "Jitter", .help = "The part of the wait that is left to chance."},
    {"on", F_STR_LIST, offsetof(struct retry_in, on),
     .one_of = "timeout rate_limited unavailable bad_answer any", .max = 5, .title = "On",
     .help = "Which errors are tried again."},
    {0},
};

static const struct field on_error_fields[] = {
    {"strategy", F_ENUM, offsetof(struct on_error_in, strategy), .dflt = "fail",
     .one_of = "fail default branch", .title = "Strategy"},
    {"output", F_JSON, offsetof(struct on_error_in, output), .required = true,
     .when = "strategy=default", .title = "Output", .help = "What the node gives instead."},
    {0},
};

static const struct field common_fields[] = {
    {"title", F_STR, offsetof(struct common, title), .max = 200, .title = "Title"},
    {"notes", F_STR, offsetof(struct common, notes), .title = "Notes", .lines = true},
    {"timeout", F_USEC, offsetof(struct common, timeout), .dflt = FIELD_UNSET, .min = 0.001,
     .max = SPAN_MAX, .title = "Timeout", .help = "Of one attempt."},
    {"total_timeout", F_USEC, offsetof(struct common, total_timeout), .dflt = "0s", .min = 0.001,
     .max = SPAN_MAX, .title = "Total timeout",
     .help = "Of all attempts and the waits between them."},
    {"retry", F_OBJECT, offsetof(struct common, retry), .sub = retry_fields, .title = "Retry"},
    {"on_error", F_OBJECT, offsetof(struct common, on_error), .sub = on_error_fields,
     .title = "When it fails"},
    {"on_unknown", F_ENUM, offsetof(struct common, on_unknown), .one_of = "repeat fail",
     .title = "After a restart",
     .help = "What happens with a step that was under way when the process ended."},
    {"compensate", F_STR, offsetof(struct common, compensate), .max = ID_MAX, .title = "Undone by",
     .help = "A node that undoes this one when the run fails or is cancelled."},
    {0},
};

const struct field *wf_common_fields(void)
{
    return common_fields;
}

static bool id_valid(Str id)
{
    if (id.n == 0 || id.n > ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

static void check_id(struct checker *c, struct wf_node *node, Str id)
{
    if (str_is_empty(id))
        return; /* reported as missing */
    if (!id_valid(id)) {
        check_wrong(c, S("id"), S("bad_id"),
                    "\"%.*s\" is no id: an id has 1 to %d letters, digits, \"_\" or \"-\".",
                    P(str_head(id, 80)), ID_MAX);
        return;
    }
    node->id = id;
    if (check_is_reserved(id))
        check_wrong(c, S("id"), S("reserved"),
                    "\"%.*s\" means something else in templates: choose another id.", P(id));
    int *first = map_get(c->def->ids, id);
    if (first)
        check_wrong(c, S("id"), S("duplicate_id"), "There are two nodes with the id \"%.*s\".",
                    P(id));
    else
        map_put(c->def->ids, id, &node->index);
}

static void check_position(struct checker *c, const struct json *position)
{
    if (!position)
        return;
    if (!json_is(position, JSON_OBJ) || json_len(position) != 2 ||
        !json_is_number(json_at(position, "x")) || !json_is_number(json_at(position, "y")))
        check_wrong(c, S("position"), S("type"),
                    "\"position\" must be {\"x\": number, \"y\": number}.");
}

static void check_type(struct checker *c, struct wf_node *node, Str name)
{
    struct guess g = guess_begin(name);

    node->type = wf_node_type_find(name);
    if (node->type || str_is_empty(name))
        return;
    for (size_t i = 0; wf_node_types[i]; i++)
        guess_try(&g, str_c(wf_node_types[i]->name));
    check_wrong(c, S("type"), S("unknown_type"), "There is no node type \"%.*s\".%.*s",
                P(str_head(name, 60)), P(guess_text(c->scratch, &g)));
}

/* ---- what every type has ---- */

static unsigned retry_on(const struct json *on)
{
    static const struct {
        Str name;
        unsigned bits;
    } names[] = {{S_INIT("timeout"), WF_RETRY_TIMEOUT},
                 {S_INIT("rate_limited"), WF_RETRY_RATE_LIMITED},
                 {S_INIT("unavailable"), WF_RETRY_UNAVAILABLE},
                 {S_INIT("bad_answer"), WF_RETRY_BAD_ANSWER},
                 {S_INIT("any"), WF_RETRY_ANY}};
    unsigned bits = 0;

    for (size_t i = 0; i < json_len(on); i++)
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            if (str_eq(json_str_of(json_item(on, i), S("")), names[k].name))
                bits |= names[k].bits;
    return bits;
}

/* What the node says, else its type, else the general rule. */
static struct wf_retry retry_of(const struct retry_in *in, const struct wf_node_type *type)
{
    struct wf_retry r = type->retry;

    if (r.max_attempts == 0)
        r = (struct wf_retry){.max_attempts = 1, .exponential = true};
    r.delay = r.delay ? r.delay : USEC_S;
    r.max_delay = r.max_delay ? r.max_delay : USEC_MIN;
    r.jitter = r.jitter > 0 ? r.jitter : 0.2;
    r.on = r.on ? r.on : WF_RETRY_USUAL;
    if (in->max_attempts != INT64_MIN)
        r.max_attempts = (int)in->max_attempts;
    if (in->backoff.n)
        r.exponential = str_eq(in->backoff, S("exponential"));
    if (in->delay >= 0)
        r.delay = in->delay;
    if (in->max_delay >= 0)
        r.max_delay = in->max_delay;
    else if (r.max_delay < r.delay)
        r.max_delay = r.delay;
    if (!isnan(in->jitter))
        r.jitter = in->jitter;
    if (in->on)
        r.on = retry_on(in->on);
    return r;
}

static bool has_template(const struct json *json)
{
    if (json_is(json, JSON_STR))
        return str_find(json_str_of(json, S("")), S("{{")) != SIZE_MAX;
    for (size_t i = 0; i < json_len(json); i++)
        if (has_template(json_is(json, JSON_ARR) ? &json->arr[i] : &json->obj[i].val))
            return true;
    return false;
}

/* A container only goes through its body: what is tried again and takes its time are the nodes in
 * it. */
static void check_container(struct wf_check *ck, struct wf_node *node)
{
    static const char *const idle[] = {"timeout", "total_timeout", "retry", "on_unknown"};

    node->cycle = node->type->cycle(node->settings);
    for (size_t i = 0; i < ARRAY_LEN(idle); i++)
        if (json_get(ck->data, str_c(idle[i])))
            wf_check_problem(ck, str_c(idle[i]), S("not_used"),
                             "\"%s\" is set for the nodes inside \"%.*s\", not for itself.",
                             idle[i], P(node->id));
}

static void take_common(struct wf_check *ck, struct wf_node *node, const struct common *in)
{
    static const struct {
        Str name;
        enum wf_on_error what;
    } strategies[] = {{S_INIT("fail"), WF_ERROR_FAIL},
                      {S_INIT("default"), WF_ERROR_DEFAULT},
                      {S_INIT("branch"), WF_ERROR_BRANCH}};

    node->title = in->title.n ? in->title : node->id;
    node->timeout = in->timeout >= 0          ? in->timeout
                    : node->type->timeout > 0 ? node->type->timeout
                                              : USEC_MIN;
    node->total_timeout = in->total_timeout;
    node->retry = retry_of(&in->retry, node->type);
    if (node->retry.max_delay < node->retry.delay)
        wf_check_problem(ck, S("retry/max_delay"), S("range"),
                         "\"max_delay\" must not be shorter than \"delay\".");
    for (size_t i = 0; i < ARRAY_LEN(strategies); i++)
        if (str_eq(in->on_error.strategy, strategies[i].name))
            node->on_error = strategies[i].what;
    node->default_output = in->on_error.output;
    if (has_template(in->on_error.output))
        wf_check_problem(ck, S("on_error/output"), S("unsupported"),
                         "The default output is taken as it is: templates cannot stand in it.");
    node->compensate = in->compensate;
    node->on_unknown = str_eq(in->on_unknown, S("repeat")) ? WF_UNKNOWN_REPEAT
                       : str_eq(in->on_unknown, S("fail")) ? WF_UNKNOWN_FAIL
                                                           : WF_UNKNOWN_TYPE;
}

static void check_data(struct checker *c, struct wf_node *node, const struct json *data)
{
    const struct field *tables[] = {common_fields, node->type->fields};
    struct wf_check ck = check_of(c, data);
    struct common common = {0};
    int before = c->errors;

    field_unknown(&ck, S(""), tables, 2, data);
    field_read(&ck, S(""), common_fields, data, &common);
    node->settings = arena_alloc(c->a, node->type->settings_size);
    field_read(&ck, S(""), node->type->fields, data, node->settings);
    take_common(&ck, node, &common);
    if (c->errors == before && node->type->joins_first)
        node->joins_first = node->type->joins_first(node->settings);
    if (c->errors == before && node->type->cycle)
        check_container(&ck, node);
    if (c->errors == before && node->type->check)
        node->type->check(&ck, node->settings);
    if (c->errors != before)
        node->settings = NULL; /* not to be looked at */
}

static void check_node(struct checker *c, const struct json *json, struct wf_node *node)
{
    const struct field *tables[] = {outer_fields};
    struct wf_check ck = check_of(c, json);
    struct node_outer outer = {0};

    if (!json_is(json, JSON_OBJ)) {
        check_wrong(c, S(""), S("type"), "A node must be an object, not %s.", json_type_name(json));
        return;
    }
    field_read(&ck, S(""), outer_fields, json, &outer);
    check_id(c, node, outer.id);
    field_unknown(&ck, S(""), tables, 1, json);
    check_position(c, outer.position);
    check_type(c, node, outer.type);
    c->parents[node->index] = outer.parent;
    if (outer.data && !json_is(outer.data, JSON_OBJ)) {
        check_wrong(c, S("data"), S("type"), "\"data\" must be an object, not %s.",
                    json_type_name(outer.data));
        return;
    }
    if (!node->type)
        return;
    c->base = str_fmt(c->scratch, "%.*s/data", P(c->base));
    check_data(c, node, outer.data);
}

static void check_triggers(struct checker *c)
{
    struct wf_def *def = c->def;

    for (int i = 0; i < def->n_nodes; i++) {
        struct wf_node *node = &def->nodes[i];
        if (!node->type || strcmp(node->type->name, "trigger") != 0)
            continue;
        if (def->trigger < 0) {
            def->trigger = i;
            continue;
        }
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = node;
        check_wrong(c, S("type"), S("second_trigger"),
                    "A workflow has one trigger, and \"%.*s\" is one already.",
                    P(def->nodes[def->trigger].id));
    }
    c->base = S("");
    c->node = NULL;
    if (def->trigger < 0)
        check_wrong(c, S("nodes"), S("no_trigger"),
                    "There is no trigger: add a node of the type \"trigger\".");
}

void check_nodes(struct checker *c, const struct json *nodes)
{
    struct wf_def *def = c->def;

    if (json_len(nodes) > WF_NODES_MAX) {
        check_wrong(c, S("nodes"), S("too_many"), "There are %zu nodes; a workflow has at most %d.",
                    json_len(nodes), WF_NODES_MAX);
        return;
    }
    def->n_nodes = (int)json_len(nodes);
    def->nodes = arena_array(c->a, struct wf_node, def->n_nodes);
    c->parents = arena_array(c->scratch, Str, def->n_nodes);
    for (int i = 0; i < def->n_nodes; i++) {
        def->nodes[i].index = i;
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = &def->nodes[i];
        check_node(c, json_item(nodes, (size_t)i), c->node);
    }
    c->base = S("");
    c->node = NULL;
    check_triggers(c);
    check_bodies(c);
}
