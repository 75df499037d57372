/* src/llm/hooks/sieve.c - an event stream that is held back until somebody has looked at it. */
#include "llm/hooks/sieve.h"

#include "net/sse.h"

#include <stdlib.h>

enum {
    EVENT_MAX = 4 << 20,
    TREE_MAX = 256 << 20,
    KEY_MAX = 256,
    TEXTS_MAX = 4096, /* of an event */
    OPAQUE_MAX = 4096,
};

/* A text that comes in pieces. */
struct channel {
    char key[KEY_MAX];
    size_t key_n;
    enum llm_said_kind kind;
    int64_t group;
    Str role, name, path; /* of the stream's arena */
    struct buf held;      /* what waits of it */
    size_t asked;         /* of that was shown */
    struct buf raw, out;  /* all of it, as it came and as it went out, if that is kept */
    struct buf before;    /* the end of what went out */
    bool closed, changed, fixed;
};

struct text {
    unsigned channel;
    size_t n;
};

/* An event that waits. */
struct held {
    struct held *next;
    struct buf name, data;
    bool finishes, repeats;
    unsigned n;
    struct text *texts;
};

struct llm_sieve {
    struct llm_sieve_rule rule;
    llm_sieve_show *show;
    void *ctx;
    struct arena *a;     /* as long as the stream: what channels are called */
    struct arena *event; /* of one event */
    struct arena *shown; /* of what is shown */
    struct sse_parser *parser;
    struct channel *channels[LLM_SIEVE_CHANNELS_MAX];
    unsigned n_channels;
    struct held *first, **last;
    size_t bytes; /* of events that wait, and of what is kept */
    bool must_show, ended;
    struct buf out;
};

struct llm_sieve *llm_sieve_new(const struct llm_sieve_rule *rule, llm_sieve_show *show, void *ctx)
{
    struct llm_sieve *h = calloc(1, sizeof *h);

    if (!h)
        DIE("out of memory");
    *h = (struct llm_sieve){.rule = *rule, .show = show, .ctx = ctx};
    h->a = arena_new(MIB(1));
    h->event = arena_new(TREE_MAX);
    h->shown = arena_new(LLM_SAID_ARENA);
    h->parser = sse_parser_new(EVENT_MAX);
    h->last = &h->first;
    h->out = BUF(4 * LLM_SIEVE_MAX);
    return h;
}

static void held_free(struct held *e)
{
    buf_done(&e->name);
    buf_done(&e->data);
    free(e->texts);
    free(e);
}

void llm_sieve_free(struct llm_sieve *h)
{
    if (!h)
        return;
    while (h->first) {
        struct held *e = h->first;
        h->first = e->next;
        held_free(e);
    }
    for (unsigned i = 0; i < h->n_channels; i++) {
        struct channel *ch = h->channels[i];
        buf_done(&ch->held);
        buf_done(&ch->raw);
        buf_done(&ch->out);
        buf_done(&ch->before);
        free(ch);
    }
    sse_parser_free(h->parser);
    arena_free(h->a);
    arena_free(h->event);
    arena_free(h->shown);
    buf_done(&h->out);
    free(h);
}

static Err too_long(void)
{
    return err_detail(E_TOO_LARGE, "The answer is longer than what is held back of one.");
}

static bool keeps(const struct llm_sieve *h)
{
    return h->rule.whole || h->rule.kind == LLM_SIEVE_REPEATS;
}

/* ---- channels ---- */

