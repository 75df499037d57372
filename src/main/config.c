/* src/main/config.c - put the settings together: default, file, environment, flag; the last one
 * wins. */
#include "base/guess.h"
#include "base/utf8.h"
#include "main/config_private.h"
#include "net/egress.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "rt/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

/* Names with our prefix that are no settings: where the file is, and what tests use. */
static const char *const other_env[] = {"HEDDLE_CONFIG", "HEDDLE_INJECT", "HEDDLE_INJECT_SEED"};
static const Str test_env = S_INIT("HEDDLE_TEST_");

struct load {
    struct arena *a;
    const struct config_input *in;
    struct config *config;
    struct config_origin *origin;
    struct buf *complaints;
    bool in_data; /* the file was found in the data directory */
};

static void complain(struct load *l, Str where, Str key, const char *what)
{
    buf_add_fmt(l->complaints, "%.*s: %.*s%s%s\n", P(where), P(key), key.n ? ": " : "", what);
}

/* The value of an environment variable; an empty one counts as not set, as in compose files. */
static bool env_get(const struct config_input *in, const char *name, Str *ret_value)
{
    size_t n = strlen(name);

    for (const char *const *e = in->env; e && *e; e++) {
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') {
            *ret_value = str_c(*e + n + 1);
            return ret_value->n > 0;
        }
    }
    return false;
}

/* Check @text and let it be the value of setting @i, from @source. */
static void take(struct load *l, size_t i, enum config_source source, Str text, Str where)
{
    const struct config_setting *s = &config_settings[i];

    if (config_value_set(l->a, s, text, l->config) != OK) {
        complain(l, where, str_c(s->key), err_client_text(E_INVALID));
        return;
    }
    l->origin[i] = (struct config_origin){.source = source, .text = text, .where = where};
}

static void take_defaults(struct load *l)
{
    for (size_t i = 0; i < config_count(); i++) {
        Str dflt = str_c(config_settings[i].dflt);
        if (config_value_set(l->a, &config_settings[i], dflt, l->config) != OK)
            DIE("the default of %s is not valid", config_settings[i].key);
        l->origin[i] = (struct config_origin){.source = CONFIG_DEFAULT, .text = dflt};
    }
}

/* ---- the file ---- */

static Err read_file(struct arena *a, const char *path, Str *ret_text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    size_t n = 0;
    ssize_t got = 0;

    if (fd < 0)
        return err_detail(errno == ENOENT || errno == ENOTDIR ? E_NOT_FOUND
                          : errno == EACCES                   ? E_FORBIDDEN
                                                              : E_IO,
                          "it cannot be opened: %s", strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        close(fd);
        return err_detail(E_INVALID, "it is no regular file of at most 1 MiB");
    }
    char *text = arena_bytes(a, (size_t)st.st_size + 1);
    while (n < (size_t)st.st_size && (got = read(fd, text + n, (size_t)st.st_size - n)) > 0)
        n += (size_t)got;
    close(fd);
    if (got < 0)
        return err_detail(E_IO, "it cannot be read: %s", strerror(errno));
    *ret_text = str_from(text, n);
    return OK;
}

static size_t setting_by_key(Str key)
{
    for (size_t i = 0; i < config_count(); i++)
        if (str_eq(key, str_c(config_settings[i].key)))
            return i;
    return SIZE_MAX;
}

/* "log" given a value, or "listen" given children: say so instead of "no such setting". */
static bool is_group(Str key)
{
    for (size_t i = 0; i < config_count(); i++) {
        Str k = str_c(config_settings[i].key);
        if (str_starts(k, key) && k.n > key.n && k.p[key.n] == '.')
            return true;
    }
    return false;
}

static bool is_inside_setting(Str key)
{
    for (size_t n = key.n; n > 0; n--)
        if (key.p[n - 1] == '.' && setting_by_key(str_head(key, n - 1)) != SIZE_MAX)
            return true;
    return false;
}

