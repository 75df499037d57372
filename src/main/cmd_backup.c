/* src/main/cmd_backup.c - "heddle backup FILE" and "heddle restore FILE" for SQLite.
 *
 * A backup is made while the server runs. A restore puts a checked copy in the place of the
 * database, which must not be in use, and keeps what was there beside it. */
#include "main/boot.h"
#include "main/cli.h"
#include "rt/log.h"
#include "rt/work.h"
#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct call {
    struct cli *cli;
    struct config config;
    struct boot boot;
    const char *from, *to, *kept;
    bool had; /* there was a database before */
};

static Err in_runtime(struct cli *cli, Err (*fn)(void *arg))
{
    struct call *call = arena_new_of(cli->a, struct call);

    call->cli = cli;
    TRY(cli_config(cli, &call->config));
    if (!config_sqlite_path(cli->a, &call->config).n)
        return err_detail(E_UNSUPPORTED,
                          "This is for SQLite. For PostgreSQL use pg_dump and pg_restore.");
    call->config.shards = call->config.workers = 1;
    call->config.log.level = LOG_LEVEL_WARN;
    return boot_run(&call->config, fn, call);
}

static Err backup(void *arg)
{
    struct call *call = arg;
    Str path = call->cli->args.at[0];

    TRY(boot_expect_data(call->cli->a, &call->config));
    Err e = boot_store(&call->boot, call->cli->a, &call->config, false);

    if (e == OK)
        e = db_backup(call->boot.db, path);
    if (e == OK)
        e = cli_print(str_fmt(call->cli->a, "backed up to %.*s\n", P(path)));
    struct err_record record = *err_record();
    boot_close(&call->boot, 0);
    *err_record() = record;
    return e;
}

static Err run_backup(struct cli *cli)
{
    return in_runtime(cli, backup);
}

/* ---- restore ---- */

static Err check_version(struct db *db, const char *path)
{
    int version = 0, newest = 0;

    for (const struct migration *m = migrations; m->number; m++)
        newest = m->number;
    TRY(db_schema_version(db, &version));
    if (version > newest)
        return err_detail(E_VERSION,
                          "The backup was written by a newer Heddle (schema %d, this knows %d): "
                          "restore it with that version.",
                          version, newest);
    return version ? OK
                   : err_detail(E_INVALID, "%.200s has none of Heddle's tables: it is no backup.",
                                path);
}

/* That the file is a sound database of a version this program knows. Nothing is made beside it. */
static Err check_database(const char *path)
{
    struct db *db = NULL;
    struct db_options options = {.url = str_c(path), .read_only = true, .immutable = true};
    Err e = db_open(&options, &db);

    if (e == OK)
        e = db_check(db);
    if (e == OK)
        e = check_version(db, path);
    char why[160];
    snprintf(why, sizeof why, "%s", err_text(e));
    if (e == E_CORRUPT)
        e = err_detail(e, "%.160s is damaged or no backup; nothing was changed. (%s)", path, why);
    struct err_record record = *err_record();
    db_close(db);
    *err_record() = record;
    return e;
}

static Err io_error(const char *what, const char *path)
{
    return err_detail(err_from_errno(errno), "%s %s: %s.", what, path, strerror(errno));
}