/* What pieces of one text have in common. */
static size_t key_of(const struct llm_sieve *h, const struct json *v, const struct llm_said_part *p,
                     char key[KEY_MAX])
{
    static const Str numbers[] = {S_INIT("index"), S_INIT("output_index"), S_INIT("content_index"),
                                  S_INIT("summary_index")};
    Str type = json_str_of(json_at(v, "type"), S("")), path = p->path;
    int n = 0;

    if (h->rule.kind == LLM_SIEVE_REPEATS)
        n = snprintf(key, KEY_MAX, "%.*s ", P(str_head(type, 64)));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        n += snprintf(key + n, KEY_MAX - (size_t)n, "%lld ",
                      (long long)(json_int_of(json_get(v, numbers[i]), -1) % 1000000000));
    if (str_starts(path, S("/content_block/"))) /* the block's first piece */
        path = str_fmt(h->event, "/delta/%.*s", P(str_skip(path, 15)));
    n += snprintf(key + n, KEY_MAX - (size_t)n, "%.*s", P(str_head(path, 128)));
    return (size_t)n < KEY_MAX ? (size_t)n : KEY_MAX - 1;
}

static Err channel_of(struct llm_sieve *h, const struct json *v, const struct llm_said_part *p,
                      unsigned *ret_i)
{
    char key[KEY_MAX];
    size_t n = key_of(h, v, p, key);

    for (unsigned i = 0; i < h->n_channels; i++) {
        const struct channel *ch = h->channels[i];
        if (ch->key_n == n && memcmp(ch->key, key, n) == 0) {
            *ret_i = i;
            return OK;
        }
    }
    if (h->n_channels == LLM_SIEVE_CHANNELS_MAX)
        return too_long();
    struct channel *ch = calloc(1, sizeof *ch);
    if (!ch)
        DIE("out of memory");
    memcpy(ch->key, key, n);
    *ch = (struct channel){.key_n = n,
                           .kind = p->kind,
                           .group = p->group,
                           .role = str_dup(h->a, str_head(p->role, 64)),
                           .name = str_dup(h->a, str_head(p->name, 64)),
                           .path = str_dup(h->a, p->path),
                           .held = BUF(LLM_SIEVE_MAX),
                           .raw = BUF(LLM_SIEVE_MAX),
                           .out = BUF(2 * LLM_SIEVE_MAX),
                           .before = BUF(2 * LLM_SIEVE_MAX),
                           .fixed = !p->place};
    memcpy(ch->key, key, n);
    *ret_i = h->n_channels;
    h->channels[h->n_channels++] = ch;
    return OK;
}

/* Texts of @group are complete; -1: all. */
static void close_group(struct llm_sieve *h, int64_t group)
{
    for (unsigned i = 0; i < h->n_channels; i++) {
        struct channel *ch = h->channels[i];
        if (group >= 0 && ch->group >= 0 && ch->group != group)
            continue;
        ch->closed = true;
        h->must_show |= ch->held.n > ch->asked;
    }
}

/* ---- what an event says ---- */

/* The same as what came in pieces. */
static struct channel *repeated(const struct llm_sieve *h, Str text, bool changed)
{
    for (unsigned i = 0; i < h->n_channels; i++) {
        struct channel *ch = h->channels[i];
        if (str_eq(buf_str(&ch->raw), text) && (!changed || ch->changed))
            return ch;
    }
    return NULL;
}

static Err add_text(struct llm_sieve *h, struct held *e, const struct json *v,
                    const struct llm_said_part *p)
{
    unsigned i;

    bool opaque = p->kind == LLM_SAID_IMAGE || p->kind == LLM_SAID_FILE;
    if ((opaque && p->text.n > OPAQUE_MAX) || (e->repeats && repeated(h, p->text, false)))
        return OK;
    if (e->n == TEXTS_MAX)
        return too_long();
    TRY(channel_of(h, v, p, &i));
    struct channel *ch = h->channels[i];
    ch->closed = false;
    buf_add(&ch->held, p->text);
    h->bytes += p->text.n;
    if (keeps(h)) {
        buf_add(&ch->raw, p->text);
        h->bytes += 2 * p->text.n;
    }
    if (e->n % 8 == 0) {
        e->texts = realloc(e->texts, (e->n + 8) * sizeof *e->texts);
        if (!e->texts)
            DIE("out of memory");
    }
    e->texts[e->n++] = (struct text){i, p->text.n};
    return OK;
}

