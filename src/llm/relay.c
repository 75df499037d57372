/* src/llm/relay.c - an event stream on its way from an upstream to a client. */
#include "llm/relay.h"

enum {
    KEEP_BUFFER = 4096,
    REPAIR_MAX = 128 << 20, /* a copy of each object in 4 MiB of them, with one member more */
};

void llm_relay_init(struct llm_relay *r, bool hide_usage)
{
    *r = (struct llm_relay){.hide_usage = hide_usage,
                            .held = BUF(MIB(64)),
                            .out = BUF(MIB(64)),
                            .out_event = BUF(MIB(64))};
}

void llm_relay_done(struct llm_relay *r)
{
    buf_done(&r->held);
    buf_done(&r->out);
    buf_done(&r->out_event);
    llm_stream_free(r->translation);
}

/* ---- where events end ---- */

/* The length of the line end at @at, 0 if there is none, or SIZE_MAX if the next piece must tell.
 */
static size_t line_end(Str s, size_t at)
{
    if (at >= s.n)
        return SIZE_MAX;
    if (s.p[at] == '\n')
        return 1;
    if (s.p[at] != '\r')
        return 0;
    if (at + 1 >= s.n)
        return SIZE_MAX;
    return s.p[at + 1] == '\n' ? 2 : 1;
}

/* The next byte from @at on that ends a line. */
static size_t next_end(Str s, size_t at)
{
    const char *lf = at < s.n ? memchr(s.p + at, '\n', s.n - at) : NULL;
    size_t end = lf ? (size_t)(lf - s.p) : s.n;
    const char *cr = at < end ? memchr(s.p + at, '\r', end - at) : NULL;

    return cr ? (size_t)(cr - s.p) : end;
}

/* Behind the empty line that ends the event which begins at @at; 0 if it has not come. */
static size_t event_end(Str s, size_t at)
{
    for (;;) {
        at = next_end(s, at);
        size_t n = line_end(s, at);
        if (n == SIZE_MAX)
            return 0;
        at += n;
        n = line_end(s, at);
        if (n == SIZE_MAX)
            return 0;
        if (n)
            return at + n;
    }
}

/* Whether @s, the beginning of a stream, has one event a line and no empty ones between, as some
 * servers send them: by the standard that is one event of several lines, of which no client makes
 * anything. A line that is whole JSON is no part of a longer text. */
static bool is_by_lines(Str s)
{
    AUTO(arena) *a = arena_new(MIB(4));
    struct json *v;
    size_t at = next_end(s, 0), n = line_end(s, at);

    if (n == SIZE_MAX || !str_starts(s, S("data:")) || !str_starts(str_skip(s, at + n), S("data:")))
        return false;
    return json_parse(a, str_trim(str_from(s.p + 5, at - 5)), &v) == OK;
}

/* Behind the line that begins at @at; 0 if its end has not come. */
static size_t whole_line(Str s, size_t at)
{
    size_t end = next_end(s, at), n = line_end(s, end);

    return n == SIZE_MAX ? 0 : end + n;
}

/* ---- what is in an event ---- */

/* The data lines of @event, joined, in @b. */
static Str event_data(Str event, struct buf *b)
{
    size_t at = 0;

    while (at < event.n) {
        size_t end = next_end(event, at);
        Str line = str_from(event.p + at, end - at);
        if (str_starts(line, S("data:"))) {
            Str value = str_skip(line, 5);
            if (b->n)
                buf_add_char(b, '\n');
            buf_add(b, str_starts(value, S(" ")) ? str_skip(value, 1) : value);
        }
        size_t n = line_end(event, end);
        at = n == SIZE_MAX ? event.n : end + n;
    }
    return buf_str(b);
}

/* Whether the member @name (with its quotes) stands in @event with a value that is not null. */
static bool has_value(Str event, Str name)
{
    size_t at = str_find(event, name);

    while (at != SIZE_MAX) {
        Str rest = str_trim(str_skip(event, at + name.n));
        if (str_starts(rest, S(":"))) {
            rest = str_trim(str_skip(rest, 1));
            if (!str_starts(rest, S("null")))
                return true;
        }
        Str behind = str_skip(event, at + name.n);
        size_t next = str_find(behind, name);
        at = next == SIZE_MAX ? next : at + name.n + next;
    }
    return false;
}

static bool any_finish(const struct json *v)
{
    const struct json *choices = json_at(v, "choices");

    for (size_t i = 0; i < json_len(choices); i++)
        if (json_is(json_at(json_item(choices, i), "finish_reason"), JSON_STR))
            return true;
    return false;
}

/* Put the event right, if it has to be; @v is of no use afterwards. What is new does not lie where
 * the event does, which may have filled that. */
