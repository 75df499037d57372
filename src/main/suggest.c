/* src/main/suggest.c - edit distance between short names, and the nearest of them. */
#include "main/suggest.h"

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    return c == '_' ? '-' : c; /* "--log_level" is "--log-level" with one key missed */
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned suggest_distance(Str a, Str b)
{
    unsigned rows[3][SUGGEST_MAX + 1]; /* of the edit matrix: the present one and the two before */

    if (a.n > SUGGEST_MAX || b.n > SUGGEST_MAX)
        return SUGGEST_MAX;
    for (unsigned j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned *now = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            bool same = fold(a.p[i - 1]) == fold(b.p[j - 1]);

            now[j] = least(up[j] + 1, now[j - 1] + 1, up[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a.p[i - 1]) == fold(b.p[j - 2]) &&
                fold(a.p[i - 2]) == fold(b.p[j - 1]))
                now[j] = least(now[j], up2[j - 2] + 1, now[j]);
        }
    }
    return rows[a.n % 3][b.n];
}

void suggest_init(struct suggest *s, Str wrong)
{
    *s = (struct suggest){.wrong = wrong, .distance = SUGGEST_MAX};
}

void suggest_offer(struct suggest *s, Str candidate)
{
    unsigned d = suggest_distance(s->wrong, candidate);
    /* What was typed in part ("retention" for "retention.days") is near however much is missing. */
    if (s->wrong.n >= 3 && str_starts_nocase(candidate, s->wrong) && d > 2)
        d = 2;
    if (d < s->distance) {
        s->distance = d;
        s->best = candidate;
    }
}

Str suggest_text(struct arena *a, const struct suggest *s)
{
    size_t n = s->best.n < s->wrong.n ? s->wrong.n : s->best.n;

    if (s->best.n == 0 || s->distance > 1 + n / 4)
        return S("");
    return str_fmt(a, "; did you mean %.*s?", P(s->best));
}
