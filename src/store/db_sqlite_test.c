/* src/store/db_sqlite_test.c - bad days of a SQLite file: no space, no rights, damage, other
 * processes. */
#include "base/crypto.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "store/db_sqlite.h"
#include "store/test_store.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char table[] = "CREATE TABLE row (id {int} PRIMARY KEY, b {bytes} NOT NULL)";
static const char put[] = "INSERT INTO row (id, b) VALUES (?1, ?2)";
static const char count[] = "SELECT count(*) FROM row";

static Str file(const char *name)
{
    return str_fmt(t_arena(), "%s/%s", t_dir(), name);
}

static const char *file_c(const char *name)
{
    return str_dup_c(t_arena(), file(name));
}

static Err open_at(Str path, struct db **ret_db)
{
    return db_open(&(struct db_options){.url = path, .timeout = 300 * USEC_MS}, ret_db);
}

static void write_file(const char *path, Str content, off_t at)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, content.p, content.n, at) != (ssize_t)content.n)
        t_fail(__FILE__, __LINE__, "cannot write %s", path);
    close(fd);
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

/* Rows of 64 KiB from @from on until one fails; *ret_n is how many were acknowledged. */
static Err fill(struct db *db, int from, int most, int *ret_n)
{
    AUTO(arena) *a = arena_new(MIB(1));
    char *bytes = arena_alloc(a, KIB(64));
    Err e = OK;

    crypto_random(bytes, KIB(64));
    int i = 0;
    for (; i < most && e == OK; i++)
        e = t_db_exec(db, put, DB_ARGS(D_INT(from + i), D_BYTES(str_from(bytes, KIB(64)))));
    *ret_n = e == OK ? i : i - 1;
    return e;
}

/* ---- the file ---- */

TEST_FIBER(a_new_file_is_for_its_owner_alone)
{
    struct db *db = NULL;
    struct stat st;

    t_expect_ok(open_at(file("new.db"), &db));
    Err e = t_db_tables(db, table);
    bool main_ok = stat(file_c("new.db"), &st) == 0 && (st.st_mode & 0777) == 0600;
    bool log_ok = stat(file_c("new.db-wal"), &st) == 0 && (st.st_mode & 0777) == 0600;
    db_close(db);
    t_expect_ok(e);
    t_expect(main_ok && log_ok);
    t_expect(size_of(file_c("new.db-wal")) == -1); /* closing leaves one file */
}

TEST_FIBER(addresses_that_are_none_are_refused)
{
    struct db *db = NULL;
    t_expect_err(open_at(S("mysql://host/name"), &db), E_INVALID);
    t_expect_err(open_at(S(""), &db), E_INVALID);
    t_expect_err(open_at(S("/nowhere/at/all/heddle.db"), &db), E_NOT_FOUND);
    t_expect_err(db_open(&(struct db_options){.url = file("none.db"), .read_only = true}, &db),
                 E_NOT_FOUND);
    t_expect(size_of(file_c("none.db")) == -1);
    Str url = str_fmt(t_arena(), "sqlite://%s/a.db", t_dir());
    t_expect_ok(open_at(url, &db));
    db_close(db);
    t_expect(size_of(file_c("a.db")) > 0);
}

TEST_FIBER(a_file_that_is_no_database_is_refused_and_left_alone)
{
    struct db *db = NULL;
    static char junk[8192];
    memset(junk, 'x', sizeof junk);
    write_file(file_c("junk.db"), str_from(junk, sizeof junk), 0);
    t_expect_err(open_at(file("junk.db"), &db), E_CORRUPT);
    t_expect(strstr(err_client_text(E_CORRUPT), "heddle restore") != NULL);
    t_expect(strstr(err_text(E_CORRUPT), "PRAGMA") == NULL);
    t_expect_int(size_of(file_c("junk.db")), sizeof junk);
}

