/* src/main/cmd_serve.c - "heddle serve": the server, from its start to its last answer.
 *
 * It listens first and says "not ready" until the database is there and migrated, so that a load
 * balancer and a person see what it waits for. SIGTERM and SIGINT drain it: no new work, steps in
 * flight may end, runs are put down durably, then it goes. SIGHUP reads the certificate again. A
 * second SIGTERM goes at once.
 */
#include "main/apply.h"
#include "main/boot.h"
#include "main/cli.h"
#include "main/gauges.h"
#include "main/inner_door.h"
#include "main/signals.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "rt/notify.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const Usec LINK_TTL = 15 * USEC_MIN;

struct serve {
    struct cli *cli;
    struct config config;
    struct boot boot;
    struct api api;
    struct router *router;
    struct http_server *server;
    struct inner_door *inner; /* NULL: steps of workflows call model servers directly */
    struct signals signals;
    Str host;
};

/* ---- the database, with patience ---- */

/* What time will not mend, or a person must. */
static bool is_final(Err e)
{
    return e != E_UNAVAILABLE && e != E_CONNECT && e != E_TIMEOUT && e != E_CLOSED;
}

/* SQLite is there or it is an error; PostgreSQL may still be starting: wait for it until told to
 * stop. */
static Err open_store(struct serve *s)
{
    bool said = false;

    for (;;) {
        int number;
        Err e = boot_store(&s->boot, s->cli->a, &s->config, true);
        if (e == OK || is_final(e))
            return e;
        if (!said)
            LOG_WARN("waiting for the database", L_ERR(e));
        said = true;
        struct db_lock *lock = s->boot.lock;
        if (s->boot.db)
            db_close(s->boot.db);
        db_lock_free(lock);
        s->boot = (struct boot){0};
        if (signals_next(&s->signals, usec_in(USEC_S), &number) == OK && number != SIGHUP)
            return err_set(E_CANCELLED, "told to stop while the database was not there");
    }
}

/* ---- listening ---- */

/* Before the store is there only what needs none is answered. */
static Err authenticate(struct req *req)
{
    if (!atomic_load(&api_of(req)->ready))
        return err_detail(E_UNAVAILABLE,
                          "Heddle is starting and waits for its database; try again.");
    return api_authenticate(req);
}

static Err admit(struct req *req, enum rate_class class)
{
    if (class != RATE_NONE && !atomic_load(&api_of(req)->ready))
        return err_detail(E_UNAVAILABLE,
                          "Heddle is starting and waits for its database; try again.");
    return class == RATE_AUTH ? auth_rate_take(req) : OK;
}

static Err listen_now(struct serve *s)
{
    const struct config *c = &s->config;
    uint16_t port;

    TRY(config_listen(c->listen, &s->host, &port));
    struct http_server_options options = {
        .host = s->host,
        .port = port,
        .router = s->router,
        .app = &s->api,
        .authenticate = authenticate,
        .admit = admit,
        .schema = api_schema_of,
        .fallback = api_console,
        .tls_cert = c->tls.cert,
        .tls_key = c->tls.key,
        .max_header = c->limits.header,
        .max_headers = (unsigned)c->limits.headers,
        .max_conns = (size_t)c->limits.connections,
        .header_timeout = c->limits.header_timeout,
        .body_timeout = c->limits.body_timeout,
        .idle_timeout = c->limits.idle_timeout,
        .write_timeout = c->limits.write_timeout,
        .request_timeout = c->limits.request_timeout,
        .trusted_proxies = c->trusted_proxies,
    };
    TRY(http_server_new(&options, &s->server));
    s->api.server = s->server;
    return OK;
}

static Str address(struct serve *s)
{
    const char *scheme = s->config.tls.cert.n ? "https" : "http";
    bool v6 = str_find_char(s->host, ':') != SIZE_MAX;
    return str_fmt(s->cli->a, v6 ? "%s://[%.*s]:%u" : "%s://%.*s:%u", scheme, P(s->host),
                   http_server_port(s->server));
}

/* ---- life ---- */

static Err announce(struct serve *s)
{
    Str at = address(s);
    AUTO_BUF(text, KIB(4));

    buf_add_fmt(&text, "ready %.*s\n", P(at));
    if (cli_has(s->cli, "signin")) {
        Str token, base = s->config.base_url.n ? s->config.base_url : at;
        TRY(auth_link_create(s->boot.db, s->cli->a, auth_home_tenant, LINK_TTL, &token));
        buf_add_fmt(&text, "\nSign in within %d minutes, once, at\n  %.*s/signin?token=%.*s\n",
                    (int)(LINK_TTL / USEC_MIN), P(base), P(token));
    }
    notify_ready(str_fmt(s->cli->a, "serving %.*s", P(at)));
    return cli_print(buf_str(&text));
}

/* What the operator's file says of models. */
static Err apply_models(struct serve *s)
{
    AUTO(arena) *a = arena_new(APPLY_ARENA_MAX);
    AUTO_BUF(out, MIB(16));
    struct apply *ap = arena_new_of(a, struct apply);

    if (!s->config.models.file.n)
        return OK;
    *ap = (struct apply){
        .a = a, .boot = &s->boot, .tenant = auth_home_tenant, .env = s->cli->env, .out = &out};
    TRY(apply_file(ap, s->config.models.file));
    LOG_INFO("the file of models was applied", L_INT("made", ap->made),
             L_INT("changed", ap->changed), L_INT("same", ap->same));
    return OK;
}

