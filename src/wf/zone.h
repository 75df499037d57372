/* src/wf/zone.h - time zones by their IANA names, from the system's tzdata.
 *
 * A zone is read once and kept as long as the process: a new tzdata takes effect with a restart.
 */
#ifndef WF_ZONE_H
#define WF_ZONE_H

#include "base/tz.h"

/* "Europe/Berlin"; "UTC" needs no data. E_INVALID with a detail for a name that is none, also when
 * the system has no tzdata. Any thread. The first use of a zone reads a file of a few KiB. */
Err wf_zone(Str name, const struct tz **ret_tz);

#endif