TEST_FIBER(the_database_of_another_program_is_refused)
{
    struct db *db = NULL;
    sqlite3 *h = NULL;
    t_expect(sqlite3_open(file_c("other.db"), &h) == SQLITE_OK);
    t_expect(sqlite3_exec(h, "CREATE TABLE t (a)", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(h);
    t_expect_err(open_at(file("other.db"), &db), E_INVALID);
}

TEST_FIBER(a_damaged_page_is_found_by_the_check)
{
    struct db *db = NULL;
    static char junk[4096];
    int n;

    memset(junk, 0xa5, sizeof junk);
    t_expect_ok(open_at(file("d.db"), &db));
    Err e = t_db_tables(db, "CREATE TABLE row (id {int} PRIMARY KEY, b {bytes} NOT NULL);\n"
                            "CREATE INDEX row_b ON row (b)");
    e = e == OK ? fill(db, 0, 50, &n) : e;
    e = e == OK ? db_check(db) : e;
    db_close(db);
    t_expect_ok(e);
    off_t size = size_of(file_c("d.db"));
    for (off_t at = 8 * 4096; at < size; at += 16 * 4096)
        write_file(file_c("d.db"), str_from(junk, sizeof junk), at);
    t_expect_ok(open_at(file("d.db"), &db));
    Err check = db_check(db);
    bool told = strstr(err_client_text(check), "damaged") != NULL;
    Err quick = db_check_quick(db, USEC_MIN);
    db_close(db);
    t_expect_int(check, E_CORRUPT);
    t_expect(told);
    t_expect_int(quick, E_CORRUPT);
}

TEST_FIBER(a_quick_check_ends_when_its_time_is_over)
{
    struct db *db = NULL;
    int n;

    t_expect_ok(open_at(file("q.db"), &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 600, &n) : e;
    Err in_time = db_check_quick(db, USEC_MIN);
    Err late = db_check_quick(db, USEC_MS);
    int64_t rows = t_db_int(db, count, DB_NO_ARGS); /* nothing else was interrupted */
    db_close(db);
    t_expect_ok(e);
    t_expect_int(in_time, OK);
    t_expect_int(late, E_TIMEOUT);
    t_expect_int(rows, 600);
}

TEST_FIBER(damage_met_by_a_statement_is_told_with_what_to_do)
{
    struct db *db = NULL;
    static char junk[4096];

    memset(junk, 0xa5, sizeof junk);
    t_expect_ok(open_at(file("d.db"), &db));
    Err e = t_db_tables(db, table);
    db_close(db);
    t_expect_ok(e);
    for (off_t at = 4096; at < size_of(file_c("d.db")); at += 4096)
        write_file(file_c("d.db"), str_from(junk, sizeof junk), at);
    t_expect_ok(open_at(file("d.db"), &db));
    int n;
    e = fill(db, 0, 1, &n);
    bool sql = strstr(err_text(e), "INSERT") != NULL;
    Err told = db_explain(db, e);
    bool advice = strstr(err_client_text(told), "heddle restore FILE") != NULL;
    db_close(db);
    t_expect_int(e, E_CORRUPT);
    t_expect(!sql);
    t_expect_int(told, E_CORRUPT);
    t_expect(advice);
}

TEST_FIBER(an_immutable_file_is_read_and_nothing_is_made_beside_it)
{
    struct db *db = NULL;
    struct db_options o = {.url = file("a b?%#.db"), .read_only = true, .immutable = true};
    int n;

    t_expect_ok(open_at(o.url, &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 3, &n) : e;
    db_close(db);
    t_expect_ok(e);
    t_expect_ok(db_open(&o, &db));
    e = db_check(db);
    int64_t rows = t_db_int(db, count, DB_NO_ARGS);
    bool alone = size_of(file_c("a b?%#.db-wal")) == -1 && size_of(file_c("a b?%#.db-shm")) == -1;
    db_close(db);
    t_expect_ok(e);
    t_expect_int(rows, 3);
    t_expect(alone);
}

/* ---- rights: in a child that is nobody, as root may do everything ---- */

static struct db_options child_options;

static Err open_in_child(void *arg)
{
    struct db *db = NULL;
    (void)arg;
    Err e = db_open(&child_options, &db);
    db_close(db);
    return e;
}

static Err open_as_nobody(Str path)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child_options = (struct db_options){.url = path};
        if (getuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
            _exit(255);
        _exit((int)rt_main(&(struct rt_options){.shards = 1, .workers = 1}, open_in_child, NULL));
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? (Err)WEXITSTATUS(status) : E_INTERNAL;
}

TEST(a_file_or_folder_without_the_right_to_write_is_told)
{
    const char *path = file_c("ro.db");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0444);
    t_expect(fd >= 0);
    close(fd);
    t_expect(chmod(t_dir(), 0755) == 0);
    t_expect_int(open_as_nobody(file("ro.db")), E_READ_ONLY);
    t_expect(chmod(path, 0000) == 0);
    t_expect_int(open_as_nobody(file("ro.db")), E_FORBIDDEN);
    t_expect(chmod(t_dir(), 0555) == 0);
    Err e = open_as_nobody(file("new.db"));
    t_expect(chmod(t_dir(), 0755) == 0);
    t_expect_int(e, E_FORBIDDEN);
}

TEST_FIBER(a_database_opened_for_reading_is_never_written)
{
    struct db *db = NULL, *reader = NULL;

    t_expect_ok(open_at(file("r.db"), &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? db_open(&(struct db_options){.url = file("r.db"), .read_only = true}, &reader)
                : e;
    if (e == OK) {
        int n;
        t_expect_int(fill(db, 0, 3, &n), OK);
        t_expect_int(t_db_int(reader, count, DB_NO_ARGS), 3);
        t_expect_int(fill(reader, 10, 3, &n), E_READ_ONLY);
        t_expect_int(t_db_int(reader, count, DB_NO_ARGS), 3);
        t_expect_int(db_check(reader), OK);
    }
    db_close(reader);
    db_close(db);
    t_expect_ok(e);
}

/* ---- space ---- */

static void expect_full_and_free_again(struct db *db, void (*give_space)(void))
{
    struct db_stats stats;
    int before = 0, after = 0, more = 0;

    t_expect_ok(t_db_tables(db, table));
    Err full = fill(db, 0, 10000, &before);
    if (full != E_DISK_FULL)
        t_expect_ok(full);
    t_expect(before > 5);
    for (int i = 0; i < 3; i++)
        t_expect_err(fill(db, before, 1, &more), E_DISK_FULL);
    t_expect(!db_is_up(db));
    t_expect_int(t_db_int(db, count, DB_NO_ARGS), before);
    give_space();
    t_expect_ok(fill(db, before, 20, &after));
    t_expect(db_is_up(db));
    t_expect_int(t_db_int(db, count, DB_NO_ARGS), before + 20);
    t_expect_ok(db_check(db));
    db_stats(db, &stats);
    t_expect_int(stats.queued, 0);
}

static void full_and_free_again(Str path, void (*give_space)(void))
{
    struct db *db = NULL;
    int64_t rows = -1;

    t_expect_ok(open_at(path, &db));
    expect_full_and_free_again(db, give_space);
    int64_t acknowledged = t_db_int(db, count, DB_NO_ARGS);
    db_close(db);
    t_expect_ok(open_at(path, &db));
    rows = t_db_int(db, count, DB_NO_ARGS);
    db_close(db);
    t_expect_int(rows, acknowledged);
}

static const char *mounted;

static void give_space_on_mount(void)
{
    unlink(str_dup_c(t_arena(), str_fmt(t_arena(), "%s/ballast", mounted)));
}

TEST_FIBER(a_full_disk_fails_commits_and_loses_nothing)
{
    mounted = file_c("small");
    t_expect(mkdir(mounted, 0700) == 0);
    if (mount("tmpfs", mounted, "tmpfs", 0, "size=16m") != 0) {
        t_skip("a small file system can only be mounted by root");
        return;
    }
    /* 3 MiB to fill. What is given back has room for all of it once more, twenty rows in the log
     * and in the file: whether the log begins anew is a matter of chance. */
    char *ballast = arena_alloc(t_arena(), MIB(13));
    write_file(str_dup_c(t_arena(), str_fmt(t_arena(), "%s/ballast", mounted)),
               str_from(ballast, MIB(13)), 0);
    full_and_free_again(str_fmt(t_arena(), "%s/heddle.db", mounted), give_space_on_mount);
    t_expect(umount2(mounted, MNT_DETACH) == 0);
}

static void give_space_of_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

TEST_FIBER(a_file_size_limit_fails_commits_and_loses_nothing)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = MIB(2);
    t_expect(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    full_and_free_again(file("limit.db"), give_space_of_limit);
    give_space_of_limit();
}

static void disarm(void)
{
    t_expect_int(inject_set(S("")), OK);
}

TEST_FIBER(a_write_that_fails_at_any_place_loses_nothing)
{
    /* Write number n of a transaction of many pages, then of its commit, then of checkpoints. */
    for (int n = 1; n < 40; n += 3) {
        struct db *db = NULL;
        int ok = 0, more = 0;
        Str path = str_fmt(t_arena(), "%s/w%d.db", t_dir(), n);

        t_expect_ok(open_at(path, &db));
        t_expect_int(t_db_tables(db, table), OK);
        Str spec =
            str_fmt(t_arena(), "store.file.write=error:%s@%d+", n % 2 ? "E_DISK_FULL" : "E_IO", n);
        t_expect_int(inject_set(spec), OK);
        Err e = fill(db, 0, 100, &ok);
        disarm();
        Err after = fill(db, ok, 5, &more);
        int64_t rows = t_db_int(db, count, DB_NO_ARGS);
        Err check = db_check(db);
        db_close(db);
        t_expect_int(e, n % 2 ? E_DISK_FULL : E_IO);
        t_expect_ok(after);
        t_expect_ok(check);
        t_expect_int(rows, ok + 5);
    }
}

TEST_FIBER(a_commit_that_fails_before_the_fsync_is_undone)
{
    struct db *db = NULL;
    int n = 0;

    t_expect_ok(open_at(file("c.db"), &db));
    t_expect_int(t_db_tables(db, table), OK);
    t_expect_int(inject_set(S("store.batch.before_fsync=error:E_IO@3")), OK);
    Err first = fill(db, 0, 10, &n);
    int64_t rows = t_db_int(db, count, DB_NO_ARGS);
    Err second = fill(db, n, 10, &n);
    disarm();
    int64_t all = t_db_int(db, count, DB_NO_ARGS);
    db_close(db);
    t_expect_int(first, E_IO);
    t_expect_ok(second);
    t_expect(rows == 2 && all == 12);
}

/* ---- other processes ---- */

/* A child that holds the write lock of @path until it is told to go. */
static pid_t child_that_locks(const char *path, int *ret_pipe)
{
    int ready[2], go[2];
    char c;
    if (pipe(ready) != 0 || pipe(go) != 0)
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        sqlite3 *h = NULL;
        bool ok = sqlite3_open(path, &h) == SQLITE_OK &&
                  sqlite3_exec(h, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
        close(go[1]);
        if (ok && write(ready[1], "y", 1) == 1)
            (void)!read(go[0], &c, 1);
        sqlite3_close(h);
        _exit(0);
    }
    close(ready[1]);
    close(go[0]);
    bool ok = read(ready[0], &c, 1) == 1;
    close(ready[0]);
    *ret_pipe = go[1];
    return ok ? pid : -1;
}

static void body_with_locker(void)
{
    struct db *db = NULL;
    int n = 0;

    t_expect_ok(open_at(file("l.db"), &db));
    Err e = fill(db, 100, 1, &n);
    bool up = db_is_up(db);
    int64_t rows = t_db_int(db, count, DB_NO_ARGS);
    db_close(db);
    t_expect_int(e, E_LOCKED);
    t_expect(up);
    t_expect_int(rows, 1);
}

static void body_without_locker(void)
{
    struct db *db = NULL;
    int n = 0;

    t_expect_ok(open_at(file("l.db"), &db));
    Err e = size_of(file_c("l.db")) < 20000 ? t_db_tables(db, table) : OK;
    e = e == OK ? fill(db, (int)t_db_int(db, count, DB_NO_ARGS), 1, &n) : e;
    db_close(db);
    t_expect_ok(e);
}

TEST(a_writer_of_another_process_is_waited_for_and_told)
{
    int go = -1;

    t_run_fiber(1, body_without_locker);
    pid_t child = child_that_locks(file_c("l.db"), &go);
    t_expect(child > 0);
    t_run_fiber(1, body_with_locker);
    close(go);
    waitpid(child, NULL, 0);
    t_run_fiber(1, body_without_locker);
}

static Err write_as_neighbour(void *arg)
{
    struct db *db = NULL;
    int n = 0;
    (void)arg;
    TRY(db_open(&child_options, &db));
    Err e = fill(db, 1000, 100, &n);
    db_close(db);
    return e;
}

static void body_beside_neighbour(void)
{
    struct db *db = NULL;
    int n = 0;
    t_expect_ok(db_open(&child_options, &db));
    Err e = fill(db, 1, 100, &n);
    db_close(db);
    t_expect_ok(e);
}

static void body_after_neighbours(void)
{
    struct db *db = NULL;
    t_expect_ok(open_at(file("l.db"), &db));
    int64_t rows = t_db_int(db, count, DB_NO_ARGS);
    Err e = db_check(db);
    db_close(db);
    t_expect_ok(e);
    t_expect_int(rows, 201);
}

TEST(two_processes_may_write_to_one_file)
{
    t_run_fiber(1, body_without_locker);
    child_options = (struct db_options){.url = file("l.db")};
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit((int)rt_main(&(struct rt_options){.shards = 1, .workers = 1}, write_as_neighbour,
                           NULL));
    t_run_fiber(1, body_beside_neighbour);
    int status = -1;
    waitpid(child, &status, 0);
    t_expect_int(status, 0);
    t_run_fiber(1, body_after_neighbours);
}

/* ---- the log ---- */

TEST_FIBER(the_log_stays_bounded_under_writing)
{
    struct db *db = NULL;
    off_t most = 0;
    int n = 0;

    t_expect_ok(open_at(file("log.db"), &db));
    Err e = t_db_tables(db, table);
    for (int i = 0; i < 20 && e == OK; i++) {
        e = fill(db, i * 100, 100, &n);
        off_t size = size_of(file_c("log.db-wal"));
        most = size > most ? size : most;
    }
    db_close(db);
    t_expect_ok(e);
    t_expect(most < SQLITE_LOG_HARD * 4096); /* 125 MB were written */
}

TEST_FIBER(a_cursor_that_holds_the_log_for_too_long_is_ended)
{
    struct db *db = NULL;
    AUTO(db_cursor) *c = NULL;
    int n = 0, rows = 0;

    t_expect_ok(open_at(file("e.db"), &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 100, &n) : e;
    e = e == OK ? db_query(db, t_arena(), "SELECT id, b FROM row ORDER BY id", DB_NO_ARGS, &c) : e;
    t_expect_ok(e);
    sqlite_readers_evict(sqlite_db(db), time_mono());
    while (db_next(c))
        rows++;
    e = db_finish(c);
    db_cursor_free(c);
    c = NULL;
    int64_t all = t_db_int(db, count, DB_NO_ARGS);
    db_close(db);
    t_expect_int(e, E_GONE);
    t_expect(rows > 0 && rows < 100);
    t_expect_int(all, 100);
}

TEST_FIBER(more_cursors_than_connections_wait_and_are_told)
{
    struct db *db = NULL;
    struct db_cursor *c[SQLITE_CURSORS_MAX] = {0}, *more = NULL;
    static const char get[] = "SELECT b FROM row ORDER BY id";
    int n = 0;

    t_expect_ok(open_at(file("m.db"), &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 20, &n) : e;
    for (size_t i = 0; i < ARRAY_LEN(c) && e == OK; i++)
        e = db_query(db, t_arena(), get, DB_NO_ARGS, &c[i]);
    Err full = e == OK ? db_query(db, t_arena(), get, DB_NO_ARGS, &more) : E_INTERNAL;
    db_cursor_free(c[0]);
    Err again = db_query(db, t_arena(), get, DB_NO_ARGS, &more);
    for (size_t i = 1; i < ARRAY_LEN(c); i++)
        db_cursor_free(c[i]);
    db_cursor_free(more);
    db_close(db);
    t_expect_ok(e);
    t_expect_int(full, E_OVERLOADED);
    t_expect_ok(again);
}

/* ---- upkeep ---- */

struct backup_load {
    struct db *db;
    int written;
    bool stop;
    Err result;
};

static Err write_until_stopped(void *arg)
{
    struct backup_load *load = arg;
    while (!load->stop && load->result == OK) {
        int n;
        load->result = fill(load->db, load->written, 1, &n);
        load->written += n;
    }
    return OK;
}

TEST_FIBER(a_backup_under_load_is_whole)
{
    static struct backup_load load;
    struct db *db = NULL, *copy = NULL;
    int n = 0;

    t_expect_ok(open_at(file("b.db"), &db));
    load = (struct backup_load){.db = db, .written = 500};
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 500, &n) : e;
    {
        FIBER_GROUP(g, 0, false);
        t_expect_int(fiber_group_start(&g, "load", write_until_stopped, &load), OK);
        e = e == OK ? db_backup(db, file("copy.db")) : e;
        load.stop = true;
        t_expect_int(fiber_group_join(&g), OK);
    }
    t_expect_int(db_backup(db, file("copy.db")), E_EXISTS);
    db_close(db);
    t_expect_ok(e);
    t_expect_ok(load.result);
    t_expect(load.written > 500);
    t_expect(size_of(file_c("copy.db.part")) == -1);
    t_expect_ok(db_open(&(struct db_options){.url = file("copy.db")}, &copy));
    int64_t rows = t_db_int(copy, count, DB_NO_ARGS);
    e = db_check(copy);
    db_close(copy);
    t_expect_ok(e);
    t_expect(rows >= 500 && rows <= load.written);
}

TEST_FIBER(a_backup_that_fails_leaves_no_file)
{
    struct db *db = NULL;
    int n = 0;

    t_expect_ok(open_at(file("b.db"), &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 200, &n) : e;
    t_expect_int(inject_set(S("store.backup.step=error:E_IO@2")), OK);
    Err failed = db_backup(db, file("copy.db"));
    disarm();
    bool clean = size_of(file_c("copy.db.part")) == -1 && size_of(file_c("copy.db")) == -1;
    Err nowhere = db_backup(db, S("/nowhere/at/all/copy.db"));
    db_close(db);
    t_expect_ok(e);
    t_expect_int(failed, E_IO);
    t_expect(clean);
    t_expect_int(nowhere, E_NOT_FOUND);
}

TEST_FIBER(space_of_deleted_rows_is_given_back_in_steps)
{
    struct db *db = NULL;
    int n = 0;

    t_expect_ok(open_at(file("v.db"), &db));
    Err e = t_db_tables(db, table);
    e = e == OK ? fill(db, 0, 200, &n) : e;
    e = e == OK ? db_vacuum_some(db, 1) : e;
    off_t large = size_of(file_c("v.db"));
    e = e == OK ? t_db_exec(db, "DELETE FROM row WHERE id > 5", DB_NO_ARGS) : e;
    e = e == OK ? db_vacuum_some(db, 1000) : e;
    off_t less = size_of(file_c("v.db"));
    e = e == OK ? db_vacuum_some(db, 100000) : e;
    off_t small = size_of(file_c("v.db"));
    int64_t rows = t_db_int(db, count, DB_NO_ARGS);
    db_close(db);
    t_expect_ok(e);
    t_expect_int(rows, 6);
    t_expect(large > (off_t)MIB(12));
    t_expect(less < large && less > large / 2);
    t_expect(small < (off_t)MIB(1));
}
