/* src/base/json_parse.c - text to values: one pass, no recursion, strings borrowed from the text.
 *
 * Values are pushed on a stack as they come. When a container closes, its children lie together on
 * top of the stack: they are copied to the arena as one block and replaced by the container. While
 * it is open, a container's place on the stack holds the place of the one around it.
 */
#include "base/json.h"

#include "base/decimal.h"
#include "base/json_private.h"
#include "base/json_scan.h"
#include "base/utf8.h"

#include <math.h>

enum { DEPTH = 200 };
enum { NO_CONTAINER = -1 };

struct parser {
    const char *begin, *end;
    struct arena *a;
    struct json *stack;
    size_t n, cap, max_cap;
    int64_t open; /* the innermost open container's place on the stack */
    unsigned depth, max_depth;
    /* Where and why it failed. */
    const char *bad;
    const char *why;
    Err code;
};

/* Every step gives where to go on, NULL when it failed: this is how. */
static const char *fail(struct parser *ps, const char *at, const char *why)
{
    ps->bad = at;
    ps->why = why;
    ps->code = E_SYNTAX;
    return NULL;
}

static const char *fail_size(struct parser *ps, const char *at, const char *why)
{
    (void)fail(ps, at, why);
    ps->code = E_TOO_LARGE;
    return NULL;
}

