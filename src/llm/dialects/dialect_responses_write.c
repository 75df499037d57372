/* src/llm/dialects/dialect_responses_write.c - answers of OpenAI's responses, streamed, written.
 *
 * One text or thought is open at a time; calls of tools may be open beside each other until the
 * answer ends, since nobody else's stream says when one is whole. Every item is told again when it
 * is done, and all of them at the end: the answer is kept until then, and is bounded.
 */
#include "llm/dialects/dialect_responses.h"

#include <stdlib.h>

enum { ITEMS_FIRST = 4, ITEMS_MAX = 512, SAID_MAX = 8 << 20, DONE_MAX = 56 << 20, ID_MAX = 256 };

enum item_kind { ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };

struct item {
    enum item_kind kind;
    bool closed;
    struct buf text;   /* said so far: text, summary, arguments */
    struct buf sealed; /* of a reasoning: its encrypted_content */
    char id[LLM_ITEM_ID_MAX];
    Str call_id, name;      /* in names */
    size_t done_at, done_n; /* its JSON, in the writer's done */
};

struct writer {
    struct arena *names;
    char id[ID_MAX], model[ID_MAX];
    size_t id_n, model_n;
    uint64_t sequence;
    struct item *items;
    unsigned n, room;
    int open;                 /* the text or thought; -1: none */
    int calls[LLM_CALLS_MAX]; /* their items */
    bool incomplete;
    size_t said;
    struct buf done;
};

static void writer_free(void *p)
{
    struct writer *w = p;

    for (unsigned i = 0; i < w->n; i++) {
        buf_done(&w->items[i].text);
        buf_done(&w->items[i].sealed);
    }
    free(w->items);
    buf_done(&w->done);
    arena_free(w->names);
    free(w);
}

static struct writer *writer_of(struct llm_stream *s)
{
    struct writer *w = s->writer;

    if (w)
        return w;
    w = calloc(1, sizeof *w);
    if (!w)
        DIE("out of memory");
    w->names = arena_new(MIB(1)); /* of calls: at most LLM_CALLS_MAX times two short texts */
    w->done = BUF(DONE_MAX);
    w->open = -1;
    s->writer = w;
    s->writer_free = writer_free;
    return w;
}

/* ---- events ---- */

static void begin_event(struct llm_stream *s, const char *type)
{
    struct writer *w = writer_of(s);

    buf_add_fmt(&s->out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%llu", type, type,
                (unsigned long long)w->sequence++);
}

static void end_event(struct llm_stream *s)
{
    buf_add_c(&s->out, "}\n\n");
}

/* Where @it is: ,"item_id":...,"output_index":... */
static void put_place(struct llm_stream *s, const struct writer *w, const struct item *it,
                      const char *part)
{
    buf_add_fmt(&s->out, ",\"item_id\":\"%s\",\"output_index\":%u", it->id,
                (unsigned)(it - w->items));
    if (part)
        buf_add_fmt(&s->out, ",\"%s\":0", part);
}

static void put_member(struct llm_stream *s, const char *name, Str text)
{
    buf_add_fmt(&s->out, ",\"%s\":", name);
    json_write_str(&s->out, text);
}

/* ---- the response ---- */

static void put_output(struct llm_stream *s, const struct writer *w)
{
    bool first = true;

    for (unsigned i = 0; i < w->n; i++) {
        if (!w->items[i].closed)
            continue;
        if (!first)
            buf_add_char(&s->out, ',');
        buf_add(&s->out, str_from(w->done.p + w->items[i].done_at, w->items[i].done_n));
        first = false;
    }
}

/* @error: an object, or NULL. */
static void put_response(struct llm_stream *s, const char *status, const char *why,
                         const struct json *error, bool ended)
{
    struct writer *w = writer_of(s);

    buf_add_c(&s->out, ",\"response\":{\"id\":");
    json_write_str(&s->out, str_from(w->id, w->id_n));
    buf_add_fmt(&s->out,
                ",\"object\":\"response\",\"created_at\":%lld,\"status\":\"%s\",\"error\":",
                (long long)(s->reply ? s->reply->created : s->created), status);
    if (error)
        json_write(&s->out, error);
    else
        buf_add_c(&s->out, "null");
    buf_add_c(&s->out, ",\"incomplete_details\":");
    if (why)
        buf_add_fmt(&s->out, "{\"reason\":\"%s\"}", why);
    else
        buf_add_c(&s->out, "null");
    put_member(s, "model", str_from(w->model, w->model_n));
    buf_add_c(&s->out, ",\"output\":[");
    if (ended)
        put_output(s, w);
    buf_add_c(&s->out, "],\"usage\":");
    if (ended && s->usage.known)
        json_write(&s->out, llm_responses_usage(s->a, &s->usage));
    else
        buf_add_c(&s->out, "null");
    if (s->reply)
        buf_add(&s->out, s->reply->frame);
    buf_add_c(&s->out, "}");
}

