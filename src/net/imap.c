/* src/net/imap.c - the connection: connecting, reading responses, sending commands. */
#include "base/crypto.h"
#include "net/http_client_private.h"
#include "net/imap_private.h"
#include "rt/inject.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADDRESSES_MAX = 8, RESPONSES_MAX = 200000 };
static const Usec CONNECT_TIME = 10 * USEC_S;
static const Usec COMMAND_TIME = 15 * USEC_MIN;

static struct imap *imap_of(struct sock *s)
{
    return (struct imap *)((char *)s - offsetof(struct imap, sock));
}

static void wake(struct imap *im)
{
    if (im->waiter)
        wait_end(im->waiter, OK);
}

/* ---- the socket's callbacks ---- */

static void on_ready(struct sock *s, Err e)
{
    struct imap *im = imap_of(s);
    im->is_ready = true;
    im->ready_error = e;
    wake(im);
}

static void on_read(struct sock *s, const char *p, size_t n)
{
    struct imap *im = imap_of(s);
    buf_add(&im->in, str_from(p, n));
    if (im->in.n - im->at >= IMAP_LINE_MAX)
        sock_read_stop(s);
    wake(im);
}

static void on_end(struct sock *s, Err why)
{
    struct imap *im = imap_of(s);
    (void)why; /* sock_error() has it */
    im->ended = true;
    wake(im);
}

static void on_drain(struct sock *s)
{
    wake(imap_of(s));
}

static void on_closed(struct sock *s)
{
    struct imap *im = imap_of(s);
    buf_done(&im->in);
    buf_done(&im->response);
    buf_done(&im->body);
    free(im);
}

static const struct sock_ops ops = {
    .on_ready = on_ready,
    .on_read = on_read,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_closed = on_closed,
};

void imap_free(struct imap *im)
{
    if (im)
        sock_close(&im->sock);
}

void imap_poke(struct imap *im)
{
    im->poked = true;
    wake(im);
}

void imap_meanwhile(struct imap *im, Err (*fn)(void *ctx), void *ctx)
{
    im->meanwhile = fn;
    im->meanwhile_ctx = ctx;
}

/* ---- waiting and reading ---- */

Err imap_wait(struct imap *im, Usec until)
{
    struct wait w;

    wait_init(&w);
    im->waiter = &w;
    Err e = wait_for(&w, until);
    im->waiter = NULL;
    return e;
}

Err imap_cut(struct imap *im)
{
    if (im->bye && im->words[0])
        return err_detail(E_UPSTREAM_CUT, "The mail server ended the connection: %s", im->words);
    return err_detail(E_UPSTREAM_CUT, "The mail server closed the connection.");
}

/* Until more bytes are there. */
static Err more(struct imap *im, Usec deadline)
{
    buf_drop(&im->in, im->at);
    im->at = 0;
    size_t had = im->in.n;

    sock_read_start(&im->sock);
    Usec until = usec_min(deadline, usec_in(im->patience));
    while (im->in.n == had) {
        if (im->in.failed)
            return err_detail(E_TOO_LARGE, "The mail server says too much at once.");
        if (im->ended)
            return imap_cut(im);
        Err e = imap_wait(im, until);
        if (e == E_TIMEOUT)
            return err_detail(E_TIMEOUT, "The mail server did not answer in time.");
        TRY(e);
    }
    return im->meanwhile ? im->meanwhile(im->meanwhile_ctx) : OK;
}

static Str unread(const struct imap *im)
{
    return im->in.n > im->at ? str_from(im->in.p + im->at, im->in.n - im->at) : S("");
}

bool imap_has_line(const struct imap *im)
{
    return str_find_char(unread(im), '\n') != SIZE_MAX;
}

