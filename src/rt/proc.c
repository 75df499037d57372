/* src/rt/proc.c - one child process: spawned on a worker, watched by the loop through its pidfd.
 *
 * The child leads a process group of its own, which is killed as a whole: on cancel, deadline and
 * too much output, and what is left of it when the child itself ends. Should this process die, the
 * kernel kills the child (PR_SET_PDEATHSIG). The group is always killed before the child is reaped,
 * so that its number cannot have been given to someone else.
 */
#include "rt/proc.h"
#include "base/buf.h"
#include "rt/shard.h"
#include "rt/work.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN, OUT, ERR, PID, N_WATCHES };
enum { READ_SIZE = 16384, ARGS_MAX = 4096 };

/* How long output of a process that left the group may still come after the child's end. */
#define DRAIN_SPAN (200 * USEC_MS)
/* A killed process that does not end (stuck in the kernel) is given up after this. */
#define REAP_SPAN (10 * USEC_S)
#define DEFAULT_SPAN (30 * USEC_S)

static const char *const default_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL};

struct watch {
    uv_poll_t poll;
    struct proc *proc;
    int fd; /* -1: not open */
    bool active;
};

struct proc {
    const struct proc_call *call; /* the caller's; NULL when it has gone */
    struct watch watches[N_WATCHES];
    struct buf out, err;
    Str input;
    size_t max_output;
    pid_t pid;
    int status;
    bool exited, too_large;
    struct wait *waiter;
    unsigned handles; /* not yet closed */
};

/* What the worker needs and gives. */
struct spawn_job {
    const struct proc_call *call;
    const char *path;
    int fds[3]; /* the child's ends */
    int pidfd;
    pid_t pid;
    int error; /* errno of the failed step */
};

/* ---- the child's side, between fork and exec: async-signal-safe calls only ---- */

static void child_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &dfl, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void child_exec(const struct spawn_job *job, int error_fd,
                                                 pid_t parent)
{
    const struct proc_call *call = job->call;
    const char *const *env = call->env ? call->env : default_env;

    unsigned keep = (unsigned)error_fd;

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool ok = getppid() == parent; /* else it died before the line above */
    for (int i = 0; ok && i < 3; i++)
        ok = dup2(job->fds[i], i) == i;
    ok = ok && close_range(3, keep - 1, 0) == 0 && close_range(keep + 1, UINT_MAX, 0) == 0;
    ok = ok && chdir(call->dir ? call->dir : "/") == 0;
    if (ok) {
        child_signals();
        execve(job->path, (char *const *)(uintptr_t)call->argv, (char *const *)(uintptr_t)env);
    }
    int error = errno;
    ssize_t n = write(error_fd, &error, sizeof error);
    (void)n; /* the exit status says enough */
    _exit(127);
}

/* ---- spawning, on a worker ---- */

/* Closed on exec, and above the numbers that the child gives its own ends. */
static int fd_above(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    close(fd);
    return high;
}

static Err spawn(void *arg)
{
    struct spawn_job *job = arg;
    sigset_t all, former;
    int error_pipe[2];
    pid_t parent = getpid();

    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return err_set(err_from_errno(errno), "pipe: %s", strerror(errno));
    error_pipe[1] = fd_above(error_pipe[1]);
    if (error_pipe[1] < 0) {
        close(error_pipe[0]);
        return err_set(E_OVERLOADED, "no file descriptor left");
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    /* Not posix_spawn(): it cannot tie the child's life to ours (PR_SET_PDEATHSIG). */
    pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)
    if (pid == 0)
        child_exec(job, error_pipe[1], parent); // NOLINT(clang-analyzer-unix.Vfork)
    job->pid = pid;
    int fork_error = errno;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    close(error_pipe[1]);
    if (job->pid < 0) {
        close(error_pipe[0]);
        return err_set(err_from_errno(fork_error), "fork: %s", strerror(fork_error));
    }

    ssize_t n = read(error_pipe[0], &job->error, sizeof job->error);
    close(error_pipe[0]);
    if (n == sizeof job->error) {
        waitpid(job->pid, NULL, 0);
        return err_set(err_from_errno(job->error), "%s: %s", job->path, strerror(job->error));
    }
    job->pidfd = (int)syscall(SYS_pidfd_open, job->pid, 0);
    if (job->pidfd < 0) {
        int error = errno;
        kill(-job->pid, SIGKILL);
        waitpid(job->pid, NULL, 0);
        return err_set(err_from_errno(error), "pidfd_open: %s", strerror(error));
    }
    return OK;
}