static void mend(struct llm_relay *r, struct json *v)
{
    AUTO(arena) *own = r->mend ? arena_new(REPAIR_MAX) : NULL;

    if (!own || !llm_repair_chunk(&r->repair, own, v))
        return;
    buf_reset(&r->out_event);
    buf_add(&r->out_event, S("data: "));
    json_write(&r->out_event, v);
    buf_add(&r->out_event, S("\n\n"));
    r->mended = true;
}

/* Look into an event that has something to say beside its text; whether it goes out. */
static bool look_into(struct llm_relay *r, Str event)
{
    AUTO(arena) *a = arena_new(MIB(4));
    AUTO_BUF(data, MIB(1));
    struct json *v;

    Str text = event_data(event, &data);
    if (str_eq(str_trim(text), S("[DONE]"))) {
        r->done = true;
        return !r->failed; /* an end in order behind an error would hide the error */
    }
    if (json_parse(a, text, &v) != OK)
        return true; /* the client's parser tells its user */
    r->finished |= any_finish(v);
    const struct json *error = json_at(v, "error");
    if (error && !json_is(error, JSON_NULL))
        r->failed = true;
    const struct json *usage = json_at(v, "usage");
    if (!json_is(usage, JSON_OBJ))
        usage = json_at(json_at(v, "x_groq"), "usage");
    llm_usage_read(usage, &r->usage);
    const struct json *choices = json_at(v, "choices");
    bool only_usage = json_is(json_at(v, "usage"), JSON_OBJ) && json_is(choices, JSON_ARR) &&
                      json_len(choices) == 0;
    mend(r, v);
    return !(only_usage && r->hide_usage);
}

/* ---- Anthropic's events ---- */

static void look_into_message(struct llm_relay *r, Str event)
{
    AUTO(arena) *a = arena_new(MIB(4));
    AUTO_BUF(data, MIB(1));
    struct json *v;

    if (json_parse(a, event_data(event, &data), &v) != OK)
        return; /* the client's parser tells its user */
    Str type = json_str_of(json_at(v, "type"), S(""));
    if (str_eq(type, S("message_start")))
        llm_dialect_anthropic.read_usage(json_at(json_at(v, "message"), "usage"), &r->usage);
    if (str_eq(type, S("message_delta"))) {
        llm_dialect_anthropic.read_usage(json_at(v, "usage"), &r->usage);
        r->finished |= json_is(json_at(json_at(v, "delta"), "stop_reason"), JSON_STR);
    }
    r->chunks += str_eq(type, S("content_block_delta"));
    r->done |= str_eq(type, S("message_stop")) && !r->failed;
    r->failed |= str_eq(type, S("error"));
}

/* Nearly all are deltas, which say nothing but their text. */
static void inspect_message(struct llm_relay *r, Str event)
{
    if (str_starts(event, S("event: content_block_delta")))
        r->chunks++;
    else
        look_into_message(r, event);
}

/* ---- events of responses ---- */

enum life { NO_LIFE, LIFE_BEGINS, LIFE_ENDS, LIFE_FAILS };

/* What the type of an event says of the response's life. */
static enum life life_of(Str type)
{
    static const struct {
        Str name;
        enum life life;
    } types[] = {
        {S_INIT("response.created"), LIFE_BEGINS},  {S_INIT("response.completed"), LIFE_ENDS},
        {S_INIT("response.incomplete"), LIFE_ENDS}, {S_INIT("response.cancelled"), LIFE_ENDS},
        {S_INIT("response.failed"), LIFE_FAILS},    {S_INIT("error"), LIFE_FAILS},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(type, types[i].name))
            return types[i].life;
    return NO_LIFE;
}

/* The name of an event that begins with it; empty if it does not. */
static Str name_of_event(Str event)
{
    static const Str mark = S_INIT("event: ");
    Str rest = str_starts(event, mark) ? str_skip(event, mark.n) : S("");

    return str_head(rest, next_end(rest, 0));
}

static void look_into_response(struct llm_relay *r, Str event)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO_BUF(data, 2 * LLM_HELD_RESPONSES_MAX);
    struct json *v;

    if (json_parse(a, event_data(event, &data), &v) != OK)
        return; /* the client's parser tells its user */
    const struct json *response = json_at(v, "response");
    enum life life = life_of(json_str_of(json_at(v, "type"), S("")));
    Str id = json_str_of(json_at(response, "id"), S(""));
    if (life == LIFE_BEGINS && id.n <= sizeof r->id) {
        memcpy(r->id, id.n ? id.p : "", id.n);
        r->id_n = id.n;
    }
    llm_dialect_responses.read_usage(json_at(response, "usage"), &r->usage);
    r->failed |= life == LIFE_FAILS;
    r->done |= life == LIFE_ENDS && !r->failed;
}

