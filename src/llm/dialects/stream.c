/* src/llm/dialects/stream.c - a stream of one dialect on its way into another. */
#include "llm/dialects/stream.h"

#include "base/crypto.h"
#include "base/time.h"
#include "net/sse.h"

#include <stdlib.h>

enum {
    EVENT_ARENA_MAX = 128 << 20,
    OUT_MAX = 64 << 20,
    OUT_KEPT = 64 << 10,
    HEAD_MAX = 4096,
    THINKING_MAX = 1 << 20
};

struct llm_stream *llm_stream_new(const struct llm_dialect *from, const struct llm_dialect *to,
                                  Str model, bool show_usage)
{
    struct llm_stream *s = calloc(1, sizeof *s);

    if (!s)
        DIE("out of memory");
    s->from = from;
    s->to = to;
    s->model = model;
    s->created = time_wall() / USEC_S;
    s->nonce = crypto_random_u64();
    s->show_usage = show_usage;
    s->a = arena_new(EVENT_ARENA_MAX);
    s->parser = sse_parser_new(LLM_EVENT_MAX);
    s->out = BUF(OUT_MAX);
    s->head = BUF(HEAD_MAX);
    s->thinking = BUF(THINKING_MAX);
    s->block = s->open = -1;
    return s;
}

void llm_stream_free(struct llm_stream *s)
{
    if (!s)
        return;
    for (unsigned i = 0; s->calls && i < LLM_CALLS_MAX; i++) {
        buf_done(&s->calls[i].waiting);
        buf_done(&s->calls[i].signature);
    }
    free(s->calls);
    if (s->writer)
        s->writer_free(s->writer);
    sse_parser_free(s->parser);
    arena_free(s->a);
    buf_done(&s->out);
    buf_done(&s->head);
    buf_done(&s->thinking);
    free(s);
}

/* ---- deltas ---- */

void llm_stream_fault(struct llm_stream *s, const char *why)
{
    if (s->fault == OK)
        s->fault = err_set(E_UPSTREAM, "a stream cannot be translated: %s", why);
}

void llm_stream_begin(struct llm_stream *s, Str id, Str model)
{
    if (s->begun || s->failed || s->fault != OK)
        return;
    s->begun = true;
    s->to->write_delta(s, &(struct llm_delta){.kind = LLM_D_BEGIN,
                                              .id = id.n ? str_head(id, 256) : S("heddle"),
                                              .name = str_head(model.n ? model : s->model, 256)});
}

void llm_stream_put(struct llm_stream *s, const struct llm_delta *d)
{
    if (s->done || s->failed || s->fault != OK)
        return; /* nothing follows an end */
    if (!s->begun && d->kind != LLM_D_ERROR && d->kind != LLM_D_PING)
        llm_stream_begin(s, S(""), S(""));
    if (d->kind == LLM_D_TEXT || d->kind == LLM_D_THINKING || d->kind == LLM_D_ARGUMENTS)
        s->chunks++;
    if (d->kind == LLM_D_CALL)
        s->any_call = true;
    s->to->write_delta(s, d);
    s->failed = d->kind == LLM_D_ERROR;
    s->done = d->kind == LLM_D_END;
}

void llm_stream_text(struct llm_stream *s, enum llm_delta_kind kind, Str text)
{
    if (text.n)
        llm_stream_put(s, &(struct llm_delta){.kind = kind, .text = text});
}

void llm_stream_finish(struct llm_stream *s, enum llm_finish finish, Str stop_sequence)
{
    if (s->finished)
        return;
    if (s->any_call && finish == LLM_FINISH_STOP)
        finish = LLM_FINISH_CALLS; /* some say "stop" and mean it */
    llm_stream_put(
        s, &(struct llm_delta){.kind = LLM_D_FINISH, .finish = finish, .text = stop_sequence});
    s->finished = true;
    s->finish = finish;
}

/* ---- pieces ---- */

/* @last: its empty line did not come; it may be the half of one. */
static void take_event(struct llm_stream *s, Str data, bool last)
{
    static const Str done = S_INIT("[DONE]");
    struct json *v = NULL;

    if (!data.n)
        return;
    arena_reset(s->a);
    if (json_parse(s->a, data, &v) != OK)
        v = NULL;
    if (v || !last || str_eq(str_trim(data), done))
        s->from->read_event(s, data, v);
}

/* A stream may live long: what was long for once is given back. */
static void begin_piece(struct llm_stream *s)
{
    buf_reset(&s->out);
    if (s->out.cap > OUT_KEPT)
        buf_done(&s->out);
}

Str llm_stream_feed(struct llm_stream *s, Str piece)
{
    struct sse_event ev;
    bool whole;

    begin_piece(s);
    while (piece.n && s->fault == OK) {
        Err e = sse_parser_feed(s->parser, &piece, &ev, &whole);
        if (e != OK)
            llm_stream_fault(s, "an event is too large");
        else if (whole)
            take_event(s, ev.data, false);
    }
    if (s->out.failed)
        llm_stream_fault(s, "a piece became too large");
    return buf_str(&s->out);
}

Str llm_stream_end(struct llm_stream *s)
{
    static const Str last = S_INIT("\n\n"); /* of an event whose empty line was left out */
    struct sse_event ev;
    Str piece = last;
    bool whole;

    buf_reset(&s->out);
    while (piece.n && s->fault == OK && sse_parser_feed(s->parser, &piece, &ev, &whole) == OK)
        if (whole)
            take_event(s, ev.data, true);
    if (s->fault == OK && !s->done && !s->failed)
        s->from->read_end(s);
    return buf_str(&s->out);
}
