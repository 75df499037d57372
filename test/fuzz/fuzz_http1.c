/* test/fuzz/fuzz_http1.c - however the bytes of requests are cut into reads, the server's parser
 * sees the same requests, or refuses in the same place; what it takes keeps to the grammar. */
#include "base/buf.h"
#include "base/utf8.h"
#include "net/http1.h"

#include <assert.h>

struct seen {
    struct http1 p;
    struct arena *a;
    struct buf text;
};

static struct seen *seen_of(struct http1 *p)
{
    return (struct seen *)((char *)p - offsetof(struct seen, p));
}

static void check_target(struct arena *a, const struct http1_head *h)
{
    Str raw, path, query, segment;

    if (http1_target(a, h->target, h->host, &raw, &path, &query) != OK)
        return;
    assert(path.n && utf8_valid(path));
    for (size_t i = 0; i < path.n; i++)
        assert((unsigned char)path.p[i] >= 0x20 && path.p[i] != 0x7f);
    for (Str rest = path; rest.p;) {
        rest = str_cut(rest, '/', &segment);
        assert(!str_eq(segment, S(".")) && !str_eq(segment, S("..")));
    }
    assert(str_find(raw, S("//")) == SIZE_MAX);
}

static Err see_head(struct http1 *p)
{
    struct seen *s = seen_of(p);
    struct http1_head h;

    http1_take_head(p, arena_alloc(s->a, http1_head_size(p)), &h);
    buf_add_fmt(&s->text, "%d %.*s %lld %d%d%d", h.method, P(h.target), (long long)h.content_length,
                h.chunked, h.keep_alive, h.expect_continue);
    for (size_t i = 0; i < h.headers.n; i++) {
        struct http_header f = h.headers.at[i];
        assert(http_header_valid(f.name, f.value));
        assert(f.value.n == 0 || (f.value.p[0] != ' ' && f.value.p[f.value.n - 1] != ' '));
        buf_add_fmt(&s->text, "[%.*s=%.*s]", P(f.name), P(f.value));
    }
    assert(!(h.chunked && h.content_length >= 0));
    assert(h.minor == 0 || h.host.n);
    check_target(s->a, &h);
    return OK;
}

static Err see_body(struct http1 *p, const char *data, size_t n)
{
    buf_add(&seen_of(p)->text, str_from(data, n));
    return OK;
}

static const struct http1_ops ops = {see_head, see_body};
static const struct http1_limits limits = {
    .max_header = 2048, .max_target = 512, .max_headers = 16};

static Err feed(struct seen *s, Str piece)
{
    while (piece.n) {
        bool end = false;
        TRY(http1_feed(&s->p, &piece, &end));
        if (end) {
            buf_add(&s->text, S(".\n"));
            http1_next(&s->p);
        }
    }
    return OK;
}

/* Parse @in in steps that @cuts tells; each piece is a copy of its own, so that reading beyond it
 * is seen. */
static Err run(struct seen *s, struct arena *a, Str in, Str cuts)
{
    Err e = OK;

    s->a = a;
    buf_init(&s->text, 1 << 20);
    http1_init(&s->p, &ops, &limits);
    for (size_t i = 0; in.n && e == OK; i++) {
        size_t step = cuts.n ? (size_t)(uint8_t)cuts.p[i % cuts.n] + 1 : in.n;
        Str part = str_head(in, step);
        char *copy = malloc(part.n);
        memcpy(copy, part.p, part.n);
        e = feed(s, str_from(copy, part.n));
        free(copy);
        in = str_skip(in, part.n);
    }
    http1_done(&s->p);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, parts;

    if (size < 2)
        return 0;
    size_t n_cuts = data[0] % 8;
    if (size < 1 + n_cuts)
        return 0;
    Str cuts = {(const char *)data + 1, n_cuts};
    Str in = {(const char *)data + 1 + n_cuts, size - 1 - n_cuts};
    struct arena *a = arena_new(64 << 20);

    Err e1 = run(&whole, a, in, (Str){0});
    Err e2 = run(&parts, a, in, cuts);
    assert((e1 == OK) == (e2 == OK));
    if (e1 == OK)
        assert(str_eq(buf_str(&whole.text), buf_str(&parts.text)));
    else
        assert(http1_status(&whole.p) >= 400 && http1_status(&parts.p) >= 400);
    buf_done(&whole.text);
    buf_done(&parts.text);
    arena_free(a);
    return 0;
}