static void complain_unknown_key(struct load *l, Str where, Str key)
{
    struct guess near = guess_begin(key);

    if (is_group(key)) {
        complain(l, where, key, "this is a group of settings, not a setting; nest them below it");
        return;
    }
    if (is_inside_setting(key)) {
        complain(l, where, key,
                 "there is no such setting; what stands above it takes a plain value");
        return;
    }
    for (size_t i = 0; i < config_count(); i++)
        guess_try(&near, str_c(config_settings[i].key));
    Str text = str_fmt(l->a, "there is no such setting.%.*s", P(guess_text(l->a, &near)));
    complain(l, where, key, str_dup_c(l->a, text));
}

static void take_entry(struct load *l, const struct config_entry *entry, int *seen)
{
    Str where = str_fmt(l->a, "%.*s:%d", P(l->config->file), entry->line);
    size_t i = setting_by_key(entry->key);

    if (i == SIZE_MAX && entry->kind == CONFIG_ENTRY_GROUP && is_group(entry->key))
        return; /* a group with nothing in it */
    if (i == SIZE_MAX) {
        complain_unknown_key(l, where, entry->key);
        return;
    }
    if (seen[i]) {
        Str text = str_fmt(l->a, "it is set already in line %d; remove one of them", seen[i]);
        complain(l, where, entry->key, str_dup_c(l->a, text));
        return;
    }
    seen[i] = entry->line;
    if (entry->kind == CONFIG_ENTRY_GROUP ||
        (entry->kind == CONFIG_ENTRY_LIST && config_settings[i].type != CONFIG_LIST)) {
        complain(l, where, entry->key,
                 entry->kind == CONFIG_ENTRY_LIST
                     ? "a list stands where one plain value belongs; write the value alone"
                     : "a mapping stands where a plain value belongs; write the value alone");
        return;
    }
    if (l->in_data && str_eq(entry->key, S("data"))) {
        complain(
            l, where, entry->key,
            "the file in the data directory cannot say where the data directory is; remove it");
        return;
    }
    take(l, i, CONFIG_FILE, entry->text, where);
}

static void take_file_text(struct load *l, Str text)
{
    struct config_entries entries;
    int *seen = arena_array(l->a, int, config_count()); /* the line each was set in */

    config_yaml_read(l->a, text, l->config->file, &entries, l->complaints);
    vec_each(&entries, entry)
        take_entry(l, entry, seen);
}

/* The data directory as flag and environment have it, empty if they do not: the file there cannot
 * change it. */
static Str early_data(struct load *l)
{
    Str data = S("");

    (void)env_get(l->in, "HEDDLE_DATA", &data); /* else stays as it is */
    for (size_t i = 0; i < l->in->n_flags; i++)
        if (strcmp(l->in->flags[i].name, "data") == 0)
            data = l->in->flags[i].value;
    return data;
}

static void take_file(struct load *l)
{
    struct {
        Str path;
        bool must, in_data;
    } tries[] = {{l->in->file, true, false},
                 {S(""), true, false},
                 {S(""), false, true},
                 {l->in->system_file, false, false}};
    Str text, data = early_data(l), unread = S("");

    (void)env_get(l->in, "HEDDLE_CONFIG", &tries[1].path); /* else stays empty */
    tries[2].path = str_fmt(l->a, "%.*s/heddle.yaml", P(data.n ? data : S("data")));
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        if (tries[i].path.n == 0)
            continue;
        Err e = read_file(l->a, str_dup_c(l->a, tries[i].path), &text);
        if (e == E_NOT_FOUND && !tries[i].must)
            continue;
        /* Somebody else's ./data, where whoever runs a command happens to stand. */
        if (e == E_FORBIDDEN && tries[i].in_data && !data.n) {
            unread = tries[i].path;
            continue;
        }
        if (e != OK) {
            complain(l, tries[i].path, S(""), err_client_text(e));
            return;
        }
        l->config->file = tries[i].path;
        l->in_data = tries[i].in_data;
        take_file_text(l, text);
        return;
    }
    if (unread.n)
        complain(l, unread, S(""), "it may not be opened by this user; name another by --config");
}

