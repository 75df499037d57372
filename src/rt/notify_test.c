/* src/rt/notify_test.c */
#include "base/test.h"
#include "rt/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The service manager's end. */
static int manager_start(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/notify", t_dir());
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
        return -1;
    setenv("NOTIFY_SOCKET", sa.sun_path, 1);
    return fd;
}

static Str receive(int fd, char *out, size_t size)
{
    ssize_t n = recv(fd, out, size, 0);
    return n > 0 ? (Str){out, (size_t)n} : (Str){0};
}

TEST(notify_sends_nothing_without_a_manager)
{
    unsetenv("NOTIFY_SOCKET");
    t_expect(!notify_is_on());
    notify_ready(S("serving"));
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    notify_ready(S("serving"));
    unsetenv("NOTIFY_SOCKET");
}

TEST(notify_tells_each_state_in_one_datagram)
{
    char text[512];
    int fd = manager_start();

    t_expect(fd >= 0);
    t_expect(notify_is_on());
    notify_ready(S("serving\non 3000"));
    t_expect_str(receive(fd, text, sizeof text), S("READY=1\nSTATUS=serving on 3000\n"));
    notify_reloading();
    t_expect(str_starts(receive(fd, text, sizeof text), S("RELOADING=1\nMONOTONIC_USEC=")));
    notify_stopping(S("draining"));
    t_expect_str(receive(fd, text, sizeof text), S("STOPPING=1\nSTATUS=draining\n"));
    notify_watchdog();
    t_expect_str(receive(fd, text, sizeof text), S("WATCHDOG=1\n"));
    t_expect(receive(fd, text, sizeof text).n == 0);
    close(fd);
    unsetenv("NOTIFY_SOCKET");
}

TEST(notify_watchdog_span_is_half_of_what_is_allowed)
{
    char pid[32];

    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "30000000", 1);
    t_expect_int(notify_watchdog_span(), 15 * USEC_S);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    t_expect_int(notify_watchdog_span(), 15 * USEC_S);
    setenv("WATCHDOG_PID", "1", 1);
    t_expect_int(notify_watchdog_span(), 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "soon", 1);
    t_expect_int(notify_watchdog_span(), 0);
    unsetenv("WATCHDOG_USEC");
}
