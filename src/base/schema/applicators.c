/* src/base/schema/applicators.c - the keywords that apply other schemas.
 *
 * A step that has called is called again when the answer is there: f->returned and f->child_ok.
 * What it needs to remember between is in f->i and f->count.
 */
#include "base/schema/private.h"

#define STEP(name)                                                                                 \
    static enum schema_step name(struct schema_run *r, struct schema_frame *f,                     \
                                 const struct schema_check *check)
#define COMPILE(name)                                                                              \
    static Err name(struct schema_compiler *c, struct schema_node *node, struct schema_check *check)

static enum schema_step call_same(struct schema_run *r, struct schema_frame *f,
                                  const struct schema_node *node, bool quiet)
{
    return schema_call(r, f, &(struct schema_call){.node = node, .v = f->v, .quiet = quiet});
}

static enum schema_step call_member(struct schema_run *r, struct schema_frame *f,
                                    const struct schema_node *node, const struct json_member *m)
{
    return schema_call(
        r, f,
        &(struct schema_call){.node = node, .v = &m->val, .place = PLACE_KEY, .key = &m->key});
}

static enum schema_step call_item(struct schema_run *r, struct schema_frame *f,
                                  const struct schema_node *node, size_t i, bool quiet)
{
    return schema_call(
        r, f,
        &(struct schema_call){
            .node = node, .v = &f->v->arr[i], .place = PLACE_ITEM, .index = i, .quiet = quiet});
}

/* Take the answer of the last call as one more condition. */
static void and_answer(struct schema_frame *f)
{
    if (f->returned && !f->child_ok)
        f->ok = false;
    f->returned = false;
}

/* ---- compiling ---- */

COMPILE(compile_one)
{
    return schema_child(c, node, check->kw->name, S(""), check->arg, &check->node);
}

COMPILE(compile_list)
{
    struct arena *a = schema_arena(c);

    if (!json_is(check->arg, JSON_ARR))
        return schema_bad(node, check->kw->name, "must be an array of schemas");
    check->n = check->arg->n;
    check->nodes = arena_array(a, struct schema_node *, check->arg->n + 1);
    for (uint32_t i = 0; i < check->arg->n; i++)
        TRY(schema_child(c, node, check->kw->name, str_fmt(a, "%u", i), &check->arg->arr[i],
                         &check->nodes[i]));
    return OK;
}

COMPILE(compile_map)
{
    if (!json_is(check->arg, JSON_OBJ))
        return schema_bad(node, check->kw->name, "must be an object of schemas");
    check->n = check->arg->n;
    check->nodes = arena_array(schema_arena(c), struct schema_node *, check->arg->n + 1);
    for (uint32_t i = 0; i < check->arg->n; i++)
        TRY(schema_child(c, node, check->kw->name, json_chars(&check->arg->obj[i].key),
                         &check->arg->obj[i].val, &check->nodes[i]));
    return OK;
}

/* The subschema of another keyword of @node, NULL if it is not there. */
static Err other_child(struct schema_compiler *c, struct schema_node *node, const char *keyword,
                       struct schema_node **ret_node)
{
    const struct json *arg = json_get(node->src, str_c(keyword));
    return arg ? schema_child(c, node, keyword, S(""), arg, ret_node) : OK;
}

/* ---- references ---- */

COMPILE(compile_ref)
{
    Str none;

    if (!json_is(check->arg, JSON_STR))
        return schema_bad(node, "$ref", "must be a string");
    return schema_refer(c, node, json_chars(check->arg), &check->node, &none);
}

COMPILE(compile_dynamic_ref)
{
    Str name;

    if (!json_is(check->arg, JSON_STR))
        return schema_bad(node, "$dynamicRef", "must be a string");
    TRY(schema_refer(c, node, json_chars(check->arg), &check->node, &name));
    if (name.n) {
        check->data = arena_new_of(schema_arena(c), Str);
        *(Str *)check->data = name;
    }
    return OK;
}