/* The next line, without its end, is appended to the response. */
static Err read_line(struct imap *im, Usec deadline, Str *ret_line)
{
    size_t end;

    while ((end = str_find_char(unread(im), '\n')) == SIZE_MAX) {
        if (unread(im).n >= IMAP_LINE_MAX)
            return err_detail(E_TOO_LARGE, "A line of the mail server does not end.");
        TRY(more(im, deadline));
    }
    Str line = str_head(unread(im), end && unread(im).p[end - 1] == '\r' ? end - 1 : end);
    size_t from = im->response.n;
    buf_add(&im->response, line);
    im->at += end + 1;
    TRY(buf_ok(&im->response));
    *ret_line = line.n ? str_from(im->response.p + from, line.n) : S("");
    return OK;
}

static Err read_literal(struct imap *im, Usec deadline, uint64_t size)
{
    if (size > im->body_max || im->response.n + size > im->response.max)
        return err_detail(E_TOO_LARGE,
                          "The mail server wants to send %llu bytes, which is more than asked for.",
                          (unsigned long long)size);
    while (size) {
        if (!unread(im).n)
            TRY(more(im, deadline));
        Str piece = str_head(unread(im), size < SIZE_MAX ? (size_t)size : SIZE_MAX);
        buf_add(&im->response, piece);
        im->at += piece.n;
        size -= piece.n;
    }
    return buf_ok(&im->response);
}

/* ---- what responses tell ---- */

const char *imap_words(struct imap *im, Str text)
{
    size_t n = text.n < sizeof im->words - 1 ? text.n : sizeof im->words - 1;

    if ((im->secret.n && str_find(text, im->secret) != SIZE_MAX) ||
        (im->secret_code.n && str_find(text, im->secret_code) != SIZE_MAX)) {
        snprintf(im->words, sizeof im->words, "(not shown: it has the password in it)");
        return im->words;
    }
    for (size_t i = 0; i < n; i++)
        im->words[i] = text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?';
    im->words[n] = 0;
    return im->words;
}

static void note_caps(struct imap *im, Str list)
{
    im->caps_n = list.n < sizeof im->caps ? list.n : sizeof im->caps;
    memcpy(im->caps, list.p, im->caps_n);
    im->caps_known = true;
}

static void note_code(struct imap *im, Str code)
{
    Str word, rest = str_cut(code, ' ', &word);
    uint64_t number;

    if (str_eq_nocase(word, S("CAPABILITY")) && rest.p)
        note_caps(im, rest);
    if (!rest.p || str_to_u64(rest, &number) != OK || number > UINT32_MAX)
        return;
    if (str_eq_nocase(word, S("UIDVALIDITY")))
        im->folder.uidvalidity = (uint32_t)number;
    if (str_eq_nocase(word, S("UIDNEXT")))
        im->folder.uidnext = (uint32_t)number;
}

static Err note(struct imap *im, const struct imap_response *r)
{
    switch (r->kind) {
    case IMAP_STATUS:
        note_code(im, r->code);
        if (r->status == IMAP_BYE) {
            im->bye = true;
            (void)imap_words(im, r->text);
        }
        return OK;
    case IMAP_TAGGED:
        note_code(im, r->code);
        return OK;
    case IMAP_CAPABILITY:
        note_caps(im, r->list);
        return OK;
    case IMAP_EXISTS:
        if (r->number > im->folder.exists)
            im->news = true;
        im->folder.exists = r->number;
        return OK;
    case IMAP_EXPUNGE:
        if (im->folder.exists)
            im->folder.exists--;
        return OK;
    case IMAP_SEARCH:
        return im->found ? imap_uids(im->found_a, r->list, 100000, im->found) : OK;
    case IMAP_FETCH:
        if (im->wanted && (im->wanted == UINT32_MAX || r->message.uid == im->wanted) &&
            r->message.arrived) {
            im->message = r->message;
            struct buf whole = im->response; /* the message stands in it */
            im->response = im->body;
            im->body = whole;
        }
        return OK;
    default:
        return OK;
    }
}

