/* src/wf/nodes/node_data_transform.c - the "data-transform" node: new data from old, without
 * calling anyone. */
#include "wf/json_path.h"
#include "wf/nodes/step.h"
#include "wf/nodes/table.h"

enum { KEYS_MAX = 1000, SEGMENTS_MAX = 64 };

struct transform_cfg {
    Str mode;
    struct wf_template *template;
    bool parse_json;
    struct wf_value *values, *from;
    const struct json *keys;
    Str path;
    bool first;
    struct wf_jsonpath *compiled;
    /* Compiled from keys: for "pick" {new name: [segments]}, for "omit" a tree whose leaves are
     * null. */
    struct json *picked, *omitted;
};

static const struct field fields[] = {
    {"mode", F_ENUM, offsetof(struct transform_cfg, mode), .required = true,
     .one_of = "template set pick omit jsonpath", .title = "Mode"},
    {"template", F_TEMPLATE, offsetof(struct transform_cfg, template), .required = true,
     .when = "mode=template", .title = "Template", .lines = true},
    {"parse_json", F_BOOL, offsetof(struct transform_cfg, parse_json), .when = "mode=template",
     .title = "Read as JSON", .help = "Give what the text says as JSON instead of the text."},
    {"from", F_VALUE, offsetof(struct transform_cfg, from), .when = "mode=set,pick,omit,jsonpath",
     .title = "From", .help = "The data to begin with."},
    {"values", F_VALUE, offsetof(struct transform_cfg, values), .required = true,
     .when = "mode=set", .title = "Values", .lines = true},
    {"keys", F_JSON, offsetof(struct transform_cfg, keys), .required = true,
     .when = "mode=pick,omit", .title = "Keys",
     .help = "Dotted paths; for pick also an object of new names and paths."},
    {"path", F_STR, offsetof(struct transform_cfg, path), .required = true, .when = "mode=jsonpath",
     .title = "JSONPath", .help = "RFC 9535, such as $.items[?@.price < 10]."},
    {"first", F_BOOL, offsetof(struct transform_cfg, first), .when = "mode=jsonpath",
     .title = "First match only", .help = "Give the first match, or null, instead of an array."},
    {0},
};

/* ---- keys ---- */

/* "a.b.0" as an array of its parts; NULL after a problem. */
static struct json *segments(struct wf_check *ck, Str field, const struct json *path)
{
    struct json *arr = json_arr(ck->a);
    Str rest = json_str_of(path, S("")), head;

    if (!json_is(path, JSON_STR)) {
        wf_check_problem(ck, field, S("type"), "A key must be a string, not %s.",
                         json_type_name(path));
        return NULL;
    }
    while (rest.p) {
        rest = str_cut(rest, '.', &head);
        json_push(ck->a, arr, json_str(ck->a, head));
        if (head.n && json_len(arr) <= SEGMENTS_MAX)
            continue;
        wf_check_problem(ck, field, S("bad_path"), "A key is names joined by dots, at most %d.",
                         SEGMENTS_MAX);
        return NULL;
    }
    return arr;
}

static void add_picked(struct wf_check *ck, struct transform_cfg *cfg, Str field, Str name,
                       const struct json *path)
{
    struct json *parts = segments(ck, field, path);

    if (!parts)
        return;
    if (!name.p)
        name = json_str_of(json_item(parts, json_len(parts) - 1), S(""));
    if (json_get(cfg->picked, name))
        wf_check_problem(ck, field, S("duplicate_name"),
                         "Two keys would be called \"%.*s\": give new names by an object.",
                         P(name));
    json_set(ck->a, cfg->picked, name, parts);
}

/* Put a path into the tree of what is left out; a shorter path covers the longer ones. */
static void add_omitted(struct wf_check *ck, struct transform_cfg *cfg, Str field,
                        const struct json *path)
{
    struct json *parts = segments(ck, field, path), *at = cfg->omitted;

    for (size_t i = 0; parts && i < json_len(parts); i++) {
        Str name = json_str_of(json_item(parts, i), S(""));
        struct json *next = json_get(at, name);
        if (json_is(next, JSON_NULL))
            return;
        if (i + 1 == json_len(parts))
            json_set(ck->a, at, name, json_null(ck->a));
        else if (!next)
            json_set(ck->a, at, name, json_obj(ck->a, NULL));
        at = json_get(at, name);
    }
}

