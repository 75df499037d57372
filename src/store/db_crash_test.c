/* src/store/db_crash_test.c - kill -9 in the middle of commits: what was acknowledged is there.
 *
 * A child writes rows from many fibers and says the number of each row only after its commit was
 * acknowledged. It is killed at a random moment, or by a fault at a named point; then the parent
 * counts.
 */
#include "base/crypto.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "store/test_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIBERS = 40, ROUNDS = 10, SAID_MAX = 1000000, OF_ONE_MAX = SAID_MAX / ROUNDS };

static const char table[] = "CREATE TABLE row (id {int} PRIMARY KEY, n {int} NOT NULL);\n"
                            "CREATE TABLE sum (id {int} PRIMARY KEY, n {int} NOT NULL);\n"
                            "INSERT INTO sum (id, n) VALUES (1, 0)";
static const char put[] = "INSERT INTO row (id, n) VALUES (?1, ?2)";
static const char add[] = "UPDATE sum SET n = n + 1 WHERE id = 1";

static struct {
    int pipe;
    int64_t next;
    const char *fault;
    unsigned rounds;
    struct db *db;
} child;

static Err write_rows(void *arg)
{
    (void)arg;
    for (;;) {
        AUTO(arena) *a = arena_new(KIB(64));
        struct db_tx *tx = db_begin(child.db, a);
        int64_t id = child.next++;
        db_exec(tx, put, DB_ARGS(D_INT(id), D_INT(id)));
        db_exec_expect(tx, 1, add, DB_NO_ARGS);
        TRY(db_commit(tx));
        if (write(child.pipe, &id, sizeof id) != sizeof id)
            return err_set(E_IO, "the parent is gone");
    }
}

static Err child_body(void *arg)
{
    (void)arg;
    TRY(db_open(&(struct db_options){.url = t_db_url()}, &child.db));
    if (child.fault)
        TRY(inject_set(str_c(child.fault)));
    FIBER_GROUP(g, 0, false);
    for (int i = 0; i < FIBERS; i++)
        TRY(fiber_group_start(&g, "writer", write_rows, NULL));
    return fiber_group_join(&g);
}

/* Run the child until it is killed; the numbers it said go to @said. */
static size_t run_child(const char *fault, Usec life, int64_t first, int64_t *said)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child.pipe = ends[1];
        child.next = first;
        child.fault = fault;
        (void)!rt_main(&(struct rt_options){.shards = 1, .workers = 1}, child_body, NULL);
        _exit(1);
    }
    close(ends[1]);
    Usec end = time_mono() + life;
    size_t n = 0;
    while (n < OF_ONE_MAX / 2 && (fault || time_mono() < end) &&
           read(ends[0], &said[n], sizeof *said) == sizeof *said)
        n++;
    kill(pid, SIGKILL);
    while (n < OF_ONE_MAX && read(ends[0], &said[n], sizeof *said) == sizeof *said)
        n++;
    close(ends[0]);
    waitpid(pid, NULL, 0);
    return n;
}

static int64_t *said;
static size_t n_said;
static int64_t next_id;

static Err make_table(void *arg)
{
    struct db *db = NULL;
    (void)arg;
    TRY(db_open(&(struct db_options){.url = t_db_url()}, &db));
    Err e = t_db_tables(db, table);
    db_close(db);
    return e;
}

static void count_rows(struct db *db)
{
    AUTO(db_cursor) *c = NULL;
    static char seen[SAID_MAX];
    int64_t rows = 0;

    memset(seen, 0, sizeof seen);
    t_expect_ok(db_query(db, t_arena(), "SELECT id FROM row ORDER BY id", DB_NO_ARGS, &c));
    while (db_next(c)) {
        rows++;
        if (db_int(c, 0) < SAID_MAX)
            seen[db_int(c, 0)] = 1;
        next_id = db_int(c, 0) + FIBERS + 1;
    }
    t_expect_ok(db_finish(c));
    for (size_t i = 0; i < n_said; i++)
        if (said[i] < SAID_MAX && !seen[said[i]])
            t_fail(__FILE__, __LINE__, "row %lld was acknowledged and is lost", (long long)said[i]);
    t_expect_int(t_db_int(db, "SELECT n FROM sum", DB_NO_ARGS), rows); /* no half transaction */
    if (db_kind(db) == DB_SQLITE)
        t_expect_ok(db_check(db));
}

static Err count_body(void *arg)
{
    struct db *db = NULL;
    (void)arg;
    TRY(db_open(&(struct db_options){.url = t_db_url()}, &db));
    count_rows(db);
    db_close(db);
    return OK;
}

static void crash_and_count(enum db_kind kind)
{
    static const char *const faults[] = {
        "store.batch.before_fsync=crash@20",
        "store.batch.after_fsync=crash@20",
        "store.commit.after=crash@500",
        "store.file.write=crash@100",
    };
    struct rt_options one = {.shards = 1, .workers = 1};

    said = arena_alloc(t_arena(), SAID_MAX * sizeof *said);
    n_said = 0;
    next_id = 0;
    t_expect_int(rt_main(&one, make_table, NULL), OK);
    for (int round = 0; round < ROUNDS; round++) {
        const char *fault = round < (int)ARRAY_LEN(faults) ? faults[round] : NULL;
        if (kind == DB_POSTGRES && fault && strstr(fault, "store.file"))
            continue;
        Usec life = 20 * USEC_MS + (Usec)(crypto_random_u64() % (150 * USEC_MS));
        size_t before = n_said;
        n_said += run_child(fault, life, next_id, said + n_said);
        t_expect(n_said > before || !fault);
        t_expect_int(rt_main(&one, count_body, NULL), OK);
    }
    t_expect(n_said > 100);
}

TEST(kill_9_loses_no_acknowledged_row_on_sqlite)
{
    t_db_run_with(DB_SQLITE, crash_and_count);
}

TEST(kill_9_loses_no_acknowledged_row_on_postgres)
{
    t_db_run_with(DB_POSTGRES, crash_and_count);
}