static Err copy_bytes(int in, int out, const char *to)
{
    char block[4096 - 512];
    for (;;) {
        ssize_t n = read(in, block, sizeof block);
        if (n == 0)
            return fsync(out) == 0 ? OK : io_error("cannot write", to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error("cannot read the backup for", to);
        for (ssize_t at = 0; at < n;) {
            ssize_t w = write(out, block + at, (size_t)(n - at));
            if (w < 0 && errno != EINTR)
                return io_error("cannot write", to);
            if (w > 0)
                at += w;
        }
    }
}

static Err copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return io_error("cannot open", from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    Err e = out < 0 ? io_error("cannot make", to) : copy_bytes(in, out, to);
    close(in);
    if (out >= 0)
        close(out);
    if (e != OK && out >= 0)
        unlink(to);
    return e;
}

/* A backup is one file. A file copied from under a server has a part of it in its log, which a copy
 * of the file alone would lose. */
static Err check_no_log(struct call *call)
{
    const char *log = str_fmt(call->cli->a, "%s-wal%c", call->from, 0).p;
    struct stat st;

    if (stat(log, &st) == 0 && st.st_size > 0)
        return err_detail(E_CONFLICT,
                          "%s has a log beside it (%s), so it is no backup but a database in use. "
                          "Make a backup of it with \"heddle backup --data FOLDER\" first.",
                          call->from, log);
    return OK;
}

/* What can be told of the source before SQLite looks into it. */
static Err check_file(void *arg)
{
    struct call *call = arg;
    struct stat st;

    if (stat(call->from, &st) != 0)
        return err_detail(err_from_errno(errno), "There is no backup %s: %s.", call->from,
                          strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_detail(E_INVALID, "%s is %s: it is no backup.", call->from,
                          S_ISREG(st.st_mode) ? "empty" : "no file");
    if (access(call->from, R_OK) != 0)
        return io_error("cannot read", call->from);
    return check_no_log(call);
}

/* Where the old database goes: a name that nothing has, however fast one restore follows another.
 */
static const char *free_name(struct call *call)
{
    long long now = time_wall() / USEC_S;
    const char *name;

    do
        name = str_fmt(call->cli->a, "%s.before-restore-%lld%c", call->to, now++, 0).p;
    while (access(name, F_OK) == 0);
    return name;
}

/* On a worker: copy beside the place, move the old one away, move the new one in. */
static Err put_in_place(void *arg)
{
    struct call *call = arg;
    struct arena *a = call->cli->a;
    const char *new_file = str_fmt(a, "%s.restoring%c", call->to, 0).p;

    unlink(new_file);
    TRY(copy_file(call->from, new_file));
    call->kept = free_name(call);
    call->had = rename(call->to, call->kept) == 0;
    if (!call->had && errno != ENOENT)
        return io_error("cannot move away", call->to);
    /* A log of the old database must not be applied to the new one. */
    static const char *const tails[] = {"-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        const char *side = str_fmt(a, "%s%s%c", call->to, tails[i], 0).p;
        const char *away = str_fmt(a, "%s%s%c", call->kept, tails[i], 0).p;
        if (rename(side, away) != 0 && errno != ENOENT)
            return io_error("cannot move away", side);
    }
    if (rename(new_file, call->to) != 0)
        return io_error("cannot put in place", call->to);
    return OK;
}

static Err restore(void *arg)
{
    struct call *call = arg;
    struct arena *a = call->cli->a;
    Str source = call->cli->args.at[0];
    struct db_lock *lock = NULL;

    call->from = str_dup_c(a, source);
    call->to = str_dup_c(a, config_sqlite_path(a, &call->config));
    TRY(work_run(check_file, call));
    TRY(check_database(call->from));
    TRY(boot_folder(a, &call->config));
    TRY(db_lock_exclusive(str_dup_c(a, call->config.data), &lock));
    Err e = work_run(put_in_place, call);
    struct err_record record = *err_record();
    db_lock_free(lock);
    *err_record() = record;
    TRY(e);
    if (!call->had)
        return cli_print(str_fmt(a, "restored %.*s\n", P(source)));
    return cli_print(
        str_fmt(a, "restored %.*s; what was there is kept as %s\n", P(source), call->kept));
}

static Err run_restore(struct cli *cli)
{
    return in_runtime(cli, restore);
}

const struct cli_verb cmd_backup = {
    .name = "backup",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .summary = "Copy the SQLite database while it is in use",
    .details = "FILE must not exist. The copy is complete and on disk when the command ends.",
    .settings = "data database.url",
    .run = run_backup,
};

const struct cli_verb cmd_restore = {
    .name = "restore",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .summary = "Put a backup in the place of the SQLite database",
    .details =
        "The server must be stopped. The backup is checked first; the old database is kept beside "
        "the new one.",
    .settings = "data database.url",
    .run = run_restore,
};
