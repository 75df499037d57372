/* src/main/settings.c - the table of all settings. To add one: a field in struct config, a row
 * here.
 *
 * Environment names are those the ecosystem uses where there is one, else HEDDLE_ and the key.
 */
#include "main/config.h"

/* The place of a field, which must be of the given type: a wrong one does not compile. */
#define FIELD(ctype, f)                                                                            \
    (offsetof(struct config, f) +                                                                  \
     0 * sizeof(char[_Generic(((struct config *)0)->f, ctype : 1, default                          \
                              : -1)]))
#define AS_STR(t, f, d) .type = (t), .at = FIELD(Str, f), .dflt = (d)
#define AS_BOOL(f, d) .type = CONFIG_BOOL, .at = FIELD(bool, f), .dflt = (d)
#define AS_ENUM(f, words, d)                                                                       \
    .type = CONFIG_ENUM, .at = FIELD(int, f), .one_of = (words), .dflt = (d)
#define AS_URL(f, schemes, d)                                                                      \
    .type = CONFIG_URL, .at = FIELD(Str, f), .one_of = (schemes), .dflt = (d)
#define WITHIN(d, least, most) .dflt = (d), .min = (least), .max = (most)
#define AS_INT(f, d, least, most)                                                                  \
    .type = CONFIG_INT, .at = FIELD(int64_t, f), WITHIN(d, least, most)
#define AS_SIZE(f, d, least, most)                                                                 \
    .type = CONFIG_SIZE, .at = FIELD(size_t, f), WITHIN(d, least, most)
#define AS_SPAN(f, d, least, most) .type = CONFIG_SPAN, .at = FIELD(Usec, f), WITHIN(d, least, most)

