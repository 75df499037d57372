/* src/net/http_origin.c - where a request comes from: trusted proxies and the same-origin rule. */
#include "net/http_private.h"

#include <arpa/inet.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* An address as IPv6, IPv4 in its mapped form; false if @s is none. */
static bool parse_address(Str s, uint8_t out[16], bool *ret_v4)
{
    char text[INET6_ADDRSTRLEN];

    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        s = str_from(s.p + 1, s.n - 2);
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *ret_v4 = inet_pton(AF_INET, text, out + 12) == 1;
    if (*ret_v4) {
        memcpy(out, mapped_prefix, sizeof mapped_prefix);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool in_cidr(const uint8_t addr[16], const struct cidr *c)
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;

    if (memcmp(addr, c->addr, whole) != 0)
        return false;
    return rest == 0 || ((addr[whole] ^ c->addr[whole]) >> (8 - rest)) == 0;
}

static bool is_proxy(const struct http_server *s, Str address)
{
    uint8_t addr[16];
    bool v4;

    if (!parse_address(address, addr, &v4))
        return false;
    for (size_t i = 0; i < s->n_proxies; i++)
        if (in_cidr(addr, &s->proxies[i]))
            return true;
    return false;
}

static Err parse_network(Str item, struct cidr *ret_network)
{
    struct cidr c;
    uint64_t bits = 0;
    bool v4;
    Str addr;
    Str mask = str_cut(item, '/', &addr);

    if (!parse_address(addr, c.addr, &v4) ||
        (mask.p && (str_to_u64(mask, &bits) != OK || bits > (v4 ? 32 : 128))))
        return err_detail(E_INVALID,
                          "\"%.*s\" is no address and no network; write it like 10.0.0.1, "
                          "10.0.0.0/8 or fd00::/8",
                          P(item));
    if (!mask.p)
        bits = v4 ? 32 : 128;
    c.bits = (uint8_t)(v4 ? bits + 96 : bits);
    *ret_network = c;
    return OK;
}

Err http_networks_check(Str list)
{
    struct cidr network;
    Str rest = list, item;

    while (http_list_next(&rest, &item))
        TRY(parse_network(item, &network));
    return OK;
}

Err origin_parse(struct http_server *s, Str list)
{
    VEC(struct cidr) all = {0};
    Str rest = list, item;

    while (http_list_next(&rest, &item)) {
        struct cidr network;
        TRY(parse_network(item, &network));
        vec_push(s->a, &all, network);
    }
    s->proxies = all.at;
    s->n_proxies = all.n;
    return OK;
}

/* Take the last element off comma-separated *list; false when it is empty. */
static bool take_last(Str *list, Str *ret_item)
{
    size_t at = list->n;

    if (list->n == 0)
        return false;
    while (at > 0 && list->p[at - 1] != ',')
        at--;
    *ret_item = str_trim(str_skip(*list, at));
    *list = str_head(*list, at ? at - 1 : 0);
    return true;
}

/* Go on from *at, a proxy of ours, to who called it, as long as those are proxies of ours too.
 * False when the end is reached: what stands left of it may be made up by the client. */
static bool follow(const struct http_server *s, Str list, Str *at)
{
    uint8_t addr[16];
    Str one;
    bool v4;

    while (take_last(&list, &one)) {
        if (!parse_address(one, addr, &v4))
            return false;
        *at = one;
        if (!is_proxy(s, one))
            return false;
    }
    return true;
}

/* Proxies add to the end, some in a line of their own: the fields are read backwards. */
static Str forwarded_for(const struct http_server *s, const struct req *req, Str peer)
{
    for (size_t i = req->headers.n; i > 0; i--) {
        const struct http_header *h = &req->headers.at[i - 1];
        if (str_eq_nocase(h->name, S("x-forwarded-for")) && !follow(s, h->value, &peer))
            break;
    }
    return peer;
}

static Str last_of(const struct req *req, Str name)
{
    Str list, last = {0};

    for (size_t i = 0; i < req->headers.n; i++) {
        list = req->headers.at[i].value;
        if (str_eq_nocase(req->headers.at[i].name, name))
            (void)take_last(&list, &last); /* an empty field says nothing */
    }
    return last;
}

void origin_fill(struct exch *x)
{
    struct http_conn *c = x->conn;
    const struct http_server *s = c->shard->server;
    struct req *r = &x->req;

    r->remote = http_conn_remote(c);
    r->tls = c->sock.tls != NULL;
    if (s->n_proxies == 0 || !is_proxy(s, r->remote))
        return;
    r->remote = forwarded_for(s, r, r->remote);
    Str proto = last_of(r, S("x-forwarded-proto"));
    if (proto.p)
        r->tls = str_eq_nocase(proto, S("https"));
}

bool req_same_origin(const struct req *req)
{
    Str site = req_header(req, S("sec-fetch-site"));
    Str origin = req_header(req, S("origin"));
    Str host = req_header(req, S("host"));

    if (site.p)
        return str_eq(site, S("same-origin")) || str_eq(site, S("none"));
    if (!origin.p)
        return (req->method & (HTTP_GET | HTTP_HEAD | HTTP_OPTIONS)) != 0;
    /* A proxy that ends TLS may not say so: https is good in any case, http where we see no TLS. */
    if (str_starts_nocase(origin, S("https://")))
        origin = str_skip(origin, 8);
    else if (!req->tls && str_starts_nocase(origin, S("http://")))
        origin = str_skip(origin, 7);
    else
        return false;
    return host.n && str_eq_nocase(origin, host);
}
