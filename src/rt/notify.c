/* src/rt/notify.c - the sd_notify protocol: "KEY=value" lines in one datagram. */
#include "rt/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or "@name" in the abstract space. */
static bool address_of(const char *name, struct sockaddr_un *sa, socklen_t *n)
{
    size_t len = name ? strlen(name) : 0;

    if (len < 2 || len >= sizeof sa->sun_path || (name[0] != '/' && name[0] != '@'))
        return false;
    *sa = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(sa->sun_path, name, len);
    if (name[0] == '@')
        sa->sun_path[0] = 0;
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

bool notify_is_on(void)
{
    struct sockaddr_un sa;
    socklen_t n;

    return address_of(getenv("NOTIFY_SOCKET"), &sa, &n);
}

static void notify_send(Str message)
{
    struct sockaddr_un sa;
    socklen_t n;

    if (!address_of(getenv("NOTIFY_SOCKET"), &sa, &n))
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    ssize_t sent = sendto(fd, message.p, message.n, MSG_NOSIGNAL, (struct sockaddr *)&sa, n);
    (void)sent; /* the manager may be gone; nothing here depends on it */
    close(fd);
}

/* A status must stay one line. */
static Str with_status(char *out, size_t size, const char *what, Str status)
{
    int n = snprintf(out, size, "%s\nSTATUS=%.*s\n", what, P(str_head(status, 200)));

    for (size_t i = strlen(what) + 1; i + 1 < (size_t)n; i++)
        if (out[i] == '\n')
            out[i] = ' ';
    return (Str){out, (size_t)n};
}

void notify_ready(Str status)
{
    char text[256];
    notify_send(with_status(text, sizeof text, "READY=1", status));
}

void notify_stopping(Str status)
{
    char text[256];
    notify_send(with_status(text, sizeof text, "STOPPING=1", status));
}

void notify_reloading(void)
{
    char text[64];
    /* The manager pairs this with the later READY by its own monotonic clock, so the real one is
     * read. */
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    int n = snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
                     (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send((Str){text, (size_t)n});
}

void notify_watchdog(void)
{
    notify_send(S("WATCHDOG=1\n"));
}

Usec notify_watchdog_span(void)
{
    const char *span = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t value, owner;

    if (!span || str_to_i64(str_c(span), &value) != OK || value <= 0)
        return 0;
    if (pid && (str_to_i64(str_c(pid), &owner) != OK || owner != getpid()))
        return 0;
    return value / 2;
}
