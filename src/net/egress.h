/* src/net/egress.h - the one door to other hosts.
 *
 * Every outbound connection resolves its host here, and is made to an address that was checked, so
 * that a name cannot change between check and use (DNS rebinding). Refused unless allowed:
 * loopback, private, link-local (with the metadata address), unique-local, multicast, reserved,
 * IPv4-mapped forms of these.
 */
#ifndef NET_EGRESS_H
#define NET_EGRESS_H

#include "base/arena.h"
#include "rt/fiber.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct egress;

struct egress_addr {
    struct sockaddr_storage sa;
    socklen_t n;
};

/* Rules, comma-separated, each a host, "*.suffix", an address or a CIDR, with an optional ":port"
 * ("[::1]:8080" and "[fd00::/8]:443" for IPv6). @deny wins over @allow. An allow rule by address or
 * CIDR opens private and reserved ranges, a rule by host does not; "*" allows every public host and
 * is the default when @allow is empty; "private" opens all private, loopback, link-local and
 * unique-local ranges. Where clouds give out credentials (169.254.169.254, fd00:ec2::254 and their
 * like) is opened by a rule for that one address alone. E_INVALID with a detail that names the bad
 * rule. */
Err egress_new(Str allow, Str deny, struct egress **ret_egress);
void egress_free(struct egress *e);
DEFINE_AUTO(egress, egress_free)

/* Whether one address may be called. Pure. E_EGRESS with a detail that names the rule or range. */
Err egress_check(const struct egress *e, Str host, uint16_t port, const struct sockaddr *sa);
/* What can be said of a host before it is resolved: E_EGRESS if no address of it could be called. A
 * host that is an address in its usual text is checked as that address. */
Err egress_check_host(const struct egress *e, Str host, uint16_t port);
/* Resolve (dns.h), and give the allowed addresses, v6 and v4 alternating. E_EGRESS if some exist
 * but none is allowed, E_CONNECT if the name does not resolve. @e NULL: no rule (own
 * infrastructure). */
Err egress_resolve(const struct egress *e, Str host, uint16_t port, Usec deadline,
                   struct egress_addr *ret_addrs, size_t max, size_t *ret_n) YIELDS;

#endif
