/* bench/micro/bench_floor.c - the limits of this machine that ratios are made against: fdatasync,
 * and SQLite with nothing around it.
 *
 *     bench_floor DIR [SECONDS]
 *
 * Prints one JSON object: fdatasync_per_s and the median and 99th percentile of its time, and
 * rows_per_s for groups of 64 and 512 rows of 300 bytes with a UUIDv7 as their key and one
 * secondary index, the same as in bench_store, WAL, synchronous=FULL, one thread, one commit a
 * group. Nothing that queues, wakes or answers is in it: what a journal could do at best. "counted"
 * is the same with keys 1, 2, 3...: what the rows of a journal that no second node may write to
 * could be.
 */
#include "base/id.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sync_rate(const char *dir, double seconds, double *ret_p50_ms, double *ret_p99_ms)
{
    enum { MOST = 1 << 20 };
    char path[600];
    static char block[4000];
    static double took[MOST];
    long n = 0;

    memset(block, 'x', sizeof block);
    snprintf(path, sizeof path, "%s/floor.dat", dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0)
        return 0;
    double start = now();
    while (n < MOST && now() - start < seconds) {
        double begin = now();
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block || fdatasync(fd) != 0)
            break;
        took[n++] = (now() - begin) * 1000;
    }
    double rate = (double)n / (now() - start);
    qsort(took, (size_t)n, sizeof took[0], compare);
    *ret_p50_ms = took[n / 2];
    *ret_p99_ms = took[n * 99 / 100];
    close(fd);
    unlink(path);
    return rate;
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
}

/* Rows 0, 4, 8... begin a run: their id is the run_id of the next three. */
static void bind_ids(sqlite3_stmt *insert, long long n, Id *run_id)
{
    Id id = id_new();

    *run_id = n % 4 ? *run_id : id;
    sqlite3_bind_blob(insert, 1, id.b, sizeof id.b, SQLITE_TRANSIENT);
    sqlite3_bind_blob(insert, 2, run_id->b, sizeof run_id->b, SQLITE_STATIC);
}

static double row_rate(const char *dir, int group, bool counted, double seconds)
{
    char path[600], text[250];
    sqlite3 *db;
    sqlite3_stmt *insert;
    long long n = 0;
    Id run_id = ID_NONE;

    memset(text, 'x', sizeof text);
    snprintf(path, sizeof path, "%s/floor-%d.db", dir, group);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        return 0;
    run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE by_id (id BLOB PRIMARY KEY, run_id BLOB NOT NULL, seq INTEGER NOT NULL,"
            " body TEXT NOT NULL); CREATE INDEX by_id_run ON by_id (run_id);"
            "CREATE TABLE counted (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL,"
            " seq INTEGER NOT NULL, body TEXT NOT NULL);"
            "CREATE INDEX counted_run ON counted (run_id)");
    sqlite3_prepare_v2(db,
                       counted
                           ? "INSERT INTO counted (run_id, seq, body) VALUES (?2, ?3, ?4)"
                           : "INSERT INTO by_id (id, run_id, seq, body) VALUES (?1, ?2, ?3, ?4)",
                       -1, &insert, NULL);
    double start = now();
    while (now() - start < seconds) {
        run(db, "BEGIN IMMEDIATE");
        for (int i = 0; i < group; i++) {
            if (counted)
                sqlite3_bind_int64(insert, 2, n / 4);
            else
                bind_ids(insert, n, &run_id);
            sqlite3_bind_int64(insert, 3, n % 4);
            sqlite3_bind_text(insert, 4, text, sizeof text, SQLITE_STATIC);
            if (sqlite3_step(insert) != SQLITE_DONE)
                run(db, "insert failed");
            sqlite3_reset(insert);
            n++;
        }
        run(db, "COMMIT");
    }
    double rate = (double)n / (now() - start);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    unlink(path);
    return rate;
}

int main(int argc, char **argv)
{
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 2, p50 = 0, p99 = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_floor DIR [SECONDS]\n");
        return 2;
    }
    printf("{\"fdatasync_per_s\": %.0f, ", sync_rate(argv[1], seconds, &p50, &p99));
    printf("\"fdatasync_p50_ms\": %.3f, \"fdatasync_p99_ms\": %.3f, ", p50, p99);
    printf("\"rows_64_per_s\": %.0f, ", row_rate(argv[1], 64, false, seconds));
    printf("\"rows_512_per_s\": %.0f, ", row_rate(argv[1], 512, false, seconds));
    printf("\"counted_64_per_s\": %.0f, ", row_rate(argv[1], 64, true, seconds));
    printf("\"counted_512_per_s\": %.0f}\n", row_rate(argv[1], 512, true, seconds));
    return 0;
}
