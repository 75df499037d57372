/* src/net/egress.c - rules about hosts and addresses, and the table of ranges that are not public.
 *
 * Addresses are compared in one form of 16 bytes, IPv4 as ::ffff:a.b.c.d. Forms of IPv6 that carry
 * an IPv4 address (mapped, compatible, translated, NAT64, 6to4) count as that address too: what
 * reaches 10.0.0.1 by a detour is judged as 10.0.0.1.
 */
#include "net/egress.h"
#include "net/dns.h"

#include <arpa/inet.h>
#include <pthread.h>

enum { RULES_MAX = 1000, HOST_MAX = 253 };

struct addr {
    uint8_t b[16];
};

struct net {
    struct addr addr;
    unsigned bits; /* 0..128 */
};

/* ---- ranges ---- */

enum range_class {
    RANGE_PUBLIC,   /* an exception inside a range that is not */
    RANGE_PRIVATE,  /* opened by "private" */
    RANGE_METADATA, /* of cloud machines: opened by a rule for the one address only */
    RANGE_RESERVED, /* opened by a rule by address or CIDR */
};

/* The IANA special-purpose address registries, and the addresses where clouds give out credentials.
 * The first match counts. */
static const struct {
    const char *net;
    enum range_class class;
    const char *name;
} range_table[] = {
    {"169.254.169.0/24", RANGE_METADATA, "cloud metadata"},
    {"169.254.170.0/24", RANGE_METADATA, "cloud metadata"},
    {"168.63.129.16/32", RANGE_METADATA, "cloud metadata"},
    {"100.100.100.200/32", RANGE_METADATA, "cloud metadata"},
    {"fd00:ec2::/32", RANGE_METADATA, "cloud metadata"},
    {"fd20:ce::/32", RANGE_METADATA, "cloud metadata"},
    {"10.0.0.0/8", RANGE_PRIVATE, "private"},
    {"172.16.0.0/12", RANGE_PRIVATE, "private"},
    {"192.168.0.0/16", RANGE_PRIVATE, "private"},
    {"127.0.0.0/8", RANGE_PRIVATE, "loopback"},
    {"169.254.0.0/16", RANGE_PRIVATE, "link-local"},
    {"0.0.0.0/8", RANGE_RESERVED, "this network"},
    {"100.64.0.0/10", RANGE_RESERVED, "shared address space"},
    {"192.0.0.9/32", RANGE_PUBLIC, "port control"},
    {"192.0.0.10/32", RANGE_PUBLIC, "relay"},
    {"192.0.0.0/24", RANGE_RESERVED, "protocol assignments"},
    {"192.0.2.0/24", RANGE_RESERVED, "documentation"},
    {"192.88.99.0/24", RANGE_RESERVED, "6to4 relay"},
    {"198.18.0.0/15", RANGE_RESERVED, "benchmarking"},
    {"198.51.100.0/24", RANGE_RESERVED, "documentation"},
    {"203.0.113.0/24", RANGE_RESERVED, "documentation"},
    {"224.0.0.0/4", RANGE_RESERVED, "multicast"},
    {"240.0.0.0/4", RANGE_RESERVED, "reserved"},
    {"0.0.0.0/0", RANGE_PUBLIC, "IPv4"},
    {"::1/128", RANGE_PRIVATE, "loopback"},
    {"fc00::/7", RANGE_PRIVATE, "unique-local"},
    {"fe80::/10", RANGE_PRIVATE, "link-local"},
    {"2001::/23", RANGE_RESERVED, "protocol assignments"},
    {"2001:db8::/32", RANGE_RESERVED, "documentation"},
    {"3fff::/20", RANGE_RESERVED, "documentation"},
    {"2000::/3", RANGE_PUBLIC, "IPv6"},
    {"ff00::/8", RANGE_RESERVED, "multicast"},
    {"::/0", RANGE_RESERVED, "not global unicast"},
};

static struct net range_nets[ARRAY_LEN(range_table)];
static pthread_once_t ranges_once = PTHREAD_ONCE_INIT;