static void check_keys(struct wf_check *ck, struct transform_cfg *cfg)
{
    bool pick = str_eq(cfg->mode, S("pick")), renamed = json_is(cfg->keys, JSON_OBJ);

    cfg->picked = json_obj(ck->a, NULL);
    cfg->omitted = json_obj(ck->a, NULL);
    if ((!json_is(cfg->keys, JSON_ARR) && !(pick && renamed)) || json_len(cfg->keys) == 0 ||
        json_len(cfg->keys) > KEYS_MAX) {
        wf_check_problem(ck, S("keys"), S("type"), "\"keys\" must be an array of 1 to %d paths%s.",
                         KEYS_MAX, pick ? ", or an object of new names and paths" : "");
        return;
    }
    for (size_t i = 0; i < json_len(cfg->keys); i++) {
        Str field = str_fmt(ck->a, "keys/%zu", i);
        if (renamed)
            add_picked(ck, cfg, S("keys"), json_str_of(&cfg->keys->obj[i].key, S("")),
                       &cfg->keys->obj[i].val);
        else if (pick)
            add_picked(ck, cfg, field, (Str){NULL, 0}, &cfg->keys->arr[i]);
        else
            add_omitted(ck, cfg, field, &cfg->keys->arr[i]);
    }
}

static void check(struct wf_check *ck, void *settings)
{
    struct transform_cfg *cfg = settings;

    if (!cfg->from && !str_eq(cfg->mode, S("template")) && !str_eq(cfg->mode, S("set")))
        wf_check_problem(ck, S("from"), S("required"), "\"from\" is missing.");
    if (cfg->keys)
        check_keys(ck, cfg);
    if (cfg->path.n && wf_jsonpath_compile(ck->a, cfg->path, &cfg->compiled) != OK)
        wf_check_problem(ck, S("path"), S("bad_path"), "%s", err_client_text(E_SYNTAX));
}

/* ---- running ---- */

static Err run_template(struct wf_step *step, const struct transform_cfg *cfg,
                        struct json **ret_value)
{
    Str text;

    TRY(wf_template_text(step->a, cfg->template, step->scope, step->deadline, &text));
    if (!cfg->parse_json) {
        *ret_value = json_str(step->a, text);
        return OK;
    }
    Err e = json_parse(step->a, text, ret_value);
    if (e == E_SYNTAX)
        return err_detail(E_INVALID,
                          "The text that the template of node %.*s makes is not JSON: %s",
                          P(step->node->id), err_client_text(e));
    return e;
}

static Err wrong_type(const struct wf_step *step, const char *what, const char *wanted,
                      const struct json *v)
{
    return err_detail(E_INVALID, "\"%s\" of node %.*s must be %s here; it is of the type %s.", what,
                      P(step->node->id), wanted, json_type_name(v));
}

/* Members of "values" replace those of "from". */
static Err run_set(struct wf_step *step, const struct transform_cfg *cfg, const struct json *from,
                   struct json **ret_value)
{
    struct json *values, *merged;

    TRY(wf_value_eval(step->a, cfg->values, step->scope, step->deadline, &values));
    if (!cfg->from) {
        *ret_value = values;
        return OK;
    }
    if (!json_is(from, JSON_OBJ))
        return wrong_type(step, "from", "an object", from);
    if (!json_is(values, JSON_OBJ))
        return wrong_type(step, "values", "an object", values);
    merged = json_obj(step->a, NULL);
    for (size_t i = 0; i < json_len(from); i++)
        json_set(step->a, merged, json_str_of(&from->obj[i].key, S("")), &from->obj[i].val);
    for (size_t i = 0; i < json_len(values); i++)
        json_set(step->a, merged, json_str_of(&values->obj[i].key, S("")), &values->obj[i].val);
    *ret_value = merged;
    return OK;
}

static const struct json *follow(const struct json *v, const struct json *parts)
{
    int64_t index;

    for (size_t i = 0; v && i < json_len(parts); i++) {
        Str name = json_str_of(&parts->arr[i], S(""));
        if (json_is(v, JSON_ARR))
            v = str_to_i64(name, &index) == OK && index >= 0 ? json_item(v, (size_t)index) : NULL;
        else
            v = json_get(v, name);
    }
    return v;
}