static size_t keep(char to[ID_MAX], Str text)
{
    text = str_head(text, ID_MAX);
    memcpy(to, text.n ? text.p : "", text.n);
    return text.n;
}

static void put_begin(struct llm_stream *s, const struct llm_delta *d)
{
    static const char *const types[] = {"response.created", "response.in_progress"};
    struct writer *w = writer_of(s);

    w->id_n = keep(w->id, s->reply ? s->reply->id : d->id);
    w->model_n = keep(w->model, d->name);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        begin_event(s, types[i]);
        put_response(s, "in_progress", NULL, NULL, false);
        end_event(s);
    }
}

/* ---- items ---- */

static void write_item(struct buf *b, const struct item *it, const char *status)
{
    Str text = buf_str(&it->text);

    buf_add_fmt(b, "{\"id\":\"%s\",\"type\":", it->id);
    if (it->kind == ITEM_REASONING) {
        buf_add_c(b, "\"reasoning\",\"summary\":[");
        if (text.n) {
            buf_add_c(b, "{\"type\":\"summary_text\",\"text\":");
            json_write_str(b, text);
            buf_add_c(b, "}");
        }
        buf_add_c(b, "],\"encrypted_content\":");
        if (it->sealed.n)
            json_write_str(b, buf_str(&it->sealed));
        buf_add_c(b, it->sealed.n ? "}" : "null}");
        return;
    }
    if (it->kind == ITEM_MESSAGE) {
        buf_add_fmt(b, "\"message\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[",
                    status);
        if (text.n) {
            buf_add_c(b, "{\"type\":\"output_text\",\"text\":");
            json_write_str(b, text);
            buf_add_c(b, ",\"annotations\":[],\"logprobs\":[]}");
        }
        buf_add_c(b, "]}");
        return;
    }
    buf_add_fmt(b, "\"function_call\",\"status\":\"%s\",\"call_id\":", status);
    json_write_str(b, it->call_id);
    buf_add_c(b, ",\"name\":");
    json_write_str(b, it->name);
    buf_add_c(b, ",\"arguments\":");
    json_write_str(b, text);
    buf_add_c(b, "}");
}

/* NULL: the stream has too many. */
static struct item *add_item(struct llm_stream *s, enum item_kind kind, const char *prefix)
{
    struct writer *w = writer_of(s);

    if (w->n == ITEMS_MAX) {
        llm_stream_fault(s, "too many items");
        return NULL;
    }
    if (w->n == w->room) {
        w->room = w->room ? 2 * w->room : ITEMS_FIRST;
        w->items = realloc(w->items, w->room * sizeof *w->items);
        if (!w->items)
            DIE("out of memory");
    }
    struct item *it = &w->items[w->n];
    *it = (struct item){0};
    it->kind = kind;
    it->text = BUF(SAID_MAX);
    it->sealed = BUF(SAID_MAX);
    (void)llm_responses_item_id(it->id, prefix, str_from(w->id, w->id_n), w->n);
    w->n++;
    return it;
}

static void tell_added(struct llm_stream *s, const struct item *it)
{
    struct writer *w = writer_of(s);

    begin_event(s, "response.output_item.added");
    buf_add_fmt(&s->out, ",\"output_index\":%u,\"item\":", (unsigned)(it - w->items));
    write_item(&s->out, it, "in_progress");
    end_event(s);
}

static void add_said(struct llm_stream *s, struct buf *to, Str text)
{
    struct writer *w = writer_of(s);

    w->said += text.n;
    if (w->said > SAID_MAX)
        llm_stream_fault(s, "the answer is too long");
    else
        buf_add(to, text);
}

