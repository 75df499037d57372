/* src/wf/template_parse.c - the native expressions of templates: paths, literals, "??".
 *
 *     expr    = operand *( "??" operand )
 *     operand = path | string | number | true | false | null | JSON array | JSON object
 *     path    = name *( "." name | "?." name | [ "?." ] "[" index "]" | [ "?." ] "[" string "]" )
 *
 * Names are letters, digits, "_", "-", "$" and everything outside ASCII: node ids have hyphens, so
 * "a-b" is a name and "a - b" a subtraction, which is JavaScript. No recursion; linear in the text.
 */
#include "base/utf8.h"
#include "wf/template_private.h"

enum { TMPL_STEPS_MAX = 200, TMPL_OPERANDS_MAX = 32 };

struct reader {
    struct arena *a;
    Str all;
    size_t at;
    const char *why; /* set by the first thing that is not native */
};

static int peek(const struct reader *r)
{
    return r->at < r->all.n ? (unsigned char)r->all.p[r->at] : -1;
}

static bool take(struct reader *r, Str what)
{
    if (!str_starts(str_skip(r->all, r->at), what))
        return false;
    r->at += what.n;
    return true;
}

static void skip_space(struct reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r')
        r->at++;
}

static bool fail(struct reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '-' || c == '$' || c >= 0x80;
}

static Str read_name(struct reader *r)
{
    size_t from = r->at;

    while (is_name_char(peek(r)))
        r->at++;
    return (Str){r->all.p + from, r->at - from};
}

/* ---- strings ---- */

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(struct reader *r, uint32_t *ret_c)
{
    uint32_t c = 0;

    for (int i = 0; i < 4; i++, r->at++) {
        int digit = hex_digit(peek(r));
        if (digit < 0)
            return fail(r, "four hexadecimal digits");
        c = c << 4 | (uint32_t)digit;
    }
    *ret_c = c;
    return true;
}

