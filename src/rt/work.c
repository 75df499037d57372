/* src/rt/work.c - the pool of threads for what blocks or burns CPU: one queue, first come first
 * served. */
#include "rt/work.h"

#include "base/buf.h"
#include "rt/shard_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUEUE_MAX = 10000, THREADS_MAX = 64 };

struct job {
    struct job *next;
    Err (*fn)(void *arg);
    void *arg;
    struct shard *shard;
    struct wait *wait;              /* of the fiber, or */
    void (*done)(void *arg, Err e); /* what to call; then the job is on the heap */
    Err result;
    struct err_record *err; /* made by the worker when the job failed */
};

static struct {
    uv_mutex_t lock;
    uv_cond_t wake;
    struct job *first, *last;
    size_t queued;
    bool stopping;
    unsigned n_threads;
    uv_thread_t threads[THREADS_MAX];
} pool;

static void finish_detached(void *arg)
{
    struct job *j = arg;
    if (j->done)
        j->done(j->arg, j->result);
    free(j->err);
    free(j);
}

static void worker(void *arg)
{
    (void)arg;
    uv_mutex_lock(&pool.lock);
    for (;;) {
        while (!pool.first && !pool.stopping)
            uv_cond_wait(&pool.wake, &pool.lock);
        struct job *j = pool.first;
        if (!j)
            break;
        pool.first = j->next;
        if (!pool.first)
            pool.last = NULL;
        pool.queued--;
        uv_mutex_unlock(&pool.lock);

        j->result = j->fn(j->arg);
        if (j->result != OK && (j->err = malloc(sizeof *j->err)) != NULL) {
            *j->err = *err_record();
            if (j->err->code != j->result) {
                j->err->code = j->result;
                j->err->text[0] = j->err->detail[0] = 0;
            }
        }
        if (j->wait)
            wait_end_from(j->shard, j->wait, OK);
        else
            shard_post(j->shard, finish_detached, j);
        uv_mutex_lock(&pool.lock);
    }
    uv_mutex_unlock(&pool.lock);
}

void work_pool_start(unsigned threads)
{
    memset(&pool, 0, sizeof pool);
    uv_mutex_init(&pool.lock);
    uv_cond_init(&pool.wake);
    pool.n_threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    for (unsigned i = 0; i < pool.n_threads; i++)
        if (uv_thread_create(&pool.threads[i], worker, NULL))
            DIE("cannot start worker thread %u", i);
}

void work_pool_stop(void)
{
    uv_mutex_lock(&pool.lock);
    pool.stopping = true;
    uv_cond_broadcast(&pool.wake);
    uv_mutex_unlock(&pool.lock);
    for (unsigned i = 0; i < pool.n_threads; i++)
        uv_thread_join(&pool.threads[i]);
    uv_cond_destroy(&pool.wake);
    uv_mutex_destroy(&pool.lock);
}

static bool submit(struct job *j)
{
    uv_mutex_lock(&pool.lock);
    bool taken = pool.queued < QUEUE_MAX;
    if (taken) {
        j->next = NULL;
        if (pool.last)
            pool.last->next = j;
        else
            pool.first = j;
        pool.last = j;
        pool.queued++;
        uv_cond_signal(&pool.wake);
    }
    uv_mutex_unlock(&pool.lock);
    return taken;
}

Err work_run(Err (*fn)(void *arg), void *arg)
{
    struct wait w;
    struct job job = {.fn = fn, .arg = arg, .shard = rt_shard, .wait = &w};

    wait_init(&w);
    if (!submit(&job))
        return err_set(E_OVERLOADED, "%d jobs wait for a worker", QUEUE_MAX);
    fiber_shield();
    Err e = wait_for(&w, USEC_NEVER);
    fiber_unshield();
    if (e != OK)
        DIE("a shielded wait for a worker ended with %s", err_name(e));
    if (job.err) {
        *err_record() = *job.err;
        free(job.err);
    }
    return job.result;
}

void work_start(Err (*fn)(void *arg), void *arg, void (*done)(void *arg, Err e))
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        DIE("out of memory");
    *j = (struct job){.fn = fn, .arg = arg, .shard = rt_shard, .done = done};
    if (!submit(j)) {
        j->result = E_OVERLOADED;
        shard_post(rt_shard, finish_detached, j);
    }
}

struct read_job {
    const char *path;
    size_t max;
    struct buf content;
};

static Err read_whole(void *arg)
{
    struct read_job *job = arg;
    int fd = open(job->path, O_RDONLY | O_CLOEXEC);
    Err e = OK;

    if (fd < 0)
        return err_set(err_from_errno(errno), "cannot open %s: %s", job->path, strerror(errno));
    buf_init(&job->content, job->max + 1);
    for (;;) {
        char *to = buf_room(&job->content, 1);
        if (!to) {
            e = err_set(E_TOO_LARGE, "%s is larger than %zu bytes", job->path, job->max);
            break;
        }
        ssize_t n = read(fd, to, job->content.cap - job->content.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = err_set(err_from_errno(errno), "cannot read %s: %s", job->path, strerror(errno));
        if (n <= 0)
            break;
        buf_added(&job->content, (size_t)n);
    }
    close(fd);
    if (e == OK && job->content.n > job->max)
        e = err_set(E_TOO_LARGE, "%s is larger than %zu bytes", job->path, job->max);
    return e;
}

Err work_read_file(struct arena *a, const char *path, size_t max, Str *ret_content)
{
    struct read_job job = {.path = path, .max = max};
    Err e = work_run(read_whole, &job);
    if (e == OK)
        *ret_content = str_dup(a, buf_str(&job.content));
    buf_done(&job.content);
    return e;
}
