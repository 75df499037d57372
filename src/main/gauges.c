/* src/main/gauges.c - metrics that are read off: memory, files and CPU of the process, numbers of
 * the store. */
#include "main/gauges.h"

#include "rt/metric.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static struct metric resident = {"process_resident_memory_bytes", "Resident memory of the process.",
                                 METRIC_GAUGE, NULL};
static struct metric open_files = {"process_open_fds", "Open file descriptors.", METRIC_GAUGE,
                                   NULL};
static struct metric cpu = {"process_cpu_seconds_total", "CPU time used, user and system.",
                            METRIC_COUNTER, NULL, .micro = true};
static struct metric store_bytes = {"heddle_store_bytes", "Size of the database on disk.",
                                    METRIC_GAUGE, NULL};
static struct metric store_queue = {"heddle_store_queue", "Transactions waiting to be committed.",
                                    METRIC_GAUGE, NULL};
static struct metric store_up = {
    "heddle_store_up", "Whether the last contact with the database went well.", METRIC_GAUGE, NULL};
static struct metric commits = {"heddle_store_commits_total", "Commits: one for many transactions.",
                                METRIC_COUNTER, NULL};
static struct metric transactions = {"heddle_store_transactions_total", "Transactions committed.",
                                     METRIC_COUNTER, NULL};
static struct metric statements = {"heddle_store_statements_total", "Writing statements executed.",
                                   METRIC_COUNTER, NULL};

static _Atomic(const struct db *) shown;

/* Bring a counter up to @now. Renderings are serialised by the caller. */
static void advance(struct metric *m, int64_t now)
{
    struct metric_series *s = metric_series(m);
    int64_t before = metric_value(s);
    if (now > before)
        metric_add(s, now - before);
}

static int64_t resident_bytes(void)
{
    char line[128] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    const char *second = fgets(line, sizeof line, f) ? strchr(line, ' ') : NULL;
    long pages = second ? strtol(second, NULL, 10) : 0;
    fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t count_files(void)
{
    int64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 3; /* ".", "..", and the folder itself */
}

static void read_process(void)
{
    struct rusage u;

    metric_set(metric_series(&resident), resident_bytes());
    metric_set(metric_series(&open_files), count_files());
    if (getrusage(RUSAGE_SELF, &u) == 0)
        advance(&cpu, (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_S +
                          (u.ru_utime.tv_usec + u.ru_stime.tv_usec));
}

static void read_store(void)
{
    const struct db *db = atomic_load(&shown);
    struct db_stats stats;

    if (!db)
        return;
    db_stats(db, &stats);
    metric_set(metric_series(&store_bytes), stats.bytes);
    metric_set(metric_series(&store_queue), stats.queued);
    metric_set(metric_series(&store_up), db_is_up(db));
    advance(&commits, stats.commits);
    advance(&transactions, stats.transactions);
    advance(&statements, stats.statements);
}

static void read_all(void)
{
    read_process();
    read_store();
}

void gauges_start(const struct db *db)
{
    static atomic_bool registered;

    atomic_store(&shown, db);
    if (!atomic_exchange(&registered, true))
        metric_on_render(read_all);
}

void gauges_stop(void)
{
    atomic_store(&shown, NULL);
}
