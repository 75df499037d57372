/* src/wf/pattern.c - bounded regular expressions on PCRE2. */
#include "wf/pattern.h"

#include "base/regex_limit.h"

enum {
    SOURCE_MAX = 4096,
    STEPS_MAX = 200000,    /* from each place where a match may begin */
    SPAN_FIXED = 20000000, /* ns of the processor's time, */
    SPAN_EACH = 10,        /* and for each byte of the text */
    HEAP_MAX_KIB = 2048,
    NESTING_MAX = 50, /* compiling recurses, on a fiber's stack */
};

struct wf_pattern {
    pcre2_code *code;
};

static void release(void *p)
{
    pcre2_code_free(p);
}

Err wf_pattern_compile(struct arena *a, Str source, bool whole, struct wf_pattern **ret_pattern)
{
    uint32_t options =
        PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (uint32_t)REGEX_LIMIT_OPTIONS;
    PCRE2_SIZE at;
    int code;

    if (source.n > SOURCE_MAX)
        return err_detail(E_INVALID, "The pattern is longer than %d bytes.", SOURCE_MAX);
    if (whole)
        options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        DIE("out of memory");
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF); /* "." is neither, as RFC 9485 has it */
    pcre2_set_parens_nest_limit(context, NESTING_MAX);
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)(source.n ? source.p : ""), source.n, options,
                                         &code, &at, context);
    pcre2_compile_context_free(context);
    if (!compiled) {
        PCRE2_UCHAR text[128];
        pcre2_get_error_message(code, text, sizeof text);
        return err_detail(E_INVALID, "The pattern is not valid: %s at character %zu.",
                          (const char *)text, (size_t)at + 1);
    }
    struct wf_pattern *p = arena_new_of(a, struct wf_pattern);
    p->code = compiled;
    arena_defer(a, release, compiled);
    *ret_pattern = p;
    return OK;
}

Err wf_pattern_matches(const struct wf_pattern *p, Str text, bool *ret_matches)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    struct regex_limit limit;

    if (!data || !limits)
        DIE("out of memory");
    pcre2_set_match_limit(limits, STEPS_MAX);
    pcre2_set_depth_limit(limits, STEPS_MAX);
    pcre2_set_heap_limit(limits, HEAP_MAX_KIB);
    regex_limit_begin(&limit, limits, text.n, SPAN_FIXED + SPAN_EACH * (int64_t)text.n);
    int n = pcre2_match(p->code, (PCRE2_SPTR)(text.n ? text.p : ""), text.n, 0,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, limits);
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        return err_detail(E_TOO_LARGE, "The pattern needs too many steps on this text.");
    *ret_matches = n >= 0;
    return OK;
}
