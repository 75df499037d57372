/* src/net/redis_reply.h - what a Redis server answers (RESP2), and commands as it takes them. */
#ifndef NET_REDIS_REPLY_H
#define NET_REDIS_REPLY_H

#include "base/buf.h"

enum {
    REDIS_DEPTH_MAX = 4,
    REDIS_ITEMS_MAX = 1024,     /* of one array */
    REDIS_REPLY_MAX = 64 * 1024 /* bytes of one reply */
};

enum redis_type { REDIS_NULL, REDIS_STATUS, REDIS_ERROR, REDIS_INT, REDIS_TEXT, REDIS_ARRAY };

struct redis_reply {
    enum redis_type type;
    int64_t i;                       /* REDIS_INT */
    Str s;                           /* REDIS_STATUS, REDIS_ERROR, REDIS_TEXT */
    const struct redis_reply *items; /* REDIS_ARRAY */
    size_t n;
};

/* The reply at the beginning of @in, copied into @a. *ret_used 0: it is not whole yet. E_UPSTREAM
 * when it is no reply, E_TOO_LARGE beyond the limits above. */
Err redis_reply_parse(struct arena *a, Str in, struct redis_reply *ret_reply, size_t *ret_used);

/* Add a command to @out. */
void redis_command_add(struct buf *out, const Str *words, size_t n);

#endif