const struct config_setting config_settings[] = {
    {"listen", "HEDDLE_LISTEN", "listen", AS_STR(CONFIG_LISTEN, listen, "127.0.0.1:3000"),
     .help = "Where to serve; port 0 takes any free one"},
    {"base_url", "APP_BASE_URL", "base-url", AS_URL(base_url, "http https", ""),
     .help = "The address people reach Heddle at, for links; the listen address if not set"},
    {"data", "HEDDLE_DATA", "data", AS_STR(CONFIG_PATH, data, "data"), .value = "DIR",
     .help = "The folder for the database and other files; made if it is not there"},

    {"database.url", "DATABASE_URL", "database",
     AS_URL(database.url, "postgres postgresql sqlite", ""),
     .help = "PostgreSQL or SQLite; heddle.db in the data folder if not set"},
    {"database.readers", "HEDDLE_DATABASE_READERS", NULL, AS_INT(database.readers, "2", 1, 64),
     .help = "SQLite: reader threads; PostgreSQL: read connections of each shard"},
    {"database.writers", "HEDDLE_DATABASE_WRITERS", NULL, AS_INT(database.writers, "1", 1, 16),
     .help = "PostgreSQL: write connections of each shard"},
    {"database.timeout", "HEDDLE_DATABASE_TIMEOUT", NULL,
     AS_SPAN(database.timeout, "10s", 100 * USEC_MS, 10 * USEC_MIN),
     .help = "How long a request waits for a database that is gone"},
    {"database.relaxed", "HEDDLE_DATABASE_RELAXED", NULL, AS_BOOL(database.relaxed, "false"),
     .help = "Do not wait for the disk: a power failure may lose the last moments"},

    {"log.level", "HEDDLE_LOG_LEVEL", "log-level",
     AS_ENUM(log.level, "debug info warn error", "info"),
     .help = "The least important lines to write"},
    {"log.format", "HEDDLE_LOG_FORMAT", "log-format", AS_ENUM(log.format, "text json", "text"),
     .help = "How lines are written, on standard error"},

    {"tls.cert", "HEDDLE_TLS_CERT", "tls-cert", AS_STR(CONFIG_PATH, tls.cert, ""), .value = "FILE",
     .help = "Certificate chain (PEM): serve https; read again on SIGHUP"},
    {"tls.key", "HEDDLE_TLS_KEY", "tls-key", AS_STR(CONFIG_PATH, tls.key, ""), .value = "FILE",
     .help = "Private key (PEM) of that certificate"},
    {"trusted_proxies", "HEDDLE_TRUSTED_PROXIES", NULL, AS_STR(CONFIG_LIST, trusted_proxies, ""),
     .value = "CIDR,...", .help = "Proxies whose X-Forwarded-For and -Proto are believed"},

    {"egress.allow", "HEDDLE_EGRESS_ALLOW", "egress-allow", AS_STR(CONFIG_LIST, egress.allow, ""),
     .value = "RULE,...",
     .help = "Hosts workflows may call: a host, *.suffix, address or CIDR, with :PORT if wanted; "
             "\"private\" opens private networks; every public host if not set"},
    {"egress.deny", "HEDDLE_EGRESS_DENY", NULL, AS_STR(CONFIG_LIST, egress.deny, ""),
     .value = "RULE,...", .help = "Hosts workflows may never call; wins over egress.allow"},

    {"triggers.folders", "HEDDLE_TRIGGER_FOLDERS", NULL, AS_STR(CONFIG_LIST, triggers.folders, ""),
     .value = "DIR,...",
     .help = "Folders that workflows may watch, with all below; absolute paths; none if not set"},
    {"triggers.plain_mail", "HEDDLE_TRIGGER_PLAIN_MAIL", NULL,
     AS_BOOL(triggers.plain_mail, "false"),
     .help = "Let workflows read mails over connections that are not encrypted (tls: none)"},

    {"redis.url", "REDIS_URL", NULL, AS_URL(redis.url, "redis rediss", ""),
     .help = "Where servers share what is left of limits: redis[s]://[[USER]:PASSWORD@]HOST[:PORT]"
             "[/DATABASE]; without it through the database alone"},
    {"redis.ca_file", "HEDDLE_REDIS_CA_FILE", NULL, AS_STR(CONFIG_PATH, redis.ca_file, ""),
     .value = "FILE", .help = "Authorities (PEM) for rediss:// besides those of the system"},
    {"redis.timeout", "HEDDLE_REDIS_TIMEOUT", NULL,
     AS_SPAN(redis.timeout, "250ms", 10 * USEC_MS, 10 * USEC_S),
     .help = "How long a call under limits waits for Redis before it goes on without"},

    {"smtp.url", "SMTP_URL", NULL, AS_URL(smtp.url, "smtp smtps", ""),
     .help = "The mail server that approvers get their links through, as smtp://host:587, or "
             "smtps:// for TLS from the first byte; no mail is sent if not set"},
    {"smtp.user", "SMTP_USER", NULL, AS_STR(CONFIG_TEXT, smtp.user, ""),
     .help = "Who signs in there; nobody if not set"},
    {"smtp.password", "SMTP_PASSWORD", NULL, AS_STR(CONFIG_SECRET, smtp.password, ""),
     .help = "The password of that user"},
    {"smtp.from", "SMTP_FROM", NULL, AS_STR(CONFIG_TEXT, smtp.from, ""), .value = "ADDRESS",
     .help = "The address that mails come from; needed with smtp.url"},
    {"smtp.tls", "SMTP_TLS", NULL, AS_ENUM(smtp.tls, "required none", "required"),
     .help = "Whether smtp:// must change to TLS (STARTTLS) before anything is said; none only for "
             "a server on this machine"},
    {"smtp.ca_file", "SMTP_CA_FILE", NULL, AS_STR(CONFIG_PATH, smtp.ca_file, ""), .value = "FILE",
     .help = "Authorities (PEM) that vouch for the mail server, besides the system's"},
    {"smtp.language", "SMTP_LANGUAGE", NULL, AS_ENUM(smtp.language, "en de", "en"),
     .help = "The language of what stands around the question in a mail"},

    {"openai.api_key", "OPENAI_API_KEY", NULL, AS_STR(CONFIG_SECRET, openai.api_key, ""),
     .help = "Key for the model server that llm nodes use when they name no other"},
    {"openai.base_url", "OPENAI_BASE_URL", "openai-base-url",
     AS_URL(openai.base_url, "http https", "https://api.openai.com/v1"),
     .help = "Any server that speaks the OpenAI protocol"},
    {"anthropic.api_key", "ANTHROPIC_API_KEY", NULL, AS_STR(CONFIG_SECRET, anthropic.api_key, ""),
     .help = "Key for Anthropic: makes it a provider of the model gateway"},
    {"anthropic.base_url", "ANTHROPIC_BASE_URL", NULL, AS_URL(anthropic.base_url, "http https", ""),
     .help = "Any server that speaks Anthropic's protocol, instead of api.anthropic.com"},
    {"azure.api_key", "AZURE_OPENAI_API_KEY", NULL, AS_STR(CONFIG_SECRET, azure.api_key, ""),
     .help = "Key for Azure OpenAI: makes it a provider of the model gateway"},
    {"azure.endpoint", "AZURE_OPENAI_ENDPOINT", NULL, AS_URL(azure.endpoint, "http https", ""),
     .help = "Where that is: the resource's address"},
    {"azure.api_version", "OPENAI_API_VERSION", NULL, AS_STR(CONFIG_TEXT, azure.api_version, ""),
     .value = "VERSION", .help = "Version of Azure OpenAI's API; 2024-10-21 if not set"},
    {"deepseek.api_key", "DEEPSEEK_API_KEY", NULL, AS_STR(CONFIG_SECRET, deepseek.api_key, ""),
     .help = "Key for DeepSeek: makes it a provider of the model gateway"},
    {"gemini.api_key", "GEMINI_API_KEY", NULL, AS_STR(CONFIG_SECRET, gemini.api_key, ""),
     .help = "Key for Google Gemini: makes it a provider of the model gateway"},
    {"gemini.base_url", "GOOGLE_GEMINI_BASE_URL", NULL, AS_URL(gemini.base_url, "http https", ""),
     .help = "Any server that speaks Gemini's protocol, instead of Google's own"},
    {"groq.api_key", "GROQ_API_KEY", NULL, AS_STR(CONFIG_SECRET, groq.api_key, ""),
     .help = "Key for Groq: makes it a provider of the model gateway"},
    {"mistral.api_key", "MISTRAL_API_KEY", NULL, AS_STR(CONFIG_SECRET, mistral.api_key, ""),
     .help = "Key for Mistral: makes it a provider of the model gateway"},
    {"openrouter.api_key", "OPENROUTER_API_KEY", NULL,
     AS_STR(CONFIG_SECRET, openrouter.api_key, ""),
     .help = "Key for OpenRouter: makes it a provider of the model gateway"},
    {"ollama.host", "OLLAMA_HOST", NULL, AS_STR(CONFIG_TEXT, ollama.host, ""), .value = "HOST",
     .help = "Where Ollama is (host, host:port or URL): makes it a provider of the model gateway"},
    {"master_key", "HEDDLE_MASTER_KEY", NULL, AS_STR(CONFIG_SECRET, master_key, ""),
     .help = "Seals credentials in the database: 32 bytes in hexadecimal or base64; the file "
             "master.key in the data folder if not set"},

    {"limits.header", "HEDDLE_LIMITS_HEADER", NULL,
     AS_SIZE(limits.header, "32k", 1024, 1024 * 1024),
     .help = "Size of a request's line and headers together"},
    {"limits.headers", "HEDDLE_LIMITS_HEADERS", NULL, AS_INT(limits.headers, "100", 8, 1000),
     .help = "How many headers a request may have"},
    {"limits.connections", "HEDDLE_LIMITS_CONNECTIONS", NULL,
     AS_INT(limits.connections, "60000", 16, 1000000), .help = "Open connections of each shard"},
    {"limits.header_timeout", "HEDDLE_LIMITS_HEADER_TIMEOUT", NULL,
     AS_SPAN(limits.header_timeout, "10s", 100 * USEC_MS, 10 * USEC_MIN),
     .help = "Time for a request's headers to arrive"},
    {"limits.body_timeout", "HEDDLE_LIMITS_BODY_TIMEOUT", NULL,
     AS_SPAN(limits.body_timeout, "20s", 100 * USEC_MS, USEC_H),
     .help = "Grace for a body; after it at least 1 KiB/s must arrive"},
    {"limits.idle_timeout", "HEDDLE_LIMITS_IDLE_TIMEOUT", NULL,
     AS_SPAN(limits.idle_timeout, "75s", USEC_S, USEC_H),
     .help = "How long a connection is kept between requests"},
    {"limits.write_timeout", "HEDDLE_LIMITS_WRITE_TIMEOUT", NULL,
     AS_SPAN(limits.write_timeout, "30s", 100 * USEC_MS, USEC_H),
     .help = "How long a client may take no byte of its answer"},
    {"limits.request_timeout", "HEDDLE_LIMITS_REQUEST_TIMEOUT", NULL,
     AS_SPAN(limits.request_timeout, "2m", USEC_S, USEC_DAY),
     .help = "How long a plain request may take; streams are not bound by it"},
    {"limits.step_output", "HEDDLE_LIMITS_STEP_OUTPUT", NULL,
     AS_SIZE(limits.step_output, "8m", 1024, 32 * 1024 * 1024),
     .help = "Size of the output of one step, as JSON"},
    {"limits.run_values", "HEDDLE_LIMITS_RUN_VALUES", NULL,
     AS_SIZE(limits.run_values, "128m", 64 * 1024, 128 * 1024 * 1024),
     .help = "Size of all that the steps of one run give, as JSON"},
    {"limits.inline_values", "HEDDLE_LIMITS_INLINE_VALUES", NULL,
     AS_SIZE(limits.inline_values, "2k", 1024, 1024 * 1024),
     .help = "Journal entries below this size are stored as they are; of larger ones each large "
             "value is stored once, compressed"},

    {"models.context", "HEDDLE_MODELS_CONTEXT", NULL,
     AS_ENUM(models.context, "none error trim", "none"),
     .help =
         "A request that is longer than its model can read, where its route does not say: it is "
         "sent all the same, refused, or its oldest messages are left out"},
    {"models.workflows", "HEDDLE_MODELS_WORKFLOWS", NULL,
     AS_ENUM(models.workflows, "direct gateway", "direct"),
     .help = "How llm nodes that name no server of their own call models: directly at "
             "openai.base_url, or through the model gateway, by its names and with its limits, "
             "routes, cache, guards and log"},
    {"models.unknown_price", "HEDDLE_MODELS_UNKNOWN_PRICE", NULL,
     AS_ENUM(models.unknown_price, "zero refuse", "zero"),
     .help = "A call of a model whose price is not known: it costs nothing and is counted as "
             "unpriced, or it is refused"},
    {"models.cache", "HEDDLE_MODELS_CACHE", NULL,
     AS_SIZE(models.cache, "64m", 1024 * 1024, (int64_t)64 << 30),
     .help = "Memory for answers of models that are kept, where a route or key has a cache"},
    {"models.heartbeat", "HEDDLE_MODELS_HEARTBEAT", NULL,
     AS_SPAN(models.heartbeat, "15s", 0, USEC_H),
     .help =
         "A stream of a model that is silent for so long gets a comment, so that nobody takes it "
         "for dead; 0 sends none"},
    {"models.heartbeat_skip", "HEDDLE_MODELS_HEARTBEAT_SKIP", NULL,
     AS_STR(CONFIG_TEXT, models.heartbeat_skip, ""),
     .help = "Clients that get none, by how their User-Agent begins, with commas between"},
    {"models.upload_max", "HEDDLE_MODELS_UPLOAD_MAX", NULL,
     AS_SIZE(models.upload_max, "64m", 1024 * 1024, 256 * 1024 * 1024),
     .help = "Bytes of a model call with files: sound to be transcribed, images to be changed"},
    {"models.file", "HEDDLE_MODELS_FILE", NULL, AS_STR(CONFIG_PATH, models.file, ""),
     .value = "FILE",
     .help = "A file of providers, routes, prices, keys, guards and limits that is applied at each "
             "start, as "
             "heddle apply does it"},
    {"models.offers", "HEDDLE_MODELS_OFFERS", NULL,
     AS_STR(CONFIG_LIST, models.offers,
            "ollama=http://127.0.0.1:11434,llamacpp=http://127.0.0.1:8080"),
     .help =
         "Where model servers of this machine are looked for, when somebody asks which could be "
         "used; they are never used without being added"},
    {"models.vocabularies", "HEDDLE_MODELS_VOCABULARIES", NULL,
     AS_STR(CONFIG_PATH, models.vocabularies, ""), .value = "DIR",
     .help = "Folder of vocabularies by which tokens are counted (*.tiktoken); without them counts "
             "are estimates"},
    {"retention.days", "HEDDLE_RETENTION_DAYS", NULL, AS_INT(retention.days, "30", 0, 36500),
     .help = "Days that finished runs and records of model calls are kept; 0 keeps them for ever; "
             "workflows and tenants may say otherwise of their runs"},
    {"retention.model_bodies", "HEDDLE_RETENTION_MODEL_BODIES", NULL,
     AS_INT(retention.model_bodies, "7", 0, 36500),
     .help = "Days that bodies of model calls are kept, where that is wanted; 0: as long as their "
             "records"},
    {"retention.model_responses", "HEDDLE_RETENTION_MODEL_RESPONSES", NULL,
     AS_INT(retention.model_responses, "30", 0, 36500),
     .help = "Days that responses of models whose provider has none of its own are kept, after the "
             "last of their conversation, and who made the others; 0: nothing is stored"},
    {"retention.max_days", "HEDDLE_RETENTION_MAX_DAYS", NULL,
     AS_INT(retention.max_days, "0", 0, 36500),
     .help = "Days after which finished runs are deleted whatever workflows and tenants say; 0: "
             "none"},
    {"retention.runs", "HEDDLE_RETENTION_RUNS", NULL, AS_INT(retention.runs, "0", 0, 100000),
     .help = "Finished runs of each outcome that are kept of a workflow, unless it says "
             "otherwise; 0: all"},
    {"drain_timeout", "HEDDLE_DRAIN_TIMEOUT", NULL, AS_SPAN(drain_timeout, "30s", 0, USEC_H),
     .help = "How long a stop waits for work in flight before it is parked"},
    {"fleet.takeover_after", "HEDDLE_FLEET_TAKEOVER_AFTER", NULL,
     AS_SPAN(fleet.takeover_after, "30s", 3 * USEC_S, USEC_H),
     .help =
         "Several servers on one PostgreSQL: one without a sign of life loses its runs to them"},
    {"shards", "HEDDLE_SHARDS", NULL, AS_INT(shards, "0", 0, 256),
     .help = "Event loops; 0: one for each core"},
    {"workers", "HEDDLE_WORKERS", NULL, AS_INT(workers, "0", 0, 256),
     .help = "Threads for blocking work; 0: four"},
    {0},
};

size_t config_count(void)
{
    return ARRAY_LEN(config_settings) - 1;
}

const char *config_value_name(const struct config_setting *s)
{
    static const char *const names[] = {
        [CONFIG_BOOL] = "true|false",  [CONFIG_INT] = "N",
        [CONFIG_SIZE] = "SIZE",        [CONFIG_SPAN] = "SPAN",
        [CONFIG_TEXT] = "TEXT",        [CONFIG_PATH] = "PATH",
        [CONFIG_LIST] = "A,B,...",     [CONFIG_ENUM] = "WORD",
        [CONFIG_URL] = "URL",          [CONFIG_SECRET] = "SECRET",
        [CONFIG_LISTEN] = "HOST:PORT",
    };

    return s->value ? s->value : names[s->type];
}

const char *config_source_name(enum config_source source)
{
    static const char *const names[] = {[CONFIG_DEFAULT] = "default",
                                        [CONFIG_FILE] = "file",
                                        [CONFIG_ENV] = "environment",
                                        [CONFIG_FLAG] = "flag"};

    return names[source];
}
