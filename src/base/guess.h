/* src/base/guess.h - "Did you mean ...?" for names that do not exist.
 *
 *     struct guess g = guess_begin(wrong);
 *     guess_try(&g, candidate); ...
 *     err_detail(E_INVALID, "There is no such thing.%.*s", P(guess_text(a, &g)));
 *
 * Work is bounded: names of more than GUESS_LENGTH_MAX bytes are not compared, and only so many
 * cells of the edit matrix are looked at as could still make a better guess.
 */
#ifndef BASE_GUESS_H
#define BASE_GUESS_H

#include "base/arena.h"

enum { GUESS_LENGTH_MAX = 64 };

struct guess {
    Str meant, best; /* best.p == NULL: nothing was near enough */
    unsigned distance;
};

/* Borrows @meant, as guess_try() borrows the candidate, for as long as the guess is used. */
struct guess guess_begin(Str meant);
/* ASCII case and "-" for "_" do not count. What @candidate has behind all of what was meant counts
 * little. */
void guess_try(struct guess *g, Str candidate);
/* " Did you mean \"timeout\"?", or "". */
Str guess_text(struct arena *a, const struct guess *g);

#endif