/* ---- environment and flags ---- */

static void take_env(struct load *l)
{
    for (size_t i = 0; i < config_count(); i++) {
        Str value;
        if (config_settings[i].env && env_get(l->in, config_settings[i].env, &value))
            take(l, i, CONFIG_ENV, value, str_c(config_settings[i].env));
    }
}

static bool env_is_known(Str name)
{
    if (str_starts(name, test_env))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(other_env); i++)
        if (str_eq(name, str_c(other_env[i])))
            return true;
    for (size_t i = 0; i < config_count(); i++)
        if (config_settings[i].env && str_eq(name, str_c(config_settings[i].env)))
            return true;
    return false;
}

/* A misspelt HEDDLE_ name must not be passed over in silence. */
static void check_env_names(struct load *l)
{
    for (const char *const *e = l->in->env; e && *e; e++) {
        Str name;

        (void)str_cut(str_c(*e), '=', &name); /* the value does not matter */
        if (!str_starts(name, S("HEDDLE_")) || env_is_known(name))
            continue;
        struct guess near = guess_begin(name);
        for (size_t i = 0; i < config_count(); i++)
            if (config_settings[i].env)
                guess_try(&near, str_c(config_settings[i].env));
        Str text = str_fmt(l->a, "no setting has this name in the environment.%.*s",
                           P(guess_text(l->a, &near)));
        complain(l, name, S(""), str_dup_c(l->a, text));
    }
}

static void take_flags(struct load *l)
{
    for (size_t f = 0; f < l->in->n_flags; f++) {
        const struct config_flag *flag = &l->in->flags[f];
        for (size_t i = 0; i < config_count(); i++)
            if (config_settings[i].flag && strcmp(config_settings[i].flag, flag->name) == 0)
                take(l, i, CONFIG_FLAG, flag->value, str_fmt(l->a, "--%s", flag->name));
    }
}

/* ---- the whole ---- */

static void check_egress(struct load *l, const char *key, Str allow, Str deny)
{
    AUTO(egress) *rules = NULL;
    Str where = l->origin[setting_by_key(str_c(key))].where;
    Err e = egress_new(allow, deny, &rules);

    if (e != OK)
        complain(l, where, str_c(key), err_client_text(e));
}

static void check_proxies(struct load *l)
{
    Str where = l->origin[setting_by_key(S("trusted_proxies"))].where;

    if (http_networks_check(l->config->trusted_proxies) != OK)
        complain(l, where, S("trusted_proxies"), err_client_text(E_INVALID));
}

static void check_together(struct load *l)
{
    const struct config *c = l->config;

    if ((c->tls.cert.n > 0) != (c->tls.key.n > 0)) {
        const char *missing = c->tls.cert.n ? "tls.key" : "tls.cert";
        const char *given = c->tls.cert.n ? "tls.cert" : "tls.key";
        Str where = l->origin[setting_by_key(str_c(given))].where;
        Str text = str_fmt(l->a, "it needs %s too; set both, or none for plain http", missing);
        complain(l, where, str_c(given), str_dup_c(l->a, text));
    }
    check_egress(l, "egress.allow", c->egress.allow, S(""));
    check_egress(l, "egress.deny", S(""), c->egress.deny);
    check_proxies(l);
}

static void scrub_secrets(const struct config *config)
{
    for (size_t i = 0; i < config_count(); i++) {
        Str secret = config_value_secret(&config_settings[i], config);
        if (secret.n)
            log_scrub(secret);
    }
}

Err config_load(struct arena *a, const struct config_input *in, struct config *ret_config)
{
    struct config config = {0};
    struct load l = {.a = a,
                     .in = in,
                     .config = &config,
                     .origin = arena_array(a, struct config_origin, config_count()),
                     .complaints = in->complaints};

    config.origin = l.origin;
    take_defaults(&l);
    take_file(&l);
    take_env(&l);
    take_flags(&l);
    check_env_names(&l);
    check_together(&l);
    scrub_secrets(&config);
    if (in->complaints->n)
        return err_detail(E_INVALID, "the configuration is not valid");
    *ret_config = config;
    return OK;
}

