/* src/wf/cron.h - cron expressions: parsing, and when one fires next.
 *
 * Five fields, minute hour day-of-month month day-of-week, or six with seconds before them, or
 * @hourly, @daily (@midnight), @weekly, @monthly, @yearly (@annually):
 *
 *     *  5  1-5  1,15  0/10  *\/15  8-18/2     any, one, a range, a list, steps
 *     JAN-DEC, SUN-SAT                        names, in any case; Sunday is 0 and 7
 *     L  L-3  LW  15W                         day of month: the last, the third before the last,
 *                                             the last weekday, the weekday nearest to the 15th
 *     FRIL  MON#2                             day of week: the last Friday, the second Monday
 *     ?                                       either day field: any
 *
 * Days: when both day fields are limited a day that meets one of them counts, as crontab has it;
 * when one of them begins with "*" (or is "?") a day must meet both.
 *
 * Clock changes. Where the local clock jumps ahead, what stands in the gap fires once, at the first
 * moment after it. Where it jumps back, a local time that comes twice fires the first time only.
 * What repeats within the hour (every hour, or a minute field with "*" or a step) keeps its pace
 * instead: it fires in both passes; and what runs every hour loses nothing to a gap, so nothing is
 * made up for.
 *
 * Pure. A parsed expression is a plain value.
 */
#ifndef WF_CRON_H
#define WF_CRON_H

#include "base/time.h"
#include "base/tz.h"

enum { WF_CRON_TEXT_MAX = 256 };

struct wf_cron {
    uint64_t seconds, minutes;
    uint32_t hours;
    uint32_t days;         /* of the month: bits 1..31 */
    uint32_t near_days;    /* "15W": bits 1..31 */
    uint32_t last_days;    /* bit n: n days before the last */
    uint16_t months;       /* bits 1..12 */
    uint8_t weekdays;      /* bits 0..6 */
    uint8_t last_weekdays; /* "FRIL" */
    uint8_t nth_weekdays[5];
    bool last_weekday_of_month; /* "LW" */
    bool any_day, any_weekday;  /* the field begins with "*": both must be met */
    bool every_hour, keeps_pace;
};

/* E_INVALID with a detail that names the field and what is wrong with it; also for an expression
 * that never fires. */
Err wf_cron_parse(Str text, struct wf_cron *ret_cron);
/* The first time after @after at which it fires on the clock of @tz; USEC_NEVER when there is none
 * before the year 3000. */
Usec wf_cron_next(const struct wf_cron *cron, const struct tz *tz, Usec after);

#endif
