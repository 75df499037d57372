/* src/net/sse_parser.c - the push parser for event streams (WHATWG HTML, section 9.2.6).
 *
 * A line that lies whole in a piece is read where it stands; only what is cut is collected.
 */
#include "net/sse.h"

#include "base/buf.h"

#include <stdlib.h>

struct sse_parser {
    size_t max_event;
    struct buf line; /* the beginning of a line whose end has not come */
    struct buf data, event, id;
    int64_t retry_ms;
    uint8_t bom;   /* how many bytes of a leading byte order mark have come; 3: past it */
    bool after_cr; /* an LF here belongs to the CR before it */
    bool has_data, has_id;
    bool delivered; /* the buffers hold the last event: to be emptied before the next byte */
};

struct sse_parser *sse_parser_new(size_t max_event)
{
    struct sse_parser *p = calloc(1, sizeof *p);
    if (!p)
        DIE("out of memory");
    p->max_event = max_event;
    buf_init(&p->line, max_event);
    buf_init(&p->data, max_event);
    buf_init(&p->event, max_event);
    buf_init(&p->id, max_event);
    p->retry_ms = -1;
    return p;
}

void sse_parser_free(struct sse_parser *p)
{
    if (!p)
        return;
    buf_done(&p->line);
    buf_done(&p->data);
    buf_done(&p->event);
    buf_done(&p->id);
    free(p);
}

static void clear_event(struct sse_parser *p)
{
    buf_reset(&p->data);
    buf_reset(&p->event);
    buf_reset(&p->id);
    p->has_data = p->has_id = p->delivered = false;
    p->retry_ms = -1;
}

/* Digits alone; anything else is ignored, as the standard says. */
static void set_retry(struct sse_parser *p, Str value)
{
    int64_t ms;

    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] < '0' || value.p[i] > '9')
            return;
    if (str_to_i64(value, &ms) == OK)
        p->retry_ms = ms;
}

static void set(struct buf *b, Str value)
{
    buf_reset(b);
    buf_add(b, value);
}

static void take_field(struct sse_parser *p, Str line)
{
    Str name;
    Str value = str_cut(line, ':', &name);

    if (value.n && value.p[0] == ' ')
        value = str_skip(value, 1);
    if (str_eq(name, S("data"))) {
        if (p->has_data)
            buf_add_char(&p->data, '\n');
        buf_add(&p->data, value);
        p->has_data = true;
    } else if (str_eq(name, S("event"))) {
        set(&p->event, value);
    } else if (str_eq(name, S("id"))) {
        if (value.n && memchr(value.p, 0, value.n))
            return;
        set(&p->id, value);
        p->has_id = true;
    } else if (str_eq(name, S("retry"))) {
        set_retry(p, value);
    }
}

/* One whole line. Gives whether it completed an event. */
static bool take_line(struct sse_parser *p, Str line)
{
    if (line.n == 0) {
        if (p->has_data)
            return true;
        clear_event(p);
        return false;
    }
    if (line.p[0] != ':')
        take_field(p, line);
    return false;
}

static size_t line_end(Str s)
{
    size_t lf = str_find_char(s, '\n');
    size_t cr = str_find_char(str_head(s, lf), '\r');
    return cr < lf ? cr : lf;
}

/* Drop a byte order mark at the very start; false when @piece ran out. */
static bool past_bom(struct sse_parser *p, Str *piece)
{
    static const char bom[] = "\xef\xbb\xbf";

    while (p->bom < 3 && piece->n) {
        if (piece->p[0] != bom[p->bom]) {
            buf_add(&p->line, str_from(bom, p->bom)); /* it was none: part of the line */
            p->bom = 3;
            break;
        }
        p->bom++;
        *piece = str_skip(*piece, 1);
    }
    return p->bom == 3;
}

/* @line: of how many bytes the line in work is known to be. */
static Err check_size(const struct sse_parser *p, size_t line)
{
    size_t n = line + p->data.n + p->event.n + p->id.n;

    if (n > p->max_event || p->line.failed || p->data.failed || p->event.failed || p->id.failed)
        return err_set(E_TOO_LARGE, "an event of more than %zu bytes", p->max_event);
    return OK;
}

static void deliver(struct sse_parser *p, struct sse_event *ret)
{
    p->delivered = true;
    *ret = (struct sse_event){
        .id = p->has_id ? (p->id.n ? buf_str(&p->id) : S("")) : (Str){0},
        .event = p->event.n ? buf_str(&p->event) : S(""),
        .data = p->data.n ? buf_str(&p->data) : S(""),
        .retry_ms = p->retry_ms,
    };
}

Err sse_parser_feed(struct sse_parser *p, Str *piece, struct sse_event *ret_event,
                    bool *ret_complete)
{
    if (p->delivered)
        clear_event(p);
    *ret_complete = false;
    if (!past_bom(p, piece))
        return OK;
    while (piece->n) {
        if (p->after_cr) {
            p->after_cr = false;
            if (piece->p[0] == '\n') {
                *piece = str_skip(*piece, 1);
                continue;
            }
        }
        size_t end = line_end(*piece);
        if (end == SIZE_MAX) {
            buf_add(&p->line, *piece);
            *piece = str_skip(*piece, piece->n);
            return check_size(p, p->line.n);
        }
        Str line = str_head(*piece, end);
        p->after_cr = piece->p[end] == '\r';
        *piece = str_skip(*piece, end + 1);
        if (p->line.n) {
            buf_add(&p->line, line);
            line = buf_str(&p->line);
        }
        TRY(check_size(p, line.n));
        bool complete = take_line(p, line);
        buf_reset(&p->line);
        TRY(check_size(p, 0));
        if (complete) {
            deliver(p, ret_event);
            *ret_complete = true;
            return OK;
        }
    }
    return OK;
}
