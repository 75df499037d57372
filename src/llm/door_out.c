/* src/llm/door_out.c - events of a stream on their way out, as their client wants them. */
#include "llm/door_out.h"

#include "llm/door_private.h"

enum { LINE_BEGINS, IN_DATA, IN_OTHER };
enum { OUT_MAX = 128 << 20 };

/* ---- a list ---- */

static const Str mark = S_INIT("data:");

static void begin_element(struct llm_list *l, struct buf *out)
{
    if (!l->inside)
        buf_add_c(out, l->any ? ",\n" : "[");
    l->any = l->inside = true;
}

static void end_line(struct llm_list *l, char c, struct buf *out)
{
    if (l->state == LINE_BEGINS && !l->matched)
        l->inside = false; /* the empty line that ends an event */
    else if (l->state == IN_DATA)
        buf_add_char(out, '\n');
    l->after_cr = c == '\r';
    l->state = LINE_BEGINS;
    l->matched = 0;
}

/* The bytes of @s until its line ends. */
static size_t rest_of_line(Str s)
{
    size_t n = 0;

    while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r')
        n++;
    return n;
}

void llm_list_feed(struct llm_list *l, Str piece, struct buf *out)
{
    while (piece.n) {
        char c = piece.p[0];
        bool second = l->after_cr && c == '\n';
        size_t n = 1;

        l->after_cr = false;
        if (second) {
            piece = str_skip(piece, 1);
            continue;
        }
        if (c == '\n' || c == '\r') {
            end_line(l, c, out);
        } else if (l->state == LINE_BEGINS) {
            l->state = c == mark.p[l->matched] ? LINE_BEGINS : IN_OTHER;
            l->matched++;
            if (l->state == LINE_BEGINS && l->matched == mark.n) {
                l->state = IN_DATA;
                begin_element(l, out);
            }
        } else {
            n = rest_of_line(piece);
            if (l->state == IN_DATA)
                buf_add(out, str_head(piece, n));
        }
        piece = str_skip(piece, n);
    }
}

Str llm_list_end(const struct llm_list *l)
{
    return l->any ? S("]") : S("[]");
}

/* ---- a call ---- */

Err llm_out_begin(struct llm_call *c)
{
    res_header(c->res, S("Cache-Control"), S("no-cache"));
    res_header(c->res, S("X-Accel-Buffering"), S("no"));
    return res_begin(c->res, 200, c->list ? S("application/json") : S("text/event-stream"));
}

Err llm_out(struct llm_call *c, Str piece)
{
    AUTO_BUF(out, OUT_MAX);

    if (!c->list)
        return res_write(c->res, piece);
    llm_list_feed(c->list, piece, &out);
    TRY(buf_ok(&out));
    return out.n ? res_write(c->res, buf_str(&out)) : OK;
}

/* Comments are none of JSON's, white space is. */
Err llm_out_alive(struct llm_call *c)
{
    return res_write(c->res, c->list ? S("\n") : c->dialect->keep_alive);
}

Err llm_out_end(struct llm_call *c)
{
    if (c->list)
        TRY(res_write(c->res, llm_list_end(c->list)));
    return res_end(c->res);
}
