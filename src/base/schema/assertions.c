/* src/base/schema/assertions.c - the keywords that look at a value without other schemas. */
#include "base/schema/private.h"

#include "base/utf8.h"

#define STEP(name)                                                                                 \
    static enum schema_step name(struct schema_run *r, struct schema_frame *f,                     \
                                 const struct schema_check *check)
#define COMPILE(name)                                                                              \
    static Err name(struct schema_compiler *c, struct schema_node *node, struct schema_check *check)

/* ---- type ---- */

enum {
    T_NULL = 1,
    T_BOOLEAN = 2,
    T_INTEGER = 4,
    T_NUMBER = 8,
    T_STRING = 16,
    T_ARRAY = 32,
    T_OBJECT = 64
};

static const struct {
    Str name;
    int bit;
} types[] = {{S_INIT("null"), T_NULL},       {S_INIT("boolean"), T_BOOLEAN},
             {S_INIT("integer"), T_INTEGER}, {S_INIT("number"), T_NUMBER},
             {S_INIT("string"), T_STRING},   {S_INIT("array"), T_ARRAY},
             {S_INIT("object"), T_OBJECT}};

static int type_bit(const struct json *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (json_is(name, JSON_STR) && str_eq(json_chars(name), types[i].name))
            return types[i].bit;
    return 0;
}

COMPILE(compile_type)
{
    (void)c;
    for (size_t i = 0; i < json_len(check->arg) && json_is(check->arg, JSON_ARR); i++) {
        if (!type_bit(&check->arg->arr[i]))
            return schema_bad(node, "type", "lists something that is no type");
        check->n |= type_bit(&check->arg->arr[i]);
    }
    if (!json_is(check->arg, JSON_ARR))
        check->n = type_bit(check->arg);
    return check->n ? OK
                    : schema_bad(node, "type", "must name one of the seven types or list some");
}

/* All types that @v is of. */
static int types_of(const struct json *v)
{
    struct json_num num;

    switch (json_type(v)) {
    case JSON_NULL:
        return T_NULL;
    case JSON_FALSE:
    case JSON_TRUE:
        return T_BOOLEAN;
    case JSON_INT:
        return T_INTEGER | T_NUMBER;
    case JSON_DOUBLE:
    case JSON_RAW:
        json_num_of(v, &num);
        return json_num_is_whole(&num) ? T_INTEGER | T_NUMBER : T_NUMBER;
    case JSON_STR:
        return T_STRING;
    case JSON_ARR:
        return T_ARRAY;
    case JSON_OBJ:
        return T_OBJECT;
    }
    return 0;
}

STEP(step_type)
{
    AUTO_BUF(names, 128);

    if (types_of(f->v) & check->n)
        return STEP_DONE;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!(check->n & types[i].bit))
            continue;
        buf_add_c(&names, names.n ? " or " : "");
        buf_add(&names, types[i].name);
    }
    return schema_fail(r, f, check, "expected %.*s, found %s", P(buf_str(&names)),
                       types_of(f->v) & T_NUMBER && check->n & T_INTEGER
                           ? "a number that is not whole"
                           : json_type_name(f->v));
}

/* ---- enum, const ---- */

/* The hashes of many alternatives, sorted. */
struct hashed {
    uint64_t hash;
    uint32_t at;
};

enum { HASH_MIN = 8 };

static int by_hash(const void *x, const void *y)
{
    uint64_t a = ((const struct hashed *)x)->hash, b = ((const struct hashed *)y)->hash;
    return a < b ? -1 : a > b;
}

/* In @h, of arr's elements, sorted. */
static void hash_all(struct hashed *h, const struct json *arr)
{
    for (uint32_t i = 0; i < arr->n; i++)
        h[i] = (struct hashed){json_hash(&arr->arr[i]), i};
    qsort(h, arr->n, sizeof *h, by_hash);
}

COMPILE(compile_enum)
{
    if (!json_is(check->arg, JSON_ARR))
        return schema_bad(node, "enum", "must be an array");
    if (check->arg->n > HASH_MIN) {
        check->data = arena_array(schema_arena(c), struct hashed, check->arg->n);
        hash_all(check->data, check->arg);
    }
    return OK;
}

static bool is_among_hashed(const struct json *arr, const struct hashed *h, const struct json *v)
{
    uint64_t hash = json_hash(v);
    size_t low = 0, high = arr->n;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (h[mid].hash < hash)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < arr->n && h[low].hash == hash; low++)
        if (json_equal(&arr->arr[h[low].at], v))
            return true;
    return false;
}

