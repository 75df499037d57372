/* src/base/schema/pattern.c - regular expressions of ECMA-262 (Unicode mode) on PCRE2.
 *
 * A pattern is translated: what the two dialects spell differently is respelled, what ECMAScript
 * does not have is refused, so that a pattern means here what it means to everybody else. Not to be
 * had from PCRE2 10.42: look-behind of variable length. No JIT: patterns are short, and a hardened
 * service may not make memory executable. Every match is bounded in steps, memory and time.
 */
#include "base/schema/private.h"

#include "base/regex_limit.h"

/* Bytes, and groups in groups: PCRE2 compiles by recursion, 640 bytes of stack for each level
 * (measured), and a pattern may be compiled on the stack of a fiber. 50 levels need 60 KiB in all,
 * 250 would need 180. */
enum { PATTERN_MAX = 10000, NESTING_MAX = 50 };
/* Of one match, in ns of the processor's time: honest patterns take some for each byte. */
enum { SPAN_FIXED = 20000000, SPAN_EACH = 100 };

struct schema_pattern {
    pcre2_code *code;
};

struct schema_matcher {
    pcre2_match_data *data;
    pcre2_match_context *limits;
    int64_t spent_ns;
};

/* ---- translation ---- */

enum prev { NOTHING, ATOM, QUANTIFIER, LAZY };

struct translation {
    Str in;
    size_t at;
    struct buf *out;
    bool in_class;
    enum prev prev;
    const char *why; /* it is refused */
};

/* White space and line ends of ECMA-262 section 12.2, inside a class; and all the rest. */
#define SPACES                                                                                     \
    "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"           \
    "\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES                                                                                  \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"               \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

static bool refuse(struct translation *t, const char *why)
{
    t->why = why;
    return false;
}

static char peek(const struct translation *t, size_t ahead)
{
    return ahead < t->in.n - t->at ? t->in.p[t->at + ahead] : 0;
}

static void put_char(struct translation *t, uint32_t c)
{
    buf_add_fmt(t->out, "\\x{%x}", c);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @n hexadecimal digits; -1 if there are fewer. */
static int32_t hex(struct translation *t, int n)
{
    int32_t v = 0;

    for (int i = 0; i < n; i++) {
        int digit = nibble(peek(t, (size_t)i));
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    t->at += (size_t)n;
    return v;
}

/* Behind "\u": four digits, a pair of such escapes, or {...}. */
static bool unicode_escape(struct translation *t)
{
    int32_t c = 0, low;

    if (peek(t, 0) == '{') {
        size_t digits = 0;
        for (t->at++; nibble(peek(t, 0)) >= 0 && digits < 6; t->at++, digits++)
            c = c * 16 + nibble(peek(t, 0));
        if (digits == 0 || peek(t, 0) != '}' || c > 0x10ffff)
            return refuse(t, "\\u{...} names no character");
        t->at++;
    } else {
        c = hex(t, 4);
        if (c >= 0xd800 && c <= 0xdbff && peek(t, 0) == '\\' && peek(t, 1) == 'u') {
            t->at += 2;
            low = hex(t, 4);
            c = low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)
                                               : -1;
        }
    }
    if (c < 0 || (c >= 0xd800 && c <= 0xdfff))
        return refuse(t, "\\u names no character");
    put_char(t, (uint32_t)c);
    return true;
}

/* PCRE2 knows general categories by their short names only. */
static Str short_category(Str name)
{
    static const struct {
        Str name, code;
    } names[] = {
        {S_INIT("Letter"), S_INIT("L")},
        {S_INIT("Cased_Letter"), S_INIT("L&")},
        {S_INIT("LC"), S_INIT("L&")},
        {S_INIT("Uppercase_Letter"), S_INIT("Lu")},
        {S_INIT("Lowercase_Letter"), S_INIT("Ll")},
        {S_INIT("Titlecase_Letter"), S_INIT("Lt")},
        {S_INIT("Modifier_Letter"), S_INIT("Lm")},
        {S_INIT("Other_Letter"), S_INIT("Lo")},
        {S_INIT("Mark"), S_INIT("M")},
        {S_INIT("Combining_Mark"), S_INIT("M")},
        {S_INIT("Nonspacing_Mark"), S_INIT("Mn")},
        {S_INIT("Spacing_Mark"), S_INIT("Mc")},
        {S_INIT("Enclosing_Mark"), S_INIT("Me")},
        {S_INIT("Number"), S_INIT("N")},
        {S_INIT("Decimal_Number"), S_INIT("Nd")},
        {S_INIT("digit"), S_INIT("Nd")},
        {S_INIT("Letter_Number"), S_INIT("Nl")},
        {S_INIT("Other_Number"), S_INIT("No")},
        {S_INIT("Punctuation"), S_INIT("P")},
        {S_INIT("punct"), S_INIT("P")},
        {S_INIT("Connector_Punctuation"), S_INIT("Pc")},
        {S_INIT("Dash_Punctuation"), S_INIT("Pd")},
        {S_INIT("Open_Punctuation"), S_INIT("Ps")},
        {S_INIT("Close_Punctuation"), S_INIT("Pe")},
        {S_INIT("Initial_Punctuation"), S_INIT("Pi")},
        {S_INIT("Final_Punctuation"), S_INIT("Pf")},
        {S_INIT("Other_Punctuation"), S_INIT("Po")},
        {S_INIT("Symbol"), S_INIT("S")},
        {S_INIT("Math_Symbol"), S_INIT("Sm")},
        {S_INIT("Currency_Symbol"), S_INIT("Sc")},
        {S_INIT("Modifier_Symbol"), S_INIT("Sk")},
        {S_INIT("Other_Symbol"), S_INIT("So")},
        {S_INIT("Separator"), S_INIT("Z")},
        {S_INIT("Space_Separator"), S_INIT("Zs")},
        {S_INIT("Line_Separator"), S_INIT("Zl")},
        {S_INIT("Paragraph_Separator"), S_INIT("Zp")},
        {S_INIT("Other"), S_INIT("C")},
        {S_INIT("Control"), S_INIT("Cc")},
        {S_INIT("cntrl"), S_INIT("Cc")},
        {S_INIT("Format"), S_INIT("Cf")},
        {S_INIT("Surrogate"), S_INIT("Cs")},
        {S_INIT("Private_Use"), S_INIT("Co")},
        {S_INIT("Unassigned"), S_INIT("Cn")},
    };

    if (str_starts(name, S("gc=")))
        name = str_skip(name, 3);
    else if (str_starts(name, S("General_Category=")))
        name = str_skip(name, sizeof "General_Category=" - 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i].name))
            return names[i].code;
    return name;
}