/* Also of $ref. */
STEP(step_one)
{
    if (!f->returned)
        return call_same(r, f, check->node, false);
    and_answer(f);
    return STEP_DONE;
}

STEP(step_dynamic_ref)
{
    if (!f->returned)
        return call_same(r, f, check->data ? schema_dynamic(r, check) : check->node, false);
    and_answer(f);
    return STEP_DONE;
}

/* ---- logic ---- */

STEP(step_all_of)
{
    and_answer(f);
    if (f->i < check->n && !schema_is_over(r, f))
        return call_same(r, f, check->nodes[f->i++], false);
    return STEP_DONE;
}

/* Where children are marked, the answer is not enough: every alternative has its say. */
STEP(step_any_of)
{
    if (f->returned && f->child_ok)
        f->count++;
    f->returned = false;
    if (f->i < check->n && (f->count == 0 || f->marks))
        return call_same(r, f, check->nodes[f->i++], true);
    if (f->count)
        return STEP_DONE;
    return schema_fail(r, f, check, "matches none of the %lld alternatives", (long long)check->n);
}

STEP(step_one_of)
{
    if (f->returned && f->child_ok)
        f->count++;
    f->returned = false;
    if (f->i < check->n && f->count < 2)
        return call_same(r, f, check->nodes[f->i++], true);
    if (f->count == 1)
        return STEP_DONE;
    return schema_fail(r, f, check, "matches %s of the %lld alternatives instead of one",
                       f->count ? "more than one" : "none", (long long)check->n);
}

STEP(step_not)
{
    if (!f->returned)
        return schema_call(
            r, f,
            &(struct schema_call){
                .node = check->node, .v = f->v, .place = PLACE_BLIND, .quiet = true});
    if (!f->child_ok)
        return STEP_DONE;
    return schema_fail(r, f, check, "matches what it must not match");
}

COMPILE(compile_if)
{
    TRY(compile_one(c, node, check));
    TRY(other_child(c, node, "then", &check->then));
    return other_child(c, node, "else", &check->other);
}

STEP(step_if)
{
    if (f->i == 0) {
        f->i = 1;
        return call_same(r, f, check->node, true);
    }
    if (f->i == 1) {
        const struct schema_node *next = f->child_ok ? check->then : check->other;
        f->i = 2;
        f->returned = false;
        if (next)
            return call_same(r, f, next, false);
    }
    and_answer(f);
    return STEP_DONE;
}

STEP(step_dependent_schemas)
{
    and_answer(f);
    while (json_is(f->v, JSON_OBJ) && f->i < check->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        if (!schema_charge(r, 1))
            return STEP_DONE;
        if (json_get(f->v, json_chars(&check->arg->obj[i].key)))
            return call_same(r, f, check->nodes[i], false);
    }
    return STEP_DONE;
}

/* "dependencies", of older drafts, holds arrays of names as well. */
COMPILE(compile_dependencies)
{
    if (!json_is(check->arg, JSON_OBJ))
        return schema_bad(node, "dependencies", "must be an object");
    check->n = check->arg->n;
    check->nodes = arena_array(schema_arena(c), struct schema_node *, check->arg->n + 1);
    for (uint32_t i = 0; i < check->arg->n; i++) {
        const struct json *dep = &check->arg->obj[i].val;
        if (!json_is(dep, JSON_ARR))
            TRY(schema_child(c, node, "dependencies", json_chars(&check->arg->obj[i].key), dep,
                             &check->nodes[i]));
        for (size_t j = 0; json_is(dep, JSON_ARR) && j < dep->n; j++)
            if (!json_is(&dep->arr[j], JSON_STR))
                return schema_bad(node, "dependencies", "must hold schemas or arrays of strings");
    }
    return OK;
}

