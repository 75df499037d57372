/* bench/micro/bench_engine.c - durable runs per second through the engine alone, without HTTP.
 *
 *     bench_engine DIR WORKFLOW.json CALLERS [SECONDS]
 *
 * CALLERS fibers on all shards start a run, wait for its end and make its answer, again and again;
 * SQLite in DIR, synchronous=FULL. Prints one JSON object: runs_per_s and cpu_us of a run.
 */
#include "base/crypto.h"
#include "rt/log.h"
#include "store/migrate.h"
#include "wf/engine.h"

#include <stdlib.h>
#include <sys/resource.h>

static struct {
    char path[600], text[64 * 1024];
    size_t n;
    int callers;
    Usec span, end;
    struct wf_engine *engine;
    struct wf_def *def;
    struct json *input;
    _Atomic int left;
    _Atomic int64_t runs;
    struct wait done;
    struct shard *home;
} bench;

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static Err one_run(struct arena *a, bool store_def)
{
    AUTO(wf_run) *run = NULL;
    AUTO_BUF(b, MIB(1));
    struct wf_start start = {.def = bench.def,
                             .store_def = store_def,
                             .origin = S("api"),
                             .tenant = {{1}},
                             .workflow = {{2}},
                             .version = 1,
                             .input = bench.input};

    TRY(wf_run_start(bench.engine, &start, &run));
    TRY(wf_run_wait(run, USEC_NEVER));
    if (wf_run_state(run) != WF_RUN_SUCCEEDED)
        return err_set(E_INTERNAL, "a run ended as %s", wf_run_state_name(wf_run_state(run)));
    json_write(&b, wf_run_json(a, run, S("bench")));
    return buf_ok(&b);
}

static Err call(void *arg)
{
    AUTO(arena) *a = arena_new(MIB(4));

    (void)arg;
    while (time_mono() < bench.end) {
        Err e = one_run(a, false);
        if (e != OK)
            DIE("%s: %s", err_name(e), err_text(e));
        arena_reset(a);
        bench.runs++;
    }
    if (--bench.left == 0)
        wait_end_from(bench.home, &bench.done, OK);
    return OK;
}

static Err measure(struct arena *a)
{
    TRY(json_parse(a, S("{\"n\":12,\"name\":\"Ada\"}"), &bench.input));
    TRY(one_run(a, true));
    wait_init(&bench.done);
    bench.home = shard_self();
    bench.left = bench.callers;
    double cpu = cpu_seconds();
    Usec begin = time_mono();
    bench.end = begin + bench.span;
    for (int i = 0; i < bench.callers; i++)
        shard_start(shard_at((unsigned)i % shard_count()), "call", call, NULL);
    TRY(wait_for(&bench.done, USEC_NEVER));
    double took = (double)(time_mono() - begin) / 1e6, runs = (double)bench.runs;
    printf("{\"runs_per_s\": %.0f, \"cpu_us\": %.1f}\n", runs / took,
           (cpu_seconds() - cpu) * 1e6 / runs);
    return OK;
}

static Err body(void *arg)
{
    AUTO(arena) *a = arena_new(MIB(16));
    WfProblems problems = {0};
    struct db *db = NULL;

    (void)arg;
    TRY(wf_def_parse(a, str_from(bench.text, bench.n), &problems, &bench.def));
    TRY(db_open(&(struct db_options){.url = str_c(bench.path)}, &db));
    TRY(db_migrate(db, migrations));
    TRY(wf_engine_new(&(struct wf_engine_options){.db = db, .alone = true, .max_active = 100000},
                      &bench.engine));
    Err e = measure(a);
    wf_engine_drain(bench.engine, USEC_S);
    wf_engine_free(bench.engine);
    db_close(db);
    wf_def_unref(bench.def);
    return e;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench_engine DIR WORKFLOW.json CALLERS [SECONDS]\n");
        return 2;
    }
    FILE *f = fopen(argv[2], "r");
    if (!f) {
        perror(argv[2]);
        return 1;
    }
    bench.n = fread(bench.text, 1, sizeof bench.text, f);
    fclose(f);
    bench.callers = (int)strtol(argv[3], NULL, 10);
    bench.span = (Usec)(strtod(argc > 4 ? argv[4] : "2", NULL) * 1e6);
    snprintf(bench.path, sizeof bench.path, "%s/engine.db", argv[1]);
    crypto_init();
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    Err e = rt_main(&(struct rt_options){.workers = 1}, body, NULL);
    if (e != OK)
        fprintf(stderr, "%s: %s\n", err_name(e), err_text(e));
    return e != OK;
}
