/* src/main/boot.c - puts the modules together, in the order of the floors, and takes them apart
 * again. */
#include "main/boot.h"
#include "main/prompt_template.h"

#include "llm/alerts.h"
#include "main/boot_node.h"
#include "net/redis.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/work.h"
#include "store/migrate.h"
#include "wf/notice.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder_job {
    const char *path;
};

static Err make_folder(void *arg)
{
    const struct folder_job *job = arg;
    char path[2048];
    size_t n = strlen(job->path);

    if (n == 0 || n >= sizeof path)
        return err_detail(E_INVALID, "The data folder's name is empty or too long.");
    memcpy(path, job->path, n + 1);
    /* Each part in turn; those that are there stay as they are. */
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        char kept = path[i];
        path[i] = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_detail(err_from_errno(errno), "The data folder %s cannot be made: %s.", path,
                              strerror(errno));
        path[i] = kept;
    }
    if (access(path, W_OK) != 0)
        return err_detail(
            E_FORBIDDEN,
            "The data folder %s cannot be written by this user: %s. Give it to the user "
            "that runs Heddle, or name another with --data.",
            path, strerror(errno));
    return OK;
}

static bool is_sqlite(Str url)
{
    return !str_starts(url, S("postgres"));
}

static Err open_db(struct boot *b)
{
    const struct config *c = b->config;
    struct db_options options = {
        .url = config_database(b->a, c),
        .readers = (unsigned)c->database.readers,
        .writers = (unsigned)c->database.writers,
        .relaxed = c->database.relaxed,
        .timeout = c->database.timeout,
    };
    TRY(db_open(&options, &b->db));
    if (c->database.relaxed)
        LOG_WARN("database.relaxed is on: a power failure may lose the last moments");
    Err e = db_migrate(b->db, migrations);
    if (e == OK)
        e = auth_init_store(b->db);
    return db_explain(b->db, e);
}

Err boot_expect_data(struct arena *a, const struct config *config)
{
    Str path = config_sqlite_path(a, config);

    if (!path.n || access(str_dup_c(a, path), F_OK) == 0)
        return OK;
    return err_detail(
        E_NOT_FOUND,
        "There is no %.*s: name the server's folder with --data, or its database with "
        "--database.",
        P(path));
}

Err boot_folder(struct arena *a, const struct config *config)
{
    struct folder_job job = {str_dup_c(a, config->data)};
    return work_run(make_folder, &job);
}

Err boot_store(struct boot *b, struct arena *a, const struct config *config, bool exclusive)
{
    b->a = a;
    b->config = config;
    TRY(boot_folder(a, config));
    if (exclusive && is_sqlite(config_database(a, config)))
        TRY(db_lock_exclusive(str_dup_c(a, config->data), &b->lock));
    return open_db(b);
}

struct node_job {
    const char *folder;
    Id id, former;
};

static Err read_node(void *arg)
{
    struct node_job *job = arg;
    job->former = boot_node_former(job->folder);
    return OK;
}

static Err write_node(void *arg)
{
    const struct node_job *job = arg;
    return boot_node_write(job->folder, job->id);
}

/* In a fleet: who this is, and who it was before it died. Servers that share a data folder cannot
 * tell which of them died, and wait for it as for any other. */
static Err name_node(struct boot *b, struct node_job *ret_job)
{
    *ret_job = (struct node_job){.folder = str_dup_c(b->a, b->config->data), .id = id_new()};
    if (db_kind(b->db) != DB_POSTGRES || db_lock_exclusive(ret_job->folder, &b->node_lock) != OK)
        return OK;
    return work_run(read_node, ret_job);
}

/* A host, "host:port" or a URL, as Ollama's own programs take it; its protocol is below /v1. */
static Str ollama_url(struct arena *a, Str host)
{
    Str text = str_trim(host);

    if (!text.n)
        return text;
    if (str_find(text, S("://")) == SIZE_MAX) {
        size_t colon = str_find_char(text, ':');
        text = str_fmt(a, colon == SIZE_MAX ? "http://%.*s:11434" : "http://%.*s", P(text));
    }
    while (str_ends(text, S("/")))
        text.n--;
    return str_ends(text, S("/v1")) ? text : str_fmt(a, "%.*s/v1", P(text));
}

static void add_seed(struct llm_options *o, struct llm_seed *seeds, const char *kind, Str url,
                     Str key)
{
    if (url.n || key.n)
        seeds[o->n_seeds++] = (struct llm_seed){.kind = kind, .base_url = url, .credential = key};
}