STEP(step_dependencies)
{
    and_answer(f);
    while (json_is(f->v, JSON_OBJ) && f->i < check->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        const struct json_member *dep = &check->arg->obj[i];
        if (!schema_charge(r, 1 + json_len(&dep->val) / 4))
            return STEP_DONE;
        if (!json_get(f->v, json_chars(&dep->key)))
            continue;
        if (check->nodes[i])
            return call_same(r, f, check->nodes[i], false);
        for (uint32_t j = 0; j < dep->val.n; j++)
            if (!json_get(f->v, json_chars(&dep->val.arr[j])))
                (void)schema_fail(r, f, check, "a member is missing, which \"%.*s\" needs",
                                  P(str_head(json_chars(&dep->key), 100)));
    }
    return STEP_DONE;
}

/* ---- arrays ---- */

STEP(step_prefix_items)
{
    and_answer(f);
    while (json_is(f->v, JSON_ARR) && f->i < f->v->n && f->i < check->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        schema_mark(f, i);
        if (!schema_is_true(check->nodes[i]))
            return call_item(r, f, check->nodes[i], i, false);
    }
    return STEP_DONE;
}

/* "items" is about what is behind "prefixItems"; in older drafts it may be the list itself, and
 * "additionalItems" is about the rest. */
COMPILE(compile_items)
{
    if (json_is(check->arg, JSON_ARR)) {
        TRY(compile_list(c, node, check));
        return other_child(c, node, "additionalItems", &check->node);
    }
    check->max = (int64_t)json_len(json_at(node->src, "prefixItems"));
    return compile_one(c, node, check);
}

STEP(step_items)
{
    and_answer(f);
    if (!json_is(f->v, JSON_ARR))
        return STEP_DONE;
    if (f->i < check->max)
        f->i = (uint32_t)(check->max < f->v->n ? check->max : f->v->n);
    while (f->i < f->v->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        const struct schema_node *node = i < check->n ? check->nodes[i] : check->node;
        if (!node)
            return STEP_DONE;
        schema_mark(f, i);
        if (node->never)
            return schema_fail(r, f, check, "has more than %u elements", i);
        if (!schema_is_true(node))
            return call_item(r, f, node, i, false);
        if (!schema_charge(r, 1))
            return STEP_DONE;
    }
    return STEP_DONE;
}

/* A limit of "contains", which belongs to another vocabulary; @otherwise if it is not there. */
static Err contains_limit(struct schema_node *node, Str keyword, int64_t otherwise, int64_t *ret_n)
{
    const struct json *arg = json_get(node->src, keyword);

    *ret_n = otherwise;
    if (!arg || !(node->res->vocab & VOCAB_VALIDATION))
        return OK;
    *ret_n = json_int_of(arg, -1);
    return *ret_n >= 0 ? OK
                       : schema_bad(node, keyword.p, "must be a whole number that is not negative");
}

COMPILE(compile_contains)
{
    TRY(contains_limit(node, S("minContains"), 1, &check->n));
    TRY(contains_limit(node, S("maxContains"), INT64_MAX, &check->max));
    return compile_one(c, node, check);
}

STEP(step_contains)
{
    if (!json_is(f->v, JSON_ARR))
        return STEP_DONE;
    if (f->returned && f->child_ok) {
        f->count++;
        schema_mark(f, f->i - 1);
    }
    f->returned = false;
    bool known = !f->marks && f->count >= check->n && check->max == INT64_MAX;
    if (f->i < f->v->n && !known && f->count <= check->max) {
        uint32_t i = f->i++;
        return call_item(r, f, check->node, i, true);
    }
    if (f->count > check->max)
        return schema_fail(r, f, check, "more than %lld elements match", (long long)check->max);
    if (f->count < check->n)
        return schema_fail(r, f, check, "%u elements match, at least %lld must", f->count,
                           (long long)check->n);
    return STEP_DONE;
}

