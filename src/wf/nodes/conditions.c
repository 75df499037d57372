/* src/wf/nodes/conditions.c - typed comparisons of values, for the nodes that decide by them. */
#include "wf/nodes/conditions.h"
#include "base/utf8.h"

#include <math.h>

/* What an operator sees. */
struct operands {
    struct arena *a;
    const struct json *left, *right; /* left NULL: its path leads nowhere */
    const struct wf_pattern *pattern;
    const char *why; /* set with E_INVALID: what was wrong */
};

struct operator
{
    const char *name;
    bool unary;
    bool lenient; /* a left path that leads nowhere counts as absent */
    bool negate;
    Err (*holds)(struct operands * o, bool *ret_holds);
};

static Err wrong(struct operands *o, const char *why)
{
    o->why = why;
    return E_INVALID;
}

/* ---- operators ---- */

static Err equals(struct operands *o, bool *ret_holds)
{
    *ret_holds = json_equal(o->left, o->right);
    return OK;
}

static Err texts(struct operands *o, Str *ret_left, Str *ret_right)
{
    if (!json_is(o->left, JSON_STR))
        return wrong(o, "the left side must be a string");
    if (!json_is(o->right, JSON_STR))
        return wrong(o, "the right side must be a string");
    *ret_left = json_str_of(o->left, S(""));
    *ret_right = json_str_of(o->right, S(""));
    return OK;
}

static bool has_element(const struct json *array, const struct json *v)
{
    for (size_t i = 0; i < json_len(array); i++)
        if (json_equal(&array->arr[i], v))
            return true;
    return false;
}

static Err contains(struct operands *o, bool *ret_holds)
{
    Str left, right;

    if (json_is(o->left, JSON_ARR)) {
        *ret_holds = has_element(o->left, o->right);
        return OK;
    }
    if (!json_is(o->left, JSON_STR))
        return wrong(o, "the left side must be a string or an array");
    TRY(texts(o, &left, &right));
    *ret_holds = str_find(left, right) != SIZE_MAX;
    return OK;
}

static Err starts(struct operands *o, bool *ret_holds)
{
    Str left, right;

    TRY(texts(o, &left, &right));
    *ret_holds = str_starts(left, right);
    return OK;
}

static Err ends(struct operands *o, bool *ret_holds)
{
    Str left, right;

    TRY(texts(o, &left, &right));
    *ret_holds = str_ends(left, right);
    return OK;
}

static Err matches(struct operands *o, bool *ret_holds)
{
    const struct wf_pattern *p = o->pattern;
    struct wf_pattern *made;
    Str left, right;

    TRY(texts(o, &left, &right));
    if (!p) {
        TRY(wf_pattern_compile(o->a, right, false, &made));
        p = made;
    }
    return wf_pattern_matches(p, left, ret_holds);
}

/* A number, or text that is one as JSON writes it. */
static bool as_number(struct arena *a, const struct json *v, struct json *ret_number)
{
    struct json *parsed;
    Str text = str_trim(json_str_of(v, S("")));

    if (json_is_number(v)) {
        *ret_number = *v;
        return true;
    }
    if (text.n == 0 || text.n > 64 || !strchr("-0123456789", text.p[0]) ||
        json_parse(a, text, &parsed) != OK || !json_is_number(parsed))
        return false;
    *ret_number = *parsed;
    return true;
}

/* Negative, 0, positive. Integers are compared as such: no id is rounded. */
static int order(const struct json *x, const struct json *y)
{
    if (json_is(x, JSON_INT) && json_is(y, JSON_INT))
        return (x->i > y->i) - (x->i < y->i);
    double left = json_double_of(x, 0), right = json_double_of(y, 0);
    return (left > right) - (left < right);
}

static Err compare(struct operands *o, int *ret_order)
{
    struct json left, right;

    if (!as_number(o->a, o->left, &left))
        return wrong(o, "the left side must be a number");
    if (!as_number(o->a, o->right, &right))
        return wrong(o, "the right side must be a number");
    *ret_order = order(&left, &right);
    return OK;
}

static Err greater(struct operands *o, bool *ret_holds)
{
    int cmp;

    TRY(compare(o, &cmp));
    *ret_holds = cmp > 0;
    return OK;
}

static Err less(struct operands *o, bool *ret_holds)
{
    int cmp;

    TRY(compare(o, &cmp));
    *ret_holds = cmp < 0;
    return OK;
}

static Err between(struct operands *o, bool *ret_holds)
{
    struct operands low = *o, high = *o;
    int from, to;

    if (!json_is(o->right, JSON_ARR) || json_len(o->right) != 2)
        return wrong(o, "the right side must be [min, max]");
    low.right = json_item(o->right, 0);
    high.right = json_item(o->right, 1);
    if (compare(&low, &from) != OK || compare(&high, &to) != OK)
        return wrong(o, "both sides must be numbers");
    *ret_holds = from >= 0 && to <= 0;
    return OK;
}

