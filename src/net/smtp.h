/* src/net/smtp.h - hand one message to a mail server (RFC 5321, RFC 5322).
 *
 * The server is the operator's own, so no egress rule applies to it. libcurl speaks to it on a
 * worker, which is taken for the time of a message: whoever sends many sends them one after the
 * other.
 */
#ifndef NET_SMTP_H
#define NET_SMTP_H

#include "rt/fiber.h"

#include <stdatomic.h>

struct smtp_server {
    Str url;            /* smtp://host[:port], or smtps:// for TLS from the first byte */
    Str user, password; /* empty: nobody signs in */
    Str from;           /* address */
    Str ca_file;        /* of authorities besides the system's; empty: none */
    bool plain;         /* smtp:// goes without TLS; else it is refused without STARTTLS */
};

struct smtp_message {
    Str id;      /* left of the @ of its Message-ID; the same for each attempt */
    Str to;      /* address */
    Str subject; /* one line of UTF-8 */
    Str text;    /* UTF-8 */
    Usec date;   /* wall */
};

enum { SMTP_ADDRESS_MAX = 254 };

/* Whether @s can be the address of one mailbox: local@domain, without a name and brackets around
 * it. Nothing in it ends a line or an address. */
bool smtp_is_address(Str s);
/* The message with its headers, as it goes over the line. */
Str smtp_message_text(struct arena *a, const struct smtp_server *server,
                      const struct smtp_message *m);
/* Send it. @stop, which may be NULL: break off when it becomes true (E_CANCELLED). E_INVALID: the
 * server takes it at no time. E_UNAVAILABLE, E_TIMEOUT, E_TLS: perhaps another time; the details
 * say what it answered. */
Err smtp_send(const struct smtp_server *server, struct arena *a, const struct smtp_message *m,
              const atomic_bool *stop) YIELDS;

#endif
