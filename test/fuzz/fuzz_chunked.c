/* test/fuzz/fuzz_chunked.c - the chunk decoder agrees with a plain one that sees the whole body at
 * once, however the body is cut. */
#include "base/buf.h"
#include "net/http1_chunks.h"

#include <assert.h>
#include <ctype.h>

/* ---- the plain decoder: lines first, then what they mean ---- */

enum outcome { BAD, SHORT, WHOLE };

static bool take_line(Str *in, Str *ret_line, enum outcome *ret)
{
    size_t cr = str_find(*in, S("\r"));
    size_t n = cr == SIZE_MAX ? in->n : cr;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)in->p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            *ret = BAD;
            return false;
        }
    }
    if (cr == SIZE_MAX || cr + 1 == in->n) {
        *ret_line = str_head(*in, n);
        *ret = SHORT;
        return false;
    }
    *ret = BAD;
    if (in->p[cr + 1] != '\n')
        return false;
    *ret_line = str_head(*in, cr);
    *in = str_skip(*in, cr + 2);
    return true;
}

/* The size of a chunk line: digits up to ";" or its end. @whole: the line is complete. */
static bool line_size(Str line, bool whole, uint64_t *ret_size)
{
    size_t n = 0;

    *ret_size = 0;
    while (n < line.n && isxdigit((unsigned char)line.p[n])) {
        int c = tolower((unsigned char)line.p[n]);
        if (n == 16 || *ret_size > INT64_MAX >> 4)
            return false;
        *ret_size = *ret_size * 16 + (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        n++;
    }
    if (n == line.n)
        return n > 0 || !whole;
    return n > 0 && line.p[n] == ';';
}

static bool trailer_is_good(Str line, bool whole)
{
    size_t n = 0;
    while (n < line.n && line.p[n] != ':') {
        unsigned char c = (unsigned char)line.p[n];
        if (!isalnum(c) && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
        n++;
    }
    return (n > 0 || line.n == 0) && (n < line.n || !whole);
}

static enum outcome plain(Str in, struct buf *out, Str *ret_rest)
{
    enum outcome o;
    uint64_t size;
    Str line;

    do {
        line = (Str){0};
        if (!take_line(&in, &line, &o))
            return o == SHORT && line.p && !line_size(line, in.n > line.n, &size) ? BAD : o;
        if (!line_size(line, true, &size))
            return BAD;
        buf_add(out, str_head(in, size));
        if (in.n < size)
            return SHORT;
        in = str_skip(in, size);
        if (size && in.n && in.p[0] != '\r')
            return BAD;
        if (size && in.n > 1 && in.p[1] != '\n')
            return BAD;
        if (size && in.n < 2)
            return SHORT;
        if (size)
            in = str_skip(in, 2);
    } while (size);
    for (int i = 0;; i++) {
        line = (Str){0};
        bool got = take_line(&in, &line, &o);
        bool bad = line.n && (i == 100 || !trailer_is_good(line, got || in.n > line.n));
        if (!got)
            return o == SHORT && bad ? BAD : o;
        if (line.n == 0)
            break;
        if (bad)
            return BAD;
    }
    *ret_rest = in;
    return WHOLE;
}

/* ---- the decoder under test ---- */

static enum outcome cut(Str in, Str cuts, struct buf *out, size_t *ret_rest)
{
    struct http1_chunks c;
    const char *why = NULL;
    bool end = false;

    http1_chunks_init(&c);
    for (size_t i = 0; in.n && !end; i++) {
        size_t step = cuts.n ? (size_t)(uint8_t)cuts.p[i % cuts.n] + 1 : in.n;
        Str part = str_head(in, step);
        size_t n = part.n;
        while (part.n && !end) {
            Str piece;
            if (http1_chunks_next(&c, &part, &piece, &end, &why) != OK) {
                assert(why);
                return BAD;
            }
            buf_add(out, piece);
        }
        in = str_skip(in, n - part.n);
    }
    *ret_rest = in.n;
    return end ? WHOLE : SHORT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 ||
        size > 8000) /* below the bound on framing, which the plain decoder does not know */
        return 0;
    size_t n_cuts = data[0] % 8, rest1 = 0, rest2 = 0;
    if (size < 1 + n_cuts)
        return 0;
    Str cuts = {(const char *)data + 1, n_cuts};
    Str in = {(const char *)data + 1 + n_cuts, size - 1 - n_cuts}, rest = {0};
    struct buf a = BUF(1 << 20), b = BUF(1 << 20), c = BUF(1 << 20);

    enum outcome want = plain(in, &a, &rest);
    enum outcome whole = cut(in, (Str){0}, &b, &rest1);
    enum outcome parts = cut(in, cuts, &c, &rest2);
    assert(whole == want && parts == want);
    if (want != BAD) {
        assert(str_eq(buf_str(&a), buf_str(&b)) && str_eq(buf_str(&a), buf_str(&c)));
        assert(want == SHORT || (rest1 == rest.n && rest2 == rest.n));
    }
    buf_done(&a);
    buf_done(&b);
    buf_done(&c);
    return 0;
}
