/* src/net/mime.c - the structure of a mail: heads, multiparts, their contents. */
#include "net/mime.h"

#include "base/buf.h"

enum { BOUNDARY_MAX = 200, NAME_MAX_BYTES = 255, TYPE_MAX = 200 };

/* ---- heads ---- */

/* The line at the beginning of @s, without its end; what follows is the result. */
static Str take_line(Str s, Str *ret_line)
{
    const char *end = s.n ? memchr(s.p, '\n', s.n) : NULL;
    size_t n = end ? (size_t)(end - s.p) : s.n;

    *ret_line = str_head(s, n > 0 && s.p[n - 1] == '\r' ? n - 1 : n);
    return str_skip(s, end ? n + 1 : n);
}

static bool is_folded(Str s)
{
    return s.n && (*s.p == ' ' || *s.p == '\t');
}

static Str unfold(struct arena *a, Str value)
{
    if (value.n == 0 || !memchr(value.p, '\n', value.n))
        return str_trim(value);
    char *p = arena_bytes(a, value.n);
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\r' && value.p[i] != '\n')
            p[n++] = value.p[i];
    return str_trim(str_from(p, n));
}

static bool is_name(Str name)
{
    if (!name.n || name.n > 200)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return false;
    return true;
}

/* The headers at the beginning of @s; the body is the result. */
static Str read_head(struct arena *a, Str s, MimeHeaders *ret_headers, bool *cut)
{
    const char *begin = s.p;
    Str line;

    while (s.n && (size_t)(s.p - begin) < MIME_HEAD_MAX) {
        const char *at = s.p;
        s = take_line(s, &line);
        if (!line.n)
            return s;
        const char *end = line.p + line.n;
        while (is_folded(s) && (size_t)(s.p - begin) < MIME_HEAD_MAX) {
            s = take_line(s, &line);
            end = line.p + line.n;
        }
        Str whole = str_from(at, (size_t)(end - at)), name, value = str_cut(whole, ':', &name);
        name = str_trim(name);
        if (!value.p || !is_name(name))
            continue; /* "From " of mboxes, and what is no header */
        if (ret_headers->n == MIME_HEADERS_MAX) {
            *cut = true;
            continue;
        }
        vec_push(a, ret_headers, ((struct mime_header){name, unfold(a, value)}));
    }
    if (s.n)
        *cut = true;
    return s;
}

Str mime_header(const MimeHeaders *headers, Str name)
{
    vec_each(headers, h)
        if (str_eq_nocase(h->name, name))
            return h->value;
    return S("");
}

/* ---- parts ---- */

struct walk {
    struct arena *a;
    struct mime_message *m;
    int pieces; /* of multiparts: one that is a multipart itself may have no parts */
};

/* What a sender calls a file is no path. */
static Str base_name(Str name)
{
    for (size_t i = name.n; i > 0; i--)
        if (name.p[i - 1] == '/' || name.p[i - 1] == '\\') {
            name = str_skip(name, i);
            break;
        }
    while (name.n > NAME_MAX_BYTES) { /* at a whole character */
        name.n--;
        while (name.n && ((unsigned char)name.p[name.n] & 0xc0) == 0x80)
            name.n--;
    }
    return name;
}

static enum mime_encoding encoding_of(Str value)
{
    value = str_trim(value);
    if (str_starts_nocase(value, S("base64")))
        return MIME_BASE64;
    return str_starts_nocase(value, S("quoted-printable")) ? MIME_QUOTED : MIME_PLAIN;
}

static void add_leaf(struct walk *w, const MimeHeaders *headers, const struct mime_params *type,
                     Str body)
{
    struct mime_params disposition;
    struct mime_part part = {
        .type = type->value,
        .charset = mime_param(w->a, type, S("charset")),
        .encoding = encoding_of(mime_header(headers, S("Content-Transfer-Encoding"))),
        .body = body,
    };

    mime_params(w->a, mime_header(headers, S("Content-Disposition")), &disposition);
    part.disposition = disposition.value;
    part.file_name = mime_param(w->a, &disposition, S("filename"));
    if (!part.file_name.n)
        part.file_name = mime_param(w->a, type, S("name"));
    part.file_name = base_name(part.file_name);
    Str id = str_trim(mime_header(headers, S("Content-ID")));
    if (id.n > 1 && id.p[0] == '<' && id.p[id.n - 1] == '>')
        id = str_from(id.p + 1, id.n - 2);
    part.content_id = str_head(id, NAME_MAX_BYTES);
    vec_push(w->a, &w->m->parts, part);
}

static void walk_part(struct walk *w, const MimeHeaders *headers, Str body, Str default_type,
                      int depth);

/* Where the next line that is a delimiter begins in @s; @s.n: nowhere. */
static size_t find_delimiter(Str s, Str boundary, bool *ret_is_last, size_t *ret_after)
{
    size_t at = 0;

    while (at + 2 + boundary.n <= s.n) {
        Str rest = str_skip(s, at), line;
        Str after = take_line(rest, &line);
        if (line.n >= 2 + boundary.n && line.p[0] == '-' && line.p[1] == '-' &&
            str_starts(str_skip(line, 2), boundary)) {
            Str tail = str_skip(line, 2 + boundary.n);
            *ret_is_last = str_starts(tail, S("--"));
            if (*ret_is_last || !str_trim(tail).n) {
                *ret_after = s.n - after.n;
                return at;
            }
        }
        at = s.n - after.n;
    }
    return s.n;
}