/* RFC 3339, or a date alone, which is its first moment in UTC. */
static bool as_time(struct arena *a, const struct json *v, Usec *ret_wall)
{
    Str text = json_str_of(v, S(""));

    if (text.n == 10)
        text = str_fmt(a, "%.*sT00:00:00Z", P(text));
    return json_is(v, JSON_STR) && time_parse_rfc3339(text, ret_wall) == OK;
}

static Err times(struct operands *o, Usec *ret_left, Usec *ret_right)
{
    static const char left[] = "the left side must be a date such as 2026-11-20 or "
                               "2026-11-20T08:15:30Z";
    static const char right[] = "the right side must be a date such as 2026-11-20 or "
                                "2026-11-20T08:15:30Z";

    if (!as_time(o->a, o->left, ret_left))
        return wrong(o, left);
    return as_time(o->a, o->right, ret_right) ? OK : wrong(o, right);
}

static Err before(struct operands *o, bool *ret_holds)
{
    Usec left, right;

    TRY(times(o, &left, &right));
    *ret_holds = left < right;
    return OK;
}

static Err after(struct operands *o, bool *ret_holds)
{
    Usec left, right;

    TRY(times(o, &left, &right));
    *ret_holds = left > right;
    return OK;
}

static Err in(struct operands *o, bool *ret_holds)
{
    if (!json_is(o->right, JSON_ARR))
        return wrong(o, "the right side must be an array");
    *ret_holds = has_element(o->right, o->left);
    return OK;
}

static Err is_empty(struct operands *o, bool *ret_holds)
{
    *ret_holds = json_type(o->left) == JSON_NULL ||
                 (json_is(o->left, JSON_STR) && json_str_of(o->left, S("")).n == 0) ||
                 (json_type(o->left) >= JSON_ARR && json_len(o->left) == 0);
    return OK;
}

static Err exists(struct operands *o, bool *ret_holds)
{
    *ret_holds = o->left;
    return OK;
}

static Err is_null(struct operands *o, bool *ret_holds)
{
    *ret_holds = json_type(o->left) == JSON_NULL;
    return OK;
}

static Err is_true(struct operands *o, bool *ret_holds)
{
    if (!json_is_bool(o->left))
        return wrong(o, "the left side must be true or false");
    *ret_holds = json_bool_of(o->left, false);
    return OK;
}

static Err type_is(struct operands *o, bool *ret_holds)
{
    if (!json_is(o->right, JSON_STR))
        return wrong(o, "the right side must be the name of a JSON type");
    *ret_holds = str_eq(json_str_of(o->right, S("")), str_c(json_type_name(o->left)));
    return OK;
}

static Err compare_length(struct operands *o, int *ret_order)
{
    struct json length = {.type = JSON_INT, .i = (int64_t)json_len(o->left)}, right;

    if (json_is(o->left, JSON_STR))
        length.i = (int64_t)utf8_count(json_str_of(o->left, S("")));
    else if (json_type(o->left) < JSON_ARR)
        return wrong(o, "the left side must be a string, an array or an object");
    if (!as_number(o->a, o->right, &right))
        return wrong(o, "the right side must be a number");
    *ret_order = order(&length, &right);
    return OK;
}

static Err length_equals(struct operands *o, bool *ret_holds)
{
    int cmp;

    TRY(compare_length(o, &cmp));
    *ret_holds = cmp == 0;
    return OK;
}

static Err length_gt(struct operands *o, bool *ret_holds)
{
    int cmp;

    TRY(compare_length(o, &cmp));
    *ret_holds = cmp > 0;
    return OK;
}

static Err length_lt(struct operands *o, bool *ret_holds)
{
    int cmp;

    TRY(compare_length(o, &cmp));
    *ret_holds = cmp < 0;
    return OK;
}

#define OPERATORS                                                                                  \
    "equals not_equals contains not_contains starts_with ends_with matches gt gte lt lte between " \
    "before after in not_in is_empty is_not_empty exists not_exists is_null is_not_null is_true "  \
    "is_false type_is length_equals length_gt length_lt"

static const struct operator operators[] = {
    {"equals", .holds = equals},
    {"not_equals", .negate = true, .holds = equals},
    {"contains", .holds = contains},
    {"not_contains", .negate = true, .holds = contains},
    {"starts_with", .holds = starts},
    {"ends_with", .holds = ends},
    {"matches", .holds = matches},
    {"gt", .holds = greater},
    {"gte", .negate = true, .holds = less},
    {"lt", .holds = less},
    {"lte", .negate = true, .holds = greater},
    {"between", .holds = between},
    {"before", .holds = before},
    {"after", .holds = after},
    {"in", .holds = in},
    {"not_in", .negate = true, .holds = in},
    {"is_empty", .unary = true, .lenient = true, .holds = is_empty},
    {"is_not_empty", .unary = true, .lenient = true, .negate = true, .holds = is_empty},
    {"exists", .unary = true, .lenient = true, .holds = exists},
    {"not_exists", .unary = true, .lenient = true, .negate = true, .holds = exists},
    {"is_null", .unary = true, .lenient = true, .holds = is_null},
    {"is_not_null", .unary = true, .lenient = true, .negate = true, .holds = is_null},
    {"is_true", .unary = true, .holds = is_true},
    {"is_false", .unary = true, .negate = true, .holds = is_true},
    {"type_is", .holds = type_is},
    {"length_equals", .holds = length_equals},
    {"length_gt", .holds = length_gt},
    {"length_lt", .holds = length_lt},
};

