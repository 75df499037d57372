/* test/fuzz/fuzz_cron.c - what is taken as a cron expression fires, after the moment it is asked
 * for, on a whole second, and in order; in a zone with gaps too. Input: eight bytes of time, then
 * the text. */
#include "wf/cron.h"

#include <assert.h>
#include <stdlib.h>

static const struct tz *berlin(void)
{
    static const struct tz *tz;
    /* Version 2 without transitions, and a rule. */
    static char file[108 + 32] = "TZif2";
    static const char rule[] = "\nCET-1CEST,M3.5.0,M10.5.0/3\n";

    if (!tz) {
        file[39] = 1;
        file[43] = 4;
        memcpy(file + 54, file, 54);
        memcpy(file + 108, rule, sizeof rule - 1);
        if (tz_parse(arena_new(1 << 20), str_from(file, 108 + sizeof rule - 1), &tz) != OK)
            abort();
    }
    return tz;
}

static void walk(const struct wf_cron *cron, const struct tz *tz, Usec after)
{
    for (int i = 0; i < 20; i++) {
        Usec next = wf_cron_next(cron, tz, after);
        if (next == USEC_NEVER)
            return;
        assert(next > after && next % USEC_S == 0);
        assert(wf_cron_next(cron, tz, next - 1) == next);
        after = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wf_cron cron;
    int64_t at;

    if (size < sizeof at)
        return 0;
    memcpy(&at, data, sizeof at);
    at %= 8000000000 * USEC_S; /* 1716 to 2223 */
    char *copy = malloc(size - sizeof at + 1);
    memcpy(copy, data + sizeof at, size - sizeof at);
    if (wf_cron_parse(str_from(copy, size - sizeof at), &cron) == OK) {
        assert(wf_cron_next(&cron, tz_utc(), 0) != USEC_NEVER);
        walk(&cron, tz_utc(), at);
        walk(&cron, berlin(), at);
    } else {
        assert(err_record()->detail[0]);
    }
    free(copy);
    return 0;
}
