/* src/base/guess.c - edit distance between short names, and the nearest of them. */
#include "base/guess.h"

enum { PREFIX_LENGTH = 3, PREFIX_DISTANCE = 2 };

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    return c == '_' ? '-' : c;
}

static bool is_same(char x, char y)
{
    return fold(x) == fold(y);
}

static unsigned min3(unsigned x, unsigned y, unsigned z)
{
    unsigned m = x < y ? x : y;
    return m < z ? m : z;
}

/* How many letters must be changed, added, dropped or swapped with their neighbour; more than @max
 * is @max + 1. Only cells within @max of the diagonal are looked at. */
static unsigned edits(Str x, Str y, unsigned max)
{
    unsigned rows[3][GUESS_LENGTH_MAX + 2] = {0};
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (unsigned j = 0; j <= y.n; j++)
        last[j] = j;
    for (unsigned i = 1; i <= x.n; i++) {
        unsigned from = i > max ? i - max : 1, to = i + max < y.n ? i + max : (unsigned)y.n;
        unsigned best = max + 1;
        row[from - 1] = from == 1 ? i : max + 1;
        if (to == i + max)
            last[to] = max + 1;
        for (unsigned j = from; j <= to; j++) {
            unsigned change = last[j - 1] + !is_same(x.p[i - 1], y.p[j - 1]);
            row[j] = min3(change, last[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && is_same(x.p[i - 1], y.p[j - 2]) &&
                is_same(x.p[i - 2], y.p[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
            best = row[j] < best ? row[j] : best;
        }
        if (best > max)
            return max + 1;
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[y.n] > max ? max + 1 : last[y.n];
}

struct guess guess_begin(Str meant)
{
    unsigned max = meant.n <= 3 ? 1 : meant.n <= 6 ? 2 : 3;
    return (struct guess){.meant = meant, .distance = max + 1};
}

static bool is_beginning(Str part, Str whole)
{
    size_t i = 0;

    while (i < part.n && i < whole.n && is_same(part.p[i], whole.p[i]))
        i++;
    return i == part.n;
}

void guess_try(struct guess *g, Str candidate)
{
    size_t gap = g->meant.n > candidate.n ? g->meant.n - candidate.n : candidate.n - g->meant.n;
    unsigned d = g->distance;

    if (d == 0 || !g->meant.n || !candidate.n || g->meant.n > GUESS_LENGTH_MAX ||
        candidate.n > GUESS_LENGTH_MAX)
        return;
    if (gap < d)
        d = edits(g->meant, candidate, d - 1);
    if (d > PREFIX_DISTANCE && g->meant.n >= PREFIX_LENGTH && is_beginning(g->meant, candidate))
        d = PREFIX_DISTANCE;
    if (d < g->distance) {
        g->distance = d;
        g->best = candidate;
    }
}

Str guess_text(struct arena *a, const struct guess *g)
{
    return g->best.p ? str_fmt(a, " Did you mean \"%.*s\"?", P(g->best)) : S("");
}
