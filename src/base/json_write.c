/* src/base/json_write.c - values to text: compact, for people, canonical. */
#include "base/json.h"

#include "base/json_private.h"
#include "base/json_scan.h"
#include "base/utf8.h"

#include <math.h>

enum style { COMPACT, PRETTY, CANONICAL };

static inline void put(struct buf *b, char c)
{
    if (b->n < b->cap && !b->failed)
        b->p[b->n++] = c;
    else
        buf_add_char(b, c);
}

/* ---- strings ---- */

/* The escape of @c, which needs one, into @out (of 6 bytes); gives its length. */
static size_t escape(char c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char letter = c == '"' || c == '\\' ? c : letters[(unsigned char)c & 0x1f];

    out[0] = '\\';
    if (letter) {
        out[1] = letter;
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4 & 1];
    out[5] = hex[c & 15];
    return 6;
}

/* The inside of a string; @s is well-formed. */
static void add_escaped(struct buf *b, Str s)
{
    enum { SLACK = 32 }; /* what json_scan_copy and an escape may write beyond the text */
    const char *p = s.p, *end = s.n ? s.p + s.n : s.p;
    char text[6];

    if (s.n < b->max - b->n && b->max - b->n - s.n >= SLACK)
        (void)buf_room(b, s.n + SLACK); /* only a wish: NULL is met below */
    while (p < end && !b->failed) {
        const char *from = p;
        if (b->cap - b->n >= (size_t)(end - p) + SLACK) {
            p = json_scan_copy(p, end, true, b->p + b->n);
            b->n += (size_t)(p - from);
            if (p < end)
                b->n += escape(*p++, b->p + b->n);
        } else {
            p = json_scan(p, end, true);
            buf_add(b, str_from(from, (size_t)(p - from)));
            if (p < end)
                buf_add(b, str_from(text, escape(*p++, text)));
        }
    }
}

static void add_string(struct buf *b, Str s)
{
    put(b, '"');
    add_escaped(b, s);
    put(b, '"');
}

void json_write_str(struct buf *b, Str s)
{
    if (utf8_valid(s)) {
        add_string(b, s);
        return;
    }
    AUTO(arena) *a = arena_new(s.n * 3 + KIB(4));
    add_string(b, utf8_repair(a, s));
}

/* ---- numbers ---- */

static char *put_digits(char *to, const struct json_num *num, size_t from, size_t n)
{
    const char *p = num->p;

    for (size_t i = 0; i < from + n; i++, p++) {
        p += *p == '.';
        if (i >= from)
            *to++ = *p;
    }
    return to;
}

static char *put_zeros(char *to, int64_t n)
{
    memset(to, '0', (size_t)n);
    return to + n;
}

/* @num into @out, of num->n + 48 bytes: without exponent if the value is at least 10^-6 and below
 * 10^@max_order (at most 21), as JavaScript does; @point: whole numbers get ".0". Gives the end. */
static char *put_num(char *out, const struct json_num *num, int64_t max_order, bool point)
{
    int64_t order = num->exp + (int64_t)num->n; /* where the point stands behind the first digit */

    if (num->negative)
        *out++ = '-';
    if (num->n == 0) {
        *out++ = '0';
    } else if (order > 0 && order <= max_order && num->exp >= 0) {
        out = put_zeros(put_digits(out, num, 0, num->n), num->exp);
    } else if (order > 0 && order <= max_order) {
        out = put_digits(out, num, 0, (size_t)order);
        *out++ = '.';
        return put_digits(out, num, (size_t)order, num->n - (size_t)order);
    } else if (order <= 0 && order > -6) {
        *out++ = '0';
        *out++ = '.';
        return put_digits(put_zeros(out, -order), num, 0, num->n);
    } else {
        out = put_digits(out, num, 0, 1);
        if (num->n > 1) {
            *out++ = '.';
            out = put_digits(out, num, 1, num->n - 1);
        }
        return out + snprintf(out, 24, "e%lld", (long long)order - 1);
    }
    if (point) {
        *out++ = '.';
        *out++ = '0';
    }
    return out;
}

void json_write_double(struct buf *b, double d)
{
    struct json v = {.type = JSON_DOUBLE, .d = d};
    struct json_num num;
    char text[72];

    if (!isfinite(d)) {
        buf_add(b, S("null"));
        return;
    }
    json_num_of(&v, &num);
    num.negative = signbit(d); /* -0.0 keeps its sign */
    buf_add(b, str_from(text, (size_t)(put_num(text, &num, 17, true) - text)));
}

/* Equal numbers give equal texts. */
static void add_canonical_number(struct buf *b, const struct json *v)
{
    struct json_num num;
    char text[72];

    json_num_of(v, &num);
    if (num.wild) {
        buf_add(b, str_from(num.p, num.n));
        return;
    }
    char *to = num.n <= 20 ? text : buf_room(b, num.n + 48);
    if (!to)
        return;
    size_t n = (size_t)(put_num(to, &num, 21, false) - to);
    if (to == text)
        buf_add(b, str_from(text, n));
    else
        buf_added(b, n);
}

