/* src/net/redis_reply.c - what a Redis server answers (RESP2), and commands as it takes them. */
#include "net/redis_reply.h"

#include "base/arena.h"

struct reader {
    struct arena *a;
    Str in;
    size_t at;
    size_t items; /* of the whole reply */
};

/* Up to the next CRLF. *ret_whole: it is there. */
static Err read_line(struct reader *r, Str *ret_line, bool *ret_whole)
{
    Str rest = str_skip(r->in, r->at);
    size_t end = str_find_char(rest, '\r');

    *ret_whole = end != SIZE_MAX && end + 1 < rest.n;
    if (!*ret_whole)
        return OK;
    if (rest.p[end + 1] != '\n')
        return err_set(E_UPSTREAM, "a line of the reply ends with CR alone");
    *ret_line = str_head(rest, end);
    r->at += end + 2;
    return OK;
}

static Err read_count(Str text, int64_t most, int64_t *ret_n)
{
    if (str_to_i64(text, ret_n) != OK || *ret_n < -1)
        return err_set(E_UPSTREAM, "the reply has a length that is none");
    return *ret_n > most ? err_set(E_TOO_LARGE, "the reply is too long") : OK;
}

static Err copy(struct reader *r, Str s, struct redis_reply *reply)
{
    char *p = arena_try(r->a, s.n + 1);

    if (!p)
        return err_set(E_TOO_LARGE, "the reply does not fit into memory");
    if (s.n)
        memcpy(p, s.p, s.n);
    reply->s = str_from(p, s.n);
    return OK;
}

static Err read_bulk(struct reader *r, Str line, struct redis_reply *reply, bool *ret_whole)
{
    int64_t n;

    TRY(read_count(line, REDIS_REPLY_MAX, &n));
    if (n < 0)
        return OK; /* null */
    Str rest = str_skip(r->in, r->at);
    *ret_whole = rest.n >= (size_t)n + 2;
    if (!*ret_whole)
        return OK;
    if (rest.p[n] != '\r' || rest.p[n + 1] != '\n')
        return err_set(E_UPSTREAM, "a text of the reply is longer than it says");
    r->at += (size_t)n + 2;
    reply->type = REDIS_TEXT;
    return copy(r, str_head(rest, (size_t)n), reply);
}

static Err read_one(struct reader *r, int depth, struct redis_reply *reply, bool *ret_whole);

static Err read_array(struct reader *r, Str line, int depth, struct redis_reply *reply,
                      bool *ret_whole)
{
    int64_t n;

    TRY(read_count(line, REDIS_ITEMS_MAX, &n));
    if (n < 0)
        return OK; /* null */
    if (depth >= REDIS_DEPTH_MAX || (r->items += (size_t)n) > REDIS_ITEMS_MAX)
        return err_set(E_TOO_LARGE, "the reply has too many parts");
    struct redis_reply *items = arena_try(r->a, sizeof *items * (size_t)(n + 1));
    if (!items)
        return err_set(E_TOO_LARGE, "the reply does not fit into memory");
    for (int64_t i = 0; i < n && *ret_whole; i++)
        TRY(read_one(r, depth + 1, &items[i], ret_whole));
    *reply = (struct redis_reply){.type = REDIS_ARRAY, .items = items, .n = (size_t)n};
    return OK;
}

static Err read_one(struct reader *r, int depth, struct redis_reply *reply, bool *ret_whole)
{
    Str line = S("");

    *reply = (struct redis_reply){.type = REDIS_NULL};
    TRY(read_line(r, &line, ret_whole));
    if (!*ret_whole)
        return OK;
    char kind = line.n ? line.p[0] : 0;
    line = str_skip(line, 1);
    switch (kind) {
    case '+':
    case '-':
        reply->type = kind == '+' ? REDIS_STATUS : REDIS_ERROR;
        return copy(r, line, reply);
    case ':':
        reply->type = REDIS_INT;
        return str_to_i64(line, &reply->i) == OK
                   ? OK
                   : err_set(E_UPSTREAM, "the reply has a number that is none");
    case '$':
        return read_bulk(r, line, reply, ret_whole);
    case '*':
        return read_array(r, line, depth, reply, ret_whole);
    default:
        return err_set(E_UPSTREAM, "this is no reply of Redis");
    }
}

Err redis_reply_parse(struct arena *a, Str in, struct redis_reply *ret_reply, size_t *ret_used)
{
    struct reader r = {.a = a, .in = in};
    struct redis_reply reply;
    bool whole = true;

    TRY(read_one(&r, 0, &reply, &whole));
    if (!whole && in.n > REDIS_REPLY_MAX)
        return err_set(E_TOO_LARGE, "the reply is too long");
    *ret_used = whole ? r.at : 0;
    if (whole)
        *ret_reply = reply;
    return OK;
}

void redis_command_add(struct buf *out, const Str *words, size_t n)
{
    buf_add_fmt(out, "*%zu\r\n", n);
    for (size_t i = 0; i < n; i++) {
        buf_add_fmt(out, "$%zu\r\n", words[i].n);
        buf_add(out, words[i]);
        buf_add(out, S("\r\n"));
    }
}
