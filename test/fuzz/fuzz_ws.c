/* test/fuzz/fuzz_ws.c - however WebSocket frames are cut, the decoder gives the same messages or
 * refuses with the same code; messages survive encoding and decoding; compressed ones are expanded
 * within bounds. */
#include "net/ws_deflate.h"
#include "net/ws_frame.h"

#include <assert.h>
#include <stdlib.h>

enum { MESSAGE_MAX = 4096 };

/* A message sent by us and read by a client is the same message. */
static void round_trip(const struct ws_frame *f)
{
    struct ws_decoder d;
    struct ws_frame again;
    struct buf b = BUF(1 << 20);
    uint8_t head[WS_HEAD_MAX];
    size_t n = ws_encode_head(head, f->opcode, true, f->compressed, f->payload.n, NULL);

    buf_add(&b, str_from((char *)head, n));
    buf_add(&b, f->payload);
    ws_decoder_init(&d, MESSAGE_MAX, true);
    d.unmasked = true;
    Str in = buf_str(&b);
    if (ws_decode(&d, &in, &again) != OK)
        abort();
    assert(in.n == 0 && again.opcode == f->opcode && again.compressed == f->compressed);
    assert(str_eq(again.payload, f->payload));
    ws_decoder_done(&d);
    buf_done(&b);
}

static void expand(Str payload)
{
    AUTO(arena) *a = arena_new(1 << 20);
    struct buf b = BUF(1 << 20);
    Str text, back;

    if (ws_inflate(a, payload, MESSAGE_MAX, NULL, &text) != OK)
        return;
    assert(text.n <= MESSAGE_MAX);
    if (ws_deflate(&b, text, NULL) != OK ||
        ws_inflate(a, buf_str(&b), MESSAGE_MAX, NULL, &back) != OK)
        abort();
    assert(str_eq(text, back));
    buf_done(&b);
}

static void note(struct buf *out, const struct ws_frame *f, bool first_run)
{
    assert(f->payload.n <= MESSAGE_MAX);
    buf_add_fmt(out, "%d%d%d<%.*s>", f->opcode, f->compressed, f->code, P(f->payload));
    if (!first_run)
        return;
    if (f->compressed)
        expand(f->payload);
    if (f->opcode == 1 || f->opcode == 2)
        round_trip(f);
}

static unsigned run(Str in, Str cuts, bool deflate, struct buf *out)
{
    struct ws_decoder d;
    Err e = OK;

    ws_decoder_init(&d, MESSAGE_MAX, deflate);
    for (size_t i = 0; in.n && e == OK; i++) {
        size_t step = cuts.n ? (size_t)(uint8_t)cuts.p[i % cuts.n] + 1 : in.n;
        Str part = str_head(in, step);
        char *copy = malloc(part.n);
        memcpy(copy, part.p, part.n);
        Str piece = {copy, part.n};
        while (piece.n && e == OK) {
            struct ws_frame f;
            e = ws_decode(&d, &piece, &f);
            if (e == OK && f.opcode != WS_OP_MORE)
                note(out, &f, cuts.n == 0);
        }
        free(copy);
        in = str_skip(in, part.n);
    }
    unsigned code = d.close_code;
    assert((e == OK) == (code == 0));
    assert(code == 0 || code == 1002 || code == 1007 || code == 1009);
    ws_decoder_done(&d);
    return code;
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

    unsigned c1 = run(in, (Str){0}, data[0] & 8, &a);
    unsigned c2 = run(in, cuts.n ? cuts : S("\0"), data[0] & 8, &b);
    assert(c1 == c2);
    assert(str_eq(buf_str(&a), buf_str(&b)));
    buf_done(&a);
    buf_done(&b);
    return 0;
}