Err imap_read(struct imap *im, struct imap_response *ret_response)
{
    Usec deadline = usec_in(COMMAND_TIME);
    bool first = true;
    uint64_t size;
    Str line;

    TRY(INJECT("net.imap.read"));
    buf_reset(&im->response);
    for (;;) {
        TRY(read_line(im, deadline, &line));
        if (!imap_literal(line, first, &size))
            break;
        buf_add(&im->response, S("\r\n"));
        TRY(read_literal(im, deadline, size));
        first = false;
    }
    if (imap_parse(buf_str(&im->response), ret_response) != OK)
        return err_detail(E_UPSTREAM, "%s", err_record()->detail);
    return note(im, ret_response);
}

/* ---- commands ---- */

static Err send_text(struct imap *im, Str text)
{
    size_t taken;

    while (text.n) {
        uv_buf_t piece = {.base = (char *)(uintptr_t)text.p, .len = text.n};
        if (sock_write(&im->sock, &piece, 1, &taken) != OK)
            return imap_cut(im);
        text = str_skip(text, taken);
        if (text.n && !taken) {
            Err e = imap_wait(im, usec_in(im->patience));
            if (e == E_TIMEOUT)
                return err_detail(E_TIMEOUT, "The mail server does not read.");
            TRY(e);
        }
    }
    return OK;
}

/* Read up to the end of the command; or, if @begin, to where the server asks for more. */
static Err read_end(struct imap *im, bool begin)
{
    struct imap_response r;
    char tag[16];
    Usec deadline = usec_in(COMMAND_TIME);

    snprintf(tag, sizeof tag, "h%u", im->tag);
    for (int n = 0; n < RESPONSES_MAX; n++) {
        if (time_mono() > deadline)
            return err_detail(E_TIMEOUT, "The mail server did not come to an end.");
        TRY(imap_read(im, &r));
        if (r.kind == IMAP_CONTINUE && begin)
            return OK;
        if (r.kind != IMAP_TAGGED)
            continue;
        if (!str_eq(r.tag, str_c(tag)))
            return err_detail(E_UPSTREAM, "The mail server answers what nobody asked.");
        if (r.status != IMAP_OK || begin)
            return err_detail(E_CONFLICT, "The mail server refused: %s",
                              imap_words(im, r.text.n ? r.text : r.code));
        return OK;
    }
    return err_detail(E_UPSTREAM, "The mail server does not come to an end.");
}

static Err __attribute__((format(printf, 2, 0)))
send_command(struct imap *im, const char *fmt, va_list ap)
{
    AUTO_BUF(line, KIB(32));
    char text[KIB(2)];
    int n = vsnprintf(text, sizeof text, fmt, ap);

    if (n < 0 || (size_t)n >= sizeof text)
        return err_detail(E_TOO_LARGE, "A command for the mail server is too long.");
    buf_add_fmt(&line, "h%u ", ++im->tag);
    buf_add(&line, str_from(text, (size_t)n));
    buf_add(&line, S("\r\n"));
    Err e = buf_ok(&line);
    if (e == OK)
        e = send_text(im, buf_str(&line));
    crypto_wipe(text, sizeof text); /* a password may be in it */
    crypto_wipe(line.p, line.n);
    return e;
}

Err imap_command(struct imap *im, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    Err e = send_command(im, fmt, ap);
    va_end(ap);
    return e == OK ? read_end(im, false) : e;
}

Err imap_command_begin(struct imap *im, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    Err e = send_command(im, fmt, ap);
    va_end(ap);
    return e == OK ? read_end(im, true) : e;
}

Err imap_command_end(struct imap *im, Str line)
{
    TRY(send_text(im, line));
    TRY(send_text(im, S("\r\n")));
    return read_end(im, false);
}

/* ---- opening ---- */

static struct imap *imap_new(const struct imap_options *o)
{
    struct imap *im = calloc(1, sizeof *im);

    if (!im)
        DIE("out of memory");
    sock_init(&im->sock, &ops);
    im->in = BUF(IMAP_UNREAD_MAX);
    im->response = BUF(IMAP_BODY_MAX);
    im->body = BUF(IMAP_BODY_MAX);
    im->body_max = KIB(64);
    im->patience = o->patience ? o->patience : 30 * USEC_S;
    return im;
}

