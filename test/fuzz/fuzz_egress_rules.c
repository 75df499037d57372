/* test/fuzz/fuzz_egress_rules.c - whatever rules are written, the parser ends, "deny *" denies, and
 * the metadata address opens only to a rule that names it. */
#include "net/egress.h"

#include <arpa/inet.h>
#include <assert.h>

static Err check(const struct egress *e, const char *host, uint16_t port, const char *addr)
{
    struct sockaddr_storage sa = {0};
    struct sockaddr_in *v4 = (void *)&sa;
    struct sockaddr_in6 *v6 = (void *)&sa;

    if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1)
        sa.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, addr, &v6->sin6_addr) == 1)
        sa.ss_family = AF_INET6;
    return egress_check(e, str_c(host), port, (struct sockaddr *)&sa);
}

static bool has(Str text, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= text.n; i++)
        if (str_eq_nocase((Str){text.p + i, n}, str_c(what)))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const addrs[] = {"8.8.8.8",   "10.0.0.1",        "127.0.0.1",
                                        "::1",       "::ffff:10.0.0.1", "2606:4700::1111",
                                        "fd00::1",   "64:ff9b::a00:1",  "2002:a00:1::1",
                                        "224.0.0.1", "255.255.255.255", "::"};
    AUTO(egress) *e = NULL;
    AUTO(egress) *denied = NULL;
    Str deny;

    if (size > 4096)
        return 0;
    Str in = {(const char *)data, size};
    Str allow = str_cut(in, '|', &deny);
    if (egress_new(allow, deny, &e) != OK)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
        Err by_name = egress_check_host(e, S("a.example"), 443);
        Err by_addr = check(e, "a.example", 443, addrs[i]);
        /* What no address could pass, none passes. */
        assert(by_addr == OK || by_addr == E_EGRESS);
        assert(by_name == OK || by_addr == E_EGRESS);
    }
    if (check(e, "h", 80, "169.254.169.254") == OK)
        assert(has(allow, "169.254.169.254") || has(allow, "a9fe:a9fe"));
    if (egress_new(allow, S("*"), &denied) == OK)
        for (size_t i = 0; i < ARRAY_LEN(addrs); i++)
            assert(check(denied, "a.example", 443, addrs[i]) == E_EGRESS);
    return 0;
}