/* Whether the texts of an answer, or of a choice of it, end with the event. */
static void see_ends(struct llm_sieve *h, struct held *e, const struct json *v)
{
    Str type = json_str_of(json_at(v, "type"), S(""));
    const struct json *lists[] = {json_at(v, "choices"), json_at(v, "candidates")};

    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (size_t i = 0; i < json_len(lists[k]); i++) {
            const struct json *choice = json_item(lists[k], i);
            if (!json_is(json_at(choice, "finish_reason"), JSON_STR) &&
                !json_is(json_at(choice, "finishReason"), JSON_STR))
                continue;
            close_group(h, json_int_of(json_at(choice, "index"), (int64_t)i));
            e->finishes = true;
        }
    bool last = str_eq(type, S("message_delta")) || str_eq(type, S("message_stop")) ||
                str_eq(type, S("error")) || str_eq(type, S("response.completed")) ||
                str_eq(type, S("response.incomplete")) || str_eq(type, S("response.failed")) ||
                json_is(json_at(v, "error"), JSON_OBJ);
    e->finishes |= last;
    if (last || str_eq(type, S("content_block_stop")) || str_ends(type, S(".done")))
        close_group(h, -1);
}

static bool repeats(const struct llm_sieve *h, const struct json *v)
{
    return h->rule.kind == LLM_SIEVE_REPEATS &&
           !str_ends(json_str_of(json_at(v, "type"), S("")), S(".delta"));
}

static Err read_data(struct llm_sieve *h, struct held *e)
{
    struct llm_said said = {.a = h->event};
    Str text = buf_str(&e->data);
    struct json *v;

    if (str_eq(str_trim(text), S("[DONE]"))) {
        e->finishes = true;
        close_group(h, -1);
        return OK;
    }
    Err err = json_parse(h->event, text, &v);
    if (err == E_TOO_LARGE)
        return too_long();
    if (err != OK) { /* it is shown as it is */
        struct llm_said_part part = {.kind = LLM_SAID_OTHER, .text = text, .group = -1};
        return add_text(h, e, NULL, &part);
    }
    TRY(llm_said_answer(&said, v));
    e->repeats = repeats(h, v);
    vec_each(&said.parts, p)
        TRY(add_text(h, e, v, p));
    see_ends(h, e, v);
    return OK;
}

static Err take_event(struct llm_sieve *h, const struct sse_event *ev)
{
    struct held *e = calloc(1, sizeof *e);

    if (!e)
        DIE("out of memory");
    *e = (struct held){.name = BUF(KIB(4)), .data = BUF(4 * LLM_SIEVE_MAX)};
    *h->last = e;
    h->last = &e->next;
    buf_add(&e->name, str_head(ev->event, KIB(1)));
    buf_add(&e->data, ev->data);
    h->bytes += sizeof *e + ev->data.n;
    arena_reset(h->event);
    TRY(read_data(h, e));
    return h->bytes > LLM_SIEVE_MAX ? too_long() : OK;
}

/* ---- other texts ---- */

/* Tokens with their likelihoods would tell what was taken out. */
static void drop_tokens(struct json *v)
{
    struct json *choices = json_get(v, S("choices"));

    (void)json_remove(v, S("logprobs"));
    for (size_t i = 0; i < json_len(choices); i++)
        if (json_is(json_item(choices, i), JSON_OBJ))
            (void)json_remove(json_item(choices, i), S("logprobs")); /* if it is there */
}

static Err write_data(struct held *e, const struct json *v)
{
    buf_reset(&e->data);
    json_write(&e->data, v);
    return buf_ok(&e->data);
}

