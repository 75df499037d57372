/* src/wf/sample.c - see sample.h. */
#include "wf/sample.h"

enum { DEPTH_MAX = 20, MEMBERS_MAX = 100, ELEMENTS = 3, STRINGS_DEPTH = 60, INDEX_MAX = 10 };

#define PLACEHOLDER "placeholder"

/* ---- of a schema ---- */

static struct json *sample_at(struct arena *a, const struct json *schema, int depth);

static struct json *sample_object(struct arena *a, const struct json *schema, int depth)
{
    const struct json *props = json_at(schema, "properties");
    struct json *o = json_obj(a, NULL);

    for (size_t i = 0; json_is(props, JSON_OBJ) && i < props->n && i < MEMBERS_MAX; i++)
        json_set(a, o, str_from(props->obj[i].key.s, props->obj[i].key.n),
                 sample_at(a, &props->obj[i].val, depth + 1));
    const struct json *required = json_at(schema, "required");
    for (size_t i = 0; i < json_len(required) && i < MEMBERS_MAX; i++) {
        Str name = json_str_of(json_item(required, i), S(""));
        if (name.n && !json_get(o, name))
            json_set(a, o, name, json_str_c(a, PLACEHOLDER));
    }
    return o;
}

static struct json *sample_text(struct arena *a, const struct json *schema)
{
    int64_t min = json_int_of(json_at(schema, "minLength"), 0);
    int64_t max = json_int_of(json_at(schema, "maxLength"), INT64_MAX);
    Str format = json_str_of(json_at(schema, "format"), S("")), text = S(PLACEHOLDER);
    AUTO_BUF(b, KIB(64));

    if (str_eq(format, S("email")))
        text = S("placeholder@example.com");
    else if (str_eq(format, S("date-time")))
        text = S("2026-01-01T00:00:00Z");
    else if (str_eq(format, S("date")))
        text = S("2026-01-01");
    else if (str_eq(format, S("uri")))
        text = S("https://example.com/placeholder");
    buf_add(&b, text);
    while ((int64_t)b.n < min && b.n < KIB(4))
        buf_add_char(&b, '.');
    return json_str(a, str_dup(a, str_head(buf_str(&b), max < 0 ? 0 : (size_t)max)));
}

/* One of what the schema lists, if it lists something. */
static const struct json *listed(const struct json *schema)
{
    static const char *const lists[] = {"enum", "examples"};
    const struct json *one = json_at(schema, "const");

    if (!one)
        one = json_at(schema, "default");
    for (size_t i = 0; i < ARRAY_LEN(lists) && !one; i++)
        one = json_item(json_get(schema, str_c(lists[i])), 0);
    return one;
}

static struct json *sample_number(struct arena *a, const struct json *schema)
{
    const struct json *min = json_at(schema, "minimum");

    return min && json_is_number(min) ? (struct json *)(uintptr_t)min : json_int(a, 1);
}

static struct json *sample_at(struct arena *a, const struct json *schema, int depth)
{
    static const char *const choices[] = {"oneOf", "anyOf", "allOf"};
    const struct json *one = listed(schema), *type = json_at(schema, "type");
    Str name = json_str_of(json_is(type, JSON_ARR) ? json_item(type, 0) : type, S(""));

    if (one)
        return (struct json *)(uintptr_t)one;
    if (depth > DEPTH_MAX)
        return json_null(a);
    for (size_t i = 0; i < ARRAY_LEN(choices) && !name.n; i++) {
        const struct json *first = json_item(json_get(schema, str_c(choices[i])), 0);
        if (first)
            return sample_at(a, first, depth + 1);
    }
    if (str_eq(name, S("object")) || (!name.n && json_at(schema, "properties")))
        return sample_object(a, schema, depth);
    if (str_eq(name, S("array"))) {
        struct json *list = json_arr(a);
        int64_t n = json_int_of(json_at(schema, "minItems"), 1);
        for (int64_t i = 0; i < n && i < MEMBERS_MAX; i++)
            json_push(a, list, sample_at(a, json_at(schema, "items"), depth + 1));
        return list;
    }
    if (str_eq(name, S("integer")) || str_eq(name, S("number")))
        return sample_number(a, schema);
    if (str_eq(name, S("boolean")))
        return json_bool(a, true);
    if (str_eq(name, S("null")))
        return json_null(a);
    return sample_text(a, schema);
}

