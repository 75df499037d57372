/* src/wf/json_path_parse.c - JSONPath's grammar (RFC 9535 section 2), with the types of its
 * functions.
 *
 * A recursive descent; filters may be nested DEPTH_MAX deep.
 */
#include "base/utf8.h"
#include "wf/json_path_private.h"

enum { DEPTH_MAX = 24, TEXT_MAX = 16 << 10 };
static const int64_t INDEX_MAX = ((int64_t)1 << 53) - 1;

struct parser {
    struct arena *a;
    Str s;
    size_t at;
    int depth;
    const char *why; /* the first thing that was wrong, at why_at */
    size_t why_at;
};

static bool fail(struct parser *p, const char *why)
{
    if (!p->why) {
        p->why = why;
        p->why_at = p->at;
    }
    return false;
}

static int peek(const struct parser *p)
{
    return p->at < p->s.n ? (unsigned char)p->s.p[p->at] : -1;
}

static bool take(struct parser *p, const char *what)
{
    Str w = str_c(what);

    if (!str_starts(str_skip(p->s, p->at), w))
        return false;
    p->at += w.n;
    return true;
}

static void space(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\n' || peek(p) == '\r')
        p->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_first(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

/* ---- literals ---- */

static bool hex4(struct parser *p, uint32_t *ret_c)
{
    uint32_t c = 0;

    for (int i = 0; i < 4; i++, p->at++) {
        int h = peek(p), low = h | 0x20;
        if (is_digit(h))
            c = c << 4 | (uint32_t)(h - '0');
        else if (low >= 'a' && low <= 'f')
            c = c << 4 | (uint32_t)(low - 'a' + 10);
        else
            return fail(p, "four hexadecimal digits were expected");
    }
    *ret_c = c;
    return true;
}

static bool unicode(struct parser *p, uint32_t *ret_c)
{
    uint32_t low;

    if (!hex4(p, ret_c))
        return false;
    if (*ret_c < 0xd800 || *ret_c > 0xdfff)
        return true;
    if (*ret_c > 0xdbff || !take(p, "\\u") || !hex4(p, &low) || low < 0xdc00 || low > 0xdfff)
        return fail(p, "a surrogate stands alone");
    *ret_c = 0x10000 + ((*ret_c - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool escape(struct parser *p, int quote, struct buf *b)
{
    static const char from[] = "btnfr/\\", to[] = "\b\t\n\f\r/\\";
    int c = peek(p);
    char utf8[4];
    uint32_t code;

    p->at++;
    if (c == quote) {
        buf_add_char(b, (char)c);
        return true;
    }
    if (c == 'u') {
        if (!unicode(p, &code))
            return false;
        buf_add(b, (Str){utf8, utf8_encode(code, utf8)});
        return true;
    }
    const char *known = c > 0 ? strchr(from, c) : NULL;
    if (!known)
        return fail(p, "there is no such escape");
    buf_add_char(b, to[known - from]);
    return true;
}

static bool string(struct parser *p, Str *ret_text)
{
    AUTO_BUF(b, TEXT_MAX);
    int quote = peek(p);

    for (p->at++; peek(p) != quote;) {
        int c = peek(p);
        if (c < 0)
            return fail(p, "the string is not closed");
        if (c < 0x20)
            return fail(p, "a control character in a string must be escaped");
        p->at++;
        if (c != '\\')
            buf_add_char(&b, (char)c);
        else if (!escape(p, quote, &b))
            return false;
    }
    p->at++;
    *ret_text = str_dup(p->a, buf_str(&b));
    return true;
}

/* An integer as indexes are written: no leading zero, no "-0", within 2^53. */
static bool integer(struct parser *p, int64_t *ret_i)
{
    size_t from = p->at;
    bool negative = take(p, "-");
    size_t digits = p->at;

    while (is_digit(peek(p)))
        p->at++;
    if (p->at == digits)
        return fail(p, "a whole number was expected");
    if (p->s.p[digits] == '0' && (negative || p->at > digits + 1))
        return fail(p, "a number has no leading zero");
    if (str_to_i64((Str){p->s.p + from, p->at - from}, ret_i) != OK || *ret_i > INDEX_MAX ||
        *ret_i < -INDEX_MAX)
        return fail(p, "the number is too large");
    return true;
}

static bool number(struct parser *p, struct jp_term *term)
{
    size_t from = p->at;
    struct json *value;

    take(p, "-");
    while (is_digit(peek(p)) || peek(p) == '.' || (peek(p) | 0x20) == 'e' ||
           ((peek(p) == '+' || peek(p) == '-') && (p->s.p[p->at - 1] | 0x20) == 'e'))
        p->at++;
    if (json_parse(p->a, (Str){p->s.p + from, p->at - from}, &value) != OK)
        return fail(p, "a number was expected");
    term->literal = value;
    return true;
}

/* ---- queries ---- */

static bool query(struct parser *p, struct jp_query *ret_query);
static const struct jp_expr *logical_or(struct parser *p);

static bool member_name(struct parser *p, Str *ret_name)
{
    size_t from = p->at;

    if (!is_name_first(peek(p)))
        return fail(p, "a name was expected");
    while (is_name_first(peek(p)) || is_digit(peek(p)))
        p->at++;
    *ret_name = (Str){p->s.p + from, p->at - from};
    return true;
}

/* What begins with a number or a colon: an index, or a slice [start]:[end][:[step]]. */
static bool index_or_slice(struct parser *p, struct jp_selector *s)
{
    s->kind = JP_INDEX;
    s->step = 1;
    if (peek(p) != ':') {
        if (!integer(p, &s->start))
            return false;
        s->has_start = true;
    }
    size_t mark = p->at;
    space(p);
    if (!take(p, ":")) {
        p->at = mark;
        return true;
    }
    s->kind = JP_SLICE;
    space(p);
    if (peek(p) == '-' || is_digit(peek(p))) {
        if (!integer(p, &s->end))
            return false;
        s->has_end = true;
        space(p);
    }
    if (!take(p, ":"))
        return true;
    space(p);
    if (peek(p) == '-' || is_digit(peek(p)))
        return integer(p, &s->step);
    return true;
}

static bool filter(struct parser *p, struct jp_selector *s)
{
    s->kind = JP_FILTER;
    space(p);
    if (++p->depth > DEPTH_MAX)
        return fail(p, "filters are nested too deep");
    s->filter = logical_or(p);
    p->depth--;
    return s->filter;
}

static bool selector(struct parser *p, struct jp_selector *s)
{
    int c = peek(p);

    if (c == '\'' || c == '"') {
        s->kind = JP_NAME;
        return string(p, &s->name);
    }
    if (take(p, "*")) {
        s->kind = JP_WILD;
        return true;
    }
    if (take(p, "?"))
        return filter(p, s);
    if (c == '-' || c == ':' || is_digit(c))
        return index_or_slice(p, s);
    return fail(p, "a selector was expected: a name in quotes, an index, a slice, \"*\" or \"?\"");
}

/* Behind "[". */
static bool selectors(struct parser *p, struct jp_segment *seg)
{
    VEC(struct jp_selector) all = {0};

    do {
        struct jp_selector *s = vec_add(p->a, &all);
        space(p);
        if (!selector(p, s))
            return false;
        space(p);
    } while (take(p, ","));
    seg->selectors = all.at;
    seg->n = (int)all.n;
    return take(p, "]") || fail(p, "\"]\" was expected");
}

/* "*" or a name without quotes. */
static bool shorthand(struct parser *p, struct jp_segment *seg)
{
    seg->selectors = arena_new_of(p->a, struct jp_selector);
    seg->n = 1;
    if (take(p, "*")) {
        seg->selectors->kind = JP_WILD;
        return true;
    }
    seg->selectors->kind = JP_NAME;
    return member_name(p, &seg->selectors->name);
}

static bool segment(struct parser *p, struct jp_segment *seg)
{
    if (take(p, "["))
        return selectors(p, seg);
    if (take(p, "..")) {
        seg->descendant = true;
        return take(p, "[") ? selectors(p, seg) : shorthand(p, seg);
    }
    return take(p, ".") ? shorthand(p, seg) : fail(p, "\".\" or \"[\" was expected");
}

static bool is_singular(const struct jp_segment *seg)
{
    return !seg->descendant && seg->n == 1 &&
           (seg->selectors->kind == JP_NAME || seg->selectors->kind == JP_INDEX);
}

/* Behind "$" or "@". */
static bool query(struct parser *p, struct jp_query *ret_query)
{
    VEC(struct jp_segment) all = {0};
    size_t mark;

    ret_query->singular = true;
    for (;;) {
        mark = p->at;
        space(p);
        if (peek(p) != '[' && peek(p) != '.')
            break;
        struct jp_segment *seg = vec_add(p->a, &all);
        if (!segment(p, seg))
            return false;
        ret_query->singular &= is_singular(seg);
    }
    p->at = mark; /* space behind a query is not its own */
    ret_query->segments = all.at;
    ret_query->n = (int)all.n;
    return true;
}

/* ---- filters ---- */

static const struct {
    const char *name;
    int args;
    bool nodes;   /* takes a query of any kind, not a value */
    bool logical; /* gives true or false, not a value */
} functions[] = {
    [JP_LENGTH] = {"length", 1, false, false}, [JP_COUNT] = {"count", 1, true, false},
    [JP_VALUE] = {"value", 1, true, false},    [JP_MATCH] = {"match", 2, false, true},
    [JP_SEARCH] = {"search", 2, false, true},
};

static bool term(struct parser *p, struct jp_term *t);

static bool is_value(struct parser *p, const struct jp_term *t)
{
    if (t->kind == JP_QUERY && !t->query->singular)
        return fail(p, "this query may select several nodes; a single value was expected");
    if (t->kind == JP_CALL && functions[t->function].logical)
        return fail(p, "this function gives true or false, which cannot be compared");
    return true;
}

static bool argument(struct parser *p, struct jp_term *call, int i)
{
    struct jp_term *arg = call->args[i] = arena_new_of(p->a, struct jp_term);

    space(p);
    if (!term(p, arg))
        return false;
    space(p);
    if (functions[call->function].nodes)
        return arg->kind == JP_QUERY || fail(p, "this function takes a query");
    return is_value(p, arg);
}

/* A literal pattern is compiled now; one that is not valid matches nothing, as the RFC says. */
static void compile_pattern(struct parser *p, struct jp_term *call)
{
    const struct jp_term *source = functions[call->function].logical ? call->args[1] : NULL;

    if (!source || source->kind != JP_LITERAL || !json_is(source->literal, JSON_STR))
        return;
    if (wf_pattern_compile(p->a, json_str_of(source->literal, S("")), call->function == JP_MATCH,
                           &call->pattern) != OK)
        call->pattern = NULL;
}

static bool call(struct parser *p, Str name, struct jp_term *t)
{
    size_t f = 0;

    while (f < ARRAY_LEN(functions) && !str_eq(name, str_c(functions[f].name)))
        f++;
    if (f == ARRAY_LEN(functions))
        return fail(p, "there is no such function; there are length, count, match, search, value");
    t->kind = JP_CALL;
    t->function = (enum jp_function)f;
    if (++p->depth > DEPTH_MAX)
        return fail(p, "functions are nested too deep");
    for (int i = 0; i < functions[f].args; i++) {
        if (i && !take(p, ","))
            return fail(p, "a second argument was expected");
        if (!argument(p, t, i))
            return false;
    }
    p->depth--;
    compile_pattern(p, t);
    return take(p, ")") || fail(p, "\")\" was expected");
}

/* A word: true, false, null, or a function with "(" right behind its name. */
static bool word(struct parser *p, struct jp_term *t)
{
    static const struct json values[] = {
        {.type = JSON_TRUE}, {.type = JSON_FALSE}, {.type = JSON_NULL}};
    static const Str names[] = {S_INIT("true"), S_INIT("false"), S_INIT("null")};
    size_t from = p->at;

    while (is_digit(peek(p)) || peek(p) == '_' || (peek(p) >= 'a' && peek(p) <= 'z'))
        p->at++;
    Str name = {p->s.p + from, p->at - from};
    if (name.n && take(p, "("))
        return call(p, name, t);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i]))
            t->literal = &values[i];
    p->at = t->literal ? p->at : from;
    return t->literal || fail(p, "a value, \"@\", \"$\" or a function was expected");
}

static bool term(struct parser *p, struct jp_term *t)
{
    int c = peek(p);
    Str text = S("");

    if (c == '@' || c == '$') {
        struct jp_query *q = arena_new_of(p->a, struct jp_query);
        p->at++;
        q->relative = c == '@';
        t->kind = JP_QUERY;
        t->query = q;
        return query(p, q);
    }
    if (c == '\'' || c == '"') {
        if (!string(p, &text))
            return false;
        t->literal = json_str(p->a, text);
        return true;
    }
    return c == '-' || is_digit(c) ? number(p, t) : word(p, t);
}

static bool comparison(struct parser *p, enum jp_op *ret_op)
{
    static const char *const ops[] = {[JP_EQ] = "==", [JP_NE] = "!=", [JP_LE] = "<=",
                                      [JP_GE] = ">=", [JP_LT] = "<",  [JP_GT] = ">"};
    static const enum jp_op order[] = {JP_EQ, JP_NE, JP_LE, JP_GE, JP_LT, JP_GT};

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (!take(p, ops[order[i]]))
            continue;
        *ret_op = order[i];
        return true;
    }
    return false;
}

static const struct jp_expr *test_or_compare(struct parser *p, bool test_only)
{
    struct jp_expr *x = arena_new_of(p->a, struct jp_expr);
    struct jp_term *left = arena_new_of(p->a, struct jp_term);
    size_t mark;

    if (!term(p, left))
        return NULL;
    x->left = left;
    mark = p->at;
    space(p);
    if (!test_only && comparison(p, &x->op)) {
        struct jp_term *right = arena_new_of(p->a, struct jp_term);
        space(p);
        x->kind = JP_COMPARE;
        x->right = right;
        return is_value(p, left) && term(p, right) && is_value(p, right) ? x : NULL;
    }
    p->at = mark;
    x->kind = JP_TEST;
    if (left->kind == JP_LITERAL || (left->kind == JP_CALL && !functions[left->function].logical)) {
        fail(p, "a comparison was expected behind this value");
        return NULL;
    }
    return x;
}

static const struct jp_expr *paren(struct parser *p)
{
    const struct jp_expr *x;

    if (++p->depth > DEPTH_MAX) {
        fail(p, "parentheses are nested too deep");
        return NULL;
    }
    space(p);
    x = logical_or(p);
    if (!x)
        return NULL;
    space(p);
    if (!take(p, ")")) {
        fail(p, "\")\" was expected");
        return NULL;
    }
    p->depth--;
    return x;
}

static const struct jp_expr *joined(struct parser *p, enum jp_expr_kind kind,
                                    const struct jp_expr **parts, size_t n)
{
    struct jp_expr *x = arena_new_of(p->a, struct jp_expr);

    *x = (struct jp_expr){.kind = kind, .parts = parts, .n_parts = (int)n};
    return x;
}

static const struct jp_expr *basic(struct parser *p)
{
    if (!take(p, "!"))
        return take(p, "(") ? paren(p) : test_or_compare(p, false);
    const struct jp_expr **negated = arena_new_of(p->a, const struct jp_expr *);
    space(p);
    *negated = take(p, "(") ? paren(p) : test_or_compare(p, true);
    return *negated ? joined(p, JP_NOT, negated, 1) : NULL;
}

/* Parts with @op between them, side by side: a long chain is not a deep one. */
static const struct jp_expr *chain(struct parser *p, enum jp_expr_kind kind, const char *op,
                                   const struct jp_expr *(*part)(struct parser *p))
{
    VEC(const struct jp_expr *) parts = {0};
    size_t mark;

    do {
        const struct jp_expr *x;
        space(p);
        x = part(p);
        if (!x)
            return NULL;
        vec_push(p->a, &parts, x);
        mark = p->at;
        space(p);
    } while (take(p, op));
    p->at = mark;
    return parts.n == 1 ? parts.at[0] : joined(p, kind, parts.at, parts.n);
}

static const struct jp_expr *logical_and(struct parser *p)
{
    return chain(p, JP_AND, "&&", basic);
}

static const struct jp_expr *logical_or(struct parser *p)
{
    return chain(p, JP_OR, "||", logical_and);
}

Err wf_jsonpath_compile(struct arena *a, Str text, struct wf_jsonpath **ret_path)
{
    struct wf_jsonpath *path = arena_new_of(a, struct wf_jsonpath);
    struct parser p = {.a = a, .s = text};

    if (text.n > TEXT_MAX)
        return err_detail(E_SYNTAX, "A JSONPath has at most %d bytes.", TEXT_MAX);
    if (!utf8_valid(text))
        return err_detail(E_SYNTAX, "The JSONPath is not UTF-8.");
    if (!take(&p, "$"))
        (void)fail(&p, "a JSONPath begins with \"$\"");
    else if (query(&p, &path->query) && p.at < text.n)
        (void)fail(&p, "\".\", \"[\" or the end was expected");
    if (p.why)
        return err_detail(E_SYNTAX, "The JSONPath is not valid at character %zu: %s.",
                          utf8_count(str_head(text, p.why_at)) + 1, p.why);
    *ret_path = path;
    return OK;
}