STEP(step_unevaluated_items)
{
    and_answer(f);
    while (json_is(f->v, JSON_ARR) && f->i < f->v->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        if (!schema_charge(r, 1))
            return STEP_DONE;
        if (schema_is_marked(f, i))
            continue;
        schema_mark(f, i);
        if (check->node->never)
            (void)schema_fail(r, f, check, "element %u is not expected", i);
        else if (!schema_is_true(check->node))
            return call_item(r, f, check->node, i, false);
    }
    return STEP_DONE;
}

/* ---- members ---- */

STEP(step_properties)
{
    and_answer(f);
    while (json_is(f->v, JSON_OBJ) && f->i < check->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        if (!schema_charge(r, 1))
            return STEP_DONE;
        const struct json *val = json_get(f->v, json_chars(&check->arg->obj[i].key));
        if (!val)
            continue;
        const struct json_member *m = (const struct json_member *)(const void *)(val - 1);
        schema_mark(f, (size_t)(m - f->v->obj));
        if (!schema_is_true(check->nodes[i]))
            return call_member(r, f, check->nodes[i], m);
    }
    return STEP_DONE;
}

COMPILE(compile_pattern_properties)
{
    struct arena *a = schema_arena(c);

    TRY(compile_map(c, node, check));
    struct schema_pattern **patterns = arena_array(a, struct schema_pattern *, check->n + 1);
    for (uint32_t i = 0; i < check->arg->n; i++)
        if (schema_pattern_new(a, json_chars(&check->arg->obj[i].key), &patterns[i]) != OK)
            return schema_bad(node, "patternProperties",
                              "has a key that is no regular expression: %s", err_text(E_SYNTAX));
    check->data = patterns;
    return OK;
}

/* All pairs of a member and a pattern; f->i counts them. */
STEP(step_pattern_properties)
{
    struct schema_pattern **patterns = check->data;

    and_answer(f);
    while (json_is(f->v, JSON_OBJ) && f->count < f->v->n && check->n && !schema_is_over(r, f)) {
        const struct json_member *m = &f->v->obj[f->count];
        uint32_t i = f->i;
        f->i = i + 1 < check->n ? i + 1 : 0;
        f->count += f->i == 0;
        if (!schema_matches(r, patterns[i], json_chars(&m->key)))
            continue;
        schema_mark(f, (size_t)(m - f->v->obj));
        if (!schema_is_true(check->nodes[i]))
            return call_member(r, f, check->nodes[i], m);
    }
    return STEP_DONE;
}

/* What "additionalProperties" leaves alone. */
struct known {
    const struct json *properties;
    struct schema_pattern **patterns;
    size_t n;
};

COMPILE(compile_additional)
{
    struct known *known = arena_new_of(schema_arena(c), struct known);

    known->properties = json_at(node->src, "properties");
    for (uint32_t i = 0; i < node->n; i++) {
        if (str_eq(str_c(node->checks[i].kw->name), S("patternProperties"))) {
            known->patterns = node->checks[i].data;
            known->n = (size_t)node->checks[i].n;
        }
    }
    check->data = known;
    return compile_one(c, node, check);
}

static bool is_known(struct schema_run *r, const struct known *known, Str key)
{
    if (json_get(known->properties, key))
        return true;
    for (size_t i = 0; i < known->n; i++)
        if (schema_matches(r, known->patterns[i], key))
            return true;
    return false;
}

STEP(step_additional)
{
    and_answer(f);
    while (json_is(f->v, JSON_OBJ) && f->i < f->v->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        const struct json_member *m = &f->v->obj[i];
        if (!schema_charge(r, 1))
            return STEP_DONE;
        if (is_known(r, check->data, json_chars(&m->key)))
            continue;
        schema_mark(f, i);
        if (check->node->never)
            (void)schema_fail(r, f, check, "the member \"%.*s\" is not known",
                              P(str_head(json_chars(&m->key), 200)));
        else if (!schema_is_true(check->node))
            return call_member(r, f, check->node, m);
    }
    return STEP_DONE;
}

