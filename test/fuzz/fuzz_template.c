/* test/fuzz/fuzz_template.c - whatever text is written, compiling and evaluating it end; text
 * without braces stays as it is; a value holding the template gives what the template gives. */
#include "wf/template.h"

#include <assert.h>

static const char names[] =
    "{\"input\":{\"a\":[1,{\"b\":\"x\"}],\"s\":\"text\",\"n\":null,\"odd key\":true},"
    "\"n-1\":{\"body\":{\"items\":[{\"id\":1}]}},\"v\":7}";

static struct json *root(void *ctx, Str name)
{
    return json_get(ctx, name);
}

static void count(void *ctx, Str name)
{
    assert(name.n > 0);
    ++*(size_t *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    struct json *scope_json, *by_template, *by_value;
    struct wf_template *t;
    struct wf_value *v;
    size_t paths = 0;
    Str text;

    if (size > 16384)
        return 0;
    Str in = {(const char *)data, size};
    if (json_parse(a, str_c(names), &scope_json) != OK)
        return 0;
    struct wf_scope scope = {root, scope_json};
    if (wf_template_compile(a, in, &t) != OK)
        return 0;
    wf_template_roots(t, count, &paths);
    if (str_find(in, S("{{")) == SIZE_MAX)
        assert(wf_template_is_fixed(t) && paths == 0);
    Err e = wf_template_eval(a, t, &scope, USEC_NEVER, &by_template);
    if (e != OK) {
        assert(e == E_INVALID || e == E_TOO_LARGE);
        return 0;
    }
    assert(wf_template_text(a, t, &scope, USEC_NEVER, &text) == OK);
    struct json *source = json_str(a, in);
    if (wf_value_compile(a, source, &v) == OK &&
        wf_value_eval(a, v, &scope, USEC_NEVER, &by_value) == OK)
        assert(!str_eq(json_str_of(source, S("")), in) || json_equal(by_template, by_value));
    return 0;
}