static const char *env_path(const struct proc_call *call)
{
    for (const char *const *e = call->env ? call->env : default_env; *e; e++)
        if (strncmp(*e, "PATH=", 5) == 0)
            return *e + 5;
    return "/usr/bin:/bin";
}

/* argv[0] as it stands when it has a slash, else the first executable of that name on the path. */
static Err find_program(struct arena *a, const struct proc_call *call, const char **ret_path)
{
    Str dir;

    if (strchr(call->argv[0], '/')) {
        *ret_path = call->argv[0];
        return OK;
    }
    for (Str rest = str_c(env_path(call)); rest.p;) {
        rest = str_cut(rest, ':', &dir);
        Str path = str_fmt(a, "%.*s/%s", P(dir), call->argv[0]);
        const char *c = str_dup_c(a, path);
        if (dir.n && access(c, X_OK) == 0) {
            *ret_path = c;
            return OK;
        }
    }
    return err_set(E_NOT_FOUND, "%s: no such program", call->argv[0]);
}

/* ---- watching, on the loop ---- */

static void proc_free(struct proc *p)
{
    buf_done(&p->out);
    buf_done(&p->err);
    free(p);
}

static void on_closed(uv_handle_t *h)
{
    struct watch *w = h->data;
    struct proc *p = w->proc;

    close(w->fd);
    w->fd = -1;
    if (--p->handles == 0 && !p->call)
        proc_free(p);
}

static void watch_close(struct watch *w)
{
    if (!w->active)
        return;
    w->active = false;
    uv_close((uv_handle_t *)&w->poll, on_closed);
}

static bool is_finished(const struct proc *p)
{
    return p->exited && !p->watches[OUT].active && !p->watches[ERR].active;
}

/* The waiter looks for itself what has come. */
static void check_end(struct proc *p)
{
    if (p->waiter && (p->exited || p->too_large))
        wait_end(p->waiter, OK);
}

static void on_input(struct proc *p)
{
    struct watch *w = &p->watches[IN];

    while (p->input.n) {
        ssize_t n = write(w->fd, p->input.p, p->input.n);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0)
            break; /* it does not want the rest */
        p->input = str_skip(p->input, (size_t)n);
    }
    watch_close(w);
}

/* A few pieces at a time: a child that writes without end must not hold the loop. */
static void on_output(struct proc *p, struct watch *w, struct buf *b)
{
    for (int i = 0; i < 8; i++) {
        static _Thread_local char piece[READ_SIZE];
        ssize_t n = read(w->fd, piece, sizeof piece);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            watch_close(w);
            return;
        }
        buf_add(b, (Str){piece, (size_t)n});
        if (b->failed) {
            p->too_large = true;
            watch_close(w);
            return;
        }
    }
}

static void on_exit_seen(struct proc *p)
{
    siginfo_t info = {0};

    kill(-p->pid, SIGKILL); /* what it left behind, before its number is free again */
    if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return;
    if (info.si_pid == 0)
        p->status = 255; /* SIGCHLD is ignored in this process: the kernel kept no status */
    else
        p->status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    p->exited = true;
    watch_close(&p->watches[PID]);
}

static void on_event(uv_poll_t *h, int status, int events)
{
    struct watch *w = h->data;
    struct proc *p = w->proc;

    (void)status, (void)events; /* the calls below find out */
    switch (w - p->watches) {
    case IN:
        on_input(p);
        break;
    case OUT:
        on_output(p, w, &p->out);
        break;
    case ERR:
        on_output(p, w, &p->err);
        break;
    default:
        on_exit_seen(p);
    }
    check_end(p);
}

static void watch_start(struct proc *p, int i, int events)
{
    struct watch *w = &p->watches[i];
    int e = uv_poll_init(shard_loop(), &w->poll, w->fd);

    if (e != 0)
        DIE("uv_poll_init: %s", uv_strerror(e));
    w->poll.data = w;
    w->active = true;
    p->handles++;
    uv_poll_start(&w->poll, events, on_event);
}

/* ---- the call ---- */

