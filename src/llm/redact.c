/* src/llm/redact.c - what a log of calls keeps of a body. */
#include "llm/redact.h"

#include "base/regex_limit.h"

#include <assert.h>
#include <time.h>

enum {
    STEPS_MAX = 100000,
    HEAP_MAX_KIB = 1024,
    NESTING_MAX = 50,
    DEPTH_MAX = 200,
    INSIDE_MAX = 3, /* JSON in a string of JSON in a string ... */
    MATCHES_MAX = 10000,
    GROWTH_MAX = 2, /* of a text by the marks in it */
    TREE_EACH = 128 /* bytes of memory for one of JSON, at most */
};
/* ns of the processor's time: of one pattern on one text, and of all on a body. */
static const int64_t SPAN_FIXED = 20000000, SPAN_EACH = 20;
static const int64_t BODY_FIXED = 50000000, BODY_EACH = 2000;

static const Str mark = S_INIT("[redacted]");
static const char credentials[] =
    "(?i:bearer|basic)\\s+[A-Za-z0-9._~+/=-]{16,}"
    "|\\b(?:sk|pk|rk|hdl|ghp|gho|ghs|ghu|github_pat|glpat|xox[abeprs])[-_][A-Za-z0-9_-]{16,}"
    "|\\bAKIA[0-9A-Z]{16}\\b|\\bAIza[0-9A-Za-z_-]{35}"
    "|\\beyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{4,}"
    "|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\\s\\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)";

struct redactor {
    pcre2_code *codes[2 * LLM_PATTERNS_MAX + 1]; /* of a key and its tenant */
    size_t n;
    Str secret;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    int64_t until, left; /* of the time for the body: its end, and what was left of it last */
    unsigned asked;      /* how often what is left was */
    unsigned inside;     /* strings that are JSON themselves */
    size_t marks;        /* put in so far */
    struct buf mask;     /* of the text that is looked at: a 1 for each byte that goes */
    struct buf out;
};

/* NULL, with a text at *ret_why, if it cannot be. */
static pcre2_code *compile(Str pattern, char why[128])
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | (uint32_t)REGEX_LIMIT_OPTIONS;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    PCRE2_SIZE at;
    int code;

    if (!context)
        DIE("out of memory");
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    pcre2_code *p = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &code, &at, context);
    pcre2_compile_context_free(context);
    if (!p)
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, 128);
    return p;
}

Err llm_redact_check(Str pattern)
{
    char why[128];

    if (!pattern.n || pattern.n > LLM_PATTERN_MAX)
        return err_detail(E_INVALID, "A pattern has 1 to %d bytes.", LLM_PATTERN_MAX);
    pcre2_code *p = compile(pattern, why);
    if (!p)
        return err_detail(E_INVALID, "The pattern \"%.*s\" is not valid: %s.", P(pattern), why);
    pcre2_code_free(p);
    return OK;
}

/* ---- members in a text ---- */