STEP(step_enum)
{
    bool found = false;

    if (!schema_charge_for(r, f->v) || !schema_charge(r, check->arg->n / 4))
        return STEP_DONE;
    if (check->data)
        found = is_among_hashed(check->arg, check->data, f->v);
    for (uint32_t i = 0; !check->data && !found && i < check->arg->n; i++)
        found = json_equal(&check->arg->arr[i], f->v);
    if (found)
        return STEP_DONE;
    AUTO_BUF(list, 300);
    json_write(&list, check->arg);
    if (list.failed)
        return schema_fail(r, f, check, "is not one of the %u allowed values", check->arg->n);
    return schema_fail(r, f, check, "must be one of %.*s", P(buf_str(&list)));
}

STEP(step_const)
{
    if (!schema_charge_for(r, f->v) || json_equal(check->arg, f->v))
        return STEP_DONE;
    AUTO_BUF(text, 300);
    json_write(&text, check->arg);
    if (text.failed)
        return schema_fail(r, f, check, "is not the one allowed value");
    return schema_fail(r, f, check, "must be %.*s", P(buf_str(&text)));
}

/* ---- numbers ---- */

COMPILE(compile_number)
{
    if (!json_is_number(check->arg))
        return schema_bad(node, check->kw->name, "must be a number");
    check->data = arena_new_of(schema_arena(c), struct json_num);
    json_num_of(check->arg, check->data);
    return OK;
}

COMPILE(compile_multiple)
{
    TRY(compile_number(c, node, check));
    const struct json_num *num = check->data;
    if (num->n == 0 || num->negative)
        return schema_bad(node, "multipleOf", "must be greater than 0");
    if (num->wild || num->n > 18)
        return schema_bad(node, "multipleOf", "may have 18 digits at most");
    return OK;
}

/* Whether @f's value is a number; *ret_cmp then says how it lies to the bound. */
static bool compared(const struct schema_frame *f, const struct schema_check *check, int *ret_cmp)
{
    struct json_num num;

    if (!json_is_number(f->v))
        return false;
    json_num_of(f->v, &num);
    *ret_cmp = json_num_cmp(&num, check->data);
    return true;
}

static enum schema_step bound_fail(struct schema_run *r, struct schema_frame *f,
                                   const struct schema_check *check, const char *what)
{
    AUTO_BUF(text, 200);

    json_write(&text, check->arg);
    return schema_fail(r, f, check, "must be %s %.*s", what, P(buf_str(&text)));
}

STEP(step_maximum)
{
    int cmp;
    bool bad = compared(f, check, &cmp) && cmp > 0;
    return bad ? bound_fail(r, f, check, "at most") : STEP_DONE;
}

STEP(step_exclusive_maximum)
{
    int cmp;
    bool bad = compared(f, check, &cmp) && cmp >= 0;
    return bad ? bound_fail(r, f, check, "less than") : STEP_DONE;
}

STEP(step_minimum)
{
    int cmp;
    bool bad = compared(f, check, &cmp) && cmp < 0;
    return bad ? bound_fail(r, f, check, "at least") : STEP_DONE;
}

STEP(step_exclusive_minimum)
{
    int cmp;
    bool bad = compared(f, check, &cmp) && cmp <= 0;
    return bad ? bound_fail(r, f, check, "more than") : STEP_DONE;
}

/* The digits of @num, as a number, modulo @m. */
static uint64_t digits_mod(const struct json_num *num, uint64_t m)
{
    const char *p = num->p;
    uint64_t v = 0;

    for (size_t i = 0; i < num->n; i++, p++) {
        p += *p == '.';
        v = (uint64_t)(((unsigned __int128)v * 10 + (unsigned)(*p - '0')) % m);
    }
    return v;
}

static uint64_t times_power_mod(uint64_t v, int64_t exp, uint64_t m)
{
    unsigned __int128 base = 10 % m, result = v % m;

    for (; exp; exp >>= 1) {
        if (exp & 1)
            result = result * base % m;
        base = base * base % m;
    }
    return (uint64_t)result;
}

/* In decimal, where it is exact: a * 10^x is a multiple of b * 10^y if b divides a * 10^(x - y).
 * With y > x it is none, since a does not end in 0. */
static bool is_multiple(const struct json_num *num, const struct json_num *of)
{
    uint64_t m = json_num_digits(of);

    if (num->n == 0)
        return true;
    if (num->wild || num->exp < of->exp)
        return false;
    return times_power_mod(digits_mod(num, m), num->exp - of->exp, m) == 0;
}

STEP(step_multiple)
{
    struct json_num num;

    if (!json_is_number(f->v))
        return STEP_DONE;
    json_num_of(f->v, &num);
    if (!schema_charge(r, num.n / 8) || is_multiple(&num, check->data))
        return STEP_DONE;
    return bound_fail(r, f, check, "a multiple of");
}

/* ---- counts ---- */