static struct json *pick(struct arena *a, const struct transform_cfg *cfg, const struct json *from)
{
    struct json *to = json_obj(a, NULL);

    for (size_t i = 0; i < json_len(cfg->picked); i++)
        json_set(a, to, json_str_of(&cfg->picked->obj[i].key, S("")),
                 follow(from, &cfg->picked->obj[i].val));
    return to;
}

/* Depth is bounded by that of the tree: SEGMENTS_MAX. */
static struct json *omit(struct arena *a, const struct json *from, const struct json *tree)
{
    struct json *to = json_is(from, JSON_ARR) ? json_arr(a) : json_obj(a, NULL);
    char digits[24];

    for (size_t i = 0; i < json_len(from); i++) {
        bool array = json_is(from, JSON_ARR);
        Str key = array ? (Str){digits, (size_t)snprintf(digits, sizeof digits, "%zu", i)}
                        : json_str_of(&from->obj[i].key, S(""));
        const struct json *v = array ? &from->arr[i] : &from->obj[i].val;
        const struct json *sub = json_get(tree, key);
        if (json_is(sub, JSON_NULL))
            continue;
        if (sub && (json_is(v, JSON_OBJ) || json_is(v, JSON_ARR)))
            v = omit(a, v, sub);
        if (array)
            json_push(a, to, v);
        else
            json_set(a, to, key, v);
    }
    return to;
}

static struct json *pick_or_omit(struct arena *a, const struct transform_cfg *cfg,
                                 const struct json *from)
{
    return str_eq(cfg->mode, S("pick")) ? pick(a, cfg, from) : omit(a, from, cfg->omitted);
}

/* An array is treated element by element. */
static Err run_keys(struct wf_step *step, const struct transform_cfg *cfg, const struct json *from,
                    struct json **ret_value)
{
    if (json_is(from, JSON_OBJ)) {
        *ret_value = pick_or_omit(step->a, cfg, from);
        return OK;
    }
    if (!json_is(from, JSON_ARR))
        return wrong_type(step, "from", "an object or an array of objects", from);
    *ret_value = json_arr(step->a);
    for (size_t i = 0, began = arena_used(step->a); i < json_len(from); i++) {
        TRY(step_room(step, began));
        if (!json_is(&from->arr[i], JSON_OBJ))
            return wrong_type(step, "from", "an array of objects only", &from->arr[i]);
        json_push(step->a, *ret_value, pick_or_omit(step->a, cfg, &from->arr[i]));
    }
    return OK;
}

static Err run_jsonpath(struct wf_step *step, const struct transform_cfg *cfg,
                        const struct json *from, struct json **ret_value)
{
    AUTO(arena) *scratch = arena_new(MIB(64));
    WfJsonNodes nodes;
    Err e = wf_jsonpath_query(cfg->compiled, scratch, from, &nodes);

    if (e != OK)
        return e;
    if (cfg->first) {
        *ret_value = nodes.n ? (struct json *)(uintptr_t)nodes.at[0] : json_null(step->a);
        return OK;
    }
    *ret_value = json_arr(step->a);
    vec_each(&nodes, node)
        json_push(step->a, *ret_value, *node);
    return OK;
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct transform_cfg *cfg = settings;
    struct json *from = NULL;

    if (str_eq(cfg->mode, S("template")))
        return run_template(step, cfg, &ret_outcome->output);
    if (cfg->from)
        TRY(wf_value_eval(step->a, cfg->from, step->scope, step->deadline, &from));
    if (str_eq(cfg->mode, S("set")))
        return run_set(step, cfg, from, &ret_outcome->output);
    if (cfg->compiled)
        return run_jsonpath(step, cfg, from, &ret_outcome->output);
    return run_keys(step, cfg, from, &ret_outcome->output);
}

const struct wf_node_type wf_node_data_transform = {
    .name = "data-transform",
    .title = "Transform data",
    .help = "Makes new data from old: by a template, by setting, picking or leaving out fields, by "
            "JSONPath.",
    .group = "data",
    .fields = fields,
    .settings_size = sizeof(struct transform_cfg),
    .effects = WF_PURE,
    .check = check,
    .run = run,
};
