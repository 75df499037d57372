/* src/net/http1_target.c - what a request target means: path and query, decoded and normalised. */
#include "base/utf8.h"
#include "net/http1.h"

/* Printable ASCII without "#"; a back-slash has no place in a path. */
static Err check_bytes(Str target)
{
    bool in_query = false;

    for (size_t i = 0; i < target.n; i++) {
        unsigned char c = (unsigned char)target.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '#' || (c == '\\' && !in_query))
            return err_detail(E_BAD_INPUT,
                              "The request target has a character that must be escaped.");
        in_query |= c == '?';
    }
    return OK;
}

/* The part of an absolute-form target behind its authority, which must be the Host field's. */
static Err cut_absolute(Str target, Str host, Str *ret_rest)
{
    Str rest = str_skip(target, str_starts_nocase(target, S("https://")) ? 8 : 7);
    size_t n = 0;

    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    if (!str_eq_nocase(str_head(rest, n), host))
        return err_detail(E_BAD_INPUT, "The request target and the Host field name two hosts.");
    *ret_rest = str_skip(rest, n);
    return OK;
}

static Str merge_slashes(struct arena *a, Str path)
{
    if (str_find(path, S("//")) == SIZE_MAX)
        return path;
    char *out = arena_bytes(a, path.n);
    size_t n = 0;
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] != '/' || n == 0 || out[n - 1] != '/')
            out[n++] = path.p[i];
    return str_from(out, n);
}

/* No dot segments, no control characters, valid UTF-8. */
static Err check_decoded(Str path)
{
    Str rest = path, segment;

    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
            return err_detail(E_BAD_INPUT, "The request path has a control character.");
    while (rest.p) {
        rest = str_cut(rest, '/', &segment);
        if (str_eq(segment, S(".")) || str_eq(segment, S("..")))
            return err_detail(E_BAD_INPUT, "The request path has a dot segment.");
    }
    if (!utf8_valid(path))
        return err_detail(E_BAD_INPUT, "The request path is not valid UTF-8.");
    return OK;
}

Err http1_target(struct arena *a, Str target, Str host, Str *ret_raw_path, Str *ret_path,
                 Str *ret_query)
{
    Str rest = target, raw, path, query = {0};

    TRY(check_bytes(target));
    if (str_eq(target, S("*"))) {
        *ret_raw_path = *ret_path = target;
        *ret_query = query;
        return OK;
    }
    if (str_starts_nocase(target, S("http://")) || str_starts_nocase(target, S("https://")))
        TRY(cut_absolute(target, host, &rest));
    else if (target.n == 0 || target.p[0] != '/')
        return err_detail(E_BAD_INPUT, "The request target is neither a path nor a URL.");
    query = str_cut(rest, '?', &raw);
    raw = raw.n ? merge_slashes(a, raw) : S("/");
    if (url_decode(a, raw, false, &path) != OK)
        return err_detail(E_BAD_INPUT, "The request path has a bad escape.");
    TRY(check_decoded(path));
    *ret_raw_path = raw;
    *ret_path = path;
    *ret_query = query;
    return OK;
}