/* The event with @with as its text of the channel. */
static Err rewrite(struct llm_sieve *h, struct held *e, unsigned channel, Str with)
{
    struct llm_said said = {.a = h->event};
    struct json *v;
    unsigned at = 0;
    bool changed;

    arena_reset(h->event);
    Str text = str_dup(h->event, buf_str(&e->data));
    TRY(json_parse(h->event, text, &v));
    TRY(llm_said_answer(&said, v));
    vec_each(&said.parts, p) {
        unsigned i;
        TRY(channel_of(h, v, p, &i));
        if (i != channel)
            continue;
        Str none = !p->whole ? S("") : json_is(p->place, JSON_ARR) ? S("[]") : S("{}");
        p->with = with.n ? with : none;
        with = S("");
    }
    for (; at < e->n; at++)
        if (e->texts[at].channel == channel)
            e->texts[at].n = 0; /* told anew by who calls */
    TRY(llm_said_apply(&said, h->event, &changed));
    drop_tokens(v);
    return write_data(e, v);
}

/* What waits of a channel is @with from now on: it stands in the first event of it. */
static Err replace(struct llm_sieve *h, unsigned channel, Str with)
{
    struct channel *ch = h->channels[channel];
    bool done = false;

    if (ch->fixed)
        return err_detail(E_INVALID, "What is replaced is no text of the answer.");
    for (struct held *e = h->first; e; e = e->next) {
        unsigned at = 0;
        while (at < e->n && e->texts[at].channel != channel)
            at++;
        if (at == e->n)
            continue;
        TRY(rewrite(h, e, channel, done ? S("") : with));
        if (!done)
            e->texts[at].n = with.n;
        done = true;
    }
    h->bytes += with.n;
    buf_reset(&ch->held);
    buf_add(&ch->held, with);
    ch->changed = true;
    return h->bytes > LLM_SIEVE_MAX ? too_long() : buf_ok(&ch->held);
}

/* What is said whole, with what went out in its place. */
static Err substitute(struct llm_sieve *h, struct held *e)
{
    struct llm_said said = {.a = h->event};
    struct json *v;
    bool changed;

    arena_reset(h->event);
    Str text = str_dup(h->event, buf_str(&e->data));
    if (json_parse(h->event, text, &v) != OK)
        return OK;
    TRY(llm_said_answer(&said, v));
    vec_each(&said.parts, p) {
        const struct channel *ch = repeated(h, p->text, true);
        if (ch)
            p->with = str_from(ch->out.p ? ch->out.p : "", ch->out.n);
    }
    TRY(llm_said_apply(&said, h->event, &changed));
    if (!changed)
        return OK;
    drop_tokens(v);
    return write_data(e, v);
}

/* ---- showing ---- */

static Err show(struct llm_sieve *h, bool whole)
{
    struct llm_said said = {.a = h->shown};
    unsigned channels[LLM_SIEVE_CHANNELS_MAX] = {0};
    bool taken_back = whole && h->rule.chunks; /* what is out cannot be */

    arena_reset(h->shown);
    for (unsigned i = 0; i < h->n_channels; i++) {
        const struct channel *ch = h->channels[i];
        Str text = buf_str(&ch->held);
        if (taken_back)
            text = str_join(h->shown, (const Str[]){buf_str(&ch->out), text}, 2, S(""));
        if (!text.n)
            continue;
        channels[said.parts.n] = i;
        struct llm_said_part part = {.kind = ch->kind,
                                     .role = ch->role,
                                     .name = ch->name,
                                     .path = ch->path,
                                     .group = ch->group,
                                     .text = text,
                                     .before = whole ? S("") : buf_str(&ch->before)};
        TRY(llm_said_add(&said, &part));
    }
    h->must_show = false;
    if (!said.parts.n)
        return OK;
    TRY(h->show(h->ctx, &said, whole));
    for (size_t i = 0; i < said.parts.n; i++) {
        const struct llm_said_part *p = &said.parts.at[i];
        if (p->with.p && taken_back)
            return err_detail(E_INVALID, "What went out already cannot be replaced.");
        if (p->with.p)
            TRY(replace(h, channels[i], p->with));
        h->channels[channels[i]]->asked = h->channels[channels[i]]->held.n;
    }
    return OK;
}

static size_t unseen(const struct llm_sieve *h)
{
    size_t n = 0;

    for (unsigned i = 0; i < h->n_channels; i++)
        n += h->channels[i]->held.n - h->channels[i]->asked;
    return n;
}