static void addr_from_v4(const uint8_t *v4, struct addr *ret)
{
    *ret = (struct addr){{[10] = 0xff, [11] = 0xff}};
    memcpy(ret->b + 12, v4, 4);
}

static bool addr_has_prefix(const struct addr *a, const struct net *n)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;

    if (memcmp(a->b, n->addr.b, whole) != 0)
        return false;
    return rest == 0 || (uint8_t)((a->b[whole] ^ n->addr.b[whole]) >> (8 - rest)) == 0;
}

/* An address in its canonical text, nothing else: no octal, no missing parts, no zone. */
static bool addr_parse(Str s, struct addr *ret, bool *ret_v4)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t v4[4];

    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    *ret_v4 = inet_pton(AF_INET, text, v4) == 1;
    if (*ret_v4)
        addr_from_v4(v4, ret);
    return *ret_v4 || inet_pton(AF_INET6, text, ret->b) == 1;
}

/* ADDRESS or ADDRESS/BITS without bits behind the prefix. */
static bool net_parse(Str s, struct net *ret)
{
    struct net n = {.bits = 128};
    uint64_t bits;
    bool v4;
    Str head;
    Str tail = str_cut(s, '/', &head);

    if (!addr_parse(head, &n.addr, &v4))
        return false;
    if (tail.p) {
        if (str_to_u64(tail, &bits) != OK || bits > (v4 ? 32u : 128u))
            return false;
        n.bits = (unsigned)bits + (v4 ? 96 : 0);
    }
    for (unsigned i = n.bits; i < 128; i++)
        if (n.addr.b[i / 8] & (0x80 >> i % 8))
            return false;
    *ret = n;
    return true;
}

static void parse_ranges(void)
{
    for (size_t i = 0; i < ARRAY_LEN(range_table); i++)
        if (!net_parse(str_c(range_table[i].net), &range_nets[i]))
            DIE("bad range %s", range_table[i].net);
}

static size_t range_of(const struct addr *a)
{
    size_t i = 0;

    pthread_once(&ranges_once, parse_ranges);
    while (!addr_has_prefix(a, &range_nets[i]))
        i++; /* the last one holds all */
    return i;
}

/* The IPv4 address that @a carries, if it is of a form that does. */
static bool addr_unwrap(const struct addr *a, struct addr *ret)
{
    static const uint8_t zero[12];
    static const uint8_t translated[12] = {[8] = 0xff, [9] = 0xff};        /* ::ffff:0:a.b.c.d */
    static const uint8_t nat64[12] = {[1] = 0x64, [2] = 0xff, [3] = 0x9b}; /* 64:ff9b::a.b.c.d */

    if (a->b[0] == 0x20 && a->b[1] == 0x02) {
        addr_from_v4(a->b + 2, ret); /* 6to4 */
        return true;
    }
    bool compatible = memcmp(a->b, zero, 12) == 0 && (a->b[12] || a->b[13] || a->b[14]);
    if (compatible || memcmp(a->b, translated, 12) == 0 || memcmp(a->b, nat64, 12) == 0) {
        addr_from_v4(a->b + 12, ret);
        return true;
    }
    return false;
}

/* ---- rules ---- */

enum rule_kind { RULE_ANY, RULE_PRIVATE, RULE_HOST, RULE_SUFFIX, RULE_NET };

struct rule {
    enum rule_kind kind;
    uint16_t port; /* 0: any */
    struct net net;
    Str host; /* lower case; of a suffix with its first dot */
    Str text; /* as it was written */
};

struct rules {
    struct rule *at;
    size_t n;
};

struct egress {
    struct arena *a;
    struct rules allow, deny;
};

static Err bad_rule(Str text, const char *why)
{
    return err_detail(E_INVALID, "The rule \"%.*s\" is not valid: %s.", P(text), why);
}

/* A name of letters, digits, "-", "_" and dots, whose last part is no number: getaddrinfo would
 * take "127.1" and "0x7f000001" for addresses, so such a rule could not mean what it says. */