static Err open_inner_door(struct serve *s)
{
    enum { THROUGH_GATEWAY = 1 }; /* its place in the words of the setting */

    if (s->config.models.workflows != THROUGH_GATEWAY)
        return OK;
    s->api.llm = s->boot.llm;
    s->api.db = s->boot.db;
    TRY(inner_door_new(&s->api, &s->inner));
    s->boot.gateway = inner_door_gateway(s->inner);
    return OK;
}

static Err start(struct serve *s)
{
    struct arena *a = s->cli->a;

    s->router = router_new();
    api_add_routes(s->router);
    s->api.router = s->router;
    s->api.started = time_mono();
    TRY(api_init(a, &s->api));
    TRY(listen_now(s));
    s->api.base_url = s->config.base_url.n ? s->config.base_url : address(s);
    s->api.secure_cookies = str_starts(s->api.base_url, S("https://"));
    TRY(open_store(s));
    TRY(boot_gateway(&s->boot, true));
    TRY(apply_models(s));
    s->boot.base_url = s->api.base_url;
    TRY(open_inner_door(s));
    TRY(boot_engine(&s->boot, s->boot.lock != NULL));
    llm_probes_begin(s->boot.llm);
    s->boot.scheduler = wf_scheduler_new(s->boot.engine);
    s->api.scheduler = s->boot.scheduler;
    s->api.db = s->boot.db;
    s->api.engine = s->boot.engine;
    s->api.llm = s->boot.llm;
    s->api.auth = auth_new(s->boot.db);
    s->api.workflows = workflow_cache_new(s->boot.db);
    gauges_start(s->boot.db);
    atomic_store(&s->api.ready, true);
    return announce(s);
}

static void reload(struct serve *s)
{
    notify_reloading();
    if (s->config.tls.cert.n) {
        Err e = http_server_reload_tls(s->server);
        if (e != OK)
            LOG_ERROR("the certificate could not be read again; the old one stays", L_ERR(e));
        else
            LOG_INFO("the certificate was read again");
    }
    notify_ready(S("serving"));
}

/* Until told to stop. */
static void serve_until_told(struct serve *s)
{
    Usec pause = notify_watchdog_span();
    Usec expire_at = usec_in(USEC_MIN);

    for (;;) {
        int number;
        Usec wake = usec_min(expire_at, pause ? usec_in(pause) : USEC_NEVER);
        Err e = signals_next(&s->signals, wake, &number);
        notify_watchdog();
        if (time_mono() >= expire_at) {
            Err expired = auth_expire(s->boot.db);
            if (expired != OK)
                LOG_WARN("old sessions could not be deleted", L_ERR(expired));
            expire_at = usec_in(USEC_H);
        }
        if (e == E_TIMEOUT)
            continue;
        if (e != OK || number != SIGHUP)
            return;
        reload(s);
    }
}

/* First the work, while the server still tells whoever asks that it stops; then the server. Callers
 * that wait for runs hear of their end in between. */
static void drain(struct serve *s, Usec grace)
{
    Usec end = usec_in(grace);

    http_server_refuse(s->server);
    wf_scheduler_stop(s->boot.scheduler);
    if (s->boot.engine)
        wf_engine_drain(s->boot.engine, grace);
    inner_door_free(s->inner, 0);
    http_server_drain(s->server, usec_max(end - time_mono(), usec_min(grace, USEC_S)));
}

static Err hurry(void *arg)
{
    struct signals *signals = arg;
    int number;

    do {
        TRY(signals_next(signals, USEC_NEVER, &number));
    } while (number == SIGHUP);
    LOG_WARN("told twice to stop: going now");
    _exit(1);
}

/* @served: it did take work, and was told to stop. A start that failed has nothing to wait for. */
static void stop(struct serve *s, bool served)
{
    Usec grace = served ? s->config.drain_timeout : 0;

    if (s->server) {
        AUTO(fiber) *impatient = fiber_start_ref("hurry", hurry, &s->signals);
        atomic_store(&s->api.ready, s->boot.engine != NULL);
        notify_stopping(S("finishing what is under way"));
        if (served)
            LOG_INFO("stopping", L_INT("grace_ms", grace / USEC_MS));
        drain(s, grace);
        fiber_cancel(impatient);
        http_server_free(s->server);
    }
    gauges_stop();
    auth_free(s->api.auth);
    workflow_cache_free(s->api.workflows);
    api_done(&s->api);
    boot_close(&s->boot, 0);
    router_free(s->router);
}

static Err serve_fiber(void *arg)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, 0};
    struct serve *s = arg;

    signals_init(&s->signals, numbers);
    Err e = start(s);
    struct err_record record = *err_record();
    if (e == OK)
        serve_until_told(s);
    stop(s, e == OK);
    signals_done(&s->signals);
    *err_record() = record;
    return e == E_CANCELLED ? OK : e;
}

static Err run(struct cli *cli)
{
    struct serve *s = arena_new_of(cli->a, struct serve);

    s->cli = cli;
    TRY(cli_config_whole(cli, &s->config));
    return boot_run(&s->config, serve_fiber, s);
}

static const struct cli_option options[] = {
    {"signin", NULL, "Print a one-time sign-in link when ready"},
    {0},
};

const struct cli_verb cmd_serve = {
    .name = "serve",
    .summary = "Run the server",
    .details =
        "Prints one line \"ready http://HOST:PORT\" when it serves. SIGTERM stops it gracefully, "
        "SIGHUP reads the certificate again.",
    .options = options,
    .settings = "*",
    .run = run,
};
