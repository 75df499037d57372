/* test/fuzz/fuzz_llm_body.c - however a body is cut, the scanner finds the same members, and what
 * it finds is what the JSON parser reads there. The first byte says where to cut. */
#include "base/json.h"
#include "llm/body.h"

#include <assert.h>

static const struct llm_member names[] = {
    {S_INIT("model"), 0, 0}, {S_INIT("stream"), 0, 0}, {S_INIT("stream_options"), 0, 0}};

static void check_against_parser(struct arena *a, Str text, const struct llm_member *found, Err e)
{
    struct json *whole, *part;
    struct json_limits limits = {.depth = LLM_SCAN_DEPTH};

    if (json_parse_limits(a, text, &limits, &whole) != OK)
        return; /* the scanner is milder about numbers and escapes */
    assert(e == OK || e == E_BAD_INPUT);
    if (e != OK)
        return; /* no object, or a member twice */
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct json *want = json_get(whole, names[i].name);
        assert((want != NULL) == (found[i].to != 0));
        if (!want)
            continue;
        Err parsed = json_parse_limits(a, llm_member_text(text, &found[i]), &limits, &part);
        assert(parsed == OK);
        assert(json_equal(want, part));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    Str text = {(const char *)data + 1, size - 1};
    size_t cut = data[0] % size;
    struct llm_member whole[ARRAY_LEN(names)], parts[ARRAY_LEN(names)];
    struct llm_scan s;
    AUTO(arena) *a = arena_new(MIB(64));

    memcpy(whole, names, sizeof whole);
    memcpy(parts, names, sizeof parts);
    Err e1 = llm_scan_text(text, whole, ARRAY_LEN(whole));
    llm_scan_init(&s, parts, ARRAY_LEN(parts));
    Err e2 = llm_scan_feed(&s, str_head(text, cut));
    if (e2 == OK)
        e2 = llm_scan_feed(&s, str_skip(text, cut));
    if (e2 == OK)
        e2 = llm_scan_end(&s);
    assert(e1 == e2);
    assert(e1 != OK || memcmp(whole, parts, sizeof whole) == 0);
    check_against_parser(a, text, whole, e1);
    return 0;
}