/* "{Name}" behind \p or \P. */
static bool property(struct translation *t, char letter)
{
    size_t end = str_find_char(str_skip(t->in, t->at), '}');

    if (peek(t, 0) != '{' || end == SIZE_MAX || end > 80)
        return refuse(t, "\\p without {...}");
    Str name = str_from(t->in.p + t->at + 1, end - 1);
    buf_add_fmt(t->out, "\\%c{%.*s}", letter, P(short_category(name)));
    t->at += end + 1;
    return true;
}

/* "<name>" behind \k. */
static bool named_reference(struct translation *t)
{
    size_t end = str_find_char(str_skip(t->in, t->at), '>');

    if (peek(t, 0) != '<' || end == SIZE_MAX || end > 40 || t->in_class)
        return refuse(t, "\\k without <...>");
    buf_add(t->out, S("\\k"));
    buf_add(t->out, str_from(t->in.p + t->at, end + 1));
    t->at += end + 1;
    return true;
}

static bool numbered_reference(struct translation *t)
{
    unsigned v = 0;

    if (t->in_class)
        return refuse(t, "a reference inside a class");
    for (; peek(t, 0) >= '0' && peek(t, 0) <= '9' && v < 1000; t->at++)
        v = v * 10 + (unsigned)(peek(t, 0) - '0');
    buf_add_fmt(t->out, "\\g{%u}", v);
    return true;
}

/* \s and \S, outside or inside of a class. */
static void put_spaces(struct translation *t, bool spaces)
{
    buf_add_c(t->out, t->in_class ? "" : spaces ? "[" : "[^");
    buf_add_c(t->out, t->in_class && !spaces ? NO_SPACES : SPACES);
    buf_add_c(t->out, t->in_class ? "" : "]");
}

