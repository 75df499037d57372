/* test/fuzz/fuzz_tz.c - whatever a zone is made of, its spans hold the moment asked for, and follow
 * each other without a gap. */
#include "base/tz.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t moments[] = {INT64_MIN, -5000000000, 0, 1800000000, 5000000000, INT64_MAX};
    AUTO(arena) *a = arena_new(1 << 20);
    char *copy = malloc(size + 1);
    const struct tz *tz;

    memcpy(copy, data, size);
    if (tz_parse(a, str_from(copy, size), &tz) == OK) {
        for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
            int64_t at = moments[i];
            for (int n = 0; n < 10; n++) {
                struct tz_span span = tz_span_at(tz, at);
                assert(span.from <= at);
                assert(at < span.to || span.to == INT64_MAX);
                assert(span.offset <= 26 * 3600 && span.offset >= -26 * 3600);
                if (span.to == INT64_MAX)
                    break;
                at = span.to;
            }
        }
    }
    free(copy);
    return 0;
}
