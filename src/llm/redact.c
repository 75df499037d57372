/* src/llm/redact.c - what a log of calls keeps of a body. */
#include "llm/redact.h"

#include "base/regex_limit.h"

#include <assert.h>

enum {
    STEPS_MAX = 100000,
    HEAP_MAX_KIB = 1024,
    NESTING_MAX = 50,
    DEPTH_MAX = 200,
    MATCHES_MAX = 10000
};
static const int64_t SPAN_FIXED = 20000000, SPAN_EACH = 20; /* ns of the processor's time */

static const Str mark = S_INIT("[redacted]");
static const char credentials[] =
    "(?i:bearer|basic)\\s+[A-Za-z0-9._~+/=-]{16,}"
    "|\\b(?:sk|pk|rk|hdl|ghp|gho|ghs|ghu|github_pat|glpat|xox[abeprs])[-_][A-Za-z0-9_-]{16,}"
    "|\\bAKIA[0-9A-Z]{16}\\b|\\bAIza[0-9A-Za-z_-]{35}"
    "|\\beyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{4,}"
    "|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\\s\\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)";

struct redactor {
    struct arena *a;
    pcre2_code *codes[2 * LLM_PATTERNS_MAX + 1]; /* of a key and its tenant */
    size_t n;
    Str secret;
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

/* ---- texts ---- */

/* @text without what @code finds, in @out; false if it takes too long. */
static bool cut_out(const pcre2_code *code, Str text, struct buf *out)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    struct regex_limit limit;
    size_t at = 0;
    int n = 0;

    if (!data || !limits)
        DIE("out of memory");
    pcre2_set_match_limit(limits, STEPS_MAX);
    pcre2_set_depth_limit(limits, STEPS_MAX);
    pcre2_set_heap_limit(limits, HEAP_MAX_KIB);
    regex_limit_begin(&limit, limits, text.n, SPAN_FIXED + SPAN_EACH * (int64_t)text.n);
    for (int k = 0; k < MATCHES_MAX && at <= text.n; k++) {
        n = pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT | PCRE2_NOTEMPTY, data, limits);
        if (n < 0)
            break;
        const PCRE2_SIZE *found = pcre2_get_ovector_pointer(data);
        if (found[0] < at || found[1] <= found[0]) /* "\K" can do so */
            break;
        buf_add(out, str_from(text.p + at, found[0] - at));
        buf_add(out, mark);
        at = found[1];
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    buf_add(out, str_skip(text, at));
    return n == PCRE2_ERROR_NOMATCH;
}

static Str without_secret(struct redactor *r, Str text)
{
    AUTO_BUF(out, MIB(64));
    size_t at;

    if (!r->secret.n || str_find(text, r->secret) == SIZE_MAX)
        return text;
    while ((at = str_find(text, r->secret)) != SIZE_MAX) {
        buf_add(&out, str_head(text, at));
        buf_add(&out, mark);
        text = str_skip(text, at + r->secret.n);
    }
    buf_add(&out, text);
    return str_dup(r->a, buf_str(&out));
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

static Str clean(struct redactor *r, Str text)
{
    text = without_secret(r, text);
    for (size_t i = 0; i < r->n && text.n; i++) {
        AUTO_BUF(out, MIB(64));
        if (!cut_out(r->codes[i], text, &out) || out.failed)
            return mark;
        if (out.n != text.n || memcmp(out.p, text.p, text.n) != 0)
            text = str_dup(r->a, buf_str(&out));
    }
    return shortened(r->a, text, LLM_VALUE_MAX);
}

/* ---- bodies ---- */

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

static void clean_value(struct redactor *r, struct json *v, unsigned depth)
{
    if (json_is(v, JSON_STR))
        *v = *json_str(r->a, clean(r, json_str_of(v, S(""))));
    if (depth == DEPTH_MAX) /* no parser of ours gives more */
        return;
    for (size_t i = 0; json_is(v, JSON_ARR) && i < json_len(v); i++)
        clean_value(r, &v->arr[i], depth + 1);
    for (size_t i = 0; json_is(v, JSON_OBJ) && i < json_len(v); i++) {
        struct json *value = &v->obj[i].val;
        if (json_is(value, JSON_STR) && is_secret_name(json_str_of(&v->obj[i].key, S(""))))
            *value = *json_str(r->a, mark);
        else
            clean_value(r, value, depth + 1);
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

Str llm_redact(struct arena *a, Str text, const LlmPatterns *patterns, Str secret)
{
    struct redactor r = {.a = a, .secret = secret};
    struct json *v;
    char why[128];

    r.codes[r.n++] = compile(str_c(credentials), why);
    for (size_t i = 0; i < patterns->n && r.n < ARRAY_LEN(r.codes); i++) {
        r.codes[r.n] = compile(patterns->at[i], why);
        r.n += r.codes[r.n] != NULL; /* it was checked */
    }
    assert(r.codes[0]);
    if (json_parse(a, text, &v) == OK) {
        clean_value(&r, v, 0);
        text = json_text(a, v);
    } else {
        text = clean(&r, storable(a, text));
    }
    for (size_t i = 0; i < r.n; i++)
        pcre2_code_free(r.codes[i]);
    return storable(a, shortened(a, text, LLM_LOGGED_MAX));
}
