/* test/fuzz/fuzz_url.c - a URL that is taken reads back the same; joined ones are URLs; encoding
 * and decoding are inverse. */
#include "net/http.h"

#include <assert.h>
#include <stdlib.h>

static Str text_of(struct arena *a, const struct url *u)
{
    return str_fmt(a, "%.*s://%.*s%s%s%.*s%s:%d%.*s%s%.*s%s%.*s", P(u->scheme), P(u->userinfo),
                   u->userinfo.p ? "@" : "", u->ipv6 ? "[" : "", P(u->host), u->ipv6 ? "]" : "",
                   u->port, P(u->path), u->query.p ? "?" : "", P(u->query),
                   u->fragment.p ? "#" : "", P(u->fragment));
}

static void check(const struct url *u)
{
    assert(u->host.n && u->port && u->path.n && u->path.p[0] == '/');
    for (size_t i = 0; i < u->host.n; i++)
        assert(u->host.p[i] > 0x20 && u->host.p[i] != '/' && u->host.p[i] != '@');
    for (size_t i = 0; i < u->path.n; i++)
        assert(u->path.p[i] > 0x20 && u->path.p[i] < 0x7f && u->path.p[i] != '?');
    for (size_t i = 0; i < u->query.n; i++)
        assert(u->query.p[i] > 0x20 && u->query.p[i] < 0x7f && u->query.p[i] != '#');
}

static void join(struct arena *a, const struct url *base, Str ref)
{
    struct url joined;
    Str text;

    if (url_join(a, base, ref, &text) != OK)
        return;
    if (url_parse(a, text, &joined) != OK)
        abort();
    check(&joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(64 << 20);
    char *copy = malloc(size + 1);
    struct url u, again, base;
    Str head, text;

    memcpy(copy, data, size);
    Str in = {copy, size};
    if (url_parse(a, in, &u) == OK) {
        check(&u);
        if (url_parse(a, text_of(a, &u), &again) != OK)
            abort();
        assert(str_eq(text_of(a, &u), text_of(a, &again)));
    }
    Str ref = str_cut(in, ' ', &head);
    if (ref.p && url_parse(a, head, &base) == OK)
        join(a, &base, ref);
    if (url_parse(a, S("http://a/b/c/d;p?q"), &base) == OK)
        join(a, &base, in);

    if (!memchr(copy, 0, size)) {
        if (url_decode(a, url_encode(a, in), false, &text) != OK)
            abort();
        assert(str_eq(text, in));
    }
    HttpHeaders pairs;
    if (url_query_all(a, in, 50, &pairs) == OK && pairs.n) {
        if (url_query_get(a, in, pairs.at[0].name, &text) != OK)
            abort();
        assert(str_eq(text, pairs.at[0].value));
    }
    free(copy);
    return 0;
}