static void tell_part(struct llm_stream *s, const struct item *it, bool done)
{
    const struct writer *w = writer_of(s);
    bool message = it->kind == ITEM_MESSAGE;
    Str text = done ? buf_str(&it->text) : S("");

    if (message)
        begin_event(s, done ? "response.content_part.done" : "response.content_part.added");
    else
        begin_event(s, done ? "response.reasoning_summary_part.done"
                            : "response.reasoning_summary_part.added");
    put_place(s, w, it, message ? "content_index" : "summary_index");
    buf_add_fmt(&s->out, ",\"part\":{\"type\":\"%s\"", message ? "output_text" : "summary_text");
    put_member(s, "text", text);
    buf_add_c(&s->out, message ? ",\"annotations\":[],\"logprobs\":[]}" : "}");
    end_event(s);
}

static void tell_text_done(struct llm_stream *s, const struct item *it)
{
    const struct writer *w = writer_of(s);

    if (it->kind == ITEM_CALL) {
        begin_event(s, "response.function_call_arguments.done");
        put_place(s, w, it, NULL);
        put_member(s, "name", it->name);
        put_member(s, "arguments", buf_str(&it->text));
        end_event(s);
        return;
    }
    bool message = it->kind == ITEM_MESSAGE;
    begin_event(s, message ? "response.output_text.done" : "response.reasoning_summary_text.done");
    put_place(s, w, it, message ? "content_index" : "summary_index");
    put_member(s, "text", buf_str(&it->text));
    buf_add_c(&s->out, message ? ",\"logprobs\":[]" : "");
    end_event(s);
    tell_part(s, it, true);
}

static void put_arguments_of(struct llm_stream *s, struct item *it, Str text)
{
    begin_event(s, "response.function_call_arguments.delta");
    put_place(s, writer_of(s), it, NULL);
    put_member(s, "delta", text);
    end_event(s);
    add_said(s, &it->text, text);
}

static void close_item(struct llm_stream *s, struct item *it)
{
    struct writer *w = writer_of(s);
    bool cut = w->incomplete && it->kind == ITEM_MESSAGE;

    if (it->kind == ITEM_CALL && !it->text.n)
        put_arguments_of(s, it, S("{}")); /* what has none is an empty object for others */
    if (it->kind == ITEM_CALL || it->text.n)
        tell_text_done(s, it);
    it->done_at = w->done.n;
    write_item(&w->done, it, cut ? "incomplete" : "completed");
    it->done_n = w->done.n - it->done_at;
    it->closed = true;
    if (w->done.failed || it->text.failed || it->sealed.failed) {
        llm_stream_fault(s, "the answer is too long");
        return;
    }
    begin_event(s, "response.output_item.done");
    buf_add_fmt(&s->out, ",\"output_index\":%u,\"item\":", (unsigned)(it - w->items));
    buf_add(&s->out, str_from(w->done.p + it->done_at, it->done_n));
    end_event(s);
}

static void close_open(struct llm_stream *s)
{
    struct writer *w = writer_of(s);
    int at = w->open;

    w->open = -1;
    if (at >= 0)
        close_item(s, &w->items[at]);
}

/* The open item, if it is of @kind; else a new one. NULL: there are too many. */
static struct item *open_item(struct llm_stream *s, enum item_kind kind)
{
    struct writer *w = writer_of(s);

    if (w->open >= 0 && w->items[w->open].kind == kind &&
        !(kind == ITEM_REASONING && w->items[w->open].sealed.n))
        return &w->items[w->open];
    close_open(s);
    struct item *it = add_item(s, kind, kind == ITEM_MESSAGE ? "msg_" : "rs_");
    if (!it)
        return NULL;
    w->open = (int)(it - w->items);
    tell_added(s, it);
    return it;
}

static void put_text(struct llm_stream *s, enum item_kind kind, Str text)
{
    struct item *it = open_item(s, kind);
    bool message = kind == ITEM_MESSAGE;

    if (!it || !text.n)
        return;
    if (!it->text.n)
        tell_part(s, it, false);
    begin_event(s,
                message ? "response.output_text.delta" : "response.reasoning_summary_text.delta");
    put_place(s, writer_of(s), it, message ? "content_index" : "summary_index");
    put_member(s, "delta", text);
    buf_add_c(&s->out, message ? ",\"logprobs\":[]" : "");
    end_event(s);
    add_said(s, &it->text, text);
}

/* ---- what providers want back ---- */

static void seal(struct llm_stream *s, struct item *it, enum llm_sealed_kind kind, Str data)
{
    if (!it->sealed.n)
        buf_add_fmt(&it->sealed, LLM_SEALED "%s.%c.", s->from->name, (char)kind);
    add_said(s, &it->sealed, data);
}

