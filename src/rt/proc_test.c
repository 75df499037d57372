/* src/rt/proc_test.c */
#include "base/arena.h"
#include "rt/proc.h"
#include "rt/test_rt.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SH(script) ((const char *const[]){"sh", "-c", (script), NULL})

TEST_FIBER(proc_gives_output_and_status)
{
    struct proc_call call = {.argv = SH("cat; echo problem >&2; exit 3"), .input = S("in and out")};
    struct proc_reply reply;

    t_expect_ok(proc_run(t_arena(), &call, &reply));
    t_expect_int(reply.status, 3);
    t_expect_str(reply.out, S("in and out"));
    t_expect_str(reply.err, S("problem\n"));
}

TEST_FIBER(proc_passes_large_input_through)
{
    size_t n = MIB(3);
    char *text = arena_bytes(t_arena(), n);
    memset(text, 'x', n);
    struct proc_call call = {
        .argv = SH("cat"), .input = {text, n}, .max_output = n, .deadline = usec_in(20 * USEC_S)};
    struct proc_reply reply;

    t_expect_ok(proc_run(t_arena(), &call, &reply));
    t_expect(str_eq(reply.out, call.input));
}

TEST_FIBER(proc_child_that_does_not_read_its_input_is_no_error)
{
    size_t n = MIB(1);
    char *text = arena_bytes(t_arena(), n);
    memset(text, 'x', n);
    struct proc_call call = {.argv = SH("exec <&-; echo done"), .input = {text, n}};
    struct proc_reply reply;

    t_expect_ok(proc_run(t_arena(), &call, &reply));
    t_expect_str(reply.out, S("done\n"));
}

TEST_FIBER(proc_child_has_a_clean_environment_and_no_descriptors)
{
    struct proc_call call = {.argv = SH("env | grep -c HEDDLE_; echo /proc/self/fd/*; pwd; trap")};
    struct proc_reply reply;

    setenv("HEDDLE_SECRET_TEST", "1", 1);
    t_expect_ok(proc_run(t_arena(), &call, &reply));
    unsetenv("HEDDLE_SECRET_TEST");
    /* 3 is the directory that the shell itself has open. */
    t_expect_str(reply.out,
                 S("0\n/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n/\n"));
}

TEST_FIBER(proc_unknown_program_is_not_found)
{
    struct proc_call call = {.argv = (const char *const[]){"no-such-program-here", NULL}};
    struct proc_reply reply;

    t_expect_err(proc_run(t_arena(), &call, &reply), E_NOT_FOUND);
    call.argv = (const char *const[]){"/no/such/program", NULL};
    t_expect_err(proc_run(t_arena(), &call, &reply), E_NOT_FOUND);
    call.argv = (const char *const[]){"/etc/passwd", NULL};
    t_expect_err(proc_run(t_arena(), &call, &reply), E_FORBIDDEN);
}

TEST_FIBER(proc_signal_is_128_and_its_number)
{
    struct proc_call call = {.argv = SH("kill -TERM $$")};
    struct proc_reply reply;

    t_expect_ok(proc_run(t_arena(), &call, &reply));
    t_expect_int(reply.status, 128 + SIGTERM);
}

/* The process whose number stands in file "pid" of the test's directory; 0: not yet. */
static pid_t noted_pid(void)
{
    char path[300], line[32] = "";
    int64_t pid = 0;

    snprintf(path, sizeof path, "%s/pid", t_dir());
    FILE *f = fopen(path, "r");
    bool ok = f && fgets(line, sizeof line, f) && str_to_i64(str_trim(str_c(line)), &pid) == OK;
    if (f)
        fclose(f);
    return ok ? (pid_t)pid : 0;
}