COMPILE(compile_count)
{
    struct json_num num;

    (void)c;
    if (json_is_number(check->arg)) {
        json_num_of(check->arg, &num);
        if (json_num_is_whole(&num) && !num.negative) {
            check->n = json_int_of(check->arg, INT64_MAX);
            return OK;
        }
    }
    return schema_bad(node, check->kw->name, "must be a whole number that is not negative");
}

STEP(step_max_length)
{
    if (json_is(f->v, JSON_STR) && (int64_t)utf8_count(json_chars(f->v)) > check->n)
        return schema_fail(r, f, check, "is longer than %lld characters", (long long)check->n);
    return STEP_DONE;
}

STEP(step_min_length)
{
    if (json_is(f->v, JSON_STR) && (int64_t)utf8_count(json_chars(f->v)) < check->n)
        return schema_fail(r, f, check, "is shorter than %lld characters", (long long)check->n);
    return STEP_DONE;
}

STEP(step_max_items)
{
    if (json_is(f->v, JSON_ARR) && (int64_t)f->v->n > check->n)
        return schema_fail(r, f, check, "has %u elements, at most %lld are allowed", f->v->n,
                           (long long)check->n);
    return STEP_DONE;
}

STEP(step_min_items)
{
    if (json_is(f->v, JSON_ARR) && (int64_t)f->v->n < check->n)
        return schema_fail(r, f, check, "has %u elements, at least %lld are required", f->v->n,
                           (long long)check->n);
    return STEP_DONE;
}

STEP(step_max_properties)
{
    if (json_is(f->v, JSON_OBJ) && (int64_t)f->v->n > check->n)
        return schema_fail(r, f, check, "has %u members, at most %lld are allowed", f->v->n,
                           (long long)check->n);
    return STEP_DONE;
}

STEP(step_min_properties)
{
    if (json_is(f->v, JSON_OBJ) && (int64_t)f->v->n < check->n)
        return schema_fail(r, f, check, "has %u members, at least %lld are required", f->v->n,
                           (long long)check->n);
    return STEP_DONE;
}

/* ---- strings ---- */

COMPILE(compile_pattern)
{
    if (!json_is(check->arg, JSON_STR))
        return schema_bad(node, "pattern", "must be a string");
    struct schema_pattern *pattern;
    if (schema_pattern_new(schema_arena(c), json_chars(check->arg), &pattern) != OK)
        return schema_bad(node, "pattern", "is no regular expression: %s", err_text(E_SYNTAX));
    check->data = pattern;
    return OK;
}

STEP(step_pattern)
{
    if (!json_is(f->v, JSON_STR) || schema_matches(r, check->data, json_chars(f->v)))
        return STEP_DONE;
    return schema_fail(r, f, check, "does not match the pattern %.*s",
                       P(str_head(json_chars(check->arg), 200)));
}

struct format {
    schema_format_fn *is;
};

COMPILE(compile_format)
{
    if (!json_is(check->arg, JSON_STR))
        return schema_bad(node, "format", "must be a string");
    schema_format_fn *is = schema_format(json_chars(check->arg));
    bool asserts = (schema_flags(c) & SCHEMA_FORMAT) || (node->res->vocab & VOCAB_FORMAT);
    if (!is || !asserts) {
        check->kw = NULL;
        return OK;
    }
    struct format *format = arena_new_of(schema_arena(c), struct format);
    format->is = is;
    check->data = format;
    return OK;
}

STEP(step_format)
{
    const struct format *format = check->data;

    if (!json_is(f->v, JSON_STR) || !schema_charge(r, 1 + f->v->n / 16) ||
        format->is(json_chars(f->v)))
        return STEP_DONE;
    return schema_fail(r, f, check, "is not of the format %.*s", P(json_chars(check->arg)));
}

/* ---- arrays ---- */

COMPILE(compile_unique)
{
    (void)c;
    if (!json_is_bool(check->arg))
        return schema_bad(node, "uniqueItems", "must be true or false");
    if (check->arg->type == JSON_FALSE)
        check->kw = NULL;
    return OK;
}

/* The place of an element of @arr that equals another, UINT32_MAX if there is none. */
static uint32_t repeated(const struct json *arr)
{
    uint32_t found = UINT32_MAX;

    struct hashed *h = malloc((arr->n + 1) * sizeof *h);
    if (!h)
        DIE("out of memory");
    hash_all(h, arr);
    for (uint32_t i = 1; i < arr->n && found == UINT32_MAX; i++)
        for (uint32_t j = i; j > 0 && h[j - 1].hash == h[i].hash; j--)
            if (json_equal(&arr->arr[h[j - 1].at], &arr->arr[h[i].at]))
                found = h[i].at > h[j - 1].at ? h[i].at : h[j - 1].at;
    free(h);
    return found;
}