Err config_check_files(const struct config *config, struct buf *complaints)
{
    bool of_key = false;

    if (!config->tls.cert.n || tls_pair_check(config->tls.cert, config->tls.key, &of_key) == OK)
        return OK;
    const char *key = of_key ? "tls.key" : "tls.cert", *why = err_client_text(E_INVALID);
    Str where = config->origin[setting_by_key(str_c(key))].where;
    buf_add_fmt(complaints, "%.*s: %s: %s\n", P(where), key, why);
    return err_detail(E_INVALID, "the configuration is not valid");
}

Str config_database(struct arena *a, const struct config *config)
{
    if (config->database.url.n)
        return config->database.url;
    return str_fmt(a, "%.*s/heddle.db", P(config->data));
}

Str config_sqlite_path(struct arena *a, const struct config *config)
{
    Str path = config_database(a, config);

    if (str_starts(path, S("sqlite://")))
        return str_skip(path, sizeof "sqlite://" - 1);
    return str_starts(path, S("postgres")) ? S("") : path;
}

/* ---- showing it ---- */

/* Whether YAML reads the text back as the same string without quotes. */
static bool is_plain_yaml(Str s)
{
    if (s.n == 0 || strchr("-?:,[]{}#&*!|>'\"%@` ", s.p[0]) || s.p[s.n - 1] == ' ')
        return false;
    if (str_eq(s, S("~")) || str_eq_nocase(s, S("null")))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c >= 127 || (c == ':' && (i + 1 == s.n || s.p[i + 1] == ' ')) || c == '#')
            return false;
    }
    return true;
}

/* JSON's strings are YAML's double-quoted ones, but for what YAML refuses or takes for a line break
 * as it stands: DEL, the C1 controls with NEL among them, U+2028, U+2029 and the byte order mark
 * (YAML 1.2.2, 5.1 and 5.4). */
static void add_quoted_yaml(struct buf *out, Str text)
{
    AUTO_BUF(json, KIB(64));
    size_t n;

    json_write_str(&json, text);
    for (Str rest = buf_str(&json); rest.n; rest = str_skip(rest, n)) {
        uint32_t c = utf8_decode(rest, &n);
        if ((c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe ||
            c == 0xffff)
            buf_add_fmt(out, "\\u%04x", c);
        else
            buf_add(out, str_head(rest, n));
    }
}

static Str origin_text(struct arena *a, const struct config_origin *o)
{
    if (o->where.n)
        return str_fmt(a, "%s %.*s", config_source_name(o->source), P(o->where));
    return str_c(config_source_name(o->source));
}

void config_print(struct arena *a, const struct config *config, struct buf *out)
{
    for (size_t i = 0; i < config_count(); i++) {
        Str text = config_value_text(a, &config_settings[i], config);
        AUTO_BUF(line, KIB(64));

        buf_add_fmt(&line, "%s: ", config_settings[i].key);
        if (is_plain_yaml(text))
            buf_add(&line, text);
        else
            add_quoted_yaml(&line, text);
        buf_add_fmt(out, "%-44.*s # %.*s\n", P(buf_str(&line)),
                    P(origin_text(a, &config->origin[i])));
    }
}

struct json *config_json(struct arena *a, const struct config *config)
{
    struct json *settings = json_obj(a, NULL);

    for (size_t i = 0; i < config_count(); i++) {
        const struct config_origin *o = &config->origin[i];
        struct json *one = json_obj(a, "value", config_value_json(a, &config_settings[i], config),
                                    "source", json_str_c(a, config_source_name(o->source)), "where",
                                    o->where.n ? json_str(a, o->where) : NULL, NULL);
        json_set(a, settings, str_c(config_settings[i].key), one);
    }
    return json_obj(a, "file", config->file.n ? json_str(a, config->file) : NULL, "settings",
                    settings, NULL);
}