/* Dead but not reaped by init counts as gone. */
static bool is_gone(pid_t pid)
{
    char path[300], stat[256] = "";

    if (kill(pid, 0) != 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    bool zombie = f && fgets(stat, sizeof stat, f) && strstr(stat, ") Z ");
    if (f)
        fclose(f);
    return zombie || !f;
}

static bool grandchild_is_gone(void)
{
    pid_t pid = noted_pid();

    for (int i = 0; pid && i < 200; i++) {
        if (is_gone(pid))
            return true;
        if (fiber_sleep(10 * USEC_MS) != OK)
            return false;
    }
    return false;
}

static const char *script_with_grandchild(const char *after)
{
    return str_dup_c(t_arena(),
                     str_fmt(t_arena(), "sleep 100 & echo $! >%s/pid; %s", t_dir(), after));
}

TEST_FIBER(proc_deadline_kills_the_whole_group)
{
    struct proc_call call = {.argv = SH(script_with_grandchild("sleep 100")),
                             .deadline = usec_in(1500 * USEC_MS)};
    struct proc_reply reply;
    Usec started = time_mono();

    t_expect_err(proc_run(t_arena(), &call, &reply), E_TIMEOUT);
    t_expect(time_mono() - started < 10 * USEC_S);
    t_expect(grandchild_is_gone());
}

TEST_FIBER(proc_end_of_the_child_ends_what_it_left_behind)
{
    struct proc_call call = {.argv = SH(script_with_grandchild("echo ready")),
                             .deadline = usec_in(10 * USEC_S)};
    struct proc_reply reply;
    Usec started = time_mono();

    t_expect_ok(proc_run(t_arena(), &call, &reply));
    t_expect_str(reply.out, S("ready\n"));
    t_expect(time_mono() - started < 8 * USEC_S);
    t_expect(grandchild_is_gone());
}

TEST_FIBER(proc_too_much_output_kills_it)
{
    struct proc_call call = {.argv = SH("yes"), .max_output = KIB(64)};
    struct proc_reply reply;

    t_expect_err(proc_run(t_arena(), &call, &reply), E_TOO_LARGE);
}

static Err run_sleeper(void *arg)
{
    struct proc_call call = {.argv = SH(script_with_grandchild("sleep 100"))};
    struct proc_reply reply;
    Err *result = arg;

    *result = proc_run(t_arena(), &call, &reply);
    return OK;
}

TEST_FIBER(proc_cancel_kills_the_whole_group)
{
    Err result = OK;
    FIBER_GROUP(g, 0, false);

    t_expect_ok(fiber_group_start(&g, "sleeper", run_sleeper, &result));
    while (!noted_pid())
        t_expect_ok(fiber_sleep(10 * USEC_MS));
    fiber_group_cancel(&g);
    Err joined = fiber_group_join(&g);
    (void)joined;
    t_expect_int(result, E_CANCELLED);
    t_expect(grandchild_is_gone());
}

static void sleep_in_a_child(void)
{
    Str script = str_fmt(t_arena(), "echo $$ >%s/pid; exec sleep 100", t_dir());
    struct proc_call call = {.argv = SH(str_dup_c(t_arena(), script)),
                             .deadline = usec_in(60 * USEC_S)};
    struct proc_reply reply;
    Err e = proc_run(t_arena(), &call, &reply);

    (void)e; /* this process is killed meanwhile */
}

TEST(proc_child_dies_with_a_parent_that_is_killed)
{
    pid_t pid = 0;

#ifdef __SANITIZE_THREAD__
    t_skip("ThreadSanitizer knows no threads after a fork");
    return;
#endif
    t_expect(t_dir() != NULL);
    pid_t parent = fork();
    t_expect(parent >= 0);
    if (parent == 0) {
        t_run_fiber(1, sleep_in_a_child);
        _exit(0);
    }
    for (int i = 0; i < 1000 && !(pid = noted_pid()); i++)
        usleep(10000);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    t_expect(pid > 0);
    for (int i = 0; i < 200 && !is_gone(pid); i++)
        usleep(10000);
    t_expect(is_gone(pid));
}