static bool is_secret_name(Str name)
{
    static const Str names[] = {
        S_INIT("password"),      S_INIT("passwd"),       S_INIT("secret"),
        S_INIT("api_key"),       S_INIT("apikey"),       S_INIT("api-key"),
        S_INIT("authorization"), S_INIT("access_token"), S_INIT("refresh_token"),
        S_INIT("client_secret"), S_INIT("private_key"),  S_INIT("x-api-key")};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

/* Behind white space, also as it is written inside a string. */
static size_t skip_space(Str text, size_t at)
{
    for (;;) {
        size_t k = at;
        while (k < text.n && text.p[k] == '\\')
            k++;
        if (k < text.n && k > at && strchr("nrt", text.p[k]) && text.p[k])
            at = k + 1;
        else if (at < text.n && strchr(" \t\r\n", text.p[at]) && text.p[at])
            at++;
        else
            return at;
    }
}

/* How many backslashes stand before @at, back to @from. */
static size_t slashes(Str text, size_t from, size_t at)
{
    size_t n = 0;

    while (at - n > from && text.p[at - n - 1] == '\\')
        n++;
    return n;
}

/* Where the string ends whose text begins at @at, behind a quote with @k backslashes: 0 in JSON, 1
 * in a string of JSON, 3 in a string in that. */
static size_t string_end(Str text, size_t at, size_t k)
{
    size_t from = at;
    const char *quote;

    while (at < text.n && (quote = memchr(text.p + at, '"', text.n - at)) != NULL) {
        at = (size_t)(quote - text.p);
        size_t n = slashes(text, from, at);
        if (n < k) /* it is the end of what this stands in */
            return at - n;
        if ((n - k) % (2 * (k + 1)) == 0)
            return at - k;
        at++;
    }
    return text.n;
}

/* Where the array or object ends that begins at @at. */
static size_t nest_end(Str text, size_t at)
{
    size_t depth = 0, from = at;

    for (; at < text.n; at++) {
        char c = text.p[at];
        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        if (!depth)
            return at + 1;
        if (c == '"') {
            size_t k = slashes(text, from, at);
            at = string_end(text, at + 1, k) + k;
        }
    }
    return text.n;
}

/* Of the member whose name's quote is at @at: where its value begins, 0 if its name is none of
 * those. */
static size_t secret_value(Str text, size_t at)
{
    enum { NAME_MAX_BYTES = 20 };
    size_t from = at + 1, end = from;

    while (end < text.n && end - from <= NAME_MAX_BYTES && !strchr("\"\\", text.p[end]))
        end++;
    if (!is_secret_name(str_from(text.p + from, end - from)))
        return 0;
    while (end < text.n && text.p[end] == '\\')
        end++;
    if (end >= text.n || text.p[end] != '"')
        return 0;
    end = skip_space(text, end + 1);
    return end < text.n && text.p[end] == ':' ? skip_space(text, end + 1) : 0;
}

/* The end of the value at *@from, which goes behind its quote if it is a string. */
static size_t value_end(Str text, size_t *from)
{
    size_t k = 0, at = *from;

    while (at + k < text.n && text.p[at + k] == '\\')
        k++;
    if (at + k < text.n && text.p[at + k] == '"') {
        *from = at + k + 1;
        return string_end(text, *from, k);
    }
    if (at < text.n && (text.p[at] == '[' || text.p[at] == '{'))
        return nest_end(text, at);
    while (at < text.n && !strchr(",]}\"\\ \t\r\n", text.p[at]))
        at++;
    return str_eq(str_from(text.p + *from, at - *from), S("null")) ? *from : at;
}

static void mask_out(struct redactor *r, size_t from, size_t to)
{
    if (to > from)
        memset(r->mask.p + from, 1, to - from);
}

/* What stands in JSON that is not whole, or in JSON in the middle of a text. */
static void mask_members(struct redactor *r, Str text)
{
    size_t at = 0;
    const char *quote;

    while (at < text.n && (quote = memchr(text.p + at, '"', text.n - at)) != NULL) {
        at = (size_t)(quote - text.p);
        size_t from = secret_value(text, at++);
        if (!from)
            continue;
        size_t to = value_end(text, &from);
        mask_out(r, from, to);
        at = to;
    }
}

/* ---- texts ---- */

static int64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What is left of the body's time; for short texts the clock is asked now and then. */
static int64_t time_left(struct redactor *r, size_t n)
{
    enum { SHORT = 256, EVERY = 16 };

    if (n > SHORT || r->asked++ % EVERY == 0)
        r->left = r->until - thread_ns();
    return r->left;
}

/* Mask what @code finds in @text; false if it takes too long. */
static bool mask_matches(struct redactor *r, const pcre2_code *code, Str text)
{
    int64_t left = time_left(r, text.n), most = SPAN_FIXED + SPAN_EACH * (int64_t)text.n;
    struct regex_limit limit;
    size_t at = 0;
    int n = 0;

    if (left <= 0)
        return false;
    regex_limit_begin(&limit, r->limits, text.n, left < most ? left : most);
    for (int k = 0; k < MATCHES_MAX && at <= text.n; k++) {
        n = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT | PCRE2_NOTEMPTY, r->data, r->limits);
        if (n < 0)
            break;
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(r->data);
        if (found[0] < at || found[1] <= found[0]) /* "\K" can do so */
            break;
        mask_out(r, found[0], found[1]);
        at = found[1];
    }
    r->left -= regex_limit_end(&limit);
    return n == PCRE2_ERROR_NOMATCH;
}

