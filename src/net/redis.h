/* src/net/redis.h - a client of a Redis server: commands, one behind the other on one connection of
 * each shard, never waiting long.
 *
 * What is kept there can be made again: a server that is away or slow is an error at once, and the
 * caller does without. Connections are made beside the calls, and again after ever longer pauses.
 * A connection whose server does not answer in time is given up with all that waits on it.
 */
#ifndef NET_REDIS_H
#define NET_REDIS_H

#include "net/redis_reply.h"
#include "rt/fiber.h"

struct redis;

struct redis_options {
    Str url;      /* redis[s]://[[user]:password@]host[:port][/database] */
    Str ca_file;  /* PEM: further authorities for rediss; empty: the system's alone */
    Usec timeout; /* of a command, and of each step of connecting */
};

/* E_INVALID with a detail that shows no password. */
Err redis_url_check(Str url);
/* Calls nobody. E_INVALID. */
Err redis_new(const struct redis_options *options, struct redis **ret_redis);
/* No call may be under way any more. */
void redis_free(struct redis *redis);
DEFINE_AUTO(redis, redis_free)

/* Which server the connection of this shard leads to: another text after it was started anew, or
 * after another one took its place; empty: there is no connection, one is being made. Valid until
 * this fiber yields. */
Str redis_epoch(struct redis *redis);
/* Why there is none; valid until this fiber yields. */
Str redis_why(struct redis *redis);

/* One command, and its reply in @a. E_UNAVAILABLE: it was not sent. E_UNKNOWN_OUTCOME: it was, and
 * there is no reply. Else OK, also when the reply is a REDIS_ERROR. Cancellation does not end it:
 * it ends within the timeout. */
Err redis_call(struct redis *redis, struct arena *a, const Str *words, size_t n,
               struct redis_reply *ret_reply) YIELDS;
/* Wait until there is a connection. E_UNAVAILABLE, E_TIMEOUT, E_CANCELLED. */
Err redis_wait_up(struct redis *redis, Usec deadline) YIELDS;

#endif
