/* src/wf/def.c - from the text of a workflow to a compiled definition, or to everything that is
 * wrong with it.
 *
 * The pass goes on after an error as long as that makes sense, so that an editor can show all at
 * once. Work is linear in the text: a definition of 5,000 nodes is checked while a request waits
 * for it.
 */
#include "wf/def.h"
#include "base/map.h"
#include "wf/check.h"
#include "wf/flow_plan.h"
#include "wf/retention.h"

#include <stdatomic.h>

enum {
    FORMAT = 1,
    DEPTH_MAX = 100, /* of the JSON: outputs built from templates nest deeper, and 200 is the end */
    VARIABLES_MAX = 1000,
    NAME_MAX_CHARS = 200,
};
/* A text of 4 MiB made of the smallest values and templates there are stays below this. */
#define ARENA_MAX MIB(512)

struct settings_in {
    Usec timeout, deadline;
    int64_t max_steps, max_parallel;
    Str error_workflow;
    struct wf_flow flow;
    struct wf_retention_cfg retention;
};

struct variable_in {
    Str name, type, description;
    const struct json *value;
};

struct outer {
    int64_t format;
    Str name, description;
    struct wf_list variables;
    struct settings_in settings;
    const struct json *nodes, *edges, *viewport;
};

static const struct field settings_fields[] = {
    {"timeout", F_USEC, offsetof(struct settings_in, timeout), .dflt = "1h", .min = 0.001,
     .max = 366.0 * 86400, .title = "Timeout",
     .help = "Of a whole run, without the time in which it only waits."},
    {"deadline", F_USEC, offsetof(struct settings_in, deadline), .dflt = "0s", .min = 0.001,
     .max = 3660.0 * 86400, .title = "Deadline", .help = "Of a whole run, waits included."},
    {"max_steps", F_INT, offsetof(struct settings_in, max_steps), .dflt = "10000", .min = 1,
     .max = 1000000, .title = "Steps", .help = "Attempts of all steps of a run."},
    {"max_parallel", F_INT, offsetof(struct settings_in, max_parallel), .dflt = "16", .min = 1,
     .max = 1000, .title = "At once", .help = "Steps of one run at the same time."},
    {"error_workflow", F_STR, offsetof(struct settings_in, error_workflow), .max = 200,
     .title = "When a run fails", .help = "Id or name of the workflow that is started then."},
    {"flow", F_OBJECT, offsetof(struct settings_in, flow), .sub = wf_flow_fields,
     .title = "Flow control", .help = "How runs make room for each other."},
    {"retention", F_OBJECT, offsetof(struct settings_in, retention), .sub = wf_retention_fields,
     .title = "Retention", .help = "How long runs that have ended are kept."},
    {0},
};

static const struct field variable_fields[] = {
    {"name", F_STR, offsetof(struct variable_in, name), .required = true, .max = 64},
    {"type", F_ENUM, offsetof(struct variable_in, type), .dflt = "any",
     .one_of = "string number boolean object array any"},
    {"value", F_JSON, offsetof(struct variable_in, value), .required = true},
    {"description", F_STR, offsetof(struct variable_in, description)},
    {0},
};

static const struct field outer_fields[] = {
    {"heddle", F_INT, offsetof(struct outer, format), .required = true},
    {"name", F_STR, offsetof(struct outer, name), .required = true, .max = NAME_MAX_CHARS},
    {"description", F_STR, offsetof(struct outer, description)},
    {"variables", F_LIST, offsetof(struct outer, variables), .sub = variable_fields,
     .sub_size = sizeof(struct variable_in), .max = VARIABLES_MAX},
    {"settings", F_OBJECT, offsetof(struct outer, settings), .sub = settings_fields},
    {"nodes", F_JSON, offsetof(struct outer, nodes), .required = true},
    {"edges", F_JSON, offsetof(struct outer, edges)},
    {"viewport", F_JSON, offsetof(struct outer, viewport)},
    {0},
};

struct wf_check check_of(struct checker *c, const struct json *json)
{
    return (struct wf_check){.a = c->a, .node = c->node, .data = json, .def_state = c};
}

/* ---- variables ---- */

static bool variable_name_valid(Str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return name.n > 0;
}

