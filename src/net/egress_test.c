/* src/net/egress_test.c */
#include "base/test.h"
#include "net/dns.h"
#include "net/egress.h"
#include "rt/test_rt.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdatomic.h>
#include <unistd.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *v4 = (void *)&sa;
    struct sockaddr_in6 *v6 = (void *)&sa;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        sa.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        sa.ss_family = AF_INET6;
    else
        t_fail(__FILE__, __LINE__, "%s is no address", text);
    return sa;
}

/* The verdict of rules on one host, port and address; E_INVALID if the rules are not valid. */
static Err verdict(const char *allow, const char *deny, const char *host, uint16_t port,
                   const char *addr)
{
    AUTO(egress) *e = NULL;
    struct sockaddr_storage sa = address(addr);

    TRY(egress_new(str_c(allow), str_c(deny), &e));
    return egress_check(e, str_c(host), port, (struct sockaddr *)&sa);
}

TEST(egress_default_allows_public_addresses_only)
{
    static const char *const public_ones[] = {
        "1.1.1.1",         "8.8.8.8",         "172.32.0.1",      "100.128.0.1",
        "192.0.0.9",       "223.255.255.255", "2606:4700::1111", "64:ff9b::808:808",
        "2002:808:808::1", "::ffff:8.8.8.8"};
    static const char *const others[] = {"0.0.0.0",
                                         "0.1.2.3",
                                         "10.0.0.1",
                                         "100.64.0.1",
                                         "127.0.0.1",
                                         "127.255.255.254",
                                         "168.63.129.16",
                                         "169.254.0.1",
                                         "169.254.169.254",
                                         "172.16.0.1",
                                         "172.31.255.255",
                                         "192.0.0.1",
                                         "192.0.2.1",
                                         "192.168.1.1",
                                         "198.18.0.1",
                                         "198.19.255.255",
                                         "198.51.100.1",
                                         "203.0.113.1",
                                         "224.0.0.1",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::2",
                                         "::ffff:127.0.0.1",
                                         "::ffff:10.0.0.1",
                                         "::127.0.0.1",
                                         "::ffff:0:127.0.0.1",
                                         "64:ff9b::7f00:1",
                                         "64:ff9b::a9fe:a9fe",
                                         "64:ff9b:1::1",
                                         "100::1",
                                         "2001::1",
                                         "2001:db8::1",
                                         "2002:7f00:1::1",
                                         "2002:a9fe:a9fe::1",
                                         "3fff::1",
                                         "5f00::1",
                                         "fc00::1",
                                         "fd00::1",
                                         "fd00:ec2::254",
                                         "fe80::1",
                                         "fec0::1",
                                         "ff02::1"};

    for (size_t i = 0; i < ARRAY_LEN(public_ones); i++)
        t_expect_ok(verdict("", "", "h.example", 443, public_ones[i]));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (verdict("", "", "h.example", 443, others[i]) != E_EGRESS)
            t_fail(__FILE__, __LINE__, "%s is allowed", others[i]);
    }
}

TEST(egress_refusal_names_the_range_or_the_rule)
{
    t_expect_err(verdict("", "", "h.example", 80, "169.254.169.254"), E_EGRESS);
    t_expect(strstr(err_client_text(E_EGRESS), "169.254.169.0/24 (cloud metadata)") != NULL);
    t_expect_err(verdict("", "*.example", "h.example", 80, "8.8.8.8"), E_EGRESS);
    t_expect(strstr(err_client_text(E_EGRESS), "\"*.example\"") != NULL);
    t_expect_err(verdict("other.example", "", "h.example", 80, "8.8.8.8"), E_EGRESS);
    t_expect(strstr(err_client_text(E_EGRESS), "not among those allowed") != NULL);
}