struct json *wf_sample_schema(struct arena *a, const struct json *schema)
{
    return json_dup(a, sample_at(a, schema, 0));
}

/* ---- the shape that a workflow reads ---- */

/* What is collected: paths behind the name @root, in the strings of a definition. */
struct shape {
    struct arena *a;
    Str root;
    struct json *value;         /* NULL: nothing is read of it */
    const struct json *element; /* of lists that an iteration goes through */
    bool is_items;
};

static bool is_name_char(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == '-' || u == '$' || u >= 0x80;
}

/* The next ".name", "?.name", "[0]" or ["name"] of @*rest; false: there is none. *ret_name is empty
 * for an index. */
static bool next_part(Str *rest, Str *ret_name, int64_t *ret_index)
{
    Str s = *rest;
    size_t n = 0;

    *ret_index = -1;
    *ret_name = S("");
    if (str_starts(s, S("?.")))
        s = str_skip(s, 1);
    if (str_starts(s, S("["))) {
        size_t end = str_find_char(s, ']');
        if (end == SIZE_MAX || end < 2)
            return false;
        Str inner = {s.p + 1, end - 1};
        *rest = str_skip(s, end + 1);
        if (inner.n > 2 && (inner.p[0] == '"' || inner.p[0] == '\''))
            *ret_name = (Str){inner.p + 1, inner.n - 2};
        else if (str_to_i64(inner, ret_index) != OK || *ret_index < 0 || *ret_index > INDEX_MAX)
            return false;
        return true;
    }
    if (!str_starts(s, S(".")))
        return false;
    s = str_skip(s, 1);
    while (n < s.n && is_name_char(s.p[n]))
        n++;
    *ret_name = str_head(s, n);
    *rest = str_skip(s, n);
    return n > 0;
}

/* The member or element that @name or @index means in *at, made if it can be. NULL: it cannot. */
static struct json *part_of(struct arena *a, struct json *at, Str name, int64_t index)
{
    bool blank = json_is(at, JSON_NULL) || str_eq(json_str_of(at, S("")), S(PLACEHOLDER));

    if (name.n) {
        if (blank)
            *at = *json_obj(a, NULL);
        if (!json_is(at, JSON_OBJ) || (json_len(at) >= MEMBERS_MAX && !json_get(at, name)))
            return NULL;
        if (!json_get(at, name))
            json_set(a, at, name, json_str_c(a, PLACEHOLDER));
        return json_get(at, name);
    }
    if (blank)
        *at = *json_arr(a);
    while (json_is(at, JSON_ARR) && (int64_t)json_len(at) <= index)
        json_push(a, at, json_str_c(a, PLACEHOLDER));
    return json_item(at, (size_t)index);
}

static void take_path(struct shape *shape, Str rest)
{
    struct json *at;
    Str name;
    int64_t index;
    bool any = false;

    if (!shape->value)
        shape->value = json_str_c(shape->a, PLACEHOLDER);
    at = shape->value;
    for (int depth = 0; depth < DEPTH_MAX && next_part(&rest, &name, &index); depth++) {
        struct json *part = part_of(shape->a, at, name, index);
        if (!part)
            return;
        at = part;
        any = true;
    }
    if (!any || !shape->is_items)
        return;
    for (size_t i = 0; json_is(at, JSON_ARR) && i < at->n; i++)
        if (json_is(&at->arr[i], JSON_OBJ) && at->arr[i].n == 0)
            at->arr[i] = *json_dup(shape->a, shape->element);
    if (json_is(at, JSON_ARR))
        return;
    *at = *json_arr(shape->a);
    for (int i = 0; i < ELEMENTS; i++)
        json_push(shape->a, at, json_dup(shape->a, shape->element));
}

static void look_in_text(struct shape *shape, Str text)
{
    size_t open = str_find(text, S("{{"));

    while (open != SIZE_MAX) {
        text = str_skip(text, open + 2);
        size_t end = str_find(text, S("}}"));
        Str inside = str_head(text, end == SIZE_MAX ? text.n : end);
        for (size_t i = 0; i + shape->root.n <= inside.n; i++) {
            bool begins = i == 0 || (!is_name_char(inside.p[i - 1]) && inside.p[i - 1] != '.');
            Str rest = str_skip(inside, i);
            if (!begins || !str_starts(rest, shape->root))
                continue;
            rest = str_skip(rest, shape->root.n);
            if (rest.n == 0 || !is_name_char(rest.p[0]))
                take_path(shape, rest);
        }
        open = str_find(text, S("{{"));
    }
}

