/* src/net/imap_private.h - what imap.c (the connection) and imap_calls.c (what is asked) share. */
#ifndef NET_IMAP_PRIVATE_H
#define NET_IMAP_PRIVATE_H

#include "base/buf.h"
#include "net/dns.h"
#include "net/imap.h"
#include "net/sock.h"

enum {
    IMAP_LINE_MAX = 256 << 10,
    IMAP_UNREAD_MAX = IMAP_LINE_MAX + 4 * SOCK_READ_MAX,
    IMAP_CAPS_MAX = 4096,
    IMAP_BODY_MAX = 64 << 20,
};

struct imap {
    struct sock sock;
    union dns_addr addr;
    struct wait *waiter;
    bool is_ready, ended, poked;
    Err ready_error;
    Usec patience;
    struct buf in; /* read, from @at on not looked at yet */
    size_t at;
    struct buf response; /* the one that is looked at */
    struct buf body;     /* the response that has the message */
    size_t body_max;     /* of the message that was asked for */
    unsigned tag;
    char caps[IMAP_CAPS_MAX];
    size_t caps_n;
    bool caps_known;
    struct imap_folder folder;
    bool news, bye, idling;
    Err (*meanwhile)(void *ctx);
    void *meanwhile_ctx;
    uint32_t wanted; /* the message that was asked for; UINT32_MAX: any */
    struct imap_message message;
    ImapUids *found; /* of a search */
    struct arena *found_a;
    Str secret, secret_code; /* while they are on their way: not to be shown */
    char words[200];
};

static inline Str imap_caps(const struct imap *im)
{
    return str_from(im->caps, im->caps_n);
}

/* What the server said, fit to be shown. */
const char *imap_words(struct imap *im, Str text);
/* Read one response and note what it tells. */
Err imap_read(struct imap *im, struct imap_response *ret_response) YIELDS;
/* Send @line and read until its end is tagged: E_CONFLICT with the server's words if that is not
 * OK. */
Err imap_command(struct imap *im, const char *fmt, ...) YIELDS
    __attribute__((format(printf, 2, 3)));
/* Send it and read until the server asks for more; E_CONFLICT when it does not want to. */
Err imap_command_begin(struct imap *im, const char *fmt, ...) YIELDS
    __attribute__((format(printf, 2, 3)));
/* Send what it asked for, and read until the end is tagged. */
Err imap_command_end(struct imap *im, Str line) YIELDS;
/* Wait for a byte, a poke or the end until @until. */
Err imap_wait(struct imap *im, Usec until) YIELDS;
bool imap_has_line(const struct imap *im);
Err imap_cut(struct imap *im);

#endif
