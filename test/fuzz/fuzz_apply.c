/* test/fuzz/fuzz_apply.c - any bytes as a file that is applied: read or refused, and what was read
 * is written as JSON, which is YAML, and read back the same. */
#include "base/arena.h"
#include "base/json.h"
#include "main/apply.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(256));
    static const char *const env[] = {"A=1", NULL};
    struct json *v, *again;
    Str text = {(const char *)data, size}, out;

    if (size > KIB(16))
        return 0;
    (void)apply_expand(a, env, text, &out);
    if (apply_parse(a, text, &v) != OK)
        return 0;
    if (apply_parse(a, json_text(a, v), &again) == OK)
        assert(json_equal(v, again));
    return 0;
}
