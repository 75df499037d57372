/* src/net/multipart.c - see multipart.h.
 *
 * The body is in memory, so that a part is a piece of it. What browsers do counts (WHATWG HTML,
 * multipart/form-data encoding): names and file names in quotes, with %22, %0D and %0A for what
 * would end them, in UTF-8. "filename*" is not taken (RFC 7578, section 4.2).
 */
#include "net/multipart.h"

#include "base/utf8.h"

enum { BOUNDARY_MAX = 70, HEADERS_MAX = 16 << 10 };

static Err bad(const char *what)
{
    return err_detail(E_SYNTAX, "The body is not multipart/form-data as it should be: %s.", what);
}

/* ---- parameters of a header ---- */

/* The value of "; name=value" or "; name=\"value\"" in @text; p == NULL: there is none. In quotes a
 * back-slash stands before a quote or another one. */
static Str parameter(struct arena *a, Str text, Str name)
{
    size_t at = str_find_char(text, ';');
    /* One room for all: what it costs goes by the header's length, not by how many it names. */
    char *out = at < text.n ? arena_bytes(a, text.n - at) : NULL;

    while (at < text.n) {
        at++;
        while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\t'))
            at++;
        size_t key = at;
        while (at < text.n && text.p[at] != '=' && text.p[at] != ';')
            at++;
        bool wanted = str_eq_nocase(str_trim((Str){text.p + key, at - key}), name);
        if (at >= text.n || text.p[at] == ';')
            continue;
        at++;
        size_t n = 0;
        if (at < text.n && text.p[at] == '"') {
            for (at++; at < text.n && text.p[at] != '"'; at++) {
                if (text.p[at] == '\\' && at + 1 < text.n &&
                    (text.p[at + 1] == '"' || text.p[at + 1] == '\\'))
                    at++;
                out[n++] = text.p[at];
            }
            if (at >= text.n)
                return (Str){NULL, 0};
            at++;
        } else {
            while (at < text.n && text.p[at] != ';')
                out[n++] = text.p[at++];
        }
        if (wanted)
            return (Str){out, n};
        while (at < text.n && text.p[at] != ';')
            at++;
    }
    return (Str){NULL, 0};
}

/* "%22", "%0D" and "%0A" as what they stand for; other escapes are text. */
static Str unescape(struct arena *a, Str s)
{
    char *out = arena_bytes(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        Str rest = str_skip(s, i);
        char c = str_starts(rest, S("%22"))          ? '"'
                 : str_starts_nocase(rest, S("%0D")) ? '\r'
                 : str_starts_nocase(rest, S("%0A")) ? '\n'
                                                     : 0;
        out[n++] = c ? c : s.p[i];
        i += c ? 2 : 0;
    }
    return (Str){out, n};
}

Err multipart_boundary(struct arena *a, Str content_type, Str *ret_boundary)
{
    Str bare = content_type, boundary = parameter(a, content_type, S("boundary"));

    (void)str_cut(content_type, ';', &bare); /* parameters are looked for by name */
    if (!str_eq_nocase(str_trim(bare), S("multipart/form-data")))
        return err_detail(E_MEDIA_TYPE, "Of multipart bodies only multipart/form-data is taken.");
    boundary = str_trim(boundary);
    if (boundary.n == 0 || boundary.n > BOUNDARY_MAX)
        return bad("its content type names no boundary of 1 to 70 characters");
    for (size_t i = 0; i < boundary.n; i++)
        if ((unsigned char)boundary.p[i] < ' ' || (unsigned char)boundary.p[i] > '~')
            return bad("its boundary has odd characters");
    *ret_boundary = boundary;
    return OK;
}

/* ---- parts ---- */

