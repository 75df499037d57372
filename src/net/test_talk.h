/* src/net/test_talk.h - for tests of the server: a server in this process and raw clients.
 *
 * Clients are blocking sockets; what blocks runs on a worker, so that the server's shard goes on.
 */
#ifndef NET_TEST_TALK_H
#define NET_TEST_TALK_H

#include "net/http_server.h"
#include "rt/test_rt.h"

/* A server on 127.0.0.1 with @routes (ends with {0}). @options may be NULL; host, port and router
 * are filled in. Ends the process on failure. */
struct t_site {
    struct router *router;
    struct http_server *server;
    uint16_t port;
};
void t_site_start(struct t_site *site, const struct route *routes,
                  const struct http_server_options *options);
void t_site_stop(struct t_site *site);

/* Connect, send @text, and read until the server closes or has been silent for two seconds. Gives
 * all that came, in the test's arena. Yields. */
Str t_talk(const struct t_site *site, Str text);
/* The same in small pieces: @step bytes at a time. */
Str t_talk_slowly(const struct t_site *site, Str text, size_t step);

/* One step at a time, on a connection that stays. All yield but t_fd_close. */
int t_fd_open(const struct t_site *site);
void t_fd_send(int fd, Str text);
/* Read until @mark has come (included), the end, or @ms milliseconds have passed. */
Str t_fd_read(int fd, Str mark, int ms);
/* Read exactly @n bytes, if they come in time. */
Str t_fd_take(int fd, size_t n, int ms);
/* Whether the server closes within @ms; what comes before is dropped. */
bool t_fd_closed(int fd, int ms);
void t_fd_close(int fd);
/* Close with a reset. */
void t_fd_reset(int fd);

/* Parts of an answer's text. */
int t_status(Str answer);
Str t_field(Str answer, const char *name); /* p == NULL if absent */
Str t_body(Str answer);                    /* what follows the first empty line */

#endif