/* After "\u": one character, which may take two escapes. */
static bool read_unicode(struct reader *r, uint32_t *ret_c)
{
    uint32_t low;

    if (!read_hex4(r, ret_c))
        return false;
    if (*ret_c >= 0xdc00 && *ret_c < 0xe000)
        return fail(r, "a whole surrogate pair");
    if (*ret_c < 0xd800 || *ret_c >= 0xdc00)
        return true;
    if (!take(r, S("\\u")) || !read_hex4(r, &low) || low < 0xdc00 || low >= 0xe000)
        return fail(r, "a whole surrogate pair");
    *ret_c = 0x10000 + ((*ret_c - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool read_escape(struct reader *r, char *out, size_t *n)
{
    static const char from[] = "nrtbf\\/\"'", to[] = "\n\r\t\b\f\\/\"'";
    int c = peek(r);
    uint32_t code;

    r->at++;
    if (c == 'u') {
        if (!read_unicode(r, &code))
            return false;
        *n += utf8_encode(code, out + *n);
        return true;
    }
    const char *known = c > 0 ? strchr(from, c) : NULL;
    if (!known)
        return fail(r, "an escape such as \\n, \\\" or \\u00e4");
    out[(*n)++] = to[known - from];
    return true;
}

/* Where the string that begins at the reader ends; SIZE_MAX. */
static size_t string_end(const struct reader *r)
{
    char quote = r->all.p[r->at];

    for (size_t i = r->at + 1; i < r->all.n; i++) {
        if (r->all.p[i] == quote)
            return i;
        i += r->all.p[i] == '\\';
    }
    return SIZE_MAX;
}

/* A string in either kind of quotes. No escape is longer than what it is written with. */
static bool read_string(struct reader *r, Str *ret_text)
{
    size_t end = string_end(r), n = 0;

    if (end == SIZE_MAX)
        return fail(r, "the end of the string");
    char *out = arena_bytes(r->a, end - r->at);
    for (r->at++; r->at < end;) {
        if (peek(r) == '\\') {
            r->at++;
            if (!read_escape(r, out, &n))
                return false;
        } else {
            out[n++] = r->all.p[r->at++];
        }
    }
    r->at++;
    *ret_text = (Str){out, n};
    return true;
}

/* ---- paths ---- */

/* Behind "[". */
static bool read_bracket(struct reader *r, struct tmpl_step *step)
{
    skip_space(r);
    if (peek(r) == '"' || peek(r) == '\'') {
        if (!read_string(r, &step->name))
            return false;
    } else {
        size_t from = r->at;
        while (is_digit(peek(r)))
            r->at++;
        if (str_to_i64((Str){r->all.p + from, r->at - from}, &step->index) != OK)
            return fail(r, "an index such as 0 or a name in quotes");
        step->indexed = true;
    }
    skip_space(r);
    return take(r, S("]")) || fail(r, "\"]\"");
}

/* At least how many steps there are; definitions are full of short paths, so a vector would waste
 * much. */
static size_t count_steps(const struct reader *r)
{
    size_t n = 0;

    for (size_t i = r->at; i < r->all.n && n <= TMPL_STEPS_MAX; i++)
        n += r->all.p[i] == '.' || r->all.p[i] == '[';
    return n;
}

static bool read_steps(struct reader *r, struct tmpl_operand *path)
{
    size_t max = count_steps(r), n = 0;

    path->steps = arena_array(r->a, struct tmpl_step, max);
    for (;;) {
        struct tmpl_step step = {0};
        /* "??" begins with the same character as "?."; "a ?.5 : b" does not occur without
         * JavaScript. */
        step.optional = take(r, S("?."));
        if (take(r, S("["))) {
            if (!read_bracket(r, &step))
                return false;
        } else if (step.optional || take(r, S("."))) {
            step.name = read_name(r);
            if (step.name.n == 0)
                return fail(r, "a name behind the dot");
        } else {
            break;
        }
        if (n >= TMPL_STEPS_MAX)
            return fail(r, "a shorter path");
        path->steps[n++] = step;
    }
    path->n_steps = (int)n;
    return true;
}

/* ---- literals ---- */

/* The length of a number as JSON writes it, at the start of @s; 0: none. */
static size_t number_length(Str s)
{
    size_t i = s.n && s.p[0] == '-' ? 1 : 0, digits = i;

    while (i < s.n && is_digit(s.p[i]))
        i++;
    if (i == digits || (s.p[digits] == '0' && i > digits + 1))
        return 0;
    if (i + 1 < s.n && s.p[i] == '.' && is_digit(s.p[i + 1]))
        for (i++; i < s.n && is_digit(s.p[i]);)
            i++;
    if (i < s.n && (s.p[i] | 0x20) == 'e') {
        size_t exp = i + 1 + (i + 1 < s.n && (s.p[i + 1] == '+' || s.p[i + 1] == '-'));
        if (exp < s.n && is_digit(s.p[exp]))
            for (i = exp; i < s.n && is_digit(s.p[i]);)
                i++;
    }
    return i;
}

static bool read_json(struct reader *r, size_t n, struct tmpl_operand *op)
{
    struct json *value;

    if (json_parse(r->a, (Str){r->all.p + r->at, n}, &value) != OK)
        return fail(r, "JSON");
    r->at += n;
    op->literal = value;
    return true;
}

/* A number, if the text here is one and does not go on as a name or a path ("2024-plan",
 * "1.items"). */
static bool read_number(struct reader *r, struct tmpl_operand *op)
{
    size_t n = number_length(str_skip(r->all, r->at));
    int next = n && r->at + n < r->all.n ? (unsigned char)r->all.p[r->at + n] : -1;

    if (n == 0 || is_name_char(next) || next == '.' || next == '[')
        return false;
    return read_json(r, n, op);
}

/* The length of the bracketed text at the start of @s, strings skipped; 0: it has no end. */
static size_t bracket_length(Str s)
{
    size_t depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* ---- the whole ---- */

static bool read_word(struct reader *r, struct tmpl_operand *op)
{
    static const struct {
        Str word;
        struct json value;
    } words[] = {{S_INIT("null"), {.type = JSON_NULL}},
                 {S_INIT("true"), {.type = JSON_TRUE}},
                 {S_INIT("false"), {.type = JSON_FALSE}}};

    op->root = read_name(r);
    if (op->root.n == 0)
        return fail(r, "a name, a number or a string");
    if (!read_steps(r, op))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words) && op->n_steps == 0; i++)
        if (str_eq(op->root, words[i].word))
            op->literal = &words[i].value;
    return true;
}

static bool read_operand(struct reader *r, struct tmpl_operand *op)
{
    Str text;
    size_t from = r->at;
    int c = peek(r);
    bool ok;

    if (c == '"' || c == '\'') {
        ok = read_string(r, &text);
        if (ok)
            op->literal = json_str(r->a, text);
    } else if (c == '[' || c == '{') {
        size_t n = bracket_length(str_skip(r->all, r->at));
        ok = n ? read_json(r, n, op) : fail(r, "the end of the bracket");
    } else {
        ok = read_number(r, op) || read_word(r, op);
    }
    op->source = (Str){r->all.p + from, r->at - from};
    return ok;
}

bool tmpl_expr_parse(struct arena *a, Str source, struct tmpl_expr *ret_expr, size_t *ret_at,
                     const char **ret_why)
{
    struct tmpl_operand operands[TMPL_OPERANDS_MAX];
    struct reader r = {.a = a, .all = source};
    size_t n = 0;
    bool ok;

    do {
        skip_space(&r);
        ok = n < TMPL_OPERANDS_MAX || fail(&r, "fewer alternatives");
        if (ok) {
            operands[n] = (struct tmpl_operand){0};
            ok = read_operand(&r, &operands[n++]);
        }
        skip_space(&r);
    } while (ok && take(&r, S("??")));
    if (ok && r.at < source.n)
        ok = fail(&r, "\"??\" or the end");
    if (!ok) {
        *ret_at = r.at;
        *ret_why = r.why ? r.why : "an expression";
        return false;
    }
    *ret_expr = (struct tmpl_expr){.source = source, .n_operands = (int)n};
    ret_expr->operands = arena_array(a, struct tmpl_operand, n);
    memcpy(ret_expr->operands, operands, n * sizeof *operands);
    return true;
}

bool tmpl_looks_like_script(Str source)
{
    static const Str words[] = {S_INIT("new "), S_INIT("typeof "), S_INIT("await "),
                                S_INIT(" - "),  S_INIT(" in "),    S_INIT(" instanceof ")};

    for (size_t i = 0; i < source.n; i++)
        if (strchr("()+*/%<>=!&|^~`,;:", source.p[i]) && source.p[i])
            return true;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_find(source, words[i]) != SIZE_MAX)
            return true;
    return false;
}