static inline const char *skip_space(const struct parser *ps, const char *p)
{
    while (p < ps->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* ---- strings ---- */

/* Pass well-formed characters that are not ASCII. */
static inline const char *skip_wide(struct parser *ps, const char *p)
{
    p += utf8_wide_run(p, ps->end);
    return p < ps->end && (unsigned char)*p >= 0x80 ? fail(ps, p, "ill-formed UTF-8") : p;
}

/* Four hexadecimal digits at @p, -1 if there are none. */
static int hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i], low = (char)(c | 32);
        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* "\uXXXX" at @p, with its second half if it is the first of a surrogate pair; appended to *to. */
static const char *unicode_escape(struct parser *ps, const char *p, char **to)
{
    int c = hex4(p + 2, ps->end), low = -1;

    if (c < 0)
        return fail(ps, p, "\\u without four hexadecimal digits");
    if (c >= 0xdc00 && c <= 0xdfff)
        return fail(ps, p, "second half of a surrogate pair without the first");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (ps->end - p >= 12 && p[6] == '\\' && p[7] == 'u')
            low = hex4(p + 8, ps->end);
        if (low < 0xdc00 || low > 0xdfff)
            return fail(ps, p, "first half of a surrogate pair without the second");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    *to += utf8_encode((uint32_t)c, *to);
    return p + 6;
}

/* The escape at @p, appended to *to. */
static const char *escape(struct parser *ps, const char *p, char **to)
{
    static const char plain[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

    if (ps->end - p < 2)
        return fail(ps, ps->end, "unexpected end inside a string");
    if (p[1] == 'u')
        return unicode_escape(ps, p, to);
    char c = plain[(unsigned char)p[1]];
    if (!c)
        return fail(ps, p, "unknown escape");
    *(*to)++ = c;
    return p + 2;
}

/* The closing quote of the string that goes on at @p; its size is needed before it can be decoded.
 */
static const char *closing_quote(const char *p, const char *end)
{
    for (; (p = json_scan(p, end, false)) < end; p++) {
        if (*p == '"')
            return p;
        p += *p == '\\' && end - p > 1;
    }
    return end;
}

/* A string with escapes, which stands at @start; the first one is at @p. */
static const char *escaped_string(struct parser *ps, const char *start, const char *p,
                                  struct json *out)
{
    size_t room = (size_t)(closing_quote(p, ps->end) - start) + 16; /* 16 for json_scan_copy */
    char *copy = arena_try(ps->a, room), *to = copy;

    if (!copy)
        return fail_size(ps, start, "the document does not fit its arena");
    memcpy(to, start, (size_t)(p - start));
    to += p - start;
    while (p) {
        const char *from = p;
        p = json_scan_copy(p, ps->end, false, to);
        to += p - from;
        if (p == ps->end)
            return fail(ps, p, "unexpected end inside a string");
        if (*p == '"') {
            *out = (struct json){.type = JSON_STR, .n = (uint32_t)(to - copy), .s = copy};
            return p + 1;
        }
        if (*p == '\\') {
            p = escape(ps, p, &to);
        } else if ((unsigned char)*p >= 0x80) {
            from = p;
            p = skip_wide(ps, p);
            if (p)
                memcpy(to, from, (size_t)(p - from));
            to += p ? p - from : 0;
        } else {
            return fail(ps, p, "control character inside a string");
        }
    }
    return NULL;
}

/* A string whose opening quote is at @p. */
static inline const char *string(struct parser *ps, const char *p, struct json *out)
{
    const char *start = ++p;

    for (;;) {
        p = json_scan(p, ps->end, false);
        if (p == ps->end)
            return fail(ps, p, "unexpected end inside a string");
        if (*p == '"') {
            *out = (struct json){.type = JSON_STR, .n = (uint32_t)(p - start), .s = start};
            return p + 1;
        }
        if (*p == '\\')
            return escaped_string(ps, start, p, out);
        if ((unsigned char)*p < 0x80)
            return fail(ps, p, "control character inside a string");
        p = skip_wide(ps, p);
        if (!p)
            return NULL;
    }
}

/* ---- numbers ---- */

static struct json raw_number(Str text)
{
    return (struct json){.type = JSON_RAW, .n = (uint32_t)text.n, .s = text.p};
}

static struct json double_number(double d, bool negative)
{
    return (struct json){.type = JSON_DOUBLE, .d = negative ? -d : d};
}

/* A number that is no int64 and has perhaps more digits than a double: is it the shortest text of
 * its double, up to zeros and the place of the point? Then the double gives it back. */
static struct json long_number(Str text)
{
    struct json_num num;
    uint64_t back;
    int back_exp;

    json_num_of_text(text, &num);
    if (num.n == 0)
        return double_number(0, num.negative);
    if (num.wild || num.n > 17 || num.exp < -400 || num.exp > 400)
        return raw_number(text);
    uint64_t m = json_num_digits(&num);
    double d = decimal_to_double(m, (int)num.exp);
    if (d == 0 || !isfinite(d))
        return raw_number(text);
    decimal_of_double(d, &back, &back_exp);
    if (back != m || back_exp != num.exp)
        return raw_number(text);
    return double_number(d, num.negative);
}

static inline bool is_digit(const struct parser *ps, const char *p)
{
    return p < ps->end && (unsigned char)(*p - '0') < 10;
}

/* Up to 15 digits always survive the way through a double that is not near the ends of the range.
 */
static inline bool survives(uint64_t m, size_t digits, int64_t exp10)
{
    return digits <= 19 && m < 1000000000000000 && m != 0 && exp10 >= -290 && exp10 <= 290;
}

/* "e", "E" at @p with sign and digits; *ret_exp is held within what survives() tells apart. */
static const char *exponent(struct parser *ps, const char *p, int64_t *ret_exp)
{
    int64_t e = 0;

    p++;
    bool negative = p < ps->end && *p == '-';
    if (p < ps->end && (*p == '-' || *p == '+'))
        p++;
    if (!is_digit(ps, p))
        return fail(ps, p, "expected a digit in the exponent");
    for (; is_digit(ps, p); p++)
        if (e < 100000)
            e = e * 10 + (*p - '0');
    *ret_exp = negative ? -e : e;
    return p;
}

/* A number that starts at @p, which is a digit or '-'. */
static const char *number(struct parser *ps, const char *p, struct json *out)
{
    const char *start = p, *digits;
    bool negative = *p == '-', whole = true;
    uint64_t m = 0;
    int64_t exp10 = 0;
    size_t n;

    p += negative;
    if (!is_digit(ps, p))
        return fail(ps, p, "expected a digit");
    for (digits = p; is_digit(ps, p); p++)
        m = m * 10 +
            (uint64_t)(*p - '0'); /* wraps behind 19 digits, which is seen by their number */
    n = (size_t)(p - digits);
    if (*digits == '0' && n > 1)
        return fail(ps, digits, "a number does not start with 0");
    if (p < ps->end && *p == '.') {
        const char *point = p++;
        if (!is_digit(ps, p))
            return fail(ps, p, "expected a digit behind the point");
        for (; is_digit(ps, p); p++)
            m = m * 10 + (uint64_t)(*p - '0');
        n += (size_t)(p - point - 1);
        exp10 = -(int64_t)(p - point - 1);
        whole = false;
    }
    if (p < ps->end && (*p | 32) == 'e') {
        int64_t e;
        p = exponent(ps, p, &e);
        if (!p)
            return NULL;
        exp10 += e;
        whole = false;
    }
    if (whole && n <= 19 && m <= (uint64_t)INT64_MAX + negative && !(negative && m == 0))
        *out = (struct json){.type = JSON_INT, .i = (int64_t)(negative ? 0 - m : m)};
    else if (survives(m, n, exp10))
        *out = double_number(decimal_to_double(m, (int)exp10), negative);
    else
        *out = long_number(str_from(start, (size_t)(p - start)));
    return p;
}

static const char *literal(struct parser *ps, const char *p, struct json *out)
{
    static const struct {
        Str word;
        enum json_type type;
    } words[] = {
        {S_INIT("null"), JSON_NULL}, {S_INIT("true"), JSON_TRUE}, {S_INIT("false"), JSON_FALSE}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_starts(str_from(p, (size_t)(ps->end - p)), words[i].word))
            continue;
        *out = (struct json){.type = (uint8_t)words[i].type};
        return p + words[i].word.n;
    }
    return fail(ps, p, "expected a value");
}

/* ---- containers ---- */

static bool widen_stack(struct parser *ps)
{
    size_t cap = ps->cap * 2;
    if (cap > ps->max_cap)
        cap = ps->max_cap;
    struct json *wide = cap > ps->n ? realloc(ps->stack, cap * sizeof *wide) : NULL;
    if (!wide)
        return false;
    ps->stack = wide;
    ps->cap = cap;
    return true;
}

/* The next place on the stack; NULL when it is full. */
static inline struct json *push(struct parser *ps)
{
    if (__builtin_expect(ps->n == ps->cap, 0) && !widen_stack(ps))
        return NULL;
    return &ps->stack[ps->n++];
}

static const char *open_container(struct parser *ps, const char *p, enum json_type type)
{
    if (++ps->depth > ps->max_depth)
        return fail_size(ps, p, "nested too deep");
    struct json *v = push(ps);
    if (!v)
        return fail_size(ps, p, "the document does not fit its arena");
    *v = (struct json){.type = (uint8_t)type, .i = ps->open};
    ps->open = (int64_t)ps->n - 1;
    return p + 1;
}

static const char *close_container(struct parser *ps, const char *p)
{
    struct json *v = &ps->stack[ps->open];
    size_t n = ps->n - (size_t)ps->open - 1;

    ps->n = (size_t)ps->open + 1;
    ps->open = v->i;
    ps->depth--;
    if (v->type == JSON_OBJ) {
        /* Key and value in turn: this is the layout of members. */
        if (json_object_from(ps->a, (struct json_member *)(void *)(v + 1), n / 2, v) != OK)
            return fail_size(ps, p, "the document does not fit its arena");
        return p + 1;
    }
    struct json *block = n ? arena_try(ps->a, n * sizeof *block) : NULL;
    if (n && !block)
        return fail_size(ps, p, "the document does not fit its arena");
    if (n)
        memcpy(block, v + 1, n * sizeof *block);
    v->n = (uint32_t)n;
    v->arr = block;
    return p + 1;
}

static const char *key(struct parser *ps, const char *p)
{
    struct json *name = push(ps);

    if (!name)
        return fail_size(ps, p, "the document does not fit its arena");
    p = skip_space(ps, p);
    if (p == ps->end || *p != '"')
        return fail(ps, p, "expected a string as key");
    p = string(ps, p, name);
    if (!p)
        return NULL;
    p = skip_space(ps, p);
    if (p == ps->end || *p != ':')
        return fail(ps, p, "expected ':'");
    return p + 1;
}

/* A value that is no container. */
static inline const char *scalar(struct parser *ps, const char *p)
{
    struct json *v = push(ps);

    if (!v)
        return fail_size(ps, p, "the document does not fit its arena");
    if (*p == '"')
        return string(ps, p, v);
    if (*p == '-' || (unsigned char)(*p - '0') < 10)
        return number(ps, p, v);
    return literal(ps, p, v);
}

/* What follows a value in its container: *ret_more tells whether another value does. */
static inline const char *after_value(struct parser *ps, const char *p, bool *ret_more)
{
    bool object = ps->stack[ps->open].type == JSON_OBJ;

    p = skip_space(ps, p);
    *ret_more = p < ps->end && *p == ',';
    if (*ret_more)
        return object ? key(ps, p + 1) : p + 1;
    if (p < ps->end && *p == (object ? '}' : ']'))
        return close_container(ps, p);
    return fail(ps, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

/* One value and the space around it. */
static const char *document(struct parser *ps, const char *p)
{
    bool more;

    do {
        p = skip_space(ps, p);
        if (p == ps->end)
            return fail(ps, p, "expected a value");
        if (*p == '{' || *p == '[') {
            bool object = *p == '{';
            p = open_container(ps, p, object ? JSON_OBJ : JSON_ARR);
            if (!p)
                return NULL;
            p = skip_space(ps, p);
            if (p == ps->end || *p != (object ? '}' : ']')) {
                if (object && !(p = key(ps, p)))
                    return NULL;
                more = true;
                continue;
            }
            p = close_container(ps, p);
        } else {
            p = scalar(ps, p);
        }
        more = false;
        while (p && !more && ps->open != NO_CONTAINER)
            p = after_value(ps, p, &more);
        if (!p)
            return NULL;
    } while (more);
    p = skip_space(ps, p);
    return p < ps->end ? fail(ps, p, "text behind the value") : p;
}

/* ---- the way in ---- */

/* Say where and why; columns count characters. */
static Err report(const struct parser *ps)
{
    size_t line = 1, column = 1;
    char found[32] = "";

    for (const char *p = ps->begin; p < ps->bad; p++) {
        column += ((unsigned char)*p & 0xc0) != 0x80;
        if (*p == '\n') {
            line++;
            column = 1;
        }
    }
    if (ps->bad == ps->end)
        snprintf(found, sizeof found, ", found the end");
    else if (*ps->bad > ' ' && *ps->bad < 0x7f)
        snprintf(found, sizeof found, ", found '%c'", *ps->bad);
    else
        snprintf(found, sizeof found, ", found byte 0x%02x", (unsigned char)*ps->bad);
    bool say_found = str_starts(str_c(ps->why), S("expected"));
    return err_detail(ps->code, "JSON line %zu, column %zu: %s%s", line, column, ps->why,
                      say_found ? found : "");
}

Err json_parse_limits(struct arena *a, Str text, const struct json_limits *limits,
                      struct json **ret_value)
{
    size_t max = limits && limits->bytes ? limits->bytes : MIB(64);
    struct parser ps = {
        .a = a,
        .open = NO_CONTAINER,
        .max_depth = limits && limits->depth ? limits->depth : DEPTH,
        .cap = 64,
    };

    if (text.n > max || text.n >= UINT32_MAX)
        return err_detail(E_TOO_LARGE, "JSON text of %zu bytes; at most %zu are taken", text.n,
                          max);
    if (str_starts(text, S("\xef\xbb\xbf"))) /* RFC 8259 section 8.1: a mark may be ignored */
        text = str_skip(text, 3);
    ps.begin = text.p ? text.p : "";
    ps.end = ps.begin + text.n;
    ps.max_cap = arena_max(a) / sizeof *ps.stack + ps.cap;
    ps.stack = malloc(ps.cap * sizeof *ps.stack);
    if (!ps.stack)
        DIE("out of memory");
    struct json *root = document(&ps, ps.begin) ? arena_try(a, sizeof *root) : NULL;
    if (root)
        *root = ps.stack[0];
    else if (!ps.why)
        (void)fail_size(&ps, ps.end, "the document does not fit its arena");
    free(ps.stack);
    if (!root)
        return report(&ps);
    *ret_value = root;
    return OK;
}

Err json_parse(struct arena *a, Str text, struct json **ret_value)
{
    return json_parse_limits(a, text, NULL, ret_value);
}
