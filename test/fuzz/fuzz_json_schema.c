/* test/fuzz/fuzz_json_schema.c - any schema compiles or is refused, any value is judged or given
 * up, and the judgement is the same a second time. The input is an array [schema, value, value,
 * ...]. */
#include "base/json_schema.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO(json_schema) *s = NULL;
    struct json *v;

    if (json_parse(a, str_from((const char *)data, size), &v) != OK || json_len(v) == 0)
        return 0;
    unsigned flags = size % 2 ? SCHEMA_FORMAT : 0;
    if (json_schema_compile(json_item(v, 0), NULL, 0, flags, &s) != OK) {
        assert(!s);
        return 0;
    }
    for (size_t i = 0; i < json_len(v) && i < 8; i++) {
        JsonSchemaErrors errors = {0};
        Err e = json_schema_validate(s, a, json_item(v, i), 3, &errors);
        assert(e == OK || e == E_INVALID || e == E_TOO_LARGE);
        assert(errors.n <= 3 && (e != OK || errors.n == 0) && (e != E_INVALID || errors.n > 0));
        vec_each(&errors, error) {
            struct json *at;
            Err found = json_pointer(json_item(v, i), error->path, &at);
            assert(found == OK);
        }
        assert(e == E_TOO_LARGE || json_schema_validate(s, a, json_item(v, i), 0, NULL) == e);
    }
    return 0;
}
