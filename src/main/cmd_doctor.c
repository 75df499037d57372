/* src/main/cmd_doctor.c - "heddle doctor": looks at machine, settings, disk, port and database, and
 * says for each whether it is well, and if not what to do. */
#include "main/cli.h"
#include "main/doctor.h"
#include "net/redis.h"
#include "rt/log.h"
#include "rt/shard.h"
#include "store/db_lock.h"
#include "store/migrate.h"

#include <sys/stat.h>

static const Usec REDIS_WAIT = 2 * USEC_S;

enum { WIDTH = 96, INDENT = 18 };

struct visit {
    struct cli *cli;
    struct arena *a;
    struct config config;
    Str database;
    const char *file; /* of SQLite; empty: the database is PostgreSQL */
    struct doctor_lines lines;
};

static void add(struct visit *v, enum doctor_level level, const char *name, Str found, Str advice)
{
    doctor_add(v->a, &v->lines, level, name, found, advice);
}

/* ---- settings ---- */

/* False if they are not valid: what depends on them is not looked at then. */
static bool visit_settings(struct visit *v)
{
    AUTO_BUF(complaints, KIB(64));
    Err e = cli_config_quiet(v->cli, &v->config, &complaints);
    if (e == OK)
        e = config_check_files(&v->config, &complaints);
    Str rest = str_trim(str_dup(v->a, buf_str(&complaints))), line;

    if (e == OK) {
        Str file = v->config.file.n ? v->config.file : S("no file");
        add(v, DOCTOR_OK, "settings", str_fmt(v->a, "valid, %.*s read", P(file)), S(""));
        return true;
    }
    while (rest.p) {
        rest = str_cut(rest, '\n', &line);
        add(v, DOCTOR_FAIL, "settings", line,
            rest.p ? S("")
                   : S("mend this; database, disk and port are looked at when it is valid"));
    }
    return false;
}

/* The boot fiber of the visit. */
static Err visit_redis_fiber(void *arg)
{
    struct visit *v = arg;
    const struct config *c = &v->config;
    AUTO(redis) *redis = NULL;

    Err e = redis_new(&(struct redis_options){c->redis.url, c->redis.ca_file, c->redis.timeout},
                      &redis);
    if (e == OK)
        e = redis_wait_up(redis, usec_in(REDIS_WAIT));
    if (e == OK)
        add(v, DOCTOR_OK, "redis", S("reached"), S(""));
    else
        add(v, e == E_INVALID ? DOCTOR_FAIL : DOCTOR_WARN, "redis",
            str_dup(v->a, str_c(e == E_INVALID ? err_client_text(e) : err_record()->text)),
            S("limits are counted over the database alone until it is there"));
    return OK;
}

static Err visit_redis(struct visit *v)
{
    static const struct rt_options one = {.shards = 1, .workers = 1};

    return v->config.redis.url.n ? rt_main(&one, visit_redis_fiber, v) : OK;
}

/* ---- database ---- */

static int newest_migration(void)
{
    int newest = 0;

    for (const struct migration *m = migrations; m->number; m++)
        newest = m->number;
    return newest;
}

static void judge_schema(struct visit *v, const char *kind, int version)
{
    int newest = newest_migration();
    Str found = str_fmt(v->a, "%s, schema %d of %d", kind, version, newest);

    if (version > newest)
        add(v, DOCTOR_FAIL, "database", found,
            S("it was written by a newer Heddle: run that version, or restore a backup"));
    else if (version == 0)
        add(v, DOCTOR_OK, "database", str_fmt(v->a, "%s, empty; \"heddle serve\" fills it", kind),
            S(""));
    else if (version < newest)
        add(v, DOCTOR_OK, "database",
            str_fmt(v->a, "%.*s; \"heddle serve\" brings it up to date", P(found)), S(""));
    else
        add(v, DOCTOR_OK, "database", found, S(""));
}

/* What to do about a database that gave @e. */
static Str advice(const struct visit *v, Err e)
{
    if (!v->file[0])
        return S(
            "see that it runs, that the address and password are right, and that this user may "
            "use it");
    if (e == E_CORRUPT)
        return S("stop the server, put a backup back with \"heddle restore FILE\", and have the "
                 "disk and memory of this machine checked");
    return S("see that the file and its folder belong to the user that runs Heddle, and that the "
             "disk is well");
}

/* That what is in it is sound, as far as that can be told in a few seconds. */
static void read_pages(struct visit *v, struct db *db)
{
    static const Usec most = 10 * USEC_S;
    Usec from = time_mono();
    Err e = db_check_quick(db, most);
    long long took = (time_mono() - from) / USEC_MS;

    if (e == E_TIMEOUT)
        add(v, DOCTOR_OK, "integrity",
            str_fmt(v->a, "too large to be checked in %lld s; no damage seen so far",
                    (long long)(most / USEC_S)),
            S(""));
    else if (e == OK)
        add(v, DOCTOR_OK, "integrity", str_fmt(v->a, "sound, checked in %lld ms", took), S(""));
    else
        add(v, DOCTOR_FAIL, "integrity", str_dup(v->a, str_c(err_text(e))), advice(v, e));
}

