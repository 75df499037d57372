/* bench/micro/bench_schedule.c - many schedules: what one costs in memory, and how late they fire.
 *
 *     bench_schedule DIR [SPREAD [HERD]]
 *
 * SPREAD schedules (2,000) are due at random moments of ten seconds, then HERD of them (60,000) in
 * one moment; each starts a durable run of a trigger and an output. SQLite in DIR,
 * synchronous=FULL. Prints one JSON object: lags from the due time to the creation of the run, in
 * milliseconds; the time until the last of the herd is durable; bytes of resident memory of each of
 * the herd while it waits in the queue.
 */
#include "base/crypto.h"
#include "rt/log.h"
#include "store/migrate.h"
#include "store/store_workflow.h"
#include "wf/schedule.h"
#include "wf/schedule_plan.h"

#include <stdlib.h>
#include <unistd.h>

enum { AT_ONCE = 500 };
static const Usec SPAN = 10 * USEC_S, LEAD = 5 * USEC_S;

static struct {
    char path[600];
    int spread, herd;
    struct db *db;
    struct wf_engine *engine;
    struct wf_def *def;
    uint8_t hash[32];
} bench;

static size_t resident(void)
{
    char line[200], *rest;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || !fgets(line, sizeof line, f))
        DIE("no /proc/self/statm");
    fclose(f);
    (void)strtol(line, &rest, 10); /* all of it, then what is resident */
    return (size_t)strtol(rest, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* @n rows that are due at @from or, with @span, at some moment after it. */
static Err put_rows(int n, Usec from, Usec span)
{
    for (int i = 0; i < n; i += AT_ONCE) {
        AUTO(arena) *a = arena_new(MIB(8));
        struct db_tx *tx = db_begin(bench.db, a);
        for (int k = i; k < n && k < i + AT_ONCE; k++) {
            struct schedule_row row;
            Usec at = from + (span ? (Usec)(crypto_random_u64() % (uint64_t)span) : 0);
            wf_schedule_row(a, bench.def, ID_NONE, id_new(), 1, from, &row);
            row.hash = str_from((const char *)bench.hash, sizeof bench.hash);
            row.next_at = row.due_at = at;
            store_schedule_put(tx, row.workflow, &row);
        }
        TRY(db_commit(tx));
    }
    return OK;
}

static Err count_runs(int64_t *ret_n)
{
    AUTO(arena) *a = arena_new(MIB(1));
    AUTO(db_cursor) *c = NULL;
    TRY(db_query(bench.db, a, "SELECT COUNT(*) FROM run", DB_NO_ARGS, &c));
    *ret_n = db_next(c) ? db_int(c, 0) : 0;
    return db_finish(c);
}

static Err wait_for_runs(int64_t n)
{
    int64_t seen = 0;
    while (seen < n) {
        TRY(fiber_sleep(100 * USEC_MS));
        TRY(count_runs(&seen));
    }
    return OK;
}

static int compare(const void *a, const void *b)
{
    Usec x = *(const Usec *)a, y = *(const Usec *)b;
    return (x > y) - (x < y);
}

/* The lags of the last @n runs, sorted. */
static Err read_lags(struct arena *a, int n, Usec **ret_lags)
{
    static const char sql[] = "SELECT r.created_at - s.last_at FROM schedule s"
                              " JOIN run r ON r.id = s.last_run ORDER BY r.id DESC LIMIT ?1";
    AUTO(db_cursor) *c = NULL;
    Usec *lags = arena_array(a, Usec, n);
    int i = 0;

    TRY(db_query(bench.db, a, sql, DB_ARGS(D_INT(n)), &c));
    for (; i < n && db_next(c); i++)
        lags[i] = db_usec(c, 0);
    TRY(db_finish(c));
    if (i != n)
        return err_set(E_INTERNAL, "%d runs of %d", i, n);
    qsort(lags, (size_t)n, sizeof *lags, compare);
    *ret_lags = lags;
    return OK;
}

static double ms(Usec us)
{
    return (double)us / 1000;
}

static Err measure(void)
{
    AUTO(arena) *a = arena_new(MIB(64));
    Usec *spread, *herd;

    TRY(put_rows(bench.spread, time_wall() + LEAD, SPAN));
    struct wf_scheduler *s = wf_scheduler_new(bench.engine);
    Err e = wait_for_runs(bench.spread);
    wf_scheduler_stop(s);
    wf_scheduler_free(s);
    TRY(e);
    TRY(read_lags(a, bench.spread, &spread));

    Usec at = time_wall() + LEAD + bench.herd * (Usec)40;
    TRY(put_rows(bench.herd, at, 0));
    size_t before = resident();
    s = wf_scheduler_new(bench.engine);
    Usec rest = at - time_wall() - USEC_S;
    e = rest > 0 ? fiber_sleep(rest) : err_set(E_TIMEOUT, "the machine is too slow for this lead");
    size_t waiting = resident();
    if (e == OK)
        e = wait_for_runs(bench.spread + bench.herd);
    double drained = ms(time_wall() - at);
    wf_scheduler_stop(s);
    wf_scheduler_free(s);
    TRY(e);
    TRY(read_lags(a, bench.herd, &herd));
    printf("{\"spread\": %d, \"lag_p50_ms\": %.2f, \"lag_p99_ms\": %.2f, \"lag_max_ms\": %.2f, "
           "\"herd\": %d, \"herd_ms\": %.0f, \"herd_p50_ms\": %.0f, \"bytes_each\": %.0f}\n",
           bench.spread, ms(spread[bench.spread / 2]), ms(spread[bench.spread * 99 / 100]),
           ms(spread[bench.spread - 1]), bench.herd, drained, ms(herd[bench.herd / 2]),
           (double)(waiting > before ? waiting - before : 0) / bench.herd);
    return OK;
}

static Err body(void *arg)
{
    static const char text[] =
        "{\"heddle\":1,\"name\":\"bench\",\"nodes\":[{\"id\":\"t\",\"type\":\"trigger\",\"data\":"
        "{\"trigger\":\"schedule\",\"schedule\":{\"repeat\":\"interval\",\"every\":\"366d\"}}},"
        "{\"id\":\"o\",\"type\":\"output\",\"data\":{\"output\":\"{{ input }}\"}}],"
        "\"edges\":[{\"id\":\"e\",\"source\":\"t\",\"target\":\"o\"}]}";
    AUTO(arena) *a = arena_new(MIB(16));
    WfProblems problems = {0};

    (void)arg;
    TRY(wf_def_parse(a, str_c(text), &problems, &bench.def));
    wf_def_content_hash(bench.def, bench.hash);
    TRY(db_open(&(struct db_options){.url = str_c(bench.path)}, &bench.db));
    TRY(db_migrate(bench.db, migrations));
    struct db_tx *tx = db_begin(bench.db, a);
    store_definition_put(tx, str_from((const char *)bench.hash, sizeof bench.hash),
                         bench.def->text);
    TRY(db_commit(tx));
    TRY(wf_engine_new(&(struct wf_engine_options){.db = bench.db, .alone = true}, &bench.engine));
    Err e = measure();
    wf_engine_drain(bench.engine, USEC_S);
    wf_engine_free(bench.engine);
    db_close(bench.db);
    wf_def_unref(bench.def);
    return e;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_schedule DIR [SPREAD [HERD]]\n");
        return 2;
    }
    snprintf(bench.path, sizeof bench.path, "%s/schedule.db", argv[1]);
    bench.spread = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 2000;
    bench.herd = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 60000;
    crypto_init();
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    Err e = rt_main(&(struct rt_options){.workers = 1}, body, NULL);
    if (e != OK)
        fprintf(stderr, "%s: %s\n", err_name(e), err_text(e));
    return e != OK;
}
