/* test/fuzz/fuzz_sse.c - however an event stream is cut, the parser gives the same events, within
 * its bound. */
#include "base/buf.h"
#include "net/sse.h"

#include <assert.h>
#include <stdlib.h>

enum { EVENT_MAX = 512 };

static Err run(Str in, Str cuts, struct buf *out)
{
    AUTO(sse_parser) *p = sse_parser_new(EVENT_MAX);
    Err e = OK;

    for (size_t i = 0; in.n && e == OK; i++) {
        size_t step = cuts.n ? (size_t)(uint8_t)cuts.p[i % cuts.n] + 1 : in.n;
        Str part = str_head(in, step);
        char *copy = malloc(part.n);
        memcpy(copy, part.p, part.n);
        Str piece = {copy, part.n};
        while (piece.n && e == OK) {
            struct sse_event ev;
            bool complete;
            size_t before = piece.n;
            e = sse_parser_feed(p, &piece, &ev, &complete);
            assert(e != OK || piece.n < before);
            if (e != OK || !complete)
                continue;
            assert(ev.id.n + ev.event.n + ev.data.n <= EVENT_MAX);
            assert(ev.retry_ms >= -1);
            buf_add_fmt(out, "%d<%.*s><%.*s><%.*s>%lld\n", ev.id.p != NULL, P(ev.id), P(ev.event),
                        P(ev.data), (long long)ev.retry_ms);
        }
        free(copy);
        in = str_skip(in, part.n);
    }
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t n_cuts = data[0] % 8;
    if (size < 1 + n_cuts)
        return 0;
    Str cuts = {(const char *)data + 1, n_cuts};
    Str in = {(const char *)data + 1 + n_cuts, size - 1 - n_cuts};
    struct buf a = BUF(1 << 24), b = BUF(1 << 24);

    Err e1 = run(in, (Str){0}, &a);
    Err e2 = run(in, cuts, &b);
    assert(e1 == e2);
    assert(str_eq(buf_str(&a), buf_str(&b)));
    buf_done(&a);
    buf_done(&b);
    return 0;
}