/* ---- letting go ---- */

static bool may_go(const struct llm_sieve *h, const struct held *e)
{
    if (h->ended)
        return true;
    if (h->rule.whole && (!h->rule.chunks || e->finishes))
        return false;
    for (unsigned i = 0; i < e->n; i++) {
        const struct channel *ch = h->channels[e->texts[i].channel];
        size_t n = 0;
        for (unsigned k = 0; k <= i; k++)
            n += e->texts[k].channel == e->texts[i].channel ? e->texts[k].n : 0;
        if (n > ch->asked)
            return false;
        if (!ch->closed && (ch->kind == LLM_SAID_CALL || ch->asked - n < h->rule.back))
            return false;
    }
    return true;
}

static void note_gone(struct llm_sieve *h, const struct text *t)
{
    struct channel *ch = h->channels[t->channel];
    Str gone = str_head(buf_str(&ch->held), t->n);

    if (keeps(h))
        buf_add(&ch->out, gone);
    buf_add(&ch->before, str_skip(gone, gone.n > LLM_SIEVE_BEFORE ? gone.n - LLM_SIEVE_BEFORE : 0));
    if (ch->before.n > LLM_SIEVE_BEFORE)
        buf_drop(&ch->before, ch->before.n - LLM_SIEVE_BEFORE);
    buf_drop(&ch->held, gone.n);
    ch->asked -= gone.n < ch->asked ? gone.n : ch->asked;
    h->bytes -= gone.n < h->bytes ? gone.n : h->bytes;
}

static void put_event(struct llm_sieve *h, const struct held *e)
{
    Str rest = buf_str(&e->data), line;

    if (e->name.n) {
        buf_add_c(&h->out, "event: ");
        buf_add(&h->out, buf_str(&e->name));
        buf_add_char(&h->out, '\n');
    }
    do {
        rest = str_cut(rest, '\n', &line);
        buf_add_c(&h->out, "data: ");
        buf_add(&h->out, line);
        buf_add_char(&h->out, '\n');
    } while (rest.p && rest.n);
    buf_add_char(&h->out, '\n');
}

static bool any_changed(const struct llm_sieve *h)
{
    for (unsigned i = 0; i < h->n_channels; i++)
        if (h->channels[i]->changed)
            return true;
    return false;
}

static Err let_go(struct llm_sieve *h)
{
    while (h->first && may_go(h, h->first)) {
        struct held *e = h->first;
        for (unsigned i = 0; i < e->n; i++)
            note_gone(h, &e->texts[i]);
        if (e->repeats && any_changed(h))
            TRY(substitute(h, e));
        put_event(h, e);
        size_t n = sizeof *e + e->data.n;
        h->bytes -= n < h->bytes ? n : h->bytes;
        h->first = e->next;
        if (!h->first)
            h->last = &h->first;
        held_free(e);
    }
    return buf_ok(&h->out);
}

/* ---- the stream ---- */

Err llm_sieve_feed(struct llm_sieve *h, Str piece, Str *ret_out)
{
    struct sse_event ev;
    bool complete;

    buf_reset(&h->out);
    while (piece.n) {
        Err e = sse_parser_feed(h->parser, &piece, &ev, &complete);
        if (e == E_TOO_LARGE)
            return too_long();
        TRY(e);
        if (complete && ev.data.n)
            TRY(take_event(h, &ev));
    }
    if (h->rule.chunks && (h->must_show || unseen(h) >= h->rule.window))
        TRY(show(h, false));
    TRY(let_go(h));
    *ret_out = buf_str(&h->out);
    return OK;
}

Err llm_sieve_end(struct llm_sieve *h, Str *ret_out)
{
    buf_reset(&h->out);
    close_group(h, -1);
    if (h->rule.chunks && unseen(h))
        TRY(show(h, false));
    if (h->rule.whole)
        TRY(show(h, true));
    h->ended = true;
    TRY(let_go(h));
    *ret_out = buf_str(&h->out);
    return OK;
}