static Str without_line_end(Str s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static void walk_multipart(struct walk *w, Str body, Str boundary, Str inner_type, int depth)
{
    bool last = false;
    size_t after = 0, at = find_delimiter(body, boundary, &last, &after);

    while (at < body.n && !last) {
        body = str_skip(body, after);
        at = find_delimiter(body, boundary, &last, &after);
        Str piece = at < body.n ? without_line_end(str_head(body, at)) : body;
        MimeHeaders headers = {0};
        if (w->pieces++ >= MIME_PARTS_MAX) {
            w->m->cut = true;
            return;
        }
        Str inner = read_head(w->a, piece, &headers, &w->m->cut);
        walk_part(w, &headers, inner, inner_type, depth + 1);
    }
}

static void walk_part(struct walk *w, const MimeHeaders *headers, Str body, Str default_type,
                      int depth)
{
    struct mime_params *type = arena_new_of(w->a, struct mime_params);
    Str boundary;

    mime_params(w->a, mime_header(headers, S("Content-Type")), type);
    if (str_find_char(type->value, '/') == SIZE_MAX)
        type->value = default_type;
    boundary =
        str_starts(type->value, S("multipart/")) ? mime_param(w->a, type, S("boundary")) : S("");
    if (!boundary.n || boundary.n > BOUNDARY_MAX) {
        add_leaf(w, headers, type, body);
    } else if (depth == MIME_DEPTH_MAX) {
        w->m->cut = true;
        add_leaf(w, headers, type, body);
    } else {
        bool digest = str_eq(type->value, S("multipart/digest"));
        walk_multipart(w, body, boundary, digest ? S("message/rfc822") : S("text/plain"), depth);
    }
}

void mime_parse(struct arena *a, Str raw, struct mime_message *ret_message)
{
    struct walk w = {a, ret_message, 0};

    *ret_message = (struct mime_message){0};
    Str body = read_head(a, raw, &ret_message->headers, &ret_message->cut);
    walk_part(&w, &ret_message->headers, body, S("text/plain"), 0);
}

/* ---- contents ---- */

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t decode_base64(Str in, char *out)
{
    unsigned bits = 0;
    size_t n = 0;
    int have = 0;

    for (size_t i = 0; i < in.n; i++) {
        int v = value_of((unsigned char)in.p[i]);
        if (in.p[i] == '=') { /* another piece may follow */
            have = 0;
            bits = 0;
        }
        if (v < 0)
            continue;
        bits = (bits << 6 | (unsigned)v) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    return n;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line of quoted-printable; whether its end belongs to the text. */
static bool decode_quoted_line(Str line, char *out, size_t *n)
{
    while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
        line.n--; /* added on the way */
    for (size_t i = 0; i < line.n; i++) {
        int hi, lo;
        if (line.p[i] != '=') {
            out[(*n)++] = line.p[i];
        } else if (i + 1 == line.n) {
            return false;
        } else if (i + 2 < line.n && (hi = hex_of(line.p[i + 1])) >= 0 &&
                   (lo = hex_of(line.p[i + 2])) >= 0) {
            out[(*n)++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            out[(*n)++] = '=';
        }
    }
    return true;
}

static size_t decode_quoted(Str in, char *out)
{
    size_t n = 0;
    Str line;

    while (in.n) {
        Str rest = take_line(in, &line);
        size_t end = in.n - rest.n - line.n; /* 0, 1 or 2 bytes */
        if (decode_quoted_line(line, out, &n)) {
            memcpy(out + n, line.p + line.n, end);
            n += end;
        }
        in = rest;
    }
    return n;
}

Err mime_part_bytes(struct arena *a, const struct mime_part *part, Str *ret_bytes)
{
    if (part->encoding == MIME_PLAIN || !part->body.n) {
        *ret_bytes = part->body;
        return OK;
    }
    char *out = arena_try(a, part->body.n);
    if (!out)
        return err_set(E_TOO_LARGE, "a part of %zu bytes does not fit into memory", part->body.n);
    size_t n = part->encoding == MIME_BASE64 ? decode_base64(part->body, out)
                                             : decode_quoted(part->body, out);
    *ret_bytes = str_from(out, n);
    return OK;
}

Err mime_part_text(struct arena *a, const struct mime_part *part, size_t max, Str *ret_text,
                   bool *ret_cut)
{
    AUTO_BUF(text, max);
    Str bytes;

    TRY(mime_part_bytes(a, part, &bytes));
    /* No charset makes fewer than a character of four bytes, and one of them is kept. */
    *ret_cut = bytes.n > 4 * max;
    mime_decode_charset(&text, part->charset, str_head(bytes, 4 * max));
    *ret_cut = *ret_cut || text.failed;
    char *p = arena_try(a, text.n ? text.n : 1);
    if (!p)
        return err_set(E_TOO_LARGE, "a text of %zu bytes does not fit into memory", text.n);
    *ret_text = str_from(text.n ? memcpy(p, text.p, text.n) : p, text.n);
    return OK;
}
