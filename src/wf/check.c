/* src/wf/check.c - collecting the problems of a definition, and guessing what a misspelt name
 * meant. */
#include "wf/check.h"

#include <stdarg.h>

enum { GUESS_LENGTH_MAX = 64, PATH_SHOWN = 1000 };

__attribute__((format(printf, 5, 0))) static void add(struct checker *c, Str field, Str code,
                                                      bool warning, const char *fmt, va_list ap)
{
    char text[600];

    field = str_head(field, PATH_SHOWN);
    c->found++;
    c->errors += !warning;
    if (c->found > CHECK_PROBLEMS_MAX)
        return;
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    struct wf_problem p = {
        .path =
            field.n ? str_fmt(c->pa, "%.*s/%.*s", P(c->base), P(field)) : str_dup(c->pa, c->base),
        .node = c->node ? str_dup(c->pa, c->node->id) : S(""),
        .field = str_dup(c->pa, field),
        .code = str_dup(c->pa, code),
        .message = str_dup(c->pa, (Str){text, len}),
        .warning = warning,
    };
    vec_push(c->pa, c->problems, p);
}

void check_wrong(struct checker *c, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(c, field, code, false, fmt, ap);
    va_end(ap);
}

void check_warn(struct checker *c, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(c, field, code, true, fmt, ap);
    va_end(ap);
}

void wf_check_problem(struct wf_check *ck, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(ck->def_state, field, code, false, fmt, ap);
    va_end(ap);
}

struct json *wf_problems_json(struct arena *a, const WfProblems *problems)
{
    struct json *arr = json_arr(a);

    vec_each(problems, p)
        json_push(a, arr,
                  json_obj(a, "path", json_str(a, p->path), "node", json_str(a, p->node), "field",
                           json_str(a, p->field), "code", json_str(a, p->code), "message",
                           json_str(a, p->message), "warning", json_bool(a, p->warning), NULL));
    return arr;
}

/* ---- guessing ---- */

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
            unsigned change = last[j - 1] + (x.p[i - 1] != y.p[j - 1]);
            row[j] = min3(change, last[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && x.p[i - 1] == y.p[j - 2] && x.p[i - 2] == y.p[j - 1] &&
                before[j - 2] + 1 < row[j])
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

void guess_try(struct guess *g, Str candidate)
{
    size_t gap = g->meant.n > candidate.n ? g->meant.n - candidate.n : candidate.n - g->meant.n;

    if (g->distance <= 1 || g->meant.n > GUESS_LENGTH_MAX || candidate.n > GUESS_LENGTH_MAX ||
        gap >= g->distance || !g->meant.n || !candidate.n)
        return;
    unsigned d = edits(g->meant, candidate, g->distance - 1);
    if (d < g->distance) {
        g->distance = d;
        g->best = candidate;
    }
}

Str guess_text(struct arena *a, const struct guess *g)
{
    return g->best.p ? str_fmt(a, " Did you mean \"%.*s\"?", P(g->best)) : S("");
}
