/* src/base/json.c - reading values, the index of large objects, and numbers by their digits. */
#include "base/json.h"

#include "base/decimal.h"
#include "base/json_private.h"

#include <limits.h>
#include <math.h>

/* ---- reading ---- */

bool json_is_number(const struct json *v)
{
    return v && (v->type == JSON_INT || v->type == JSON_DOUBLE || v->type == JSON_RAW);
}

bool json_is_bool(const struct json *v)
{
    return v && (v->type == JSON_FALSE || v->type == JSON_TRUE);
}

const char *json_type_name(const struct json *v)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",  [JSON_FALSE] = "boolean", [JSON_TRUE] = "boolean",
        [JSON_INT] = "number", [JSON_DOUBLE] = "number", [JSON_RAW] = "number",
        [JSON_STR] = "string", [JSON_ARR] = "array",     [JSON_OBJ] = "object",
    };
    return names[json_type(v)];
}

struct json *json_get(const struct json *v, Str key)
{
    if (!json_is(v, JSON_OBJ))
        return NULL;
    const struct json_head *head = json_head(v);
    if (head && head->slots) {
        struct json_slot *slot = json_index_find(head, v->obj, v->n, key, json_key_hash(key));
        return slot ? &v->obj[slot->at - 1].val : NULL;
    }
    for (uint32_t i = 0; i < v->n; i++)
        if (json_same_key(&v->obj[i].key, key))
            return &v->obj[i].val;
    return NULL;
}

struct json *json_item(const struct json *v, size_t i)
{
    return json_is(v, JSON_ARR) && i < v->n ? &v->arr[i] : NULL;
}

size_t json_len(const struct json *v)
{
    return json_is(v, JSON_ARR) || json_is(v, JSON_OBJ) ? v->n : 0;
}

Str json_str_of(const struct json *v, Str otherwise)
{
    return json_is(v, JSON_STR) ? json_chars(v) : otherwise;
}

int64_t json_int_of(const struct json *v, int64_t otherwise)
{
    struct json_num num;
    uint64_t m;

    if (!json_is_number(v))
        return otherwise;
    if (v->type == JSON_INT)
        return v->i;
    json_num_of(v, &num);
    if (!json_num_is_whole(&num) || num.n + (uint64_t)num.exp > 19)
        return otherwise;
    m = json_num_digits(&num);
    for (int64_t i = 0; i < num.exp; i++)
        m *= 10; /* 19 digits fit */
    if (m > (uint64_t)INT64_MAX + num.negative)
        return otherwise;
    return num.negative ? (int64_t)(0 - m) : (int64_t)m;
}

double json_double_of(const struct json *v, double otherwise)
{
    if (!json_is_number(v))
        return otherwise;
    if (v->type == JSON_INT)
        return (double)v->i;
    if (v->type == JSON_DOUBLE)
        return v->d;
    struct json_num num;
    json_num_of(v, &num);
    double d = json_num_double(&num);
    return isfinite(d) ? d : otherwise;
}

bool json_bool_of(const struct json *v, bool otherwise)
{
    return json_is_bool(v) ? v->type == JSON_TRUE : otherwise;
}

/* ---- the index of large objects ---- */

struct json_slot *json_index_find(const struct json_head *head, const struct json_member *members,
                                  uint32_t n, Str key, uint32_t hash)
{
    for (uint32_t i = hash & head->mask;; i = (i + 1) & head->mask) {
        struct json_slot *slot = &head->slots[i];
        if (slot->at == 0)
            return NULL;
        /* A member behind n was added by another value that shares the block. */
        if (slot->hash == hash && slot->at <= n &&
            str_eq(json_chars(&members[slot->at - 1].key), key))
            return slot;
    }
}

void json_index_add(struct json_head *head, uint32_t hash, uint32_t at)
{
    uint32_t i = hash & head->mask;
    while (head->slots[i].at)
        i = (i + 1) & head->mask;
    head->slots[i] = (struct json_slot){hash, at + 1};
}

/* ---- numbers by their digits ---- */

static void num_of_digits(uint64_t m, int64_t exp, struct json_num *num)
{
    char *to = num->own + sizeof num->own;

    num->n = 0;
    num->exp = 0;
    num->p = num->own;
    if (m == 0)
        return;
    for (; m % 10 == 0; m /= 10)
        exp++;
    for (; m; m /= 10)
        *--to = (char)('0' + m % 10);
    num->p = to;
    num->n = (size_t)(num->own + sizeof num->own - to);
    num->exp = exp;
}

/* The exponent behind 'e', held at 10^17: what is beyond is wild. */
static int64_t exponent_of(Str text, bool *ret_wild)
{
    const int64_t limit = 100000000000000000;
    bool negative = text.n && text.p[0] == '-';
    int64_t e = 0;

    if (text.n && (text.p[0] == '-' || text.p[0] == '+'))
        text = str_skip(text, 1);
    for (size_t i = 0; i < text.n && e < limit; i++)
        e = e * 10 + (text.p[i] - '0');
    *ret_wild = e >= limit;
    return negative ? -e : e;
}

