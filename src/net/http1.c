/* src/net/http1.c - the strict request parser on llhttp.
 *
 * The callbacks only note where fields lie. When the head is complete, check_head() walks over all
 * of its bytes once more along those notes: single spaces in the request line, CRLF and nothing
 * else at line ends, no folded lines. That makes the outcome independent of what llhttp tolerates
 * in its loose corners.
 */
#include "net/http1.h"

#include "base/utf8.h"

#include <stdlib.h>

enum { SPAN_NONE, SPAN_NAME, SPAN_VALUE };
enum known { K_OTHER, K_HOST, K_LENGTH, K_CODING, K_CONNECTION, K_EXPECT };

struct field {
    uint32_t name_at, name_n, value_at, value_n;
    enum known known; /* filled in when the head is complete */
};

/* A head that has come in part: its bytes, and what was noted of them. */
struct http1_partial {
    size_t n, cap;
    char *bytes;
    unsigned n_fields;
    struct field fields[];
};

/* The notes of the head in work; one parser works at a time. */
static _Thread_local struct field notes[HTTP1_FIELDS_MAX];

static struct http1 *parser_of(llhttp_t *ll)
{
    return (struct http1 *)((char *)ll - offsetof(struct http1, ll));
}

static int refuse(struct http1 *p, int status, const char *why)
{
    p->status = (uint16_t)status;
    p->why = why;
    return HPE_USER;
}

/* ---- llhttp's callbacks ---- */

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
    struct http1 *p = parser_of(ll);

    if (p->target_n == 0)
        p->target_at = (uint32_t)(at - p->base);
    p->target_n += (uint32_t)n;
    if (p->target_n > p->limits->max_target)
        return refuse(p, 414, "The request target is too long.");
    return 0;
}

static int on_field(llhttp_t *ll, const char *at, size_t n)
{
    struct http1 *p = parser_of(ll);

    if (p->last == SPAN_NAME) {
        notes[p->n_fields - 1].name_n += (uint32_t)n;
        return 0;
    }
    if (p->n_fields >= p->limits->max_headers)
        return refuse(p, 431, "The request has too many header fields.");
    notes[p->n_fields++] =
        (struct field){.name_at = (uint32_t)(at - p->base), .name_n = (uint32_t)n};
    p->last = SPAN_NAME;
    return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
    struct http1 *p = parser_of(ll);
    struct field *f = &notes[p->n_fields - 1];
    uint32_t from = (uint32_t)(at - p->base);

    if (p->last != SPAN_VALUE)
        f->value_at = from;
    else if (from != f->value_at + f->value_n)
        return refuse(p, 400, "A header field is folded over several lines.");
    f->value_n += (uint32_t)n;
    p->last = SPAN_VALUE;
    return 0;
}

static int check_head(struct http1 *p);
static int check_fields(struct http1 *p);