STEP(step_unique)
{
    if (!json_is(f->v, JSON_ARR) || f->v->n < 2 || !schema_charge_for(r, f->v))
        return STEP_DONE;
    uint32_t at = repeated(f->v);
    if (at == UINT32_MAX)
        return STEP_DONE;
    return schema_fail(r, f, check, "element %u is there twice", at);
}

/* ---- members ---- */

static bool is_list_of_names(const struct json *v)
{
    for (size_t i = 0; json_is(v, JSON_ARR) && i < v->n; i++)
        if (!json_is(&v->arr[i], JSON_STR))
            return false;
    return json_is(v, JSON_ARR);
}

COMPILE(compile_required)
{
    (void)c;
    return is_list_of_names(check->arg)
               ? OK
               : schema_bad(node, "required", "must be an array of strings");
}

STEP(step_required)
{
    if (!json_is(f->v, JSON_OBJ) || !schema_charge(r, check->arg->n / 4))
        return STEP_DONE;
    for (uint32_t i = 0; i < check->arg->n && !schema_is_over(r, f); i++) {
        Str name = json_chars(&check->arg->arr[i]);
        if (!json_get(f->v, name))
            (void)schema_fail(r, f, check, "the member \"%.*s\" is missing",
                              P(str_head(name, 200)));
    }
    return STEP_DONE;
}

COMPILE(compile_dependent_required)
{
    (void)c;
    for (size_t i = 0; json_is(check->arg, JSON_OBJ) && i < check->arg->n; i++)
        if (!is_list_of_names(&check->arg->obj[i].val))
            return schema_bad(node, check->kw->name, "must hold arrays of strings");
    return json_is(check->arg, JSON_OBJ) ? OK
                                         : schema_bad(node, check->kw->name, "must be an object");
}

STEP(step_dependent_required)
{
    for (uint32_t i = 0; json_is(f->v, JSON_OBJ) && i < check->arg->n; i++) {
        const struct json_member *m = &check->arg->obj[i];
        if (!schema_charge(r, 1 + json_len(&m->val) / 4))
            return STEP_DONE;
        if (!json_get(f->v, json_chars(&m->key)))
            continue;
        for (uint32_t j = 0; j < m->val.n && !schema_is_over(r, f); j++) {
            Str name = json_chars(&m->val.arr[j]);
            if (!json_get(f->v, name))
                (void)schema_fail(r, f, check,
                                  "the member \"%.*s\" is missing, which \"%.*s\" needs",
                                  P(str_head(name, 100)), P(str_head(json_chars(&m->key), 100)));
        }
    }
    return STEP_DONE;
}

const struct schema_keyword schema_assertions[] = {
    {"type", VOCAB_VALIDATION, SUB_NONE, compile_type, step_type},
    {"const", VOCAB_VALIDATION, SUB_NONE, NULL, step_const},
    {"enum", VOCAB_VALIDATION, SUB_NONE, compile_enum, step_enum},
    {"maximum", VOCAB_VALIDATION, SUB_NONE, compile_number, step_maximum},
    {"exclusiveMaximum", VOCAB_VALIDATION, SUB_NONE, compile_number, step_exclusive_maximum},
    {"minimum", VOCAB_VALIDATION, SUB_NONE, compile_number, step_minimum},
    {"exclusiveMinimum", VOCAB_VALIDATION, SUB_NONE, compile_number, step_exclusive_minimum},
    {"multipleOf", VOCAB_VALIDATION, SUB_NONE, compile_multiple, step_multiple},
    {"maxLength", VOCAB_VALIDATION, SUB_NONE, compile_count, step_max_length},
    {"minLength", VOCAB_VALIDATION, SUB_NONE, compile_count, step_min_length},
    {"pattern", VOCAB_VALIDATION, SUB_NONE, compile_pattern, step_pattern},
    {"format", VOCAB_CORE, SUB_NONE, compile_format, step_format},
    {"maxItems", VOCAB_VALIDATION, SUB_NONE, compile_count, step_max_items},
    {"minItems", VOCAB_VALIDATION, SUB_NONE, compile_count, step_min_items},
    {"uniqueItems", VOCAB_VALIDATION, SUB_NONE, compile_unique, step_unique},
    {"maxProperties", VOCAB_VALIDATION, SUB_NONE, compile_count, step_max_properties},
    {"minProperties", VOCAB_VALIDATION, SUB_NONE, compile_count, step_min_properties},
    {"required", VOCAB_VALIDATION, SUB_NONE, compile_required, step_required},
    {"dependentRequired", VOCAB_VALIDATION, SUB_NONE, compile_dependent_required,
     step_dependent_required},
    {0},
};