STEP(step_property_names)
{
    if (f->returned && !f->child_ok)
        (void)schema_fail(r, f, check, "the name \"%.*s\" is not allowed for a member",
                          P(str_head(json_chars(&f->v->obj[f->i - 1].key), 200)));
    f->returned = false;
    if (json_is(f->v, JSON_OBJ) && f->i < f->v->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        return schema_call(
            r, f,
            &(struct schema_call){
                .node = check->node, .v = &f->v->obj[i].key, .place = PLACE_BLIND, .quiet = true});
    }
    return STEP_DONE;
}

STEP(step_unevaluated_properties)
{
    and_answer(f);
    while (json_is(f->v, JSON_OBJ) && f->i < f->v->n && !schema_is_over(r, f)) {
        uint32_t i = f->i++;
        if (!schema_charge(r, 1))
            return STEP_DONE;
        if (schema_is_marked(f, i))
            continue;
        schema_mark(f, i);
        if (check->node->never)
            (void)schema_fail(r, f, check, "the member \"%.*s\" is not expected",
                              P(str_head(json_chars(&f->v->obj[i].key), 200)));
        else if (!schema_is_true(check->node))
            return call_member(r, f, check->node, &f->v->obj[i]);
    }
    return STEP_DONE;
}

COMPILE(compile_unevaluated)
{
    node->tracks = true;
    return compile_one(c, node, check);
}

const struct schema_keyword schema_applicators[] = {
    {"$ref", VOCAB_CORE, SUB_NONE, compile_ref, step_one},
    {"$dynamicRef", VOCAB_CORE, SUB_NONE, compile_dynamic_ref, step_dynamic_ref},
    {"$defs", VOCAB_CORE, SUB_MAP, NULL, NULL},
    {"definitions", VOCAB_CORE, SUB_MAP, NULL, NULL},
    {"properties", VOCAB_APPLICATOR, SUB_MAP, compile_map, step_properties},
    {"patternProperties", VOCAB_APPLICATOR, SUB_MAP, compile_pattern_properties,
     step_pattern_properties},
    {"additionalProperties", VOCAB_APPLICATOR, SUB_ONE, compile_additional, step_additional},
    {"propertyNames", VOCAB_APPLICATOR, SUB_ONE, compile_one, step_property_names},
    {"prefixItems", VOCAB_APPLICATOR, SUB_LIST, compile_list, step_prefix_items},
    {"items", VOCAB_APPLICATOR, SUB_ONE_OR_LIST, compile_items, step_items},
    {"additionalItems", VOCAB_APPLICATOR, SUB_ONE, NULL, NULL},
    {"contains", VOCAB_APPLICATOR, SUB_ONE, compile_contains, step_contains},
    {"allOf", VOCAB_APPLICATOR, SUB_LIST, compile_list, step_all_of},
    {"anyOf", VOCAB_APPLICATOR, SUB_LIST, compile_list, step_any_of},
    {"oneOf", VOCAB_APPLICATOR, SUB_LIST, compile_list, step_one_of},
    {"not", VOCAB_APPLICATOR, SUB_ONE, compile_one, step_not},
    {"if", VOCAB_APPLICATOR, SUB_ONE, compile_if, step_if},
    {"then", VOCAB_APPLICATOR, SUB_ONE, NULL, NULL},
    {"else", VOCAB_APPLICATOR, SUB_ONE, NULL, NULL},
    {"dependentSchemas", VOCAB_APPLICATOR, SUB_MAP, compile_map, step_dependent_schemas},
    {"dependencies", VOCAB_APPLICATOR, SUB_MAP, compile_dependencies, step_dependencies},
    {"unevaluatedItems", VOCAB_UNEVALUATED, SUB_ONE, compile_unevaluated, step_unevaluated_items},
    {"unevaluatedProperties", VOCAB_UNEVALUATED, SUB_ONE, compile_unevaluated,
     step_unevaluated_properties},
    {0},
};