static void check_variable(struct checker *c, const struct wf_variable *v, struct map *names)
{
    if (str_is_empty(v->name))
        return; /* reported as missing */
    if (!variable_name_valid(v->name))
        check_wrong(c, S("name"), S("bad_name"),
                    "\"%.*s\" is no name for a variable: use letters, digits and \"_\".",
                    P(v->name));
    else if (check_is_reserved(v->name))
        check_wrong(c, S("name"), S("reserved"),
                    "\"%.*s\" means something else in templates: choose another name.", P(v->name));
    else if (wf_def_node(c->def, v->name) >= 0)
        check_wrong(c, S("name"), S("duplicate_name"),
                    "\"%.*s\" is the id of a node: a template could mean either.", P(v->name));
    else if (map_put(names, v->name, (void *)v))
        check_wrong(c, S("name"), S("duplicate_name"), "There are two variables \"%.*s\".",
                    P(v->name));
    if (v->value && v->type.n && !str_eq(v->type, S("any")) &&
        !str_eq(v->type, str_c(json_type_name(v->value))))
        check_wrong(c, S("value"), S("type"), "The value of \"%.*s\" must be of type %.*s, not %s.",
                    P(v->name), P(v->type), json_type_name(v->value));
}

static void check_variables(struct checker *c, const struct wf_list *list)
{
    const struct variable_in *in = list->at;
    struct wf_def *def = c->def;
    struct map *names = map_new();

    def->n_variables = (int)list->n;
    def->variables = arena_array(c->a, struct wf_variable, def->n_variables);
    for (int i = 0; i < def->n_variables; i++) {
        def->variables[i] = (struct wf_variable){in[i].name, in[i].type, in[i].value};
        c->base = str_fmt(c->scratch, "/variables/%d", i);
        check_variable(c, &def->variables[i], names);
    }
    c->base = S("");
    map_free(names, NULL);
}

/* ---- the whole ---- */

static void check_format(struct checker *c, const struct json *json, int64_t format)
{
    if (json_is_number(json_at(json, "heddle")) && format != FORMAT)
        check_wrong(c, S("heddle"), S("version"),
                    "This program reads version %d of the workflow format, not %lld.", FORMAT,
                    (long long)format);
}

static bool is_array(struct checker *c, Str field, const struct json *json)
{
    if (json && !json_is(json, JSON_ARR))
        check_wrong(c, field, S("type"), "\"%.*s\" must be an array, not %s.", P(field),
                    json_type_name(json));
    return json_is(json, JSON_ARR);
}

static void check_flow(struct checker *c, const struct wf_flow *flow, const struct json *json)
{
    if (!json)
        return;
    const char *field, *fault = wf_flow_fault(flow, &field);
    if (fault)
        check_wrong(c, str_fmt(c->scratch, "settings/flow/%s", field), S("not_used"), "%s", fault);
    if (wf_flow_limits(flow) || wf_flow_gathers(flow)) {
        c->def->flow = arena_new_of(c->a, struct wf_flow);
        *c->def->flow = *flow;
        if (!c->def->flow->rate_limit.burst) /* so many in any such time, whenever they come */
            c->def->flow->rate_limit.burst = c->def->flow->rate_limit.limit;
        if (!c->def->flow->debounce.max_delay)
            c->def->flow->debounce.max_delay = 10 * c->def->flow->debounce.delay;
    } else if (json_is(json, JSON_OBJ) && c->errors == 0) {
        check_wrong(c, S("settings/flow"), S("required"),
                    "\"flow\" limits nothing: give it \"concurrency\", \"throttle\", "
                    "\"rate_limit\", \"singleton\", \"debounce\" or \"batch\".");
    }
}

static void check_retention(struct checker *c, const struct wf_retention_cfg *cfg,
                            const struct json *json)
{
    c->def->retention = arena_new_of(c->a, struct retention);
    *c->def->retention = wf_retention_rules(cfg);
    if (json_is(json, JSON_OBJ) && c->errors == 0 && !wf_retention_is_set(c->def->retention))
        check_wrong(c, S("settings/retention"), S("required"),
                    "\"retention\" says nothing: give it \"age\" or \"count\".");
}

