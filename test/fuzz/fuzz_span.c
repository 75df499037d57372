/* test/fuzz/fuzz_span.c - a span that is taken is not negative, and reads back the same. */
#include "base/time.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    char text[TIME_RFC3339_SIZE];
    Usec span, again;

    memcpy(copy, data, size);
    Str in = {copy, size};
    if (time_parse_span(in, &span) == OK || time_parse_iso_span(in, &span) == OK) {
        assert(span >= 0);
        if (span != USEC_NEVER) {
            if (time_parse_span(time_span(span, text), &again) != OK)
                abort();
            assert(again == span);
        }
    }
    free(copy);
    return 0;
}
