/* src/net/static.c - serving files that are part of the binary. */
#include "net/static.h"

/* What pages of the console may do: load from here and talk to here. No inline code or style. */
static const Str page_policy =
    S_INIT("default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:;"
           " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");

struct form {
    Str bytes;
    const char *coding; /* NULL: as it is */
};

static const struct static_file *find(const struct static_file *files, Str path)
{
    for (; files->path; files++)
        if (str_eq(str_c(files->path), path))
            return files;
    return NULL;
}

/* Whether the last segment has a dot: such a path means a file, others mean a page of the console.
 */
static bool names_file(Str path)
{
    while (path.n && path.p[path.n - 1] != '/') {
        if (path.p[path.n - 1] == '.')
            return true;
        path.n--;
    }
    return false;
}

/* The form the client likes best; of equals the smaller. */
static struct form choose_form(const struct static_file *f, const struct req *req)
{
    Str accept = req_header(req, S("accept-encoding"));
    int br = f->br.n ? http_quality(accept, S("br")) : 0;
    int gzip = f->gzip.n ? http_quality(accept, S("gzip")) : 0;
    int raw = http_quality(accept, S("identity"));

    if (raw < 0)
        raw = 1; /* not spoken of: acceptable, but anything named is better */
    if (br > 0 && br >= gzip && br >= raw)
        return (struct form){f->br, "br"};
    if (gzip > 0 && gzip >= raw)
        return (struct form){f->gzip, "gzip"};
    return (struct form){f->raw, NULL};
}

/* Weak comparison of @etag (with quotes) with a list of them. */
static bool etag_in(Str list, Str etag)
{
    Str item;

    while (http_list_next(&list, &item)) {
        if (str_starts(item, S("W/")))
            item = str_skip(item, 2);
        if (str_eq(item, etag) || str_eq(item, S("*")))
            return true;
    }
    return false;
}

/* One range "bytes=a-b", "a-" or "-n" within @size. E_NOT_FOUND: to be ignored; E_RANGE: outside.
 */
static Err parse_range(Str s, size_t size, size_t *ret_from, size_t *ret_n)
{
    uint64_t from = 0, to = size - 1, last;
    Str first;

    if (!str_starts(s, S("bytes=")) || str_find_char(s, ',') != SIZE_MAX)
        return E_NOT_FOUND;
    Str end = str_cut(str_skip(s, 6), '-', &first);
    if (!end.p || (first.n == 0 && end.n == 0))
        return E_NOT_FOUND;
    if (first.n && str_to_u64(first, &from) != OK)
        return E_NOT_FOUND;
    if (end.n && str_to_u64(end, &last) != OK)
        return E_NOT_FOUND;
    if (first.n == 0) { /* the last so many */
        if (last == 0 || size == 0)
            return E_RANGE;
        from = last < size ? size - last : 0;
    } else {
        if (end.n && last < from)
            return E_NOT_FOUND;
        if (end.n && last < to)
            to = last;
        if (from >= size)
            return E_RANGE;
    }
    *ret_from = (size_t)from;
    *ret_n = (size_t)(to - from + 1);
    return OK;
}

static void add_fields(struct res *res, const struct static_file *f, const struct form *form,
                       Str etag)
{
    res_header(res, S("ETag"), etag);
    res_header(res, S("Accept-Ranges"), S("bytes"));
    res_header(res, S("Cache-Control"),
               f->immutable ? S("public, max-age=31536000, immutable") : S("no-cache"));
    res_header(res, S("Content-Security-Policy"), page_policy);
    if (f->gzip.n || f->br.n)
        res_header(res, S("Vary"), S("Accept-Encoding"));
    if (form->coding)
        res_header(res, S("Content-Encoding"), str_c(form->coding));
}

static Err serve(const struct static_file *f, struct req *req, struct res *res)
{
    struct form form = choose_form(f, req);
    Str etag = str_fmt(req->a, "\"%s%s%s\"", f->etag, form.coding ? "-" : "",
                       form.coding ? form.coding : "");
    Str range = req_header(req, S("range")), if_range = req_header(req, S("if-range"));
    size_t from, n;

    add_fields(res, f, &form, etag);
    if (etag_in(req_header(req, S("if-none-match")), etag))
        return res_empty(res, 304);
    if (range.p && req->method == HTTP_GET && (!if_range.p || str_eq(if_range, etag))) {
        Err e = parse_range(range, form.bytes.n, &from, &n);
        if (e == E_RANGE) {
            res_header(res, S("Content-Range"), str_fmt(req->a, "bytes */%zu", form.bytes.n));
            return err_set(E_RANGE, "%.*s of %zu bytes", P(range), form.bytes.n);
        }
        if (e == OK) {
            res_header(res, S("Content-Range"),
                       str_fmt(req->a, "bytes %zu-%zu/%zu", from, from + n - 1, form.bytes.n));
            return res_send(res, 206, str_c(f->type), str_head(str_skip(form.bytes, from), n));
        }
    }
    return res_send(res, 200, str_c(f->type), form.bytes);
}

Err static_serve(const struct static_file *files, const char *index, struct req *req,
                 struct res *res)
{
    const struct static_file *f = find(files, req->path);

    if (!f && index && !names_file(req->path))
        f = find(files, str_c(index));
    if (!f)
        return err_set(E_NOT_FOUND, "no file %.*s", P(req->path));
    if (!(req->method & (HTTP_GET | HTTP_HEAD))) {
        res_header(res, S("Allow"), S("GET, HEAD"));
        return err_set(E_METHOD, "a file takes GET and HEAD");
    }
    return serve(f, req, res);
}