TEST(egress_private_opens_private_ranges_but_not_metadata)
{
    static const char *const open[] = {"10.1.2.3", "127.0.0.1", "169.254.1.1",       "::1",
                                       "fd00::1",  "fe80::1",   "::ffff:192.168.0.1"};
    static const char *const closed[] = {
        "169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "8.8.8.8"};

    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        t_expect_ok(verdict("private", "", "h", 80, open[i]));
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        t_expect_err(verdict("private", "", "h", 80, closed[i]), E_EGRESS);
    t_expect_ok(verdict("private, *", "", "h", 80, "8.8.8.8"));
}

TEST(egress_address_rules_open_what_they_hold)
{
    t_expect_ok(verdict("10.1.0.0/16", "", "h", 80, "10.1.2.3"));
    t_expect_err(verdict("10.1.0.0/16", "", "h", 80, "10.2.0.1"), E_EGRESS);
    t_expect_ok(verdict("10.1.0.0/16", "", "h", 80, "::ffff:10.1.2.3"));
    t_expect_ok(verdict("127.0.0.1:8080", "", "h", 8080, "127.0.0.1"));
    t_expect_err(verdict("127.0.0.1:8080", "", "h", 8081, "127.0.0.1"), E_EGRESS);
    t_expect_ok(verdict("[::1]:8080", "", "h", 8080, "::1"));
    t_expect_err(verdict("[::1]:8080", "", "h", 80, "::1"), E_EGRESS);
    t_expect_ok(verdict("[fd00::/8]:443", "", "h", 443, "fd12::1"));
    t_expect_ok(verdict("fd00::/8", "", "h", 443, "fd12::1"));
    t_expect_ok(verdict("0.0.0.0/0", "", "h", 443, "192.168.0.1"));
    t_expect_err(verdict("0.0.0.0/0", "", "h", 443, "169.254.169.254"), E_EGRESS);
    t_expect_ok(verdict("169.254.169.254", "", "h", 80, "169.254.169.254"));
}

TEST(egress_host_rules_do_not_open_private_ranges)
{
    t_expect_ok(verdict("api.example", "", "api.example", 443, "8.8.8.8"));
    t_expect_ok(verdict("api.example", "", "API.Example.", 443, "8.8.8.8"));
    t_expect_err(verdict("api.example", "", "api.example", 443, "10.0.0.1"), E_EGRESS);
    t_expect_ok(verdict("*.example:443", "", "a.b.example", 443, "8.8.8.8"));
    t_expect_err(verdict("*.example:443", "", "a.b.example", 80, "8.8.8.8"), E_EGRESS);
    t_expect_err(verdict("*.example", "", "example", 80, "8.8.8.8"), E_EGRESS);
    t_expect_err(verdict("*.example", "", "badexample", 80, "8.8.8.8"), E_EGRESS);
}

TEST(egress_deny_wins)
{
    t_expect_err(verdict("*,10.0.0.0/8", "10.0.0.5", "h", 80, "10.0.0.5"), E_EGRESS);
    t_expect_err(verdict("*,10.0.0.0/8", "10.0.0.5", "h", 80, "::ffff:10.0.0.5"), E_EGRESS);
    t_expect_ok(verdict("*,10.0.0.0/8", "10.0.0.5", "h", 80, "10.0.0.6"));
    t_expect_err(verdict("*", "bad.example", "bad.example.", 80, "8.8.8.8"), E_EGRESS);
    t_expect_err(verdict("*", "*:25", "h", 25, "8.8.8.8"), E_EGRESS);
    t_expect_ok(verdict("*", "*:25", "h", 26, "8.8.8.8"));
    t_expect_err(verdict("0.0.0.0/0", "private", "h", 26, "10.0.0.1"), E_EGRESS);
}

TEST(egress_bad_rules_are_named)
{
    static const char *const bad[] = {"10.0.0.1/8",   "10.0.0.0/33", "2130706433", "0x7f.1",
                                      "127.1",        "010.0.0.1",   "a..b",       "*.",
                                      "*.*.example",  "host:0",      "host:70000", "host:x",
                                      "[::1",         "[::1]x",      "a b",        "http://x",
                                      "fe80::1%eth0", "::/129",      "exa*mple",   "host:"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (verdict(bad[i], "", "h", 80, "8.8.8.8") != E_INVALID ||
            !strstr(err_client_text(E_INVALID), bad[i]))
            t_fail(__FILE__, __LINE__, "%s: %s", bad[i], err_client_text(E_INVALID));
    }
}

/* ---- resolving ---- */

static atomic_int lookups;
static atomic_int slow_ms;

static void answer_with(struct dns_answer *answer, const char *text)
{
    struct sockaddr_storage sa = address(text);
    memcpy(&answer->at[answer->n++], &sa, sizeof answer->at[0]);
}

static int fake_resolver(const char *host, struct dns_answer *answer)
{
    int n = atomic_fetch_add(&lookups, 1);

    if (atomic_load(&slow_ms))
        usleep((useconds_t)atomic_load(&slow_ms) * 1000);
    if (strcmp(host, "both.example") == 0) {
        answer_with(answer, "2606:4700::1");
        answer_with(answer, "2606:4700::2");
        answer_with(answer, "1.1.1.1");
        answer_with(answer, "1.1.1.2");
    } else if (strcmp(host, "mixed.example") == 0) {
        answer_with(answer, "10.0.0.1");
        answer_with(answer, "1.1.1.1");
    } else if (strcmp(host, "inside.example") == 0 || strcmp(host, "2130706433") == 0 ||
               strcmp(host, "0x7f.1") == 0 || strcmp(host, "localhost") == 0) {
        answer_with(answer, "127.0.0.1");
    } else if (strcmp(host, "rebind.example") == 0) {
        answer_with(answer, n == 0 ? "1.1.1.1" : "127.0.0.1");
    } else {
        return EAI_NONAME;
    }
    return 0;
}

static Err resolve(const char *allow, const char *host, struct egress_addr *addrs, size_t *n)
{
    AUTO(egress) *e = NULL;

    TRY(egress_new(str_c(allow), S(""), &e));
    return egress_resolve(e, str_c(host), 443, usec_in(5 * USEC_S), addrs, 8, n);
}

static void text_of(const struct egress_addr *a, char *out)
{
    const struct sockaddr_in *v4 = (const void *)&a->sa;
    const struct sockaddr_in6 *v6 = (const void *)&a->sa;

    if (a->sa.ss_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
}

TEST_FIBER(egress_resolve_alternates_families)
{
    static const char *const want[] = {"2606:4700::1", "1.1.1.1", "2606:4700::2", "1.1.1.2"};
    struct egress_addr addrs[8];
    char text[INET6_ADDRSTRLEN];
    size_t n = 0;

    dns_resolver_set(fake_resolver);
    t_expect_ok(resolve("", "both.example", addrs, &n));
    dns_resolver_set(NULL);
    t_expect_int(n, 4);
    for (size_t i = 0; i < 4; i++) {
        text_of(&addrs[i], text);
        t_expect_str(str_c(text), str_c(want[i]));
        t_expect_int(ntohs(((struct sockaddr_in *)&addrs[i].sa)->sin_port), 443);
    }
}

TEST_FIBER(egress_resolve_gives_only_the_allowed_addresses)
{
    struct egress_addr addrs[8];
    char text[INET6_ADDRSTRLEN];
    size_t n = 0;

    dns_resolver_set(fake_resolver);
    t_expect_ok(resolve("", "mixed.example", addrs, &n));
    t_expect_int(n, 1);
    text_of(&addrs[0], text);
    t_expect_str(str_c(text), S("1.1.1.1"));
    t_expect_err(resolve("", "inside.example", addrs, &n), E_EGRESS);
    t_expect_err(resolve("", "2130706433", addrs, &n), E_EGRESS);
    t_expect_err(resolve("", "0x7f.1", addrs, &n), E_EGRESS);
    t_expect_err(resolve("", "localhost.", addrs, &n), E_EGRESS);
    t_expect_err(resolve("", "127.0.0.1", addrs, &n), E_EGRESS);
    t_expect_err(resolve("", "::1", addrs, &n), E_EGRESS);
    t_expect_err(resolve("", "nowhere.example", addrs, &n), E_CONNECT);
    t_expect_err(resolve("", "fe80::1%lo", addrs, &n), E_CONNECT);
    dns_resolver_set(NULL);
}

TEST_FIBER(egress_resolve_does_not_look_up_what_no_rule_allows)
{
    struct egress_addr addrs[8];
    size_t n = 0;

    dns_resolver_set(fake_resolver);
    atomic_store(&lookups, 0);
    t_expect_err(resolve("api.example", "both.example", addrs, &n), E_EGRESS);
    t_expect_int(atomic_load(&lookups), 0);
    dns_resolver_set(NULL);
}

TEST_FIBER(egress_resolve_remembers_for_a_moment_and_checks_every_time)
{
    struct egress_addr addrs[8];
    size_t n = 0;

    dns_resolver_set(fake_resolver);
    atomic_store(&lookups, 0);
    t_expect_ok(resolve("", "rebind.example", addrs, &n));
    t_expect_ok(resolve("", "rebind.example", addrs, &n));
    t_expect_int(atomic_load(&lookups), 1);
    t_expect_err(resolve("10.0.0.0/8", "rebind.example", addrs, &n), E_EGRESS);
    t_expect_int(atomic_load(&lookups), 1);
    dns_resolver_set(fake_resolver); /* forgets: the name now leads inside */
    t_expect_err(resolve("", "rebind.example", addrs, &n), E_EGRESS);
    dns_resolver_set(NULL);
}

static Err resolve_fiber(void *arg)
{
    struct egress_addr addrs[8];
    size_t n = 0;

    (void)arg;
    return resolve("", "both.example", addrs, &n);
}

TEST_FIBER(dns_asks_once_for_many_who_wait)
{
    FIBER_GROUP(g, 0, false);

    dns_resolver_set(fake_resolver);
    atomic_store(&lookups, 0);
    atomic_store(&slow_ms, 50);
    for (int i = 0; i < 50; i++)
        t_expect_ok(fiber_group_start(&g, "resolve", resolve_fiber, NULL));
    Err e = fiber_group_join(&g);
    atomic_store(&slow_ms, 0);
    dns_resolver_set(NULL);
    t_expect_ok(e);
    t_expect_int(atomic_load(&lookups), 1);
}

TEST_FIBER(dns_wait_ends_by_cancel_and_deadline_while_the_resolver_hangs)
{
    struct dns_answer answer;
    FIBER_GROUP(g, 0, false);

    dns_resolver_set(fake_resolver);
    atomic_store(&slow_ms, 300);
    Usec started = time_mono();
    t_expect_ok(fiber_group_start(&g, "resolve", resolve_fiber, NULL));
    t_expect_err(dns_lookup(S("both.example"), usec_in(20 * USEC_MS), &answer), E_TIMEOUT);
    fiber_group_cancel(&g);
    t_expect_err(fiber_group_join(&g), E_CANCELLED);
    t_expect(time_mono() - started < 200 * USEC_MS);
    /* The answer comes when nobody waits: it is kept. */
    atomic_store(&slow_ms, 0);
    atomic_store(&lookups, 0);
    t_expect_ok(dns_lookup(S("both.example"), usec_in(2 * USEC_S), &answer));
    t_expect_int(answer.n, 4);
    t_expect_int(atomic_load(&lookups), 0);
    dns_resolver_set(NULL);
}

TEST_FIBER(dns_memory_is_bounded)
{
    struct dns_answer answer;
    char host[32];

    dns_resolver_set(fake_resolver);
    for (int i = 0; i < 600; i++) {
        snprintf(host, sizeof host, "n%d.nowhere.example", i);
        t_expect_err(dns_lookup(str_c(host), usec_in(2 * USEC_S), &answer), E_CONNECT);
    }
    dns_resolver_set(NULL);
}

TEST_FIBER(dns_asks_the_system)
{
    struct dns_answer answer = {0};

    t_expect_ok(dns_lookup(S("localhost"), usec_in(10 * USEC_S), &answer));
    t_expect(answer.n > 0);
}