static Err wait_ready(struct imap *im, Usec deadline, const char *what)
{
    while (!im->is_ready) {
        Err e = imap_wait(im, deadline);
        if (e == E_TIMEOUT)
            return err_detail(E_CONNECT, "The mail server did not answer while %s.", what);
        TRY(e);
    }
    if (im->ready_error != OK)
        return err_detail(E_CONNECT, "The mail server could not be reached (%s): %s.", what,
                          sock_error(&im->sock));
    return OK;
}

static Err connect_one(const struct imap_options *o, const struct egress_addr *to,
                       struct imap **ret_imap)
{
    struct imap *im = imap_new(o);

    memcpy(&im->addr, &to->sa, to->n < sizeof im->addr ? to->n : sizeof im->addr);
    sock_connect(&im->sock, &im->addr.sa);
    Err e = wait_ready(im, usec_in(CONNECT_TIME), "connecting");
    if (e != OK) {
        imap_free(im);
        return e;
    }
    *ret_imap = im;
    return OK;
}

static Err connect_any(const struct imap_options *o, struct imap **ret_imap)
{
    struct egress_addr addrs[ADDRESSES_MAX];
    Err e = OK;
    size_t n;

    TRY(INJECT("net.imap.connect"));
    TRY(egress_resolve(o->egress, o->host, o->port, usec_in(CONNECT_TIME), addrs, ADDRESSES_MAX,
                       &n));
    for (size_t i = 0; i < n; i++) {
        e = connect_one(o, &addrs[i], ret_imap);
        if (e == OK || e == E_CANCELLED)
            return e;
    }
    return e == OK ? err_detail(E_CONNECT, "The mail server has no address.") : e;
}

static Err encrypt(struct imap *im, const struct imap_options *o)
{
    AUTO(tls_ctx) *ctx = NULL;
    char host[256];

    TRY(conn_tls_ctx(S(""), false, &ctx));
    snprintf(host, sizeof host, "%.*s", P(o->host));
    im->is_ready = false;
    sock_tls_client(&im->sock, ctx, host);
    return wait_ready(im, usec_in(CONNECT_TIME), "agreeing on encryption");
}

static Err greet(struct imap *im, const struct imap_options *o)
{
    struct imap_response r;

    TRY(imap_read(im, &r));
    if (r.kind != IMAP_STATUS || (r.status != IMAP_OK && r.status != IMAP_PREAUTH))
        return err_detail(E_UPSTREAM, "The mail server does not want to talk: %s",
                          imap_words(im, r.text));
    if (r.status == IMAP_PREAUTH && o->tls != IMAP_CLEAR)
        return err_detail(E_UPSTREAM, "The mail server takes us for somebody before it was told.");
    if (!im->caps_known)
        TRY(imap_command(im, "CAPABILITY"));
    return OK;
}

static Err start_tls(struct imap *im, const struct imap_options *o)
{
    if (!imap_has_word(imap_caps(im), S("STARTTLS")))
        return err_detail(E_UPSTREAM, "The mail server offers no STARTTLS.");
    TRY(imap_command(im, "STARTTLS"));
    if (unread(im).n) /* somebody on the way would have it said inside of TLS */
        return err_detail(E_UPSTREAM, "The mail server goes on in the clear after STARTTLS.");
    sock_read_stop(&im->sock);
    TRY(encrypt(im, o));
    im->caps_known = false; /* what was said in the clear does not count */
    im->caps_n = 0;
    return imap_command(im, "CAPABILITY");
}

Err imap_open(const struct imap_options *o, struct imap **ret_imap)
{
    AUTO(imap) *im = NULL;

    TRY(connect_any(o, &im));
    if (o->tls == IMAP_TLS)
        TRY(encrypt(im, o));
    TRY(greet(im, o));
    if (o->tls == IMAP_STARTTLS)
        TRY(start_tls(im, o));
    *ret_imap = im;
    im = NULL;
    return OK;
}