Err boot_gateway(struct boot *b, bool serve)
{
    const struct config *c = b->config;
    struct llm_seed seeds[16];
    struct llm_options o = {.db = b->db,
                            .tenant = auth_home_tenant,
                            .egress_allow = c->egress.allow,
                            .egress_deny = c->egress.deny,
                            .seeds = seeds,
                            .record = serve,
                            .refuse_unpriced = c->models.unknown_price == UNKNOWN_PRICE_REFUSE,
                            .retention = c->retention.days * USEC_DAY,
                            .templates = &prompt_templates,
                            .bodies_kept = c->retention.model_bodies * USEC_DAY,
                            .responses_kept = c->retention.model_responses * USEC_DAY,
                            .cache = c->models.cache,
                            .heartbeat = c->models.heartbeat,
                            .heartbeat_skip = c->models.heartbeat_skip,
                            .upload_max = c->models.upload_max,
                            .context = (enum llm_context)(c->models.context + LLM_CONTEXT_NONE),
                            .offers = c->models.offers,
                            .vocabularies = c->models.vocabularies};
    bool own_url = !str_eq(c->openai.base_url, str_c(llm_kind_find(S("openai"))->base_url));

    add_seed(&o, seeds, "anthropic", c->anthropic.base_url, c->anthropic.api_key);
    if (c->azure.endpoint.n)
        add_seed(&o, seeds, "azure", c->azure.endpoint, c->azure.api_key);
    else if (c->azure.api_key.n)
        return err_detail(E_INVALID, "azure.api_key is set, but not azure.endpoint.");
    if (c->azure.endpoint.n)
        seeds[o.n_seeds - 1].api_version = c->azure.api_version;
    add_seed(&o, seeds, "deepseek", S(""), c->deepseek.api_key);
    add_seed(&o, seeds, "gemini", c->gemini.base_url, c->gemini.api_key);
    add_seed(&o, seeds, "groq", S(""), c->groq.api_key);
    add_seed(&o, seeds, "mistral", S(""), c->mistral.api_key);
    add_seed(&o, seeds, "ollama", ollama_url(b->a, c->ollama.host), S(""));
    add_seed(&o, seeds, "openai", own_url ? c->openai.base_url : S(""), c->openai.api_key);
    add_seed(&o, seeds, "openrouter", S(""), c->openrouter.api_key);
    TRY(secrets_open(c->data, c->master_key, &b->secrets));
    o.secrets = b->secrets;
    if (serve && c->redis.url.n) {
        struct redis_options redis = {c->redis.url, c->redis.ca_file, c->redis.timeout};
        TRY(redis_new(&redis, &b->redis));
        o.redis = b->redis;
    }
    return llm_new(&o, &b->llm);
}

/* What the gateway has noticed goes to the subscriptions. */
static Err tell(void *ctx, const struct llm_alert *alert)
{
    AUTO(arena) *a = arena_new(KIB(256));

    return wf_notice_tell(ctx, a, alert->tenant, alert->event, alert->at, llm_alert_json(a, alert));
}

static Err set_mail(const struct boot *b, struct wf_mail_options *mail)
{
    const struct config *c = b->config;
    enum { TLS_NONE = 1, GERMAN = 1 }; /* places in the words of the settings */

    if (!b->base_url.n || !c->smtp.url.n)
        return OK;
    if (!smtp_is_address(c->smtp.from))
        return err_detail(E_INVALID, "smtp.url is set, but smtp.from is no address.");
    *mail = (struct wf_mail_options){.server = {.url = c->smtp.url,
                                                .user = c->smtp.user,
                                                .password = c->smtp.password,
                                                .from = c->smtp.from,
                                                .ca_file = c->smtp.ca_file,
                                                .plain = c->smtp.tls == TLS_NONE},
                                     .base_url = b->base_url,
                                     .german = c->smtp.language == GERMAN};
    return OK;
}

Err boot_engine(struct boot *b, bool alone)
{
    const struct config *c = b->config;
    char host[256] = "";
    struct node_job node = {0};

    if (!alone)
        TRY(name_node(b, &node));
    TRY(egress_new(c->egress.allow, c->egress.deny, &b->egress));
    (void)gethostname(host, sizeof host - 1); /* an empty name is as good */
    struct wf_engine_options options = {
        .db = b->db,
        .env = {.egress = b->egress,
                .max_output = c->limits.step_output,
                .llm_base_url = c->openai.base_url,
                .llm_api_key = c->openai.api_key,
                .gateway = b->gateway,
                .user_agent = S("Heddle/" HEDDLE_VERSION),
                .folders = c->triggers.folders,
                .plain_mail = c->triggers.plain_mail,
                .sends_mail = b->base_url.n && c->smtp.url.n},
        .node_name = str_fmt(b->a, "%s:%d", host, (int)getpid()),
        .node = node.id,
        .former = node.former,
        .alone = alone,
        .takeover_after = c->fleet.takeover_after,
        .retention = {.usual = {c->retention.days * USEC_DAY, c->retention.runs},
                      .max_age = c->retention.max_days * USEC_DAY},
        .secrets = b->secrets,
        .max_values = c->limits.run_values,
    };
    TRY(set_mail(b, &options.mail));
    store_payload_set_inline(c->limits.inline_values);
    TRY(wf_engine_new(&options, &b->engine));
    if (b->llm)
        llm_alerts_begin(llm_alerts_of(b->llm), tell, b->engine);
    return b->node_lock ? work_run(write_node, &node) : OK;
}

void boot_close(struct boot *b, Usec grace)
{
    wf_scheduler_stop(b->scheduler);
    if (b->llm)
        llm_alerts_end(llm_alerts_of(b->llm));
    if (b->engine)
        wf_engine_drain(b->engine, grace);
    wf_scheduler_free(b->scheduler);
    wf_engine_free(b->engine);
    llm_free(b->llm);
    redis_free(b->redis);
    if (b->db)
        db_close(b->db);
    secrets_free(b->secrets);
    egress_free(b->egress);
    db_lock_free(b->node_lock);
    db_lock_free(b->lock);
    *b = (struct boot){0};
}

Err boot_run(const struct config *config, Err (*fn)(void *arg), void *arg)
{
    struct rt_options options = {.shards = (unsigned)config->shards,
                                 .workers = (unsigned)config->workers};

    log_setup((enum log_level)config->log.level, (enum log_format)config->log.format);
    TRY(inject_from_env());
    return rt_main(&options, fn, arg);
}