static void look_in(struct shape *shape, const struct json *v, int depth)
{
    if (json_is(v, JSON_STR))
        look_in_text(shape, json_str_of(v, S("")));
    if (depth > STRINGS_DEPTH)
        return;
    for (size_t i = 0; json_is(v, JSON_ARR) && i < v->n; i++)
        look_in(shape, &v->arr[i], depth + 1);
    for (size_t i = 0; json_is(v, JSON_OBJ) && i < v->n; i++)
        look_in(shape, &v->obj[i].val, depth + 1);
}

/* What bodies read of their items: of all iterations alike. */
static struct json *element_of(struct arena *a, const struct wf_def *def)
{
    struct shape shape = {.a = a, .root = S("item")};

    look_in(&shape, json_at(def->json, "nodes"), 0);
    return shape.value ? shape.value : json_str_c(a, PLACEHOLDER);
}

/* The shape of what the workflow reads of @node; NULL: nothing. */
static struct json *read_of(struct arena *a, const struct wf_def *def, int node, struct json *base)
{
    const struct json *nodes = json_at(def->json, "nodes");
    struct shape shape = {
        .a = a, .root = def->nodes[node].id, .value = base, .element = element_of(a, def)};

    for (size_t i = 0; i < json_len(nodes); i++) {
        const struct json *data = json_at(json_item(nodes, i), "data");
        Str type = json_str_of(json_at(json_item(nodes, i), "type"), S(""));
        for (size_t k = 0; json_is(data, JSON_OBJ) && k < data->n; k++) {
            Str key = str_from(data->obj[k].key.s, data->obj[k].key.n);
            shape.is_items = str_eq(type, S("iteration")) && str_eq(key, S("items"));
            look_in(&shape, &data->obj[k].val, 0);
        }
    }
    return shape.value;
}

struct json *wf_sample_output(struct arena *a, const struct wf_def *def, int node)
{
    const struct wf_node *n = &def->nodes[node];
    struct json *base =
        n->type->sample ? n->type->sample(a, n->settings) : json_str_c(a, PLACEHOLDER);

    return json_dup(a, read_of(a, def, node, base));
}

struct json *wf_sample_input(struct arena *a, const struct wf_def *def)
{
    const struct json *node = json_item(json_at(def->json, "nodes"), (size_t)def->trigger);
    const struct json *schema = json_at(json_at(node, "data"), "input");
    struct json *base = schema ? wf_sample_schema(a, schema) : json_obj(a, NULL);

    return json_dup(a, read_of(a, def, def->trigger, base));
}

struct json *wf_sample_answer(struct arena *a, const struct wf_def *def, int node)
{
    const struct json *data = json_at(json_item(json_at(def->json, "nodes"), (size_t)node), "data");
    const struct json *form = json_at(data, "form");

    return form ? wf_sample_schema(a, form) : wf_sample_output(a, def, node);
}

/* ---- in place of an attempt ---- */

/* The settings that hold templates are answered, as the attempt would. */
static Err answer_settings(struct wf_step *step)
{
    const struct json *data =
        json_at(json_item(json_at(step->def->json, "nodes"), (size_t)step->node->index), "data");

    for (const struct field *f = step->node->type->fields; f->name; f++) {
        const struct json *setting = json_get(data, str_c(f->name));
        struct wf_value *value;
        struct json *answer;
        if (!setting || f->in_body || f->kind == F_SCHEMA || f->kind == F_JSON)
            continue;
        TRY(wf_value_compile(step->a, setting, &value));
        TRY(wf_value_eval(step->a, value, step->scope, step->deadline, &answer));
    }
    return OK;
}

Err wf_sample_run(struct wf_step *step, struct wf_outcome *ret_outcome)
{
    TRY(answer_settings(step));
    ret_outcome->output = wf_sample_output(step->a, step->def, step->node->index);
    return OK;
}
