/* src/base/glob.c - see glob.h. Only the last "*" is ever tried again: what an earlier one could
 * take instead, it can take, too. */
#include "base/glob.h"

#include "base/utf8.h"

static uint32_t take(Str *s)
{
    size_t n;
    uint32_t c = utf8_decode(*s, &n);

    *s = str_skip(*s, n);
    return c;
}

/* The "[...]" at the start of *p against @c, and *p behind it; false if it has no end: then it is
 * none. */
static bool set(Str *p, uint32_t c, bool *ret_in)
{
    Str s = str_skip(*p, 1);
    bool not = str_starts(s, S("!")) || str_starts(s, S("^")), in = false, first = true;

    s = str_skip(s, not );
    for (; s.n && (first || s.p[0] != ']'); first = false) {
        uint32_t low = take(&s), high = low;
        if (s.n > 1 && s.p[0] == '-' && s.p[1] != ']') {
            s = str_skip(s, 1);
            high = take(&s);
        }
        in = in || (c >= low && c <= high);
    }
    if (!s.n)
        return false;
    *p = str_skip(s, 1);
    *ret_in = in != not ;
    return true;
}

/* Whether the character @c fits what *p begins with, which is passed. */
static bool fits(Str *p, uint32_t c)
{
    bool in;

    if (!p->n)
        return false;
    if (p->p[0] == '[' && set(p, c, &in))
        return in;
    if (p->p[0] == '\\' && p->n > 1) {
        *p = str_skip(*p, 1);
        return take(p) == c;
    }
    bool any = p->p[0] == '?';
    return take(p) == c || any;
}

bool glob_matches(Str pattern, Str text)
{
    Str behind = {NULL, 0}, from = text; /* of the last "*", and where it was tried last */

    while (text.n) {
        if (str_starts(pattern, S("*"))) {
            pattern = behind = str_skip(pattern, 1);
            from = text;
            continue;
        }
        Str p = pattern;
        uint32_t c = take(&text);
        if (fits(&p, c)) {
            pattern = p;
            continue;
        }
        if (!behind.p)
            return false;
        (void)take(&from); /* it takes one more */
        text = from;
        pattern = behind;
    }
    while (str_starts(pattern, S("*")))
        pattern = str_skip(pattern, 1);
    return pattern.n == 0;
}
