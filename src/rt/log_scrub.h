/* src/rt/log_scrub.h - the secrets that must not appear in a log line (private to log*.c). */
#ifndef RT_LOG_SCRUB_H
#define RT_LOG_SCRUB_H

#include "base/str.h"

enum { LOG_SECRET_MIN = 6 };

/* Hold the set still while one line is written. false: there are no secrets, nothing is held. */
bool log_scrub_begin(void);
void log_scrub_end(void);
/* The first secret in @s, the longest where several start. With @cut, the end of @s may have been
 * cut off, and a secret's first LOG_SECRET_MIN or more bytes standing there count too. */
bool log_scrub_find(Str s, bool cut, size_t *ret_at, size_t *ret_n);

#endif