static const struct operator* operator_find(Str name)
{
    for (size_t i = 0; i < ARRAY_LEN(operators); i++)
        if (str_eq(str_c(operators[i].name), name))
            return &operators[i];
    return NULL;
}

/* ---- settings ---- */

const struct field condition_fields[] = {
    {"left", F_VALUE, offsetof(struct one_condition, left), .required = true, .title = "Value"},
    {"operator", F_ENUM, offsetof(struct one_condition, operator), .required = true,
     .one_of = OPERATORS, .title = "Operator"},
    {"right", F_VALUE, offsetof(struct one_condition, right), .title = "Compared with"},
    {0},
};

static bool is_type_name(Str name)
{
    static const Str names[] = {S_INIT("null"),   S_INIT("boolean"), S_INIT("number"),
                                S_INIT("string"), S_INIT("array"),   S_INIT("object")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

/* The right side as it will be, when it has no template: what can be told now is told now. */
static void check_right(struct wf_check *ck, Str at, struct one_condition *c)
{
    const struct wf_scope none = {0};
    struct json *right;

    if (!wf_value_is_fixed(c->right) ||
        wf_value_eval(ck->a, c->right, &none, USEC_NEVER, &right) != OK)
        return;
    Str text = json_str_of(right, S("")), op = c->operator;
    at = str_fmt(ck->a, "%.*s/right", P(at));
    if (str_eq(op, S("matches")) && json_is(right, JSON_STR)) {
        if (wf_pattern_compile(ck->a, text, false, &c->pattern) != OK)
            wf_check_problem(ck, at, S("pattern"), "%s", err_client_text(E_INVALID));
    } else if (str_eq(op, S("between")) && (!json_is(right, JSON_ARR) || json_len(right) != 2)) {
        wf_check_problem(ck, at, S("type"), "The right side of \"between\" must be [min, max].");
    } else if ((str_eq(op, S("in")) || str_eq(op, S("not_in"))) && !json_is(right, JSON_ARR)) {
        wf_check_problem(ck, at, S("type"), "The right side of \"%.*s\" must be an array.", P(op));
    } else if (str_eq(op, S("type_is")) && !is_type_name(text)) {
        wf_check_problem(ck, at, S("one_of"),
                         "The right side of \"type_is\" is one of null, boolean, number, string, "
                         "array, object.");
    }
}

static void check_condition(struct wf_check *ck, Str at, struct one_condition *c)
{
    c->op = operator_find(c->operator);
    if (c->op->unary && c->right)
        wf_check_problem(ck, str_fmt(ck->a, "%.*s/right", P(at)), S("not_used"),
                         "\"%s\" looks at the left side only.", c->op->name);
    else if (!c->op->unary && !c->right)
        wf_check_problem(ck, str_fmt(ck->a, "%.*s/right", P(at)), S("required"),
                         "\"%s\" compares with a right side, which is missing.", c->op->name);
    else if (c->right)
        check_right(ck, at, c);
}

void conditions_check(struct wf_check *ck, Str at, const struct wf_list *list)
{
    struct one_condition *conditions = list->at;

    for (size_t i = 0; i < list->n; i++)
        check_condition(ck, str_fmt(ck->a, "%.*s/%zu", P(at), i), &conditions[i]);
}

/* ---- deciding ---- */

static Err holds(struct wf_step *step, const struct one_condition *c, size_t i, Str of,
                 bool *ret_holds)
{
    struct operands o = {.a = step->a, .pattern = c->pattern};
    struct json *left, *right = NULL;

    if (c->op->lenient)
        TRY(wf_value_find(step->a, c->left, step->scope, step->deadline, &left));
    else
        TRY(wf_value_eval(step->a, c->left, step->scope, step->deadline, &left));
    if (c->right)
        TRY(wf_value_eval(step->a, c->right, step->scope, step->deadline, &right));
    o.left = left;
    o.right = right;
    Err e = c->op->holds(&o, ret_holds);
    if (o.why)
        return err_detail(E_INVALID, "Condition %zu of %.*s of node %.*s (%s): %s, not %s.", i + 1,
                          P(of), P(step->node->id), c->op->name, o.why,
                          json_type_name(strstr(o.why, "right") ? right : left));
    *ret_holds ^= c->op->negate;
    return e;
}

Err conditions_hold(struct wf_step *step, const struct wf_list *list, Str logic, Str of,
                    bool *ret_hold)
{
    const struct one_condition *conditions = list->at;
    bool any = str_eq(logic, S("or"));

    *ret_hold = false;
    for (size_t i = 0; i < list->n; i++) {
        if (fiber_self())
            TRY(fiber_breathe()); /* what is compared may be large */
        TRY(holds(step, &conditions[i], i, of, ret_hold));
        if (*ret_hold == any)
            return OK;
    }
    return OK;
}