static void check_outer(struct checker *c, const struct json *json, struct outer *outer)
{
    const struct field *tables[] = {outer_fields};
    struct wf_check ck = check_of(c, json);
    struct wf_def *def = c->def;

    field_unknown(&ck, S(""), tables, 1, json);
    field_read(&ck, S(""), outer_fields, json, outer);
    check_format(c, json, outer->format);
    if (outer->viewport && !json_is(outer->viewport, JSON_OBJ))
        check_wrong(c, S("viewport"), S("type"), "\"viewport\" must be an object.");
    def->name = outer->name;
    def->description = outer->description;
    def->timeout = outer->settings.timeout;
    def->deadline = outer->settings.deadline;
    def->max_steps = (int)outer->settings.max_steps;
    def->max_parallel = (int)outer->settings.max_parallel;
    def->error_workflow = outer->settings.error_workflow;
    check_retention(c, &outer->settings.retention, json_at(json_at(json, "settings"), "retention"));
    check_flow(c, &outer->settings.flow, json_at(json_at(json, "settings"), "flow"));
}

static Err check_all(struct checker *c, const struct json *json)
{
    struct outer outer = {0};

    if (!json_is(json, JSON_OBJ)) {
        check_wrong(c, S(""), S("type"), "A workflow must be an object, not %s.",
                    json_type_name(json));
        return OK;
    }
    check_outer(c, json, &outer);
    if (is_array(c, S("nodes"), outer.nodes))
        check_nodes(c, outer.nodes);
    check_variables(c, &outer.variables);
    if (c->def->n_nodes == 0)
        return OK; /* reported; edges and names would only repeat it */
    if (is_array(c, S("edges"), outer.edges))
        check_edges(c, outer.edges);
    int *depth = arena_array(c->scratch, int, c->def->n_nodes);
    check_graph(c, depth);
    if (c->def->trigger >= 0)
        check_hook(c);
    return c->errors ? OK : check_normalise(c, json, depth);
}

static Err read_text(struct checker *c, Str text, struct json **ret_json)
{
    const struct json_limits limits = {.depth = DEPTH_MAX, .bytes = WF_TEXT_MAX};

    if (text.n > WF_TEXT_MAX) {
        check_wrong(c, S(""), S("too_large"), "A workflow has at most %d MiB of text.",
                    WF_TEXT_MAX >> 20);
        return err_detail(E_TOO_LARGE, "A workflow has at most %d MiB of text.", WF_TEXT_MAX >> 20);
    }
    Err e = json_parse_limits(c->a, str_dup(c->a, text), &limits, ret_json);
    if (e != OK)
        check_wrong(c, S(""), S("syntax"), "%s", err_client_text(e));
    return e;
}

static Err failure(const struct checker *c)
{
    const struct wf_problem *first = NULL;

    vec_each(c->problems, p)
        if (!first && !p->warning)
            first = p;
    return err_detail(E_INVALID, "The workflow has %d error%s%s%.*s: %.*s", c->errors,
                      c->errors == 1 ? "" : "s, the first", first && first->path.n ? " at " : "",
                      P(first ? first->path : S("")), P(first ? first->message : S("")));
}

Err wf_def_parse(struct arena *a, Str text, WfProblems *ret_problems, struct wf_def **ret_def)
{
    AUTO(wf_def) *def = calloc(1, sizeof *def);
    AUTO(arena) *scratch = arena_new(ARENA_MAX);
    struct json *json;

    if (!def)
        DIE("out of memory");
    atomic_init(&def->refs, 1);
    def->a = arena_new(ARENA_MAX);
    def->ids = map_new();
    def->trigger = -1;
    struct checker c = {
        .a = def->a, .pa = a, .scratch = scratch, .def = def, .problems = ret_problems};
    TRY(read_text(&c, text, &json));
    TRY(check_all(&c, json));
    if (c.errors)
        return failure(&c);
    *ret_def = def;
    def = NULL;
    return OK;
}

struct wf_def *wf_def_ref(struct wf_def *def)
{
    atomic_fetch_add_explicit(&def->refs, 1, memory_order_relaxed);
    return def;
}

void wf_def_unref(struct wf_def *def)
{
    if (!def || atomic_fetch_sub_explicit(&def->refs, 1, memory_order_acq_rel) != 1)
        return;
    map_free(def->ids, NULL);
    arena_free(def->a);
    free(def);
}

int wf_def_node(const struct wf_def *def, Str id)
{
    const int *index = map_get(def->ids, id);

    return index ? *index : -1;
}