static void inspect_response(struct llm_relay *r, Str event)
{
    Str name = name_of_event(event);

    if (str_ends(name, S(".delta")))
        r->chunks++;
    else if (!name.n || life_of(name) != NO_LIFE)
        look_into_response(r, event);
}

/* ---- events of sound and images ---- */

/* "image_generation.completed": by its line, or by what stands first in its data. */
static Str type_of_passed(Str event)
{
    enum { NEAR = 64 };
    Str name = name_of_event(event), mark = S("\"type\":");

    if (name.n)
        return name;
    Str head = str_head(event, NEAR);
    size_t at = str_find(head, mark);
    head = at == SIZE_MAX ? S("") : str_trim(str_skip(head, at + mark.n));
    (void)str_cut(str_skip(head, str_starts(head, S("\""))), '"', &name);
    return name;
}

static bool ends_passed(Str type)
{
    return str_ends(type, S(".done")) || str_ends(type, S(".completed"));
}

static void inspect_passed(struct llm_relay *r, Str event)
{
    AUTO(arena) *a = arena_new(MIB(4));
    AUTO_BUF(data, MIB(1));
    struct json *v;
    Str type = type_of_passed(event);

    if (str_ends(type, S(".delta")) || str_ends(type, S(".partial_image"))) {
        r->chunks++;
        return;
    }
    Str text = event_data(event, &data);
    r->done |= (ends_passed(type) || str_eq(str_trim(text), S("[DONE]"))) && !r->failed;
    if (json_parse(a, text, &v) != OK)
        return; /* the client's parser tells its user */
    const struct json *error = json_at(v, "error");
    r->failed |= str_eq(type, S("error")) || (error && !json_is(error, JSON_NULL));
    llm_usage_read_passed(json_at(v, "usage"), &r->usage);
}

static void inspect_gemini(struct llm_relay *r, Str event)
{
    AUTO_BUF(data, 2 * LLM_HELD_RESPONSES_MAX);

    Str text = event_data(event, &data);
    if (text.n && !data.failed)
        llm_relay_gemini(r, text);
}

/* Of a long event that is the last the end is kept. */
static void keep_tail(struct llm_relay *r, Str s)
{
    if (s.n > sizeof r->tail)
        s = str_skip(s, s.n - sizeof r->tail);
    size_t keep = sizeof r->tail - s.n;
    if (r->tail_n > keep) {
        memmove(r->tail, r->tail + (r->tail_n - keep), keep);
        r->tail_n = keep;
    }
    memcpy(r->tail + r->tail_n, s.n ? s.p : "", s.n);
    r->tail_n += s.n;
}

/* {... "usage":{...}} without its beginning. */
static void read_tail(struct llm_relay *r)
{
    AUTO(arena) *a = arena_new(MIB(1));
    Str s = str_trim(str_from(r->tail, r->tail_n)), mark = S("\"usage\":");
    size_t at = str_find(s, mark);
    struct json *v;

    if (r->events == LLM_EVENTS_GEMINI) {
        llm_relay_gemini_tail(r, s);
        r->tail_n = 0;
        return;
    }
    s = at == SIZE_MAX ? S("") : str_skip(s, at + mark.n);
    while (s.n && s.p[s.n - 1] == '}') {
        if (json_parse(a, s, &v) == OK) {
            llm_usage_read_passed(v, &r->usage);
            return;
        }
        s.n--;
    }
}

/* Whether the event that begins with @head, of which more is to come, is the last. */
static bool is_ending(const struct llm_relay *r, Str head)
{
    if (r->events == LLM_EVENTS_GEMINI)
        return true; /* any may be */
    if (r->events == LLM_EVENTS_RESPONSES)
        return life_of(name_of_event(head)) == LIFE_ENDS;
    return r->events == LLM_EVENTS_PASSED && ends_passed(type_of_passed(head));
}

/* Whether @event goes out. */
static bool inspect(struct llm_relay *r, Str event)
{
    if (r->events != LLM_EVENTS_CHUNKS) {
        if (r->events == LLM_EVENTS_MESSAGES)
            inspect_message(r, event);
        else if (r->events == LLM_EVENTS_PASSED)
            inspect_passed(r, event);
        else if (r->events == LLM_EVENTS_GEMINI)
            inspect_gemini(r, event);
        else
            inspect_response(r, event);
        return true;
    }
    if (str_find(event, S("\"choices\"")) != SIZE_MAX)
        r->chunks++;
    bool says = has_value(event, S("\"usage\"")) || has_value(event, S("\"error\"")) ||
                has_value(event, S("\"finish_reason\"")) ||
                str_find(event, S("[DONE]")) != SIZE_MAX ||
                (r->mend && !r->repair.numbered && has_value(event, S("\"tool_calls\"")));
    return !says || look_into(r, event);
}