static Str last_segment(Str path)
{
    for (size_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
            return str_skip(path, i);
    return path;
}

static bool is_text(Str s)
{
    return utf8_valid(s) && str_find_char(s, 0) == SIZE_MAX;
}

static Err read_disposition(struct arena *a, Str value, struct multipart_part *part)
{
    Str bare;

    (void)str_cut(value, ';', &bare); /* parameters are looked for by name */
    if (!str_eq_nocase(str_trim(bare), S("form-data")))
        return bad("a part is no form-data");
    Str name = parameter(a, value, S("name")), file = parameter(a, value, S("filename"));
    if (!name.p)
        return bad("a part has no name");
    part->name = unescape(a, name);
    part->file = file.p != NULL;
    part->file_name = file.p ? last_segment(unescape(a, file)) : S("");
    if (!is_text(part->name) || !is_text(part->file_name))
        return bad("a name is not UTF-8, or has a NUL");
    return OK;
}

static Err read_headers(struct arena *a, Str text, struct multipart_part *part)
{
    bool named = false;

    while (text.n) {
        size_t end = str_find(text, S("\r\n"));
        Str line = end == SIZE_MAX ? text : str_head(text, end), name;
        text = end == SIZE_MAX ? S("") : str_skip(text, end + 2);
        Str value = str_cut(line, ':', &name);
        if (!value.p)
            return bad("a part has a header without a colon");
        if (str_eq_nocase(name, S("content-disposition"))) {
            TRY(read_disposition(a, str_trim(value), part));
            named = true;
        } else if (str_eq_nocase(name, S("content-type"))) {
            part->media_type = str_trim(value);
        } else if (str_eq_nocase(name, S("content-transfer-encoding")) &&
                   !str_eq_nocase(str_trim(value), S("binary")) &&
                   !str_eq_nocase(str_trim(value), S("8bit")) &&
                   !str_eq_nocase(str_trim(value), S("7bit"))) {
            return bad("a part is encoded once more");
        }
    }
    if (!is_text(part->media_type))
        return bad("a media type is not UTF-8, or has a NUL");
    return named ? OK : bad("a part has no Content-Disposition");
}

/* Behind a boundary: whether the body ends there, else the rest begins with a part. */
static Err after_boundary(Str *rest, bool *ret_end)
{
    if (str_starts(*rest, S("--"))) {
        *ret_end = true;
        return OK;
    }
    while (rest->n && (rest->p[0] == ' ' || rest->p[0] == '\t'))
        *rest = str_skip(*rest, 1);
    if (!str_starts(*rest, S("\r\n")))
        return bad("a boundary is followed by something else");
    *rest = str_skip(*rest, 2);
    *ret_end = false;
    return OK;
}

static Err read_part(struct arena *a, Str *rest, Str end_mark, struct multipart_part *ret_part)
{
    struct multipart_part part = {0};
    Str head = S("");

    if (str_starts(*rest, S("\r\n"))) {
        *rest = str_skip(*rest, 2);
    } else {
        size_t head_end = str_find(str_head(*rest, HEADERS_MAX), S("\r\n\r\n"));
        if (head_end == SIZE_MAX)
            return bad("the headers of a part do not end");
        head = str_head(*rest, head_end);
        *rest = str_skip(*rest, head_end + 4);
    }
    TRY(read_headers(a, head, &part));
    size_t end = str_find(*rest, end_mark);
    if (end == SIZE_MAX)
        return bad("it ends in the middle of a part");
    part.data = str_head(*rest, end);
    *rest = str_skip(*rest, end + end_mark.n);
    *ret_part = part;
    return OK;
}

Err multipart_parse(struct arena *a, Str body, Str boundary, size_t max, MultipartParts *ret_parts)
{
    Str mark = str_fmt(a, "\r\n--%.*s", P(boundary)), rest = body;
    MultipartParts parts = {0};
    bool end = false;

    /* What stands before the first boundary is for readers that know nothing of multipart. */
    if (str_starts(rest, str_skip(mark, 2))) {
        rest = str_skip(rest, mark.n - 2);
    } else {
        size_t at = str_find(rest, mark);
        if (at == SIZE_MAX)
            return bad("its boundary is not there");
        rest = str_skip(rest, at + mark.n);
    }
    TRY(after_boundary(&rest, &end));
    while (!end) {
        struct multipart_part part;
        if (parts.n == max)
            return err_detail(E_TOO_LARGE, "The body may have %zu parts.", max);
        TRY(read_part(a, &rest, mark, &part));
        vec_push(a, &parts, part);
        TRY(after_boundary(&rest, &end));
    }
    *ret_parts = parts;
    return OK;
}