static void mask_literal(struct redactor *r, Str text, Str what)
{
    size_t at = 0, found;

    while (what.n && (found = str_find(str_skip(text, at), what)) != SIZE_MAX) {
        mask_out(r, at + found, at + found + what.n);
        at += found + what.n;
    }
}

/* Mask all that goes, by what @text is without any mark; false if all of it has to. */
static bool mask_all(struct redactor *r, Str text)
{
    buf_reset(&r->mask);
    char *p = buf_room(&r->mask, text.n);
    if (!p)
        return false;
    memset(p, 0, text.n);
    buf_added(&r->mask, text.n);
    mask_literal(r, text, mark); /* there by now: nothing is to be found in it */
    mask_literal(r, text, r->secret);
    mask_members(r, text);
    for (size_t i = 0; i < r->n; i++)
        if (!mask_matches(r, r->codes[i], text))
            return false;
    return true;
}

/* @text with a mark for each part that is masked, in @r->out; the mark alone if it grew too much.
 */
static Str marked(struct redactor *r, Str text)
{
    const char *mask = r->mask.p;

    if (!memchr(mask, 1, text.n))
        return text;
    r->marks++;
    buf_reset(&r->out);
    r->out.max = GROWTH_MAX * text.n + KIB(1);
    for (size_t at = 0, end; at < text.n; at = end) {
        const char *next = memchr(mask + at, mask[at] ? 0 : 1, text.n - at);
        end = next ? (size_t)(next - mask) : text.n;
        buf_add(&r->out, mask[at] ? mark : str_from(text.p + at, end - at));
    }
    return r->out.failed ? mark : buf_str(&r->out);
}

/* Not in the middle of a character. */
static Str head_of(Str text, size_t n)
{
    while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return str_head(text, n);
}

static Str shortened(struct arena *a, Str text, size_t most)
{
    if (text.n <= most)
        return text;
    return str_fmt(a, "%.*s... [%zu bytes]", P(head_of(text, most)), text.n);
}

static Str clean_text(struct redactor *r, struct arena *a, Str text)
{
    if (!text.n)
        return text;
    if (!mask_all(r, text)) {
        r->marks++;
        return mark;
    }
    text = marked(r, text);
    if (text.n > LLM_VALUE_MAX)
        return shortened(a, text, LLM_VALUE_MAX);
    return text.p == r->out.p ? str_dup(a, text) : text;
}

/* ---- bodies ---- */

static void clean_value(struct redactor *r, struct arena *a, struct json *v, unsigned depth);

/* A string that is JSON itself, such as the arguments of a call, has its values treated first. */
static Str clean_string(struct redactor *r, struct arena *a, Str text, unsigned depth)
{
    struct json_limits limits = {.depth = DEPTH_MAX - depth};
    Str inner = str_trim(text);
    struct json *v;

    if (r->inside < INSIDE_MAX && depth < DEPTH_MAX &&
        (str_starts(inner, S("{")) || str_starts(inner, S("[")))) {
        AUTO(arena) *own = arena_new(KIB(256) + TREE_EACH * text.n);
        size_t before = r->marks;
        if (json_parse_limits(own, text, &limits, &v) == OK) {
            r->inside++;
            clean_value(r, own, v, depth + 1);
            r->inside--;
        }
        if (r->marks != before)
            text = str_dup(a, json_text(own, v));
    }
    return clean_text(r, a, text);
}