void json_num_of_text(Str text, struct json_num *num)
{
    Str whole = text;
    size_t e = 0, point = SIZE_MAX, first = SIZE_MAX, last = 0;

    num->negative = text.n && text.p[0] == '-';
    for (e = num->negative; e < text.n && (text.p[e] | 32) != 'e'; e++) {
        if (text.p[e] == '.') {
            point = e;
        } else if (text.p[e] != '0') {
            first = first == SIZE_MAX ? e : first;
            last = e;
        }
    }
    num->wild = false;
    num->n = 0;
    num->exp = 0;
    num->p = text.p;
    if (first == SIZE_MAX)
        return;
    num->exp = e < text.n ? exponent_of(str_skip(text, e + 1), &num->wild) : 0;
    if (num->wild) {
        num->p = whole.p;
        num->n = whole.n;
        return;
    }
    /* Places between the last digit that counts and the point, which without a point is at the end.
     */
    if (point == SIZE_MAX)
        point = e;
    num->exp += last < point ? (int64_t)(point - last - 1) : -(int64_t)(last - point);
    num->p = text.p + first;
    num->n = last - first + 1 - (first < point && point < last);
}

void json_num_of(const struct json *v, struct json_num *num)
{
    uint64_t m;
    int exp;

    num->wild = false;
    if (v->type == JSON_RAW) {
        json_num_of_text(json_chars(v), num);
    } else if (v->type == JSON_INT) {
        num->negative = v->i < 0;
        num_of_digits(v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i, 0, num);
    } else {
        num->negative = v->d < 0;
        if (v->d == 0) {
            num_of_digits(0, 0, num);
            return;
        }
        decimal_of_double(fabs(v->d), &m, &exp);
        num_of_digits(m, exp, num);
    }
    if (num->n == 0)
        num->negative = false; /* -0 is 0 */
}

uint64_t json_num_digits(const struct json_num *num)
{
    const char *p = num->p;
    uint64_t m = 0;

    for (size_t i = 0; i < num->n; i++, p++) {
        p += *p == '.';
        m = m * 10 + (uint64_t)(*p - '0');
    }
    return m;
}

/* strtod gets the digits without a point, so that no locale changes the result. */
static double double_of_many(const struct json_num *num)
{
    char *text = malloc(num->n + 32), *to = text;
    const char *p = num->p;

    if (!text)
        DIE("out of memory");
    for (size_t i = 0; i < num->n; i++, p++) {
        p += *p == '.';
        *to++ = *p;
    }
    snprintf(to, 32, "e%lld", (long long)num->exp);
    double d = strtod(text, NULL);
    free(text);
    return d;
}

double json_num_double(const struct json_num *num)
{
    double d;

    if (num->wild)
        d = num->exp < 0 ? 0 : INFINITY;
    else if (num->exp < -INT_MAX / 2 || num->exp > INT_MAX / 2)
        d = num->n == 0 || num->exp < 0 ? 0 : INFINITY;
    else if (num->n <= 19)
        d = decimal_to_double(json_num_digits(num), (int)num->exp);
    else
        d = double_of_many(num);
    return num->negative ? -d : d;
}

/* Compare what stands before the exponents: digits aligned at the first one. */
static int digits_cmp(const struct json_num *x, const struct json_num *y)
{
    const char *p = x->p, *q = y->p;
    size_t n = x->n < y->n ? x->n : y->n;

    for (size_t i = 0; i < n; i++, p++, q++) {
        p += *p == '.';
        q += *q == '.';
        if (*p != *q)
            return *p < *q ? -1 : 1;
    }
    return x->n < y->n ? -1 : x->n > y->n;
}

/* Where the first digit stands: the value is below 10^order. Wild exponents go beyond all others.
 */
static int64_t order_of(const struct json_num *num)
{
    return num->wild ? (num->exp < 0 ? INT64_MIN : INT64_MAX) : num->exp + (int64_t)num->n;
}

int json_num_cmp(const struct json_num *x, const struct json_num *y)
{
    int sign = x->negative ? -1 : 1;

    if (x->n == 0 || y->n == 0)
        return x->n ? sign : y->n ? (y->negative ? 1 : -1) : 0;
    if (x->negative != y->negative)
        return sign;
    if (order_of(x) != order_of(y))
        return order_of(x) < order_of(y) ? -sign : sign;
    if (x->wild) /* both are: no order is known, but equal texts are equal */
        return str_cmp(str_from(x->p, x->n), str_from(y->p, y->n));
    return sign * digits_cmp(x, y);
}

bool json_num_is_whole(const struct json_num *num)
{
    return num->n == 0 || num->exp >= 0;
}

/* ---- walking ---- */

void json_stack_grow(struct json_stack *s)
{
    size_t cap = s->cap * 2;
    char *p = realloc(s->p == s->first ? NULL : s->p, cap * s->size);

    if (!p)
        DIE("out of memory");
    if (s->p == s->first)
        memcpy(p, s->first, s->n * s->size);
    s->p = p;
    s->cap = cap;
}
