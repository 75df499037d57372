/* src/net/sse.c - writing server-sent events. */
#include "net/sse.h"

#include "base/buf.h"

enum { EVENT_MAX = 16 << 20 };

Err sse_begin(struct res *res)
{
    res_header(res, S("Cache-Control"), S("no-cache"));
    res_header(res, S("X-Accel-Buffering"), S("no")); /* nginx: pass events on as they come */
    return res_begin(res, 200, S("text/event-stream"));
}

static bool is_one_line(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\n' || s.p[i] == '\r' || s.p[i] == 0)
            return false;
    return true;
}

static void add_line(struct buf *b, Str name, Str value)
{
    buf_add(b, name);
    buf_add(b, S(": "));
    buf_add(b, value);
    buf_add_char(b, '\n');
}

/* CRLF, CR and LF all end a line of the data. */
static void add_data(struct buf *b, Str data)
{
    size_t from = 0;

    for (size_t i = 0; i < data.n; i++) {
        if (data.p[i] != '\n' && data.p[i] != '\r')
            continue;
        add_line(b, S("data"), str_from(data.p + from, i - from));
        if (data.p[i] == '\r' && i + 1 < data.n && data.p[i + 1] == '\n')
            i++;
        from = i + 1;
    }
    add_line(b, S("data"), str_skip(data, from));
}

Err sse_send(struct res *res, const struct sse_event *ev)
{
    AUTO_BUF(b, EVENT_MAX);

    if (!is_one_line(ev->id) || !is_one_line(ev->event))
        return err_set(E_INVALID, "an event's id or name has a line end or NUL");
    if (ev->id.p)
        add_line(&b, S("id"), ev->id);
    if (ev->event.n)
        add_line(&b, S("event"), ev->event);
    if (ev->retry_ms >= 0) {
        buf_add(&b, S("retry: "));
        buf_add_i64(&b, ev->retry_ms);
        buf_add_char(&b, '\n');
    }
    if (ev->data.p)
        add_data(&b, ev->data);
    buf_add_char(&b, '\n');
    TRY(buf_ok(&b));
    return res_write(res, buf_str(&b));
}

Err sse_heartbeat(struct res *res)
{
    return res_write(res, S(":\n\n"));
}

Str sse_last_id(const struct req *req)
{
    Str id = req_header(req, S("last-event-id"));

    if (!id.p && req_query(req, S("last_event_id"), &id) != OK)
        return (Str){0};
    return id;
}