static void close_fds(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Our ends in @ours, the child's in @theirs; both all or nothing. */
static Err make_pipes(int ours[3], int theirs[3])
{
    for (int i = 0; i < 3; i++)
        ours[i] = theirs[i] = -1;
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            goto failed;
        ours[i] = i == 0 ? ends[1] : ends[0];
        theirs[i] = fd_above(i == 0 ? ends[0] : ends[1]);
        if (theirs[i] < 0 || fcntl(ours[i], F_SETFL, O_NONBLOCK) != 0)
            goto failed;
    }
    return OK;
failed:;
    Err e = err_set(err_from_errno(errno), "pipes for a child process: %s", strerror(errno));
    close_fds(ours, 3);
    close_fds(theirs, 3);
    return e;
}

static Err proc_spawn(struct arena *a, struct proc *p)
{
    struct spawn_job job = {.call = p->call, .pidfd = -1};
    int ours[3];

    TRY(find_program(a, p->call, &job.path));
    TRY(make_pipes(ours, job.fds));
    Err e = work_run(spawn, &job); /* is not ended by cancellation: @job stays */
    close_fds(job.fds, 3);
    if (e != OK) {
        close_fds(ours, 3);
        return e;
    }
    p->pid = job.pid;
    for (int i = 0; i < 3; i++)
        p->watches[i].fd = ours[i];
    p->watches[PID].fd = job.pidfd;
    for (int i = 0; i < N_WATCHES; i++)
        watch_start(p, i, i == IN ? UV_WRITABLE : UV_READABLE);
    return OK;
}

/* Until something happened that the caller looks at. */
static Err proc_wait(struct proc *p, Usec deadline)
{
    struct wait w;

    wait_init(&w);
    p->waiter = &w;
    Err e = wait_for(&w, deadline);
    p->waiter = NULL;
    return e;
}

/* Whoever still holds the pipes after the child's end has left the group: not waited for much
 * longer. */
static Err proc_drain(struct proc *p)
{
    Usec deadline = usec_in(DRAIN_SPAN);
    Err e = OK;

    while (e == OK && !is_finished(p) && !p->too_large)
        e = proc_wait(p, deadline);
    return e == E_TIMEOUT ? OK : e;
}

static void proc_kill(struct proc *p)
{
    Usec deadline = usec_in(REAP_SPAN);
    Err e = OK;

    fiber_shield();
    kill(-p->pid, SIGKILL);
    while (e == OK && !p->exited)
        e = proc_wait(p, deadline);
    fiber_unshield();
}

/* Wait for the end; what else ends the wait kills the group, and its end is awaited all the same.
 */
static Err proc_finish(struct proc *p)
{
    Usec deadline = p->call->deadline ? p->call->deadline : usec_in(DEFAULT_SPAN);
    Err e = OK;

    while (e == OK && !p->exited && !p->too_large)
        e = proc_wait(p, deadline);
    if (e == OK && p->exited)
        e = proc_drain(p);
    if (!p->exited)
        proc_kill(p);
    return e;
}

/* The caller leaves: handles close behind it, and the last one frees. */
static void proc_leave(struct proc *p)
{
    p->call = NULL;
    p->input = (Str){0};
    watch_close(&p->watches[IN]);
    watch_close(&p->watches[OUT]);
    watch_close(&p->watches[ERR]);
    if (p->exited)
        watch_close(&p->watches[PID]);
    if (p->handles == 0)
        proc_free(p);
}

Err proc_run(struct arena *a, const struct proc_call *call, struct proc_reply *ret_reply)
{
    size_t max = call->max_output ? call->max_output : MIB(1);
    struct proc *p = calloc(1, sizeof *p);

    if (!p)
        DIE("out of memory");
    p->call = call;
    p->input = call->input;
    p->out = BUF(max);
    p->err = BUF(max);
    for (int i = 0; i < N_WATCHES; i++)
        p->watches[i] = (struct watch){.proc = p, .fd = -1};

    Err e = proc_spawn(a, p);
    if (e == OK)
        e = proc_finish(p);
    if (e == OK && (p->out.failed || p->err.failed))
        e = err_set(E_TOO_LARGE, "%s wrote more than %zu bytes", call->argv[0], max);
    if (e == OK)
        *ret_reply = (struct proc_reply){.status = p->status,
                                         .out = str_dup(a, buf_str(&p->out)),
                                         .err = str_dup(a, buf_str(&p->err))};
    else
        e = err_add(e, "running %s", call->argv[0]);
    proc_leave(p);
    return e;
}