static bool host_is_name(Str s)
{
    size_t label = 0, digits = 0;

    if (s.n == 0 || s.n > HOST_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool digit = c >= '0' && c <= '9';
        if (c == '.') {
            if (label == 0)
                return false;
            label = digits = 0;
            continue;
        }
        if (!digit && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' && c != '_')
            return false;
        label++;
        digits += digit;
    }
    Str rest = s;
    Str last = s;
    while (rest.p)
        rest = str_cut(rest, '.', &last);
    return label > 0 && label < 64 && digits < label && !str_starts_nocase(last, S("0x"));
}

static Str without_last_dot(Str host)
{
    return str_ends(host, S(".")) ? str_head(host, host.n - 1) : host;
}

/* Split "what:port"; a bare IPv6 address has colons of its own, "[...]" keeps them apart. */
static Err split_port(Str text, Str *ret_what, uint16_t *ret_port)
{
    Str what = text, port = {0};
    uint64_t value;

    if (str_starts(text, S("["))) {
        size_t end = str_find_char(text, ']');
        if (end == SIZE_MAX)
            return bad_rule(text, "there is no closing bracket");
        what = (Str){text.p + 1, end - 1};
        port = str_skip(text, end + 1);
        if (port.n && port.p[0] != ':')
            return bad_rule(text, "after the bracket stands :port");
        port = port.n ? str_skip(port, 1) : (Str){0};
    } else if (str_find_char(text, ':') != SIZE_MAX) {
        Str tail = str_cut(text, ':', &what);
        if (str_find_char(tail, ':') == SIZE_MAX)
            port = tail;
        else
            what = text;
    }
    *ret_port = 0;
    if (port.p) {
        if (str_to_u64(port, &value) != OK || value == 0 || value > 65535)
            return bad_rule(text, "the port is a number from 1 to 65535");
        *ret_port = (uint16_t)value;
    }
    *ret_what = what;
    return OK;
}

static Err parse_rule(struct arena *a, Str text, struct rule *r)
{
    Str what;

    r->text = str_dup(a, text);
    TRY(split_port(text, &what, &r->port));
    if (str_eq(what, S("*"))) {
        r->kind = RULE_ANY;
    } else if (str_eq(what, S("private"))) {
        r->kind = RULE_PRIVATE;
    } else if (net_parse(what, &r->net)) {
        r->kind = RULE_NET;
    } else if (str_starts(what, S("*."))) {
        r->kind = RULE_SUFFIX;
        if (!host_is_name(str_skip(what, 2)))
            return bad_rule(text, "behind \"*.\" stands a domain name");
        r->host = str_lower(a, str_dup(a, str_skip(what, 1)));
    } else {
        what = without_last_dot(what);
        r->kind = RULE_HOST;
        if (!host_is_name(what))
            return bad_rule(text,
                            "it is no host name, address in usual form or CIDR without host bits");
        r->host = str_lower(a, str_dup(a, what));
    }
    return OK;
}

static Err parse_rules(struct arena *a, Str text, struct rules *ret_rules)
{
    struct rules rules = {0};
    Str item;
    size_t n = 1;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ',';
    if (n > RULES_MAX)
        return err_detail(E_INVALID, "There are more than %d egress rules.", RULES_MAX);
    rules.at = arena_array(a, struct rule, n);
    for (Str rest = text; rest.p;) {
        rest = str_cut(rest, ',', &item);
        item = str_trim(item);
        if (item.n)
            TRY(parse_rule(a, item, &rules.at[rules.n++]));
    }
    *ret_rules = rules;
    return OK;
}

Err egress_new(Str allow, Str deny, struct egress **ret_egress)
{
    if (allow.n + deny.n > KIB(64))
        return err_detail(E_INVALID, "The egress rules are longer than 64 KiB.");
    struct arena *a = arena_new(MIB(2));
    struct egress *e = arena_new_of(a, struct egress);
    e->a = a;
    Err err = parse_rules(a, deny, &e->deny);
    if (err == OK)
        err = parse_rules(a, allow, &e->allow);
    if (err == OK && e->allow.n == 0)
        err = parse_rules(a, S("*"), &e->allow);
    if (err != OK) {
        arena_free(a);
        return err;
    }
    *ret_egress = e;
    return OK;
}

void egress_free(struct egress *e)
{
    if (e)
        arena_free(e->a);
}

/* ---- checking ---- */

/* What is asked about: a name and a port, and where the name led to. */
struct question {
    Str host;
    uint16_t port;
    struct addr addr, inner; /* the same if nothing is wrapped */
    bool has_addr;
};

static bool rule_names_host(const struct rule *r, Str host)
{
    if (r->kind == RULE_HOST)
        return str_eq_nocase(r->host, host);
    if (r->kind == RULE_SUFFIX)
        return host.n > r->host.n && str_eq_nocase(str_skip(host, host.n - r->host.n), r->host);
    return false;
}

static bool rule_has_port(const struct rule *r, uint16_t port)
{
    return r->port == 0 || r->port == port;
}

static bool rule_holds_addr(const struct rule *r, const struct question *q)
{
    return addr_has_prefix(&q->addr, &r->net) || addr_has_prefix(&q->inner, &r->net);
}

static bool deny_matches(const struct rule *r, const struct question *q)
{
    if (!rule_has_port(r, q->port))
        return false;
    if (r->kind == RULE_ANY || rule_names_host(r, q->host))
        return true;
    if (!q->has_addr)
        return false;
    if (r->kind == RULE_PRIVATE) {
        enum range_class c = range_table[range_of(&q->inner)].class;
        return c == RANGE_PRIVATE || c == RANGE_METADATA;
    }
    return r->kind == RULE_NET && rule_holds_addr(r, q);
}

static bool allow_matches(const struct rule *r, const struct question *q, enum range_class class)
{
    if (!rule_has_port(r, q->port))
        return false;
    switch (r->kind) {
    case RULE_ANY:
        return class == RANGE_PUBLIC;
    case RULE_HOST:
    case RULE_SUFFIX:
        return class == RANGE_PUBLIC && rule_names_host(r, q->host);
    case RULE_PRIVATE:
        return class == RANGE_PRIVATE;
    case RULE_NET:
        return rule_holds_addr(r, q) && (class != RANGE_METADATA || r->net.bits == 128);
    }
    return false;
}

static Err check_deny(const struct egress *e, const struct question *q)
{
    for (size_t i = 0; i < e->deny.n; i++)
        if (deny_matches(&e->deny.at[i], q))
            return err_detail(E_EGRESS, "Calls to %.*s are denied by the rule \"%.*s\".",
                              P(q->host), P(e->deny.at[i].text));
    return OK;
}

static Err check_addr(const struct egress *e, const struct question *q)
{
    size_t range = range_of(&q->inner);
    enum range_class class = range_table[range].class;

    TRY(check_deny(e, q));
    for (size_t i = 0; i < e->allow.n; i++)
        if (allow_matches(&e->allow.at[i], q, class))
            return OK;
    if (class == RANGE_PUBLIC)
        return err_detail(E_EGRESS, "Calls to %.*s port %u are not among those allowed.",
                          P(q->host), q->port);
    return err_detail(E_EGRESS,
                      "Calls to %.*s are not allowed: its address is in the range %s (%s).",
                      P(q->host), range_table[range].net, range_table[range].name);
}

/* What can be said before the name is resolved: whether any address could be right. */
static Err check_name(const struct egress *e, const struct question *q)
{
    TRY(check_deny(e, q));
    for (size_t i = 0; i < e->allow.n; i++) {
        const struct rule *r = &e->allow.at[i];
        bool by_name = r->kind == RULE_HOST || r->kind == RULE_SUFFIX;
        if (rule_has_port(r, q->port) && (!by_name || rule_names_host(r, q->host)))
            return OK;
    }
    return err_detail(E_EGRESS, "Calls to %.*s port %u are not among those allowed.", P(q->host),
                      q->port);
}

static void question_addr(struct question *q, const struct addr *a)
{
    q->has_addr = true;
    q->addr = q->inner = *a;
    (void)addr_unwrap(a, &q->inner); /* false: it stays as it is */
}

Err egress_check(const struct egress *e, Str host, uint16_t port, const struct sockaddr *sa)
{
    struct question q = {.host = without_last_dot(host), .port = port};
    struct addr a;

    if (!e)
        return OK;
    if (sa->sa_family == AF_INET)
        addr_from_v4((const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr,
                     &a);
    else if (sa->sa_family == AF_INET6)
        memcpy(a.b, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, sizeof a.b);
    else
        return err_detail(E_EGRESS, "Calls to %.*s are not allowed: not an internet address.",
                          P(host));
    question_addr(&q, &a);
    return check_addr(e, &q);
}

Err egress_check_host(const struct egress *e, Str host, uint16_t port)
{
    struct question q = {.host = without_last_dot(host), .port = port};
    struct addr a;
    bool v4;

    if (!e)
        return OK;
    if (!addr_parse(host, &a, &v4))
        return check_name(e, &q);
    question_addr(&q, &a);
    return check_addr(e, &q);
}

/* ---- resolving ---- */

static void sockaddr_from(const struct addr *a, bool v4, union dns_addr *ret)
{
    *ret = (union dns_addr){0};
    if (v4) {
        ret->v4.sin_family = AF_INET;
        memcpy(&ret->v4.sin_addr, a->b + 12, 4);
    } else {
        ret->v6.sin6_family = AF_INET6;
        memcpy(&ret->v6.sin6_addr, a->b, 16);
    }
}

static void give_addr(union dns_addr *from, uint16_t port, struct egress_addr *ret)
{
    *ret = (struct egress_addr){0};
    if (from->sa.sa_family == AF_INET) {
        from->v4.sin_port = htons(port);
        ret->n = sizeof from->v4;
    } else {
        from->v6.sin6_port = htons(port);
        ret->n = sizeof from->v6;
    }
    memcpy(&ret->sa, from, ret->n);
}

/* The first answer's family first, then in turn (RFC 8305 section 4). */
static size_t alternate(struct dns_answer *answer, uint16_t port, struct egress_addr *ret,
                        size_t max)
{
    bool used[DNS_ADDRS_MAX] = {0};
    size_t n = 0;
    int family = answer->n ? answer->at[0].sa.sa_family : 0;

    while (n < max && n < answer->n) {
        size_t i = 0;
        while (i < answer->n && (used[i] || answer->at[i].sa.sa_family != family))
            i++;
        if (i < answer->n) {
            used[i] = true;
            give_addr(&answer->at[i], port, &ret[n++]);
        }
        family = family == AF_INET ? AF_INET6 : AF_INET;
    }
    return n;
}

/* Drop what may not be called; the error of the last one if nothing is left. */
static Err keep_allowed(const struct egress *e, Str host, uint16_t port, struct dns_answer *answer)
{
    size_t kept = 0;
    Err refusal = OK;

    for (size_t i = 0; i < answer->n; i++) {
        Err err = egress_check(e, host, port, &answer->at[i].sa);
        if (err == OK)
            answer->at[kept++] = answer->at[i];
        else
            refusal = err;
    }
    answer->n = kept;
    return kept ? OK : refusal;
}

Err egress_resolve(const struct egress *e, Str host, uint16_t port, Usec deadline,
                   struct egress_addr *ret_addrs, size_t max, size_t *ret_n)
{
    struct dns_answer answer = {0};
    struct addr a;
    bool v4;

    TRY(egress_check_host(e, host, port));
    if (addr_parse(host, &a, &v4)) {
        sockaddr_from(&a, v4, &answer.at[0]);
        answer.n = 1;
    } else {
        char lower[HOST_MAX + 1];
        Str name = without_last_dot(host);
        if (name.n == 0 || name.n > HOST_MAX)
            return err_set(E_CONNECT, "not a host name");
        for (size_t i = 0; i < name.n; i++) {
            char c = name.p[i];
            if (c <= ' ' || c == 0x7f || c == '%' || c == '/')
                return err_set(E_CONNECT, "not a host name");
            lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
        TRY(dns_lookup((Str){lower, name.n}, deadline, &answer));
    }
    TRY(keep_allowed(e, host, port, &answer));
    *ret_n = alternate(&answer, port, ret_addrs, max);
    return OK;
}
