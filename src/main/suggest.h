/* src/main/suggest.h - "did you mean ...?" for names that do not exist. */
#ifndef MAIN_SUGGEST_H
#define MAIN_SUGGEST_H

#include "base/arena.h"

enum { SUGGEST_MAX = 48 }; /* longer names are not compared */

/* Edits (insert, delete, replace, swap neighbours) that lead from @a to @b; case does not count.
 * SUGGEST_MAX if one is too long to compare. */
unsigned suggest_distance(Str a, Str b);

/* The best of several candidates, offered one by one. */
struct suggest {
    Str wrong;
    Str best;
    unsigned distance;
};
void suggest_init(struct suggest *s, Str wrong);
void suggest_offer(struct suggest *s, Str candidate);
/* "; did you mean X?", or "" if nothing is near enough. */
Str suggest_text(struct arena *a, const struct suggest *s);

#endif
