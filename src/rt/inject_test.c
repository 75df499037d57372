/* src/rt/inject_test.c */
#include "base/test.h"
#include "base/time.h"
#include "rt/inject.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static Err pass(const char *point)
{
    return INJECT(point);
}

TEST(inject_point_is_nothing_when_off)
{
    t_expect_ok(inject_set(S("")));
    t_expect(!inject_armed);
    t_expect_ok(pass("a.b"));
    t_expect_int(inject_count("a.b"), 0);
}

TEST(inject_error_strikes_every_time)
{
    t_expect_ok(inject_set(S("a.b=error:E_DISK_FULL")));
    t_expect_err(pass("a.b"), E_DISK_FULL);
    t_expect_err(pass("a.b"), E_DISK_FULL);
    t_expect_ok(pass("a.c"));
    t_expect_int(inject_count("a.b"), 2);
    t_expect_ok(inject_set(S("")));
    t_expect_ok(pass("a.b"));
}

TEST(inject_nth_and_from_nth_count_passings)
{
    t_expect_ok(inject_set(S("x=error:E_IO@2, y=error:E_IO@2+")));
    t_expect_ok(pass("x"));
    t_expect_err(pass("x"), E_IO);
    t_expect_ok(pass("x"));
    t_expect_ok(pass("y"));
    t_expect_err(pass("y"), E_IO);
    t_expect_err(pass("y"), E_IO);
    t_expect_ok(inject_set(S("")));
}

TEST(inject_prefix_arms_every_point_below_it)
{
    t_expect_ok(inject_set(S("store.*=error:E_IO")));
    t_expect_err(pass("store.commit.before"), E_IO);
    t_expect_err(pass("store.open"), E_IO);
    t_expect_ok(pass("storage"));
    t_expect_int(inject_count("store.open"), 1);
    t_expect_ok(inject_set(S("")));
}

TEST(inject_chance_strikes_about_as_often_as_asked_and_repeatably)
{
    int first = 0, second = 0;

    t_expect_ok(inject_set(S("x=error:E_IO@p0.25")));
    for (int i = 0; i < 4000; i++)
        first += pass("x") == E_IO;
    t_expect(first > 850 && first < 1150);
    t_expect_ok(inject_set(S("x=error:E_IO@p0.25")));
    for (int i = 0; i < 4000; i++)
        second += pass("x") == E_IO;
    t_expect_int(second, first);
    t_expect_ok(inject_set(S("")));
}

TEST(inject_delay_holds_the_thread)
{
    t_expect_ok(inject_set(S("x=delay:20ms")));
    Usec started = time_mono();
    INJECT_VOID("x");
    t_expect(time_mono() - started >= 20 * USEC_MS);
    t_expect_ok(inject_set(S("")));
}

TEST(inject_crash_kills_the_process)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        Err e = inject_set(S("x=crash@2"));
        INJECT_VOID("x");
        INJECT_VOID("x");
        _exit(e == OK ? 1 : 2);
    }
    t_expect(child > 0);
    t_expect(waitpid(child, &status, 0) == child);
    t_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(inject_refuses_what_it_does_not_understand_and_keeps_the_old_rules)
{
    static const char *const bad[] = {"x",          "=crash",       "x=boom",      "x=error:E_NONE",
                                      "x=crash@0",  "x=crash@",     "x=crash@p2",  "x=crash@p",
                                      "x=delay:1h", "x=delay:soon", "x=crash@1+2", "x=crash@p0.1.2",
                                      "x=error:OK"};

    t_expect_ok(inject_set(S("kept=error:E_IO")));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        t_expect_err(inject_set(str_c(bad[i])), E_SYNTAX);
        t_expect(strstr(err_client_text(E_SYNTAX), bad[i]) != NULL);
    }
    t_expect_err(pass("kept"), E_IO);
    t_expect_ok(inject_set(S("")));
}
