/* src/base/tz.h - time zones: what the clock on the wall shows at a moment, from TZif data.
 *
 * A zone is a row of spans, each with one lead over UTC: those that its TZif file lists (RFC 8536,
 * versions 1 to 4), then those that follow from the POSIX rule in the file's footer, without end.
 * Where two spans meet the local clock jumps: ahead, and some local times do not exist (a gap), or
 * back, and some come twice (an overlap).
 *
 * Pure: who reads the files is somebody else (wf/zone.h). A zone is immutable and safe on every
 * thread. All times are seconds.
 */
#ifndef BASE_TZ_H
#define BASE_TZ_H

#include "base/arena.h"

struct tz;

enum { TZ_FILE_MAX = 64 << 10 };

/* Parse the bytes of a TZif file; the zone lives in @a. E_INVALID: this is none, or it counts leap
 * seconds, which no clock here does. */
Err tz_parse(struct arena *a, Str bytes, const struct tz **ret_tz);
/* The zone that is UTC at all times. */
const struct tz *tz_utc(void);

/* The span that holds a moment. */
struct tz_span {
    int64_t from, to; /* UTC; INT64_MIN, INT64_MAX: without beginning, without end */
    int32_t offset;   /* seconds that local time is ahead of UTC */
};
struct tz_span tz_span_at(const struct tz *tz, int64_t utc);
static inline int32_t tz_offset_at(const struct tz *tz, int64_t utc)
{
    return tz_span_at(tz, utc).offset;
}

#endif
