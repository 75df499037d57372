/* src/net/ws_deflate.c - compressing and expanding single messages with zlib. */
#include "net/ws_deflate.h"

#include "net/http.h"

#include <pthread.h>
#include <stdlib.h>
#include <zlib.h>

#define ANSWER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

enum {
    SHARED_MAX = 32 * 1024, /* larger messages use streams of their own, and breathe */
    PIECE = 32 * 1024,
    LEVEL = 3,
};

static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff};

struct streams {
    z_stream in, out;
    bool has_in, has_out;
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Thread_local struct streams *shared;

static void free_streams(void *p)
{
    struct streams *s = p;
    if (s->has_in)
        inflateEnd(&s->in);
    if (s->has_out)
        deflateEnd(&s->out);
    free(s);
}

static void make_key(void)
{
    if (pthread_key_create(&key, free_streams))
        DIE("no thread key");
}

static struct streams *new_streams(void)
{
    struct streams *s = calloc(1, sizeof *s);
    if (!s)
        DIE("out of memory");
    return s;
}

static struct streams *take(size_t n)
{
    if (n > SHARED_MAX)
        return new_streams();
    if (!shared) {
        pthread_once(&key_once, make_key);
        shared = new_streams();
        if (pthread_setspecific(key, shared))
            DIE("out of memory");
    }
    return shared;
}

static void give(struct streams *s)
{
    if (s != shared)
        free_streams(s);
}

static z_stream *inflater(struct streams *s)
{
    int e = s->has_in ? inflateReset(&s->in) : inflateInit2(&s->in, -15);
    if (e != Z_OK)
        DIE("inflate: %d", e);
    s->has_in = true;
    return &s->in;
}

static z_stream *deflater(struct streams *s)
{
    int e = s->has_out ? deflateReset(&s->out)
                       : deflateInit2(&s->out, LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    if (e != Z_OK)
        DIE("deflate: %d", e);
    s->has_out = true;
    return &s->out;
}

/* ---- expanding ---- */

struct expand {
    struct arena *a;
    char *p;
    size_t n, cap, max;
};

static Err more_room(struct expand *x)
{
    size_t cap = x->cap ? x->cap * 2 : 1024;

    if (cap > x->max + 1)
        cap = x->max + 1; /* the one byte too many tells that it does not end */
    if (x->n > x->max)
        return err_set(E_TOO_LARGE, "a compressed message of more than %zu bytes", x->max);
    char *p = arena_grow(x->a, x->p, x->cap, cap);
    if (!p)
        return err_set(E_TOO_LARGE, "no room for a compressed message");
    x->p = p;
    x->cap = cap;
    return OK;
}

/* Run @z until its input is used up. */
static Err expand_input(z_stream *z, struct expand *x)
{
    do {
        if (x->n == x->cap)
            TRY(more_room(x));
        z->next_out = (Bytef *)x->p + x->n;
        z->avail_out = (uInt)(x->cap - x->n);
        int e = inflate(z, Z_SYNC_FLUSH);
        x->n = x->cap - z->avail_out;
        if (e == Z_STREAM_END) /* a final block, behind which more may follow: section 7.2.3.4 */
            e = inflateReset(z);
        if (e != Z_OK && e != Z_BUF_ERROR)
            return err_set(E_BAD_INPUT, "not deflated data: %s", z->msg ? z->msg : "broken");
        if (e == Z_BUF_ERROR && z->avail_in && z->avail_out)
            return err_set(E_BAD_INPUT, "not deflated data");
    } while (z->avail_in || z->avail_out == 0);
    return OK;
}

static Err expand_all(z_stream *z, Str in, Err (*breathe)(void), struct expand *x)
{
    while (in.n) {
        Str piece = str_head(in, PIECE);
        in = str_skip(in, piece.n);
        z->next_in = (Bytef *)(uintptr_t)piece.p;
        z->avail_in = (uInt)piece.n;
        TRY(expand_input(z, x));
        if (breathe && in.n)
            TRY(breathe());
    }
    z->next_in = (Bytef *)(uintptr_t)tail;
    z->avail_in = sizeof tail;
    return expand_input(z, x);
}

Err ws_inflate(struct arena *a, Str in, size_t max, Err (*breathe)(void), Str *ret_text)
{
    struct expand x = {.a = a, .max = max};
    struct streams *s = take(in.n);
    Err e = expand_all(inflater(s), in, s == shared ? NULL : breathe, &x);

    give(s);
    TRY(e);
    if (x.n > max)
        return err_set(E_TOO_LARGE, "a compressed message of more than %zu bytes", max);
    *ret_text = str_from(x.n ? x.p : "", x.n);
    return OK;
}

/* ---- compressing ---- */

static Err squeeze_input(z_stream *z, struct buf *out, int flush)
{
    do {
        char *to = buf_room(out, 1024);
        if (!to)
            return buf_ok(out);
        z->next_out = (Bytef *)to;
        z->avail_out = 1024;
        if (deflate(z, flush) == Z_STREAM_ERROR)
            DIE("deflate");
        buf_added(out, 1024 - z->avail_out);
    } while (z->avail_out == 0);
    return OK;
}

static Err squeeze_all(z_stream *z, struct buf *out, Str in, Err (*breathe)(void))
{
    do {
        Str piece = str_head(in, PIECE);
        in = str_skip(in, piece.n);
        z->next_in = (Bytef *)(uintptr_t)piece.p;
        z->avail_in = (uInt)piece.n;
        TRY(squeeze_input(z, out, in.n ? Z_NO_FLUSH : Z_SYNC_FLUSH));
        if (breathe && in.n)
            TRY(breathe());
    } while (in.n);
    return OK;
}

Err ws_deflate(struct buf *out, Str in, Err (*breathe)(void))
{
    struct streams *s = take(in.n);
    size_t before = out->n;
    Err e = squeeze_all(deflater(s), out, in, s == shared ? NULL : breathe);

    give(s);
    TRY(e);
    if (out->n - before >= sizeof tail)
        out->n -= sizeof tail; /* the flush's marker is left out on the wire */
    return OK;
}

/* ---- negotiation ---- */

/* Whether an offer's parameters can be met: our deflater has the full window, our inflater any. */
static bool offer_is_good(Str params, bool *ret_bits)
{
    unsigned seen = 0;

    while (params.p) {
        Str one, name;
        unsigned bit;
        params = str_cut(params, ';', &one);
        Str value = str_cut(str_trim(one), '=', &name);
        name = str_trim(name);
        value = value.p ? str_trim(value) : value;
        if (value.p && value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = str_from(value.p + 1, value.n - 2);
        if (str_eq(name, S("server_no_context_takeover")) && !value.p)
            bit = 1;
        else if (str_eq(name, S("client_no_context_takeover")) && !value.p)
            bit = 2;
        else if (str_eq(name, S("client_max_window_bits")) && (!value.p || value.n <= 2))
            bit = 4;
        else if (str_eq(name, S("server_max_window_bits")) && str_eq(value, S("15")))
            bit = 8;
        else
            return false;
        if (seen & bit)
            return false;
        seen |= bit;
    }
    *ret_bits = seen & 8;
    return true;
}

Str ws_deflate_negotiate(Str offers)
{
    Str item, name;
    bool bits;

    while (http_list_next(&offers, &item)) {
        Str params = str_cut(item, ';', &name);
        if (str_eq(str_trim(name), S("permessage-deflate")) && offer_is_good(params, &bits))
            return bits ? S(ANSWER "; server_max_window_bits=15") : S(ANSWER);
    }
    return S("");
}