static void put_signature(struct llm_stream *s, Str data)
{
    struct writer *w = writer_of(s);
    /* It may come in pieces. */
    struct item *it = w->open >= 0 && w->items[w->open].kind == ITEM_REASONING
                          ? &w->items[w->open]
                          : open_item(s, ITEM_REASONING);

    if (it)
        seal(s, it, LLM_SEALED_THINKING, data);
}

static void put_sealed(struct llm_stream *s, enum llm_sealed_kind kind, Str data)
{
    close_open(s);
    struct item *it = open_item(s, ITEM_REASONING);
    if (!it)
        return;
    seal(s, it, kind, data);
    close_open(s);
}

/* ---- calls ---- */

static void put_call(struct llm_stream *s, const struct llm_delta *d)
{
    struct writer *w = writer_of(s);

    if (d->index >= LLM_CALLS_MAX || d->id.n > ID_MAX || d->name.n > ID_MAX) {
        llm_stream_fault(s, "a call that is none");
        return;
    }
    close_open(s);
    if (d->signature.n)
        put_sealed(s, LLM_SEALED_CALL, d->signature);
    struct item *it = add_item(s, ITEM_CALL, "fc_");
    if (!it)
        return;
    it->call_id = str_dup(w->names, d->id);
    it->name = str_dup(w->names, d->name);
    w->calls[d->index] = (int)(it - w->items) + 1;
    tell_added(s, it);
}

static void put_arguments(struct llm_stream *s, const struct llm_delta *d)
{
    struct writer *w = writer_of(s);
    int at = d->index < LLM_CALLS_MAX ? w->calls[d->index] - 1 : -1;

    if (at < 0 || !w->items || w->items[at].closed)
        llm_stream_fault(s, "arguments of a call that is over");
    else
        put_arguments_of(s, &w->items[at], d->text);
}

/* ---- the end ---- */

static void put_finish(struct llm_stream *s, const struct llm_delta *d)
{
    struct writer *w = writer_of(s);

    w->incomplete = llm_responses_incomplete(d->finish) != NULL;
    close_open(s);
    for (unsigned i = 0; w->items && i < w->n; i++)
        if (!w->items[i].closed)
            close_item(s, &w->items[i]);
}

static void put_end(struct llm_stream *s)
{
    const char *why = llm_responses_incomplete(s->finish);

    begin_event(s, why ? "response.incomplete" : "response.completed");
    s->answer_at = s->out.n + S(",\"response\":").n;
    put_response(s, why ? "incomplete" : "completed", why, NULL, true);
    s->answer_n = s->out.n - s->answer_at;
    end_event(s);
}

/* The response has failed; and, for clients that look for errors alone, an error. */
static void put_error(struct llm_stream *s, const struct llm_delta *d)
{
    struct writer *w = writer_of(s);
    struct json *error =
        json_obj(s->a, "code", json_str(s->a, d->name), "message", json_str(s->a, d->text), NULL);

    if (w->id_n) {
        begin_event(s, "response.failed");
        put_response(s, "failed", NULL, error, true);
        end_event(s);
    }
    struct json *v = llm_responses_write_error(s->a, d->status, d->text, d->name);
    json_set(s->a, v, S("sequence_number"), json_int(s->a, (int64_t)w->sequence++));
    buf_add_c(&s->out, "event: error\ndata: ");
    json_write(&s->out, v);
    buf_add_c(&s->out, "\n\n");
}

void llm_responses_write_delta(struct llm_stream *s, const struct llm_delta *d)
{
    switch (d->kind) {
    case LLM_D_BEGIN:
        put_begin(s, d);
        return;
    case LLM_D_TEXT:
        put_text(s, ITEM_MESSAGE, d->text);
        return;
    case LLM_D_THINKING:
        put_text(s, ITEM_REASONING, d->text);
        return;
    case LLM_D_SIGNATURE:
        put_signature(s, d->text);
        return;
    case LLM_D_REDACTED:
        put_sealed(s, LLM_SEALED_REDACTED, d->text);
        return;
    case LLM_D_CALL:
        put_call(s, d);
        return;
    case LLM_D_ARGUMENTS:
        put_arguments(s, d);
        return;
    case LLM_D_PING:
        buf_add_c(&s->out, ": ping\n\n");
        return;
    case LLM_D_FINISH:
        put_finish(s, d);
        return;
    case LLM_D_END:
        put_end(s);
        return;
    case LLM_D_ERROR:
        put_error(s, d);
        return;
    }
}