/* ---- the stream ---- */

/* From now on @out has what goes out, up to @at of @s. */
static void begin_out(struct llm_relay *r, bool *copying, Str s, size_t at)
{
    if (*copying)
        return;
    *copying = true;
    buf_reset(&r->out);
    buf_add(&r->out, str_head(s, at));
}

/* A line that is an event, with its end. */
static void add_line(struct llm_relay *r, Str line, bool keep)
{
    line = str_trim(line);
    if (!keep || !line.n)
        return;
    if (r->mended) {
        buf_add(&r->out, buf_str(&r->out_event));
        return;
    }
    buf_add(&r->out, line);
    buf_add(&r->out, S("\n\n"));
}

/* How much of an event that has not come whole may wait. */
static size_t held_most(const struct llm_relay *r)
{
    if (r->events == LLM_EVENTS_RESPONSES || r->events == LLM_EVENTS_GEMINI)
        return LLM_HELD_RESPONSES_MAX;
    return r->by_lines || (r->mend && !r->repair.numbered) ? LLM_HELD_CALL_MAX : LLM_HELD_MAX;
}

/* What may go out of @s; *ret_rest is where the part begins that waits. */
static Str pass(struct llm_relay *r, Str s, size_t *ret_rest)
{
    size_t at = 0, end;
    bool copying = false;

    if (!r->framed && r->events == LLM_EVENTS_CHUNKS)
        r->by_lines = is_by_lines(s);
    while (at < s.n && (end = r->by_lines ? whole_line(s, at) : event_end(s, at)) != 0) {
        Str event = str_from(s.p + at, end - at);
        bool keep = r->inside || inspect(r, event);
        r->framed = true;
        if (r->inside && r->ending) {                 /* though it was too long to be read */
            r->done = r->events != LLM_EVENTS_GEMINI; /* there the connection's end counts */
            keep_tail(r, event);
            read_tail(r);
        }
        r->inside = false;
        if (!keep || r->mended || r->by_lines)
            begin_out(r, &copying, s, at);
        if (r->by_lines)
            add_line(r, event, keep);
        else if (keep && copying)
            buf_add(&r->out, r->mended ? buf_str(&r->out_event) : event);
        r->mended = false;
        at = end;
    }
    if (s.n - at > held_most(r) || (r->inside && s.n > at)) {
        if (!r->inside)
            r->ending = is_ending(r, str_skip(s, at));
        r->framed = true;
        /* All but what may be the beginning of the empty line. */
        size_t tail = s.n;
        while (tail > at && s.n - tail < 3 && (s.p[tail - 1] == '\n' || s.p[tail - 1] == '\r'))
            tail--;
        if (copying)
            buf_add(&r->out, str_from(s.p + at, tail - at));
        if (r->ending)
            keep_tail(r, str_from(s.p + at, tail - at));
        r->inside = r->inside || tail > at;
        at = tail;
    }
    *ret_rest = at;
    return copying ? buf_str(&r->out) : str_head(s, at);
}

/* Keep what waits of @s, which may be what is held. */
static void hold(struct llm_relay *r, Str s, size_t at)
{
    Str rest = str_skip(s, at);

    if (s.p != r->held.p) {
        buf_reset(&r->held);
        buf_add(&r->held, rest);
    }
}

/* What the translation has learned. */
static Str translated(struct llm_relay *r, Str out)
{
    const struct llm_stream *s = r->translation;

    r->done = s->done;
    r->finished = s->finished;
    r->failed = s->failed;
    r->fault = s->fault;
    r->chunks = s->chunks;
    r->usage = s->usage;
    return out;
}

Str llm_relay_feed(struct llm_relay *r, Str piece)
{
    size_t rest;

    if (r->translation)
        return translated(r, llm_stream_feed(r->translation, piece));
    if (r->held.n == 0) {
        Str out = pass(r, piece, &rest);
        hold(r, piece, rest);
        return out;
    }
    buf_add(&r->held, piece);
    Str out = pass(r, buf_str(&r->held), &rest);
    if (out.n && out.p == r->held.p) { /* it stays where it is until the next call */
        buf_reset(&r->out);
        buf_add(&r->out, out);
        out = buf_str(&r->out);
    }
    buf_drop(&r->held, rest);
    if (r->held.n == 0 && r->held.cap > KEEP_BUFFER)
        buf_done(&r->held);
    return out;
}

Str llm_relay_rest(struct llm_relay *r)
{
    if (r->translation)
        return translated(r, llm_stream_end(r->translation));
    Str rest = buf_str(&r->held);
    bool keep = r->inside || rest.n == 0 || inspect(r, rest);

    r->inside = false;
    if (r->mended)
        rest = buf_str(&r->out_event);
    return keep && (r->done || r->finished) ? rest : S("");
}