/* Behind the backslash. */
static bool escape(struct translation *t)
{
    char c = peek(t, 0);
    int32_t code;

    if (t->at >= t->in.n)
        return refuse(t, "a backslash at the end");
    if (c >= '1' && c <= '9')
        return numbered_reference(t);
    t->at++;
    switch (c) {
    case 'b':
    case 'B':
        if (t->in_class && c == 'B')
            return refuse(t, "\\B inside a class");
        t->prev = t->in_class ? t->prev : NOTHING;
        buf_add_c(t->out, t->in_class ? "\\x{8}" : c == 'b' ? "\\b" : "\\B");
        return true;
    case 'd':
    case 'D':
    case 'w':
    case 'W':
    case 't':
    case 'n':
    case 'r':
    case 'f':
        buf_add_char(t->out, '\\');
        buf_add_char(t->out, c);
        return true;
    case 'v':
        put_char(t, '\v');
        return true;
    case 's':
    case 'S':
        put_spaces(t, c == 's');
        return true;
    case '0':
        put_char(t, 0);
        return peek(t, 0) >= '0' && peek(t, 0) <= '9' ? refuse(t, "an octal escape") : true;
    case 'c':
        c = (char)(peek(t, 0) | 32);
        t->at++;
        put_char(t, (uint32_t)c & 31);
        return c >= 'a' && c <= 'z' ? true : refuse(t, "\\c without a letter");
    case 'x':
        code = hex(t, 2);
        put_char(t, (uint32_t)code & 0xff);
        return code >= 0 ? true : refuse(t, "\\x without two hexadecimal digits");
    case 'u':
        return unicode_escape(t);
    case 'p':
    case 'P':
        return property(t, c);
    case 'k':
        return named_reference(t);
    default:
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
            return refuse(t, "an escape that ECMAScript does not have");
        if ((unsigned char)c < 0x80 && c > ' ' && c != '_')
            buf_add_char(t->out, '\\');
        buf_add_char(t->out, c);
        return true;
    }
}

/* "{n}", "{n,}", "{n,m}" at the present place: its length, 0 if it is none. */
static size_t braces(const struct translation *t)
{
    size_t n = 1, digits = 0;

    for (; peek(t, n) >= '0' && peek(t, n) <= '9'; n++)
        digits++;
    if (digits == 0)
        return 0;
    if (peek(t, n) == ',')
        for (n++; peek(t, n) >= '0' && peek(t, n) <= '9';)
            n++;
    return peek(t, n) == '}' ? n + 1 : 0;
}

static bool quantifier(struct translation *t, size_t n)
{
    if (t->prev == QUANTIFIER && peek(t, 0) == '?')
        t->prev = LAZY;
    else if (t->prev == ATOM)
        t->prev = QUANTIFIER;
    else
        return refuse(t, "there is nothing to repeat");
    buf_add(t->out, str_from(t->in.p + t->at, n));
    t->at += n;
    return true;
}

/* At "(". Of the groups with "?" only those that ECMAScript has are passed on. */
static bool group(struct translation *t)
{
    size_t n = 1;

    if (peek(t, 1) == '?') {
        char c = peek(t, 2), d = peek(t, 3);
        bool behind = c == '<' && (d == '=' || d == '!');
        if (c != ':' && c != '=' && c != '!' && c != '<')
            return refuse(t, "a group that ECMAScript does not have");
        n = c == '<' && !behind ? 3 : behind ? 4 : 3;
    } else if (peek(t, 1) == '*') {
        return refuse(t, "there is nothing to repeat");
    }
    buf_add(t->out, str_from(t->in.p + t->at, n));
    t->at += n;
    if (n == 3 && t->in.p[t->at - 1] == '<') {
        size_t end = str_find_char(str_skip(t->in, t->at), '>');
        if (end == SIZE_MAX || end > 40)
            return refuse(t, "a group's name without an end");
        buf_add(t->out, str_from(t->in.p + t->at, end + 1));
        t->at += end + 1;
    }
    t->prev = NOTHING;
    return true;
}

static bool inside_class(struct translation *t)
{
    char c = peek(t, 0);

    t->at++;
    if (c == '\\')
        return escape(t);
    if (c == ']')
        t->in_class = false;
    if (c == '[')
        buf_add_char(t->out, '\\'); /* to PCRE2 "[:" and the like are special */
    buf_add_char(t->out, c);
    return true;
}

static bool outside_class(struct translation *t)
{
    char c = peek(t, 0);
    size_t n;

    if (c == '*' || c == '+' || c == '?')
        return quantifier(t, 1);
    if (c == '{' && (n = braces(t)) != 0)
        return quantifier(t, n);
    if (c == '(')
        return group(t);
    t->at++;
    t->prev = c == '|' || c == '^' || c == '$' ? NOTHING : ATOM;
    if (c == '\\')
        return escape(t);
    if (c == '.') {
        buf_add_c(t->out, "[^\\n\\r\\x{2028}\\x{2029}]");
        return true;
    }
    if (c == '[') {
        t->in_class = true;
        buf_add_char(t->out, c);
        if (peek(t, 0) == '^') {
            buf_add_char(t->out, '^');
            t->at++;
        }
        return true;
    }
    if (c == '{' || c == '}' || c == ']')
        buf_add_char(t->out, '\\');
    buf_add_char(t->out, c);
    return true;
}

