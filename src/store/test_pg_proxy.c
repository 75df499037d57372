/* src/store/test_pg_proxy.c - a bad network in front of the test's PostgreSQL server. */
#include "store/test_pg_proxy.h"

#include "base/test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS = 64 };

static struct {
    pthread_t thread;
    int listener, port;
    struct sockaddr_un server;
    int client[PAIRS], upstream[PAIRS];
    _Atomic int pieces, accepted;
    _Atomic bool hang, cut, refuse, stop;
} proxy;

static void close_pair(int i)
{
    close(proxy.client[i]);
    close(proxy.upstream[i]);
    proxy.client[i] = proxy.upstream[i] = -1;
}

static void accept_one(void)
{
    int client = accept(proxy.listener, NULL, NULL);
    int upstream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    for (int i = 0; i < PAIRS && client >= 0; i++) {
        if (proxy.client[i] >= 0)
            continue;
        if (proxy.refuse ||
            connect(upstream, (struct sockaddr *)&proxy.server, sizeof proxy.server) != 0)
            break;
        proxy.client[i] = client;
        proxy.upstream[i] = upstream;
        proxy.accepted++;
        return;
    }
    close(client);
    close(upstream);
}

static bool send_all(int fd, const char *p, ssize_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, (size_t)n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent;
        n -= sent;
    }
    return true;
}

static void forward(int i, bool reply)
{
    static char piece[65536];
    ssize_t n = read(reply ? proxy.upstream[i] : proxy.client[i], piece, sizeof piece);

    if (n <= 0) {
        close_pair(i);
        return;
    }
    if (reply && proxy.pieces >= 0) {
        if (proxy.pieces == 0)
            return;
        proxy.pieces--;
    }
    if (!send_all(reply ? proxy.client[i] : proxy.upstream[i], piece, n))
        close_pair(i);
}

static void *proxy_main(void *arg)
{
    struct pollfd fds[1 + 2 * PAIRS];

    (void)arg;
    while (!proxy.stop) {
        bool cut = atomic_exchange(&proxy.cut, false);
        fds[0] = (struct pollfd){.fd = proxy.listener, .events = POLLIN};
        for (int i = 0; i < PAIRS; i++) {
            if (cut && proxy.client[i] >= 0)
                close_pair(i);
            short events = proxy.hang ? 0 : POLLIN;
            fds[1 + 2 * i] =
                (struct pollfd){.fd = proxy.hang ? -1 : proxy.client[i], .events = events};
            fds[2 + 2 * i] =
                (struct pollfd){.fd = proxy.hang ? -1 : proxy.upstream[i], .events = events};
        }
        if (poll(fds, ARRAY_LEN(fds), 5) <= 0)
            continue;
        if (fds[0].revents)
            accept_one();
        for (int i = 0; i < PAIRS; i++) {
            if (fds[1 + 2 * i].revents && proxy.client[i] >= 0)
                forward(i, false);
            if (fds[2 + 2 * i].revents && proxy.client[i] >= 0)
                forward(i, true);
        }
    }
    for (int i = 0; i < PAIRS; i++)
        if (proxy.client[i] >= 0)
            close_pair(i);
    close(proxy.listener);
    return NULL;
}

static Str parameter(Str url, Str name)
{
    size_t at = str_find(url, name);
    if (at == SIZE_MAX)
        return S("");
    Str value = str_skip(url, at + name.n);
    return str_head(value, str_find_char(value, '&'));
}

bool t_proxy_start(void)
{
    Str url = str_c(getenv("HEDDLE_TEST_PG"));
    Str host = parameter(url, S("host=")), port = parameter(url, S("port="));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof any;

    if (host.n == 0 || host.p[0] != '/' || port.n == 0)
        return false;
    proxy.server.sun_family = AF_UNIX;
    snprintf(proxy.server.sun_path, sizeof proxy.server.sun_path, "%.*s/.s.PGSQL.%.*s", P(host),
             P(port));
    for (int i = 0; i < PAIRS; i++)
        proxy.client[i] = proxy.upstream[i] = -1;
    proxy.pieces = -1;
    proxy.accepted = 0;
    proxy.hang = proxy.cut = proxy.refuse = proxy.stop = false;
    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy.listener, (struct sockaddr *)&any, sizeof any) != 0 ||
        listen(proxy.listener, 64) != 0 ||
        getsockname(proxy.listener, (struct sockaddr *)&any, &size) != 0)
        return false;
    proxy.port = ntohs(any.sin_port);
    return pthread_create(&proxy.thread, NULL, proxy_main, NULL) == 0;
}

void t_proxy_stop(void)
{
    proxy.stop = true;
    pthread_join(proxy.thread, NULL);
}

const char *t_proxy_url(const char *url)
{
    Str options = parameter(str_c(url), S("options="));
    Str s = str_fmt(t_arena(), "postgresql://heddle@127.0.0.1:%d/heddle?options=%.*s", proxy.port,
                    P(options));
    return str_dup_c(t_arena(), s);
}

void t_proxy_pass_replies(int pieces)
{
    proxy.pieces = pieces;
}

void t_proxy_hang(bool on)
{
    proxy.hang = on;
}

void t_proxy_cut(bool refuse)
{
    proxy.refuse = refuse;
    proxy.cut = true;
}

int t_proxy_accepted(void)
{
    return proxy.accepted;
}
