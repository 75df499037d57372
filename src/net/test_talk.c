/* src/net/test_talk.c - an HTTP server and raw clients for tests. */
#include "net/test_talk.h"

#include "base/buf.h"
#include "rt/work.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 << 20, SILENCE_MS = 2000 };

void t_site_start(struct t_site *site, const struct route *routes,
                  const struct http_server_options *options)
{
    struct http_server_options o = options ? *options : (struct http_server_options){0};

    site->router = router_new();
    router_add(site->router, routes);
    o.host = S("127.0.0.1");
    o.router = site->router;
    Err e = http_server_new(&o, &site->server);
    if (e != OK)
        DIE("no server: %s", err_text(e));
    site->port = http_server_port(site->server);
}

void t_site_stop(struct t_site *site)
{
    http_server_free(site->server);
    router_free(site->router);
    site->server = NULL;
    site->router = NULL;
}

/* ---- what blocks, on a worker ---- */

struct talk {
    int fd;
    uint16_t port;
    Str text, mark;
    size_t step, want;
    int ms;
    bool ended, until_silent;
    struct buf got;
};

static Err do_open(void *arg)
{
    struct talk *t = arg;
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons(t->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;

    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0 || connect(t->fd, (struct sockaddr *)&sa, sizeof sa))
        DIE("cannot connect to port %d", t->port);
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return OK;
}

static Err do_send(void *arg)
{
    struct talk *t = arg;

    while (t->text.n) {
        size_t n = t->step && t->step < t->text.n ? t->step : t->text.n;
        ssize_t sent = send(t->fd, t->text.p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return OK; /* the server has closed: what it said is what counts */
        t->text = str_skip(t->text, (size_t)sent);
        if (t->step)
            usleep(200);
    }
    return OK;
}

static bool has_all(const struct talk *t)
{
    if (t->want)
        return t->got.n >= t->want;
    return t->mark.n && str_find(buf_str(&t->got), t->mark) != SIZE_MAX;
}

static Err do_read(void *arg)
{
    struct talk *t = arg;
    Usec until = time_mono() + t->ms * USEC_MS;

    while (!has_all(t)) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        int left = t->until_silent ? SILENCE_MS : (int)((until - time_mono()) / USEC_MS);
        if (left < 0 || poll(&p, 1, left) <= 0)
            return OK;
        size_t room = t->want ? t->want - t->got.n : t->mark.n ? 1 : 65536;
        char *to = buf_room(&t->got, room);
        ssize_t n = recv(t->fd, to, room, 0);
        if (n <= 0) {
            t->ended = true;
            return OK;
        }
        buf_added(&t->got, (size_t)n);
    }
    return OK;
}

static void on_worker(Err (*fn)(void *arg), struct talk *t)
{
    Err e = work_run(fn, t);
    if (e != OK)
        DIE("a test client failed: %s", err_text(e));
}

static Str take(struct talk *t)
{
    Str s = str_dup(t_arena(), buf_str(&t->got));
    buf_done(&t->got);
    return s;
}

int t_fd_open(const struct t_site *site)
{
    struct talk t = {.port = site->port};
    on_worker(do_open, &t);
    return t.fd;
}

void t_fd_send(int fd, Str text)
{
    struct talk t = {.fd = fd, .text = text};
    on_worker(do_send, &t);
}

Str t_fd_read(int fd, Str mark, int ms)
{
    struct talk t = {.fd = fd, .mark = mark, .ms = ms, .got = BUF(ANSWER_MAX)};
    on_worker(do_read, &t);
    return take(&t);
}

Str t_fd_take(int fd, size_t n, int ms)
{
    struct talk t = {.fd = fd, .want = n, .ms = ms, .got = BUF(ANSWER_MAX)};
    on_worker(do_read, &t);
    return take(&t);
}

bool t_fd_closed(int fd, int ms)
{
    struct talk t = {.fd = fd, .ms = ms, .got = BUF(ANSWER_MAX)};
    on_worker(do_read, &t);
    buf_done(&t.got);
    return t.ended;
}

void t_fd_close(int fd)
{
    close(fd);
}

void t_fd_reset(int fd)
{
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

Str t_talk_slowly(const struct t_site *site, Str text, size_t step)
{
    struct talk t = {.port = site->port, .text = text, .step = step, .until_silent = true};

    buf_init(&t.got, ANSWER_MAX);
    on_worker(do_open, &t);
    on_worker(do_send, &t);
    on_worker(do_read, &t);
    close(t.fd);
    return take(&t);
}

Str t_talk(const struct t_site *site, Str text)
{
    return t_talk_slowly(site, text, 0);
}

/* ---- answers ---- */

int t_status(Str answer)
{
    int64_t status;

    if (!str_starts(answer, S("HTTP/1.1 ")) ||
        str_to_i64(str_head(str_skip(answer, 9), 3), &status) != OK)
        return 0;
    return (int)status;
}

Str t_field(Str answer, const char *name)
{
    Str rest = answer, line, key;

    while (rest.p) {
        rest = str_cut(rest, '\n', &line);
        line = str_trim(line);
        if (line.n == 0)
            break;
        Str value = str_cut(line, ':', &key);
        if (value.p && str_eq_nocase(key, str_c(name)))
            return str_trim(value);
    }
    return (Str){0};
}

Str t_body(Str answer)
{
    size_t at = str_find(answer, S("\r\n\r\n"));
    if (at == SIZE_MAX)
        return (Str){0};
    return str_skip(answer, at + 4);
}