static Err translate(Str in, struct buf *out)
{
    struct translation t = {.in = in, .out = out};

    if (in.n > PATTERN_MAX)
        return err_set(E_SYNTAX, "a pattern of more than %d bytes", PATTERN_MAX);
    while (t.at < in.n)
        if (!(t.in_class ? inside_class(&t) : outside_class(&t)))
            return err_set(E_SYNTAX, "%s at byte %zu of the pattern", t.why, t.at);
    if (t.in_class)
        return err_set(E_SYNTAX, "a class without an end in the pattern");
    return out->failed ? err_set(E_SYNTAX, "the pattern is too large") : OK;
}

/* ---- compiling and matching ---- */

static Err compile(Str text, pcre2_code **ret_code)
{
    AUTO_BUF(out, MIB(1));
    PCRE2_UCHAR why[128];
    PCRE2_SIZE at;
    int code;

    TRY(translate(text, &out));
    pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
    if (!limits)
        DIE("out of memory");
    pcre2_set_parens_nest_limit(limits, NESTING_MAX);
    *ret_code = pcre2_compile((PCRE2_SPTR)(out.p ? out.p : ""), out.n,
                              PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS |
                                  PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C |
                                  (uint32_t)REGEX_LIMIT_OPTIONS,
                              &code, &at, limits);
    pcre2_compile_context_free(limits);
    if (*ret_code)
        return OK;
    pcre2_get_error_message(code, why, sizeof why);
    return err_set(E_SYNTAX, "the pattern is refused: %s", (const char *)why);
}

static void free_code(void *code)
{
    pcre2_code_free(code);
}

Err schema_pattern_new(struct arena *a, Str text, struct schema_pattern **ret_pattern)
{
    struct schema_pattern *pattern = arena_new_of(a, struct schema_pattern);

    TRY(compile(text, &pattern->code));
    arena_defer(a, free_code, pattern->code);
    *ret_pattern = pattern;
    return OK;
}

bool schema_pattern_valid(Str text)
{
    pcre2_code *code;

    if (compile(text, &code) != OK)
        return false;
    pcre2_code_free(code);
    return true;
}

struct schema_matcher *schema_matcher_new(void)
{
    struct schema_matcher *m = malloc(sizeof *m);

    if (!m || !(m->data = pcre2_match_data_create(1, NULL)) ||
        !(m->limits = pcre2_match_context_create(NULL)))
        DIE("out of memory");
    return m;
}

void schema_matcher_free(struct schema_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->limits);
    free(m);
}

int64_t schema_matcher_spent(const struct schema_matcher *m)
{
    return m->spent_ns;
}

Err schema_pattern_match(struct schema_matcher *m, const struct schema_pattern *pattern, Str text,
                         bool *ret_matches)
{
    /* Honest patterns take some steps a byte; those that try all combinations take as many as they
     * get. */
    size_t limit = 2000 + 100 * text.n;

    if (limit > 5000000)
        limit = text.n > 625000 ? 8 * text.n : 5000000;
    size_t heap = KIB(1) + text.n / 2; /* in KiB: some frames for each byte, 64 MiB at most */
    pcre2_set_match_limit(m->limits, (uint32_t)(limit > UINT32_MAX ? UINT32_MAX : limit));
    pcre2_set_heap_limit(m->limits, (uint32_t)(heap > KIB(64) ? KIB(64) : heap));
    struct regex_limit span;
    regex_limit_begin(&span, m->limits, text.n, SPAN_FIXED + SPAN_EACH * (int64_t)text.n);
    int n = pcre2_match(pattern->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0,
                        PCRE2_NO_UTF_CHECK, m->data, m->limits);
    m->spent_ns = regex_limit_end(&span);
    if (n == REGEX_LIMIT_SPENT || n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_HEAPLIMIT ||
        n == PCRE2_ERROR_DEPTHLIMIT)
        return err_detail(E_TOO_LARGE, "a pattern of the schema takes too long to match");
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        return err_set(E_INTERNAL, "PCRE2 error %d", n);
    *ret_matches = n >= 0;
    return OK;
}
