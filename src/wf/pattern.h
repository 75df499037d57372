/* src/wf/pattern.h - regular expressions that users write, matched within bounds.
 *
 * PCRE2 on UTF-8, without JIT (which would want a third of a fiber's stack), with limits on
 * steps, memory and time: a pattern that explodes is an error of its step and holds the loop for
 * some milliseconds at most.
 */
#ifndef WF_PATTERN_H
#define WF_PATTERN_H

#include "base/arena.h"

struct wf_pattern;

/* Compile; freed with @a. With @whole it must match the whole text (I-Regexp, RFC 9485), else any
 * part. E_INVALID with a detail that names the place. */
Err wf_pattern_compile(struct arena *a, Str source, bool whole, struct wf_pattern **ret_pattern);
/* @text is well-formed UTF-8. E_TOO_LARGE when matching takes too long. Safe on several
 * threads. */
Err wf_pattern_matches(const struct wf_pattern *p, Str text, bool *ret_matches);

#endif
