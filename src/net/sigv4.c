/* src/net/sigv4.c - see sigv4.h. */
#include "net/sigv4.h"

#include "base/crypto.h"

#include <stdlib.h>

static Str bytes(const uint8_t mac[32])
{
    return str_from((const char *)mac, 32);
}

Str sigv4_hash(struct arena *a, Str body)
{
    uint8_t hash[32];

    crypto_sha256(body, hash);
    return crypto_hex(a, hash, sizeof hash);
}

static int compare(const void *a, const void *b)
{
    const struct http_header *x = a, *y = b;
    int order = str_cmp(x->name, y->name);

    return order ? order : str_cmp(x->value, y->value);
}

static Str join(struct arena *a, const HttpHeaders *pairs, const char *between, const char *behind)
{
    size_t n = 0, at = 0;

    vec_each(pairs, p)
        n += p->name.n + p->value.n + strlen(between) + strlen(behind);
    char *out = arena_bytes(a, n + 1);
    vec_each(pairs, p) {
        const Str parts[] = {p->name, str_c(between), p->value, str_c(behind)};
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            memcpy(out + at, parts[i].p, parts[i].n);
            at += parts[i].n;
        }
    }
    return str_from(out, n);
}

static void sort(HttpHeaders *pairs)
{
    if (pairs->n)
        qsort(pairs->at, pairs->n, sizeof *pairs->at, compare);
}

Str sigv4_query(struct arena *a, HttpHeaders *pairs)
{
    vec_each(pairs, p) {
        p->name = url_encode(a, p->name);
        p->value = url_encode(a, p->value);
    }
    sort(pairs);
    Str text = join(a, pairs, "=", "&");
    return str_head(text, text.n ? text.n - 1 : 0);
}

Str sigv4_path(struct arena *a, Str path)
{
    Str encoded = url_encode(a, path);
    char *out = arena_bytes(a, encoded.n + 1);
    size_t n = 0;

    for (Str rest = encoded; rest.n; rest = str_skip(rest, 1)) {
        bool slash = str_starts(rest, S("%2F"));
        out[n++] = slash ? '/' : rest.p[0];
        rest = str_skip(rest, slash ? 2 : 0);
    }
    return str_from(out, n);
}

/* Without spaces at its ends, and with one where there are several. */
static Str squeeze(struct arena *a, Str s)
{
    char *out = arena_bytes(a, s.n + 1);
    size_t n = 0;

    s = str_trim(s);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' || s.p[i - 1] != ' ')
            out[n++] = s.p[i];
    return str_from(out, n);
}

/* Names in lower case and sorted, each once. */
static HttpHeaders canonical_headers(struct arena *a, const HttpHeaders *headers, Str host)
{
    HttpHeaders all = {0}, once = {0};

    http_header_add(a, &all, S("host"), host);
    vec_each(headers, h)
        http_header_add(a, &all, str_lower(a, h->name), squeeze(a, h->value));
    for (size_t i = 0; i < all.n; i++) {
        struct http_header *there = NULL;
        vec_each(&once, o)
            if (str_eq(o->name, all.at[i].name))
                there = o;
        if (there)
            there->value = str_fmt(a, "%.*s,%.*s", P(there->value), P(all.at[i].value));
        else
            vec_push(a, &once, all.at[i]);
    }
    sort(&once);
    return once;
}

static Str signed_names(struct arena *a, const HttpHeaders *headers)
{
    size_t n = 0, at = 0;

    vec_each(headers, h)
        n += h->name.n + 1;
    char *out = arena_bytes(a, n + 1);
    vec_each(headers, h) {
        memcpy(out + at, h->name.p, h->name.n);
        at += h->name.n;
        out[at++] = ';';
    }
    return str_from(out, n - 1);
}

static void derive(struct arena *a, const struct sigv4 *by, Str date, uint8_t key[32])
{
    Str first = str_fmt(a, "AWS4%.*s", P(by->secret_key));

    crypto_hmac_sha256(first, date, key);
    crypto_wipe((char *)(uintptr_t)first.p, first.n);
    crypto_hmac_sha256(bytes(key), by->region, key);
    crypto_hmac_sha256(bytes(key), by->service, key);
    crypto_hmac_sha256(bytes(key), S("aws4_request"), key);
}

/* "20260131T101500Z". */
static Str stamp(struct arena *a, Usec now)
{
    char text[TIME_RFC3339_SIZE], out[17];
    Str t = time_rfc3339(now, text);

    snprintf(out, sizeof out, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", t.p, t.p + 5, t.p + 8, t.p + 11,
             t.p + 14, t.p + 17);
    return str_dup(a, str_c(out));
}

void sigv4_sign(struct arena *a, const struct sigv4 *by, const struct sigv4_request *r,
                HttpHeaders *headers)
{
    Str time = stamp(a, by->now), date = str_head(time, 8);
    uint8_t key[32], mac[32];

    http_header_add(a, headers, S("X-Amz-Date"), time);
    if (by->session_token.n)
        http_header_add(a, headers, S("X-Amz-Security-Token"), by->session_token);
    if (str_eq(by->service, S("s3")))
        http_header_add(a, headers, S("X-Amz-Content-Sha256"), r->body_hash);
    HttpHeaders canonical = canonical_headers(a, headers, r->host);
    Str names = signed_names(a, &canonical);
    const Str parts[] = {r->method, r->path,     r->query, join(a, &canonical, ":", "\n"),
                         names,     r->body_hash};
    Str scope = str_fmt(a, "%.*s/%.*s/%.*s/aws4_request", P(date), P(by->region), P(by->service));
    Str request = sigv4_hash(a, str_join(a, parts, ARRAY_LEN(parts), S("\n")));
    Str text = str_fmt(a, "AWS4-HMAC-SHA256\n%.*s\n%.*s\n%.*s", P(time), P(scope), P(request));
    derive(a, by, date, key);
    crypto_hmac_sha256(bytes(key), text, mac);
    crypto_wipe(key, sizeof key);
    http_header_add(a, headers, S("Authorization"),
                    str_fmt(a,
                            "AWS4-HMAC-SHA256 Credential=%.*s/%.*s, SignedHeaders=%.*s, "
                            "Signature=%.*s",
                            P(by->access_key), P(scope), P(names),
                            P(crypto_hex(a, mac, sizeof mac))));
}