static void clean_value(struct redactor *r, struct arena *a, struct json *v, unsigned depth)
{
    if (json_is(v, JSON_STR))
        *v = *json_str(a, clean_string(r, a, json_str_of(v, S("")), depth));
    if (depth == DEPTH_MAX) /* no parser of ours gives more */
        return;
    for (size_t i = 0; json_is(v, JSON_ARR) && i < json_len(v); i++)
        clean_value(r, a, &v->arr[i], depth + 1);
    for (size_t i = 0; json_is(v, JSON_OBJ) && i < json_len(v); i++) {
        struct json *value = &v->obj[i].val;
        if (!is_secret_name(json_str_of(&v->obj[i].key, S("")))) {
            clean_value(r, a, value, depth + 1);
        } else if (!json_is(value, JSON_NULL)) {
            *value = *json_str(a, mark);
            r->marks++;
        }
    }
}

/* What the database takes: UTF-8 without NUL. */
static Str storable(struct arena *a, Str text)
{
    Str good = str_dup(a, json_str_of(json_str(a, text), S("")));
    char *p = (char *)(uintptr_t)good.p;

    for (size_t i = 0; i < good.n; i++)
        if (p[i] == '\0')
            p[i] = ' ';
    return good;
}

static void redactor_init(struct redactor *r, Str text, const LlmPatterns *patterns, Str secret)
{
    char why[128];

    *r = (struct redactor){.secret = secret,
                           .until = thread_ns() + BODY_FIXED + BODY_EACH * (int64_t)text.n,
                           .data = pcre2_match_data_create(1, NULL),
                           .limits = pcre2_match_context_create(NULL),
                           .mask = BUF(MIB(64)),
                           .out = BUF(MIB(64))};
    if (!r->data || !r->limits)
        DIE("out of memory");
    pcre2_set_match_limit(r->limits, STEPS_MAX);
    pcre2_set_depth_limit(r->limits, STEPS_MAX);
    pcre2_set_heap_limit(r->limits, HEAP_MAX_KIB);
    r->codes[r->n++] = compile(str_c(credentials), why);
    assert(r->codes[0]);
    for (size_t i = 0; i < patterns->n && r->n < ARRAY_LEN(r->codes); i++) {
        r->codes[r->n] = compile(patterns->at[i], why);
        r->n += r->codes[r->n] != NULL; /* it was checked */
    }
}

static void redactor_done(struct redactor *r)
{
    for (size_t i = 0; i < r->n; i++)
        pcre2_code_free(r->codes[i]);
    pcre2_match_context_free(r->limits);
    pcre2_match_data_free(r->data);
    buf_done(&r->mask);
    buf_done(&r->out);
}

/* The credential wherever it still stands, such as in the name of a member; no byte longer. */
static Str without(struct arena *a, Str text, Str secret)
{
    size_t at = str_find(text, secret);

    if (!secret.n || at == SIZE_MAX)
        return text;
    text = str_dup(a, text);
    for (Str rest = text; at != SIZE_MAX; at = str_find(rest, secret)) {
        memset((char *)rest.p + at, '*', secret.n);
        rest = str_skip(rest, at + secret.n);
    }
    return text;
}

Str llm_redact(struct arena *a, Str text, const LlmPatterns *patterns, Str secret)
{
    AUTO(arena) *own = arena_new(MIB(1) + TREE_EACH * text.n);
    struct redactor r;
    struct json *v;

    redactor_init(&r, text, patterns, secret);
    if (json_parse(own, text, &v) == OK) {
        clean_value(&r, own, v, 0);
        text = json_text(own, v);
    } else {
        text = clean_text(&r, own, storable(own, text));
    }
    redactor_done(&r);
    text = without(own, text, secret);
    return storable(a, shortened(own, text, LLM_LOGGED_MAX));
}
