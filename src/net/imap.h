/* src/net/imap.h - a connection to an IMAP server (RFC 3501), for one fiber that reads a folder.
 *
 * Over TLS from the beginning, by STARTTLS, or in the clear. The host passes the egress door. What
 * the server says is bounded; one that does not answer, stops in the middle or says what is no IMAP
 * ends the connection with an error that has a detail. After any error but E_NOT_FOUND and
 * E_CONFLICT the connection is of no use.
 */
#ifndef NET_IMAP_H
#define NET_IMAP_H

#include "net/egress.h"
#include "net/imap_parse.h"

struct imap;

enum imap_tls { IMAP_TLS, IMAP_STARTTLS, IMAP_CLEAR };

struct imap_options {
    Str host;
    uint16_t port;
    enum imap_tls tls;
    const struct egress *egress;
    Usec patience; /* without a byte where one is due; 0: 30 s */
};

/* Connected, encrypted as asked for, greeted. E_EGRESS, E_CONNECT, E_UPSTREAM, E_UPSTREAM_CUT,
 * E_TIMEOUT. */
Err imap_open(const struct imap_options *options, struct imap **ret_imap) YIELDS;
/* Closes at once. */
void imap_free(struct imap *im);
DEFINE_AUTO(imap, imap_free)
/* From now on fn(ctx) is called after each wait for what was asked for: a message may take minutes.
 * An error of it ends the call. It does not use the connection. */
void imap_meanwhile(struct imap *im, Err (*fn)(void *ctx) YIELDS, void *ctx);
/* In order: LOGOUT, without waiting long. */
void imap_logout(struct imap *im) YIELDS;

/* E_FORBIDDEN: the server does not take these. */
Err imap_login(struct imap *im, Str user, Str password) YIELDS;

struct imap_folder {
    uint32_t uidvalidity;
    uint32_t uidnext; /* 0: the server did not say */
    uint32_t exists;
};
/* @read_only: nothing in it is changed. E_NOT_FOUND: there is none, or it may not be read. */
Err imap_select(struct imap *im, Str folder, bool read_only, struct imap_folder *ret_folder) YIELDS;
/* E_NOT_FOUND. */
Err imap_check_folder(struct imap *im, Str folder) YIELDS;
/* The numbers of messages that @criteria fits, rising, each once. */
Err imap_search(struct imap *im, struct arena *a, Str criteria, ImapUids *ret_uids) YIELDS;
/* @items of message @uid; a body of @max bytes at most. The message lives until the next call.
 * E_NOT_FOUND: it is not there any more. */
Err imap_fetch(struct imap *im, uint32_t uid, Str items, size_t max,
               struct imap_message *ret_message) YIELDS;
/* The last message of the folder, by UID and INTERNALDATE; E_NOT_FOUND in an empty one. */
Err imap_last(struct imap *im, struct imap_message *ret_message) YIELDS;

/* What to do with a message; one that is gone is fine. E_CONFLICT: the server refused. Deleting
 * where the server cannot remove one message alone only marks it. */
Err imap_mark_seen(struct imap *im, uint32_t uid) YIELDS;
Err imap_delete(struct imap *im, uint32_t uid) YIELDS;
Err imap_move(struct imap *im, uint32_t uid, Str folder) YIELDS;

/* Whether the server tells by itself of what comes. */
bool imap_can_idle(const struct imap *im);
Err imap_idle_begin(struct imap *im) YIELDS;
/* Until the server tells of a new message, or imap_poke(): *ret_news; or until @until, which is no
 * error. */
Err imap_idle_wait(struct imap *im, Usec until, bool *ret_news) YIELDS;
Err imap_idle_end(struct imap *im) YIELDS;
/* The same for a server that cannot: waits for @until, a poke, or the end of the connection. */
Err imap_rest(struct imap *im, Usec until) YIELDS;
Err imap_noop(struct imap *im) YIELDS;
/* From the same shard: end the present or next wait. */
void imap_poke(struct imap *im);

#endif