static int on_headers_complete(llhttp_t *ll)
{
    struct http1 *p = parser_of(ll);
    int e = check_head(p);

    if (e == 0)
        e = check_fields(p);
    if (e)
        return e;
    p->in_body = true;
    p->left = p->chunked ? 0 : p->ll.content_length;
    p->ended = !p->chunked && p->left == 0;
    /* The scanning ends here, in any case: bodies are read without llhttp. */
    return p->ops->on_head(p) == OK ? HPE_PAUSED : HPE_USER;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

/* ---- the second look at a head ---- */

static bool has_at(const struct http1 *p, size_t at, const char *text, size_t n)
{
    return at + n <= p->limit && memcmp(p->base + at, text, n) == 0;
}

static size_t skip_blanks(const struct http1 *p, size_t at)
{
    while (at < p->limit && (p->base[at] == ' ' || p->base[at] == '\t'))
        at++;
    return at;
}

/* The request line; gives where the fields begin, 0 if it is refused. */
static size_t check_line(struct http1 *p)
{
    size_t at = 0;

    /* A robust server ignores an empty line before the request (RFC 9112 section 2.2). */
    while (at < 4 && has_at(p, at, "\r\n", 2))
        at += 2;
    Str method = str_c(llhttp_method_name((llhttp_method_t)p->ll.method));
    if (p->target_n == 0 || !has_at(p, at, method.p, method.n) ||
        !has_at(p, at + method.n, " ", 1) || at + method.n + 1 != p->target_at) {
        refuse(p, 400, "The request line is not well formed.");
        return 0;
    }
    at = p->target_at + p->target_n;
    for (size_t i = p->target_at; i < at; i++) {
        if ((unsigned char)(p->base[i] - 0x21) > 0x7e - 0x21) {
            refuse(p, 400, "The request target has a character that must be escaped.");
            return 0;
        }
    }
    if (p->ll.http_major != 1 || p->ll.http_minor > 1) {
        refuse(p, 505, "This HTTP version is not spoken here.");
        return 0;
    }
    if (!has_at(p, at, p->ll.http_minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n", 11)) {
        refuse(p, 400, "The request line is not well formed.");
        return 0;
    }
    return at + 11;
}

static Str field_name(const struct http1 *p, unsigned i)
{
    return str_from(p->base + notes[i].name_at, notes[i].name_n);
}

static int check_head(struct http1 *p)
{
    size_t at = check_line(p);

    if (at == 0)
        return HPE_USER;
    for (unsigned i = 0; i < p->n_fields; i++) {
        const struct field *f = &notes[i];
        size_t end = (size_t)f->name_at + f->name_n;

        if (f->name_at != at || !http_is_token(field_name(p, i)) || !has_at(p, end, ":", 1))
            return refuse(p, 400, "A header field is not well formed.");
        end = skip_blanks(p, end + 1);
        if (f->value_n) {
            if (f->value_at != end)
                return refuse(p, 400, "A header field is not well formed.");
            end = skip_blanks(p, end + f->value_n);
        }
        if (!has_at(p, end, "\r\n", 2))
            return refuse(p, 400, "A header line does not end in CRLF.");
        at = end + 2;
    }
    if (!has_at(p, at, "\r\n", 2))
        return refuse(p, 400, "The header does not end in an empty line.");
    p->head_n = (uint32_t)at + 2;
    if (p->head_n > p->limits->max_header)
        return refuse(p, 431, "The request header is too large.");
    return 0;
}

static Str field_value(const struct http1 *p, unsigned i)
{
    const struct field *f = &notes[i];
    if (f->value_n == 0)
        return S("");
    Str v = str_from(p->base + f->value_at, f->value_n);
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
        v.n--;
    return v;
}

/* uri-host [":" port] */
static bool host_is_sane(Str host)
{
    if (host.n == 0 || host.n > 300)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
        if (!ok)
            return false;
    }
    return true;
}

static enum known known_field(Str name)
{
    switch (name.n) {
    case 4:
        return str_eq_nocase(name, S("host")) ? K_HOST : K_OTHER;
    case 6:
        return str_eq_nocase(name, S("expect")) ? K_EXPECT : K_OTHER;
    case 10:
        return str_eq_nocase(name, S("connection")) ? K_CONNECTION : K_OTHER;
    case 14:
        return str_eq_nocase(name, S("content-length")) ? K_LENGTH : K_OTHER;
    case 17:
        return str_eq_nocase(name, S("transfer-encoding")) ? K_CODING : K_OTHER;
    default:
        return K_OTHER;
    }
}

/* The fields that decide where a message ends and whom it is for. */
static int check_fields(struct http1 *p)
{
    unsigned hosts = 0, lengths = 0, codings = 0;

    for (unsigned i = 0; i < p->n_fields; i++) {
        Str value = field_value(p, i);
        notes[i].known = known_field(field_name(p, i));
        switch (notes[i].known) {
        case K_HOST:
            if (hosts++ || !host_is_sane(value))
                return refuse(p, 400, "The Host field is missing, doubled or not a host.");
            break;
        case K_LENGTH:
            lengths++;
            break;
        case K_CODING:
            p->chunked = true;
            if (codings++ || p->ll.http_minor == 0)
                return refuse(p, 400, "Transfer-Encoding may stand once, in HTTP/1.1.");
            if (!str_eq_nocase(value, S("chunked")))
                return refuse(p, 501, "The only transfer coding here is chunked.");
            break;
        case K_EXPECT:
            if (!str_eq_nocase(value, S("100-continue")))
                return refuse(p, 417, "The only expectation met here is 100-continue.");
            break;
        default:
            break;
        }
    }
    if (hosts == 0 && p->ll.http_minor == 1)
        return refuse(p, 400, "The Host field is missing, doubled or not a host.");
    if (lengths > 1 || (lengths && codings))
        return refuse(p, 400, "The length of the body is given twice.");
    if (p->ll.content_length > INT64_MAX)
        return refuse(p, 400, "The Content-Length field is out of range.");
    return 0;
}

size_t http1_head_size(const struct http1 *p)
{
    return p->n_fields * sizeof(struct http_header) + p->head_n;
}

void http1_take_head(struct http1 *p, void *block, struct http1_head *ret_head)
{
    const char *from = p->base;
    struct http1_head h = {.content_length = -1, .minor = p->ll.http_minor};
    bool close = false, keep = false;

    h.headers.at = block;
    h.headers.n = h.headers.cap = p->n_fields;
    p->base = memcpy(h.headers.at + p->n_fields, from, p->head_n); /* the notes speak of the copy */
    h.method = http_method_parse(str_c(llhttp_method_name((llhttp_method_t)p->ll.method)));
    h.target = str_from(p->base + p->target_at, p->target_n);
    for (unsigned i = 0; i < p->n_fields; i++) {
        Str name = field_name(p, i), value = field_value(p, i);
        h.headers.at[i] = (struct http_header){name, value};
        switch (notes[i].known) {
        case K_HOST:
            h.host = value;
            break;
        case K_LENGTH:
            h.content_length = (int64_t)p->ll.content_length;
            break;
        case K_CODING:
            h.chunked = true;
            break;
        case K_CONNECTION:
            close |= http_list_has(value, S("close"));
            keep |= http_list_has(value, S("keep-alive"));
            break;
        case K_EXPECT:
            h.expect_continue = h.minor == 1;
            break;
        default:
            break;
        }
    }
    p->base = from;
    h.keep_alive = !close && (h.minor == 1 || keep);
    *ret_head = h;
}

/* ---- feeding ---- */

void http1_init(struct http1 *p, const struct http1_ops *ops, const struct http1_limits *limits)
{
    memset(p, 0, sizeof *p);
    p->ops = ops;
    p->limits = limits;
    llhttp_init(&p->ll, HTTP_REQUEST, &settings);
}

static void drop_partial(struct http1 *p)
{
    if (!p->partial)
        return;
    free(p->partial->bytes);
    free(p->partial);
    p->partial = NULL;
}

void http1_done(struct http1 *p)
{
    drop_partial(p);
}

void http1_next(struct http1 *p)
{
    const struct http1_ops *ops = p->ops;
    const struct http1_limits *limits = p->limits;
    drop_partial(p);
    http1_init(p, ops, limits);
}

bool http1_is_idle(const struct http1 *p)
{
    return !p->partial && !p->in_body;
}

static Err failed(struct http1 *p, llhttp_errno_t e)
{
    p->failed = true;
    drop_partial(p);
    if (p->status == 0) {
        p->status = e == HPE_INVALID_VERSION ? 505 : 400;
        p->why = e == HPE_INVALID_VERSION  ? "This HTTP version is not spoken here."
                 : e == HPE_INVALID_METHOD ? "The request method is not known."
                                           : "The request is not well-formed HTTP/1.1.";
    }
    return err_set(E_BAD_INPUT, "%s (%s)", p->why, llhttp_errno_name(e));
}

/* Scan @n more bytes of a head. Gives whether it goes on; if not, they were too many: the head is
 * head_n bytes long. */
static Err scan(struct http1 *p, const char *data, size_t n, bool *ret_more)
{
    llhttp_errno_t e = llhttp_execute(&p->ll, data, n);

    if (e != HPE_OK && e != HPE_PAUSED)
        return failed(p, e);
    *ret_more = e == HPE_OK;
    return OK;
}

static void partial_room(struct http1_partial *t, size_t n)
{
    if (t->n + n <= t->cap)
        return;
    size_t cap = t->cap ? t->cap : 512;
    while (cap < t->n + n)
        cap *= 2;
    t->bytes = realloc(t->bytes, cap);
    if (!t->bytes)
        DIE("out of memory");
    t->cap = cap;
}

/* Keep the bytes and notes of a head that goes on in a later piece. */
static Err keep_partial(struct http1 *p, const char *bytes, size_t n)
{
    struct http1_partial *t = p->partial;
    size_t size = sizeof *t + p->n_fields * sizeof t->fields[0];

    if ((t ? t->n : n) > p->limits->max_header) {
        refuse(p, 431, "The request header is too large.");
        return failed(p, HPE_USER);
    }
    if (!t || t->n_fields < p->n_fields) {
        p->partial = realloc(t, size);
        if (!p->partial)
            DIE("out of memory");
        if (!t)
            memset(p->partial, 0, sizeof *t);
        t = p->partial;
    }
    if (bytes) {
        partial_room(t, n);
        memcpy(t->bytes, bytes, n);
        t->n = n;
    }
    t->n_fields = p->n_fields;
    memcpy(t->fields, notes, p->n_fields * sizeof notes[0]);
    return OK;
}

/* Go on with a head of which some has come before: its bytes are put together in the partial, never
 * more than a head may have. */
static Err feed_partial(struct http1 *p, Str *input)
{
    struct http1_partial *t = p->partial;
    size_t at = t->n, room = p->limits->max_header + 1 - at;
    size_t part = input->n < room ? input->n : room;
    bool more = false;

    partial_room(t, part);
    memcpy(t->bytes + at, input->p, part);
    memcpy(notes, t->fields, t->n_fields * sizeof notes[0]);
    t->n += part;
    p->base = t->bytes;
    p->limit = (uint32_t)t->n;
    TRY(scan(p, t->bytes + at, part, &more));
    *input = str_skip(*input, more ? part : p->head_n - at);
    if (more)
        return keep_partial(p, NULL, 0);
    drop_partial(p);
    return OK;
}

static Err feed_fresh(struct http1 *p, Str *input)
{
    Str all = *input;
    bool more = false;

    p->base = all.p;
    p->limit = (uint32_t)all.n;
    TRY(scan(p, all.p, all.n, &more));
    *input = str_skip(all, more ? all.n : p->head_n);
    return more ? keep_partial(p, all.p, all.n) : OK;
}

static Err feed_body(struct http1 *p, Str *input)
{
    Str piece = *input;

    if (p->chunked) {
        if (http1_chunks_next(&p->chunks, input, &piece, &p->ended, &p->why) != OK) {
            p->status = 400;
            return failed(p, HPE_USER);
        }
    } else {
        if (piece.n >= p->left) {
            piece.n = (size_t)p->left;
            p->ended = true;
        }
        p->left -= piece.n;
        *input = str_skip(*input, piece.n);
    }
    if (piece.n && p->ops->on_body(p, piece.p, piece.n) != OK)
        return failed(p, HPE_USER);
    return OK;
}

Err http1_feed(struct http1 *p, Str *input, bool *ret_end)
{
    if (p->failed)
        return err_set(E_BAD_INPUT, "%s", p->why);
    while (input->n && !p->ended) {
        if (p->in_body)
            TRY(feed_body(p, input));
        else
            TRY(p->partial ? feed_partial(p, input) : feed_fresh(p, input));
    }
    *ret_end = p->ended;
    return OK;
}

int http1_status(const struct http1 *p)
{
    return p->status ? p->status : 400;
}

const char *http1_why(const struct http1 *p)
{
    return p->why ? p->why : "The request was refused.";
}
