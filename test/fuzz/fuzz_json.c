/* test/fuzz/fuzz_json.c - whatever is parsed survives being written, canonical text is stable, and
 * the algorithms agree with each other. */
#include "base/json.h"
#include "base/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of every string is UTF-8. */
static void check_strings(const struct json *v, int depth)
{
    if (json_is(v, JSON_STR))
        assert(utf8_valid(json_str_of(v, S("?"))));
    for (size_t i = 0; depth < 60 && i < json_len(v); i++) {
        if (json_is(v, JSON_ARR)) {
            check_strings(json_item(v, i), depth + 1);
            continue;
        }
        Str key = str_from(v->obj[i].key.s, v->obj[i].key.n);
        assert(utf8_valid(key));
        assert(json_get(v, key) == &v->obj[i].val); /* no key is there twice */
        check_strings(&v->obj[i].val, depth + 1);
    }
}

static void check_text(struct arena *a, const struct json *v, Str text)
{
    struct json *back;
    AUTO_BUF(one, MIB(16));
    AUTO_BUF(two, MIB(16));
    Err e = json_parse(a, text, &back);

    assert(e == OK);
    assert(json_equal(v, back) && json_equal(back, v));
    assert(json_hash(v) == json_hash(back));
    json_write_canonical(&one, v);
    json_write_canonical(&two, back);
    assert(str_eq(buf_str(&one), buf_str(&two)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64)), *small = arena_new(KIB(16));
    AUTO_BUF(text, MIB(16));
    struct json_limits limits = {.depth = 1 + size % 50, .bytes = 1000};
    Str in = str_from((const char *)data, size);
    struct json *v, *w;

    Err limited = json_parse_limits(small, in, &limits, &w);
    if (json_parse(a, in, &v) != OK) {
        assert(limited != OK);
        assert(err_client_text(E_SYNTAX)[0]);
        return 0;
    }
    assert(limited == OK || limited == E_TOO_LARGE);
    check_strings(v, 0);
    json_write(&text, v);
    check_text(a, v, buf_str(&text));
    buf_reset(&text);
    json_write_pretty(&text, v);
    check_text(a, v, buf_str(&text));
    buf_reset(&text);
    json_write_canonical(&text, v);
    check_text(a, v, buf_str(&text));

    w = json_dup(a, v);
    assert(json_equal(v, w));
    /* A patch without nulls and arrays of them gives itself when put onto itself. */
    w = json_merge_patch(a, v, json_merge_patch(a, NULL, v));
    (void)json_pointer(v, in, &w); /* any text may be a pointer */
    return 0;
}