static Err read_schema(struct visit *v, struct db *db)
{
    int version;

    TRY(db_ping(db, usec_in(5 * USEC_S)));
    TRY(db_schema_version(db, &version));
    judge_schema(v, db_kind(db) == DB_SQLITE ? "SQLite" : "PostgreSQL", version);
    read_pages(v, db);
    return OK;
}

/* Without a log beside it nobody has the file open: then nothing needs to be made beside it, which
 * would stay there as the property of who runs this. */
static bool is_at_rest(const struct visit *v)
{
    struct stat st;
    return v->file[0] && stat(str_fmt(v->a, "%s-wal%c", v->file, 0).p, &st) != 0;
}

/* The boot fiber of the visit. What fails is a finding, not a failure of the visit. */
static Err visit_database_fiber(void *arg)
{
    struct visit *v = arg;
    struct db_options options = {.url = v->database,
                                 .readers = 1,
                                 .timeout = 5 * USEC_S,
                                 .read_only = true,
                                 .immutable = is_at_rest(v)};
    struct db *db = NULL;
    Err e = db_open(&options, &db);

    if (e == OK) {
        e = read_schema(v, db);
        if (e != OK)
            e = err_add(e, "the database was opened, but");
    }
    if (e != OK)
        add(v, DOCTOR_FAIL, "database", str_dup(v->a, str_c(err_text(e))), advice(v, e));
    db_close(db);
    return OK;
}

static Err visit_database(struct visit *v)
{
    struct rt_options one = {.shards = 1, .workers = 2};
    struct stat st;

    if (v->file[0] && stat(v->file, &st) != 0) {
        add(v, DOCTOR_OK, "database",
            str_fmt(v->a, "%s is not there yet; \"heddle serve\" makes it", v->file), S(""));
        return OK;
    }
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return rt_main(&one, visit_database_fiber, v);
}

/* ---- the whole ---- */

static void visit_port(struct visit *v)
{
    int refused = 0, holder = 0;

    if (doctor_look_port(v->a, v->config.listen, &refused) != OK) {
        add(v, DOCTOR_FAIL, "port", str_dup(v->a, str_c(err_client_text(E_INVALID))),
            S("give another --listen"));
        return;
    }
    if (db_lock_holder(str_dup_c(v->a, v->config.data), &holder) != OK)
        holder = 0; /* then nobody is known to serve it */
    doctor_judge_port(v->a, v->config.listen, refused, holder, &v->lines);
}

static Err visit_all(struct visit *v)
{
    struct doctor_facts facts;
    struct doctor_data data;

    doctor_look(v->a, &facts);
    doctor_judge(v->a, &facts, &v->lines);
    doctor_judge_libraries(v->a, &v->lines);
    if (!visit_settings(v))
        return OK;
    TRY(visit_redis(v));
    v->database = config_database(v->a, &v->config);
    v->file = str_dup_c(v->a, config_sqlite_path(v->a, &v->config));
    doctor_look_data(v->a, v->config.data, &data);
    doctor_judge_data(v->a, &data, v->file[0] != 0, &v->lines);
    visit_port(v);
    return visit_database(v);
}

/* ---- the report ---- */

static const char *const level_names[] = {
    [DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};

static void write_text(const struct visit *v, struct buf *out)
{
    vec_each(&v->lines, l) {
        AUTO_BUF(text, KIB(8));

        buf_add_fmt(out, "%-5s %-11s ", level_names[l->level], l->name);
        cli_wrap(&text, l->found, INDENT, WIDTH);
        buf_add(out, str_skip(buf_str(&text), INDENT));
        if (l->advice.n)
            cli_wrap(out, str_fmt(v->a, "-> %.*s", P(l->advice)), INDENT, WIDTH);
    }
}

static struct json *as_json(const struct visit *v, bool fine)
{
    struct json *checks = json_arr(v->a);

    vec_each(&v->lines, l)
        json_push(v->a, checks,
                  json_obj(v->a, "name", json_str_c(v->a, l->name), "level",
                           json_str_c(v->a, level_names[l->level]), "found",
                           json_str(v->a, l->found), "advice",
                           l->advice.n ? json_str(v->a, l->advice) : NULL, NULL));
    return json_obj(v->a, "ok", json_bool(v->a, fine), "checks", checks, NULL);
}

static Err run(struct cli *cli)
{
    struct visit v = {.cli = cli, .a = cli->a};
    AUTO_BUF(out, MIB(1));
    bool fine = true;

    TRY(visit_all(&v));
    vec_each(&v.lines, l)
        fine = fine && l->level != DOCTOR_FAIL;
    if (cli_has(cli, "json")) {
        json_write_pretty(&out, as_json(&v, fine));
        buf_add_char(&out, '\n');
    } else {
        write_text(&v, &out);
    }
    if (!fine)
        cli->exit = CLI_FAILED;
    TRY(buf_ok(&out));
    return cli_print(buf_str(&out));
}

static const struct cli_option options[] = {
    {"json", NULL, "As JSON"},
    {0},
};

const struct cli_verb cmd_doctor = {
    .name = "doctor",
    .summary = "Check machine, settings, disk, port and database, and say what to do",
    .details =
        "Changes nothing. Each line says ok, warn or fail; with a \"fail\" the exit status is 1.",
    .options = options,
    .settings = "listen data database.url",
    .run = run,
};
