/* src/net/dns.h - names to addresses: the system's resolver on threads of its own, with a short
 * memory.
 *
 * getaddrinfo() can neither be cancelled nor bounded, so it runs on its own few threads, away from
 * the worker pool; a fiber that is cancelled or runs out of time leaves at once, and the answer
 * goes to the memory. Answers are kept for a few seconds. What they may be used for is checked by
 * egress.h, each time.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "rt/fiber.h"

#include <netinet/in.h>

enum { DNS_ADDRS_MAX = 16 };

union dns_addr {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct dns_answer {
    union dns_addr at[DNS_ADDRS_MAX];
    size_t n;
};

/* The addresses of @host, in the order of the system's preference, without ports. E_CONNECT if
 * there are none, E_OVERLOADED if too many names are being looked up. */
Err dns_lookup(Str host, Usec deadline, struct dns_answer *ret_answer) YIELDS;

/* Replace the system's resolver, for tests; NULL puts it back. Called on the resolver's threads.
 * Gives 0 or an EAI_ code. Forgets all answers. */
typedef int dns_resolver(const char *host, struct dns_answer *ret_answer);
void dns_resolver_set(dns_resolver *fn);

#endif