/* ---- values ---- */

static void add_number(struct buf *b, const struct json *v, enum style style)
{
    if (v->type == JSON_INT)
        buf_add_i64(b, v->i);
    else if (style == CANONICAL)
        add_canonical_number(b, v);
    else if (v->type == JSON_DOUBLE)
        json_write_double(b, v->d);
    else
        buf_add(b, json_chars(v));
}

/* A value without children. */
static void add_leaf(struct buf *b, const struct json *v, enum style style)
{
    switch (json_type(v)) {
    case JSON_NULL:
        buf_add(b, S("null"));
        break;
    case JSON_FALSE:
        buf_add(b, S("false"));
        break;
    case JSON_TRUE:
        buf_add(b, S("true"));
        break;
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_RAW:
        add_number(b, v, style);
        break;
    case JSON_STR:
        add_string(b, json_chars(v));
        break;
    case JSON_ARR:
        buf_add(b, S("[]"));
        break;
    case JSON_OBJ:
        buf_add(b, S("{}"));
        break;
    }
}

/* An open container. */
struct frame {
    const struct json *v;
    const struct json_member **sorted; /* canonical objects */
    uint32_t i;
};

static int by_key(const void *x, const void *y)
{
    const struct json_member *const *a = x, *const *b = y;
    return str_cmp(json_chars(&(*a)->key), json_chars(&(*b)->key));
}

static const struct json_member **sort(const struct json *obj)
{
    const struct json_member **sorted = malloc(obj->n * sizeof(struct json_member *));

    if (!sorted)
        DIE("out of memory");
    for (uint32_t i = 0; i < obj->n; i++)
        sorted[i] = &obj->obj[i];
    qsort(sorted, obj->n, sizeof *sorted, by_key);
    return sorted;
}

static void new_line(struct buf *b, size_t depth)
{
    char *to = buf_room(b, 1 + 2 * depth);
    if (!to)
        return;
    *to = '\n';
    memset(to + 1, ' ', 2 * depth);
    buf_added(b, 1 + 2 * depth);
}

static void open_container(struct buf *b, struct json_stack *stack, const struct json *v,
                           enum style style)
{
    bool sorted = style == CANONICAL && v->type == JSON_OBJ;

    *(struct frame *)json_stack_push(stack) = (struct frame){v, sorted ? sort(v) : NULL, 0};
    put(b, v->type == JSON_OBJ ? '{' : '[');
}

static void close_container(struct buf *b, struct json_stack *stack, enum style style)
{
    struct frame *f = json_stack_top(stack);
    bool object = f->v->type == JSON_OBJ;

    free(f->sorted);
    stack->n--;
    if (style == PRETTY)
        new_line(b, stack->n);
    put(b, object ? '}' : ']');
}

/* What stands in front of the next child of @f, and the child. */
static const struct json *next_child(struct buf *b, struct frame *f, size_t depth, enum style style)
{
    if (f->i)
        put(b, ',');
    if (style == PRETTY)
        new_line(b, depth);
    if (f->v->type == JSON_ARR)
        return &f->v->arr[f->i++];
    const struct json_member *m = f->sorted ? f->sorted[f->i] : &f->v->obj[f->i];
    f->i++;
    add_string(b, json_chars(&m->key));
    put(b, ':');
    if (style == PRETTY)
        put(b, ' ');
    return &m->val;
}

static void add_tree(struct buf *b, const struct json *v, enum style style)
{
    struct json_stack stack;
    struct frame *f;

    json_stack_init(&stack, sizeof *f);
    for (;;) {
        if (json_len(v) && !b->failed)
            open_container(b, &stack, v, style);
        else
            add_leaf(b, v, style);
        while ((f = json_stack_top(&stack)) && (f->i == f->v->n || b->failed))
            close_container(b, &stack, style);
        if (!f)
            break;
        v = next_child(b, f, stack.n, style);
    }
    json_stack_done(&stack);
}

void json_write(struct buf *b, const struct json *v)
{
    add_tree(b, v, COMPACT);
}

void json_write_pretty(struct buf *b, const struct json *v)
{
    add_tree(b, v, PRETTY);
}

void json_write_canonical(struct buf *b, const struct json *v)
{
    add_tree(b, v, CANONICAL);
}

Str json_text(struct arena *a, const struct json *v)
{
    AUTO_BUF(b, arena_max(a));

    json_write(&b, v);
    if (b.failed)
        DIE("arena of %zu bytes is too small for the text of a value", arena_max(a));
    return str_dup(a, buf_str(&b));
}
