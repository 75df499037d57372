/* src/main/config.h - what this process was told to do: one table of settings, four sources.
 *
 * A setting comes from a flag, else the environment, else the YAML file, else its default.
 * Everything that is said anywhere is checked, also what a stronger source overrides: an unknown
 * name, a bad value, a setting given twice is a complaint that names the place, the problem and the
 * way out, and the start stops. The table (settings.c) is also what prints the help, the manual
 * page and "heddle config print".
 *
 * This folder alone reads it: modules get what they need as arguments.
 */
#ifndef MAIN_CONFIG_H
#define MAIN_CONFIG_H

#include "base/json.h"

enum unknown_price { UNKNOWN_PRICE_ZERO, UNKNOWN_PRICE_REFUSE };

/* The effective settings. Texts live in the arena of config_load. */
struct config {
    Str listen; /* HOST:PORT, see config_listen() */
    Str base_url;
    Str data;
    Str trusted_proxies;
    int64_t shards, workers;
    Usec drain_timeout;
    struct {
        Usec takeover_after;
    } fleet;
    struct {
        Str url; /* "" stands for data/heddle.db, see config_database() */
        int64_t readers, writers;
        Usec timeout;
        bool relaxed;
    } database;
    struct {
        int level;  /* enum log_level */
        int format; /* enum log_format */
    } log;
    struct {
        Str cert, key;
    } tls;
    struct {
        size_t header;
        int64_t headers, connections;
        Usec header_timeout, body_timeout, idle_timeout, write_timeout, request_timeout;
        size_t step_output, run_values, inline_values;
    } limits;
    struct {
        Str allow, deny;
    } egress;
    struct {
        Str folders;
        bool plain_mail;
    } triggers;
    struct {
        int unknown_price; /* enum unknown_price */
        size_t cache;
        size_t upload_max;
        Usec heartbeat;
        Str heartbeat_skip;
        Str vocabularies, offers, file;
        int workflows; /* "direct gateway" */
        int context;   /* as enum llm_context has them, behind LLM_CONTEXT_UNSET */
    } models;
    struct {
        int64_t days, max_days, runs, model_bodies, model_responses;
    } retention;
    struct {
        Str api_key, base_url;
    } openai;
    struct {
        Str api_key, base_url;
    } anthropic, gemini;
    struct {
        Str api_key, endpoint, api_version;
    } azure;
    struct {
        Str api_key;
    } deepseek, groq, mistral, openrouter;
    struct {
        Str host;
    } ollama;
    struct {
        Str url, ca_file;
        Usec timeout;
    } redis;
    struct {
        Str url, user, password, from, ca_file;
        int tls, language; /* "required none", "en de" */
    } smtp;
    Str master_key;

    Str file;                           /* the YAML file that was read; empty: none */
    const struct config_origin *origin; /* one for each setting, in the order of the table */
};

enum config_type {
    CONFIG_BOOL,   /* bool */
    CONFIG_INT,    /* int64_t within [min, max] */
    CONFIG_SIZE,   /* size_t bytes, "64k", within [min, max] */
    CONFIG_SPAN,   /* Usec, "30s", within [min, max] */
    CONFIG_TEXT,   /* Str */
    CONFIG_PATH,   /* Str, not checked to exist */
    CONFIG_LIST,   /* Str, comma-separated; a list in YAML */
    CONFIG_ENUM,   /* int, the place of the word in one_of */
    CONFIG_URL,    /* Str, scheme one of one_of; a password in it is never shown */
    CONFIG_LISTEN, /* Str, HOST:PORT */
    CONFIG_SECRET, /* Str, never shown, and has no flag: other users see command lines */
};

struct config_setting {
    const char *key;  /* its path in YAML: "log.level" */
    const char *env;  /* NULL: none */
    const char *flag; /* without the dashes; NULL: none */
    enum config_type type;
    size_t at; /* where in struct config */
    const char *dflt;
    int64_t min, max;
    const char *one_of;
    const char *value; /* what stands for the value in help texts; NULL: that of the type */
    const char *help;  /* one sentence without its full stop */
};

/* The table, ended by {0}, and how many there are. */
extern const struct config_setting config_settings[];
size_t config_count(void);

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };
const char *
config_source_name(enum config_source source); /* "default", "file", "environment", "flag" */

/* Where a value came from. @where: "heddle.yaml:3", "DATABASE_URL", "--listen"; empty for a
 * default. */
struct config_origin {
    enum config_source source;
    Str text; /* as it was written */
    Str where;
};

/* One "--name value" of the command line that is a setting. */
struct config_flag {
    const char *name;
    Str value;
};

struct config_input {
    const char *const *env; /* "NAME=value", ended by NULL; NULL: none */
    const struct config_flag *flags;
    size_t n_flags;
    Str file; /* --config; empty: HEDDLE_CONFIG, else DATA/heddle.yaml, else @system_file, if they
                 exist */
    Str system_file;        /* "/etc/heddle/heddle.yaml" in life; empty: none */
    struct buf *complaints; /* one line for each; borrowed */
};

/* Put the settings together. Secrets are registered with log_scrub(). Reads a file: before the loop
 * runs, or on a worker. E_INVALID when there are complaints. */
Err config_load(struct arena *a, const struct config_input *in, struct config *ret_config);

/* Look into the files that settings name, as a server must: @complaints gets a line for each that
 * cannot be used, and then E_INVALID is given. Reads files, as above. */
Err config_check_files(const struct config *config, struct buf *complaints);

/* Print the effective settings, secrets masked: YAML with each value's source behind it, or JSON.
 */
void config_print(struct arena *a, const struct config *config, struct buf *out);
struct json *config_json(struct arena *a, const struct config *config);

/* The two parts of HOST:PORT; a host in brackets loses them. E_INVALID with a detail. */
Err config_listen(Str listen, Str *ret_host, uint16_t *ret_port);
/* The database URL, or the path of the SQLite file in the data directory. */
Str config_database(struct arena *a, const struct config *config);
/* The path of the SQLite file; empty if the database is PostgreSQL. */
Str config_sqlite_path(struct arena *a, const struct config *config);
/* @url without the password in it. */
Str config_url_masked(struct arena *a, Str url);

/* What stands for the value of @s in help: "URL", "text|json", "SPAN". */
const char *config_value_name(const struct config_setting *s);

#endif
