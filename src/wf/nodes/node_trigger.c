/* src/wf/nodes/node_trigger.c - the "trigger" node: where a run begins. Its output is the run's
 * input.
 *
 * Who may start a run over HTTP is decided before there is one, by wf/hook.c, from the settings
 * here.
 */
#include "wf/nodes/node_trigger.h"
#include "net/signature.h"
#include "wf/flow_plan.h"
#include "wf/nodes/table.h"
#include "wf/zone.h"

static const struct field webhook_fields[] = {
    {"method", F_ENUM, offsetof(struct wf_webhook_cfg, method), .dflt = "POST",
     .one_of = "POST GET PUT PATCH DELETE ANY", .title = "Method"},
    {"auth", F_ENUM, offsetof(struct wf_webhook_cfg, auth), .dflt = "none",
     .one_of = "none header basic bearer hmac", .title = "Authentication"},
    {"header", F_STR, offsetof(struct wf_webhook_cfg, header), .dflt = "X-Api-Key",
     .when = "auth=header", .title = "Header", .help = "The header that carries the secret."},
    {"user", F_STR, offsetof(struct wf_webhook_cfg, user), .required = true, .when = "auth=basic",
     .title = "User"},
    {"secret", F_STR, offsetof(struct wf_webhook_cfg, secret), .required = true,
     .when = "auth=header,basic,bearer,hmac", .secret = true, .title = "Secret",
     .help = "The value of the header, the password, the token, or the key of the signature."},
    {"signature_header", F_STR, offsetof(struct wf_webhook_cfg, signature_header),
     .dflt = "webhook-signature", .when = "auth=hmac", .title = "Signature header"},
    {"timestamp_header", F_STR, offsetof(struct wf_webhook_cfg, timestamp_header),
     .dflt = "webhook-timestamp", .when = "auth=hmac", .title = "Timestamp header",
     .help = "Empty: the signature is of the body alone, as GitHub sends it."},
    {"tolerance", F_USEC, offsetof(struct wf_webhook_cfg, tolerance), .dflt = "5m", .min = 1,
     .max = 86400, .when = "auth=hmac", .title = "Tolerance",
     .help = "How far the timestamp may be from now."},
    {"respond", F_ENUM, offsetof(struct wf_webhook_cfg, respond), .dflt = "immediately",
     .one_of = "immediately result node stream", .title = "Answer",
     .help = "What the caller waits for: nothing, the result of the run, what a respond node says, "
             "or all of it as it comes."},
    {"stream_nodes", F_STR_LIST, offsetof(struct wf_webhook_cfg, stream_nodes), .min = 1,
     .max = 100, .when = "respond=stream", .title = "Stream the words of",
     .help = "Ids of nodes. Default: every model of the workflow."},
    {"rate_limit", F_OBJECT, offsetof(struct wf_webhook_cfg, rate_limit), .sub = wf_rate_fields,
     .title = "Rate limit", .help = "How many calls are taken; the others get 429."},
    {0},
};

static const struct field schedule_fields[] = {
    {"repeat", F_ENUM, offsetof(struct wf_schedule_cfg, repeat), .dflt = "cron",
     .one_of = "cron interval", .title = "Repeat"},
    {"cron", F_STR, offsetof(struct wf_schedule_cfg, cron), .required = true, .when = "repeat=cron",
     .max = WF_CRON_TEXT_MAX, .title = "Cron",
     .help = "Minute, hour, day of month, month, day of week; six fields begin with seconds."},
    {"every", F_USEC, offsetof(struct wf_schedule_cfg, every), .required = true,
     .when = "repeat=interval", .min = 1, .max = 366 * 86400, .title = "Every",
     .help = "Counted from the publication."},
    {"timezone", F_STR, offsetof(struct wf_schedule_cfg, timezone), .dflt = "UTC",
     .title = "Time zone", .help = "A name of the IANA, such as Europe/Berlin."},
    {"catch_up", F_ENUM, offsetof(struct wf_schedule_cfg, catch_up), .dflt = "last",
     .one_of = "skip last all", .title = "Missed times",
     .help = "What happens with times at which the server was not running."},
    {"catch_up_limit", F_INT, offsetof(struct wf_schedule_cfg, catch_up_limit), .dflt = "100",
     .min = 1, .max = 1000, .when = "catch_up=all", .title = "At most",
     .help = "How many missed times are made up for, the latest ones."},
    {"overlap", F_ENUM, offsetof(struct wf_schedule_cfg, overlap), .dflt = "allow",
     .one_of = "allow skip", .title = "While the last run goes on",
     .help = "Whether a run is started while the one before is still under way."},
    {"jitter", F_USEC, offsetof(struct wf_schedule_cfg, jitter), .dflt = "0s", .min = 0,
     .max = 86400, .title = "Spread",
     .help = "Each time is put off by a part of this, so that many schedules do not meet."},
    {0},
};

static const struct field fields[] = {
    {"trigger", F_ENUM, offsetof(struct wf_trigger_cfg, trigger), .dflt = "manual",
     .one_of = "manual api webhook schedule form chat event file s3 email error",
     .title = "Trigger"},
    {"input", F_SCHEMA, offsetof(struct wf_trigger_cfg, input), .title = "Input",
     .help = "JSON Schema that the input of a run must meet."},
    {"webhook", F_OBJECT, offsetof(struct wf_trigger_cfg, webhook), .sub = webhook_fields,
     .when = "trigger=webhook", .title = "Webhook"},
    {"schedule", F_OBJECT, offsetof(struct wf_trigger_cfg, schedule), .sub = schedule_fields,
     .when = "trigger=schedule", .required = true, .title = "Schedule"},
    {"event", F_OBJECT, offsetof(struct wf_trigger_cfg, event), .sub = trigger_event_fields,
     .when = "trigger=event", .required = true, .title = "Event"},
    {"form", F_OBJECT, offsetof(struct wf_trigger_cfg, form), .sub = wf_form_settings,
     .when = "trigger=form", .title = "Form"},
    {"chat", F_OBJECT, offsetof(struct wf_trigger_cfg, chat), .sub = wf_chat_settings,
     .when = "trigger=chat", .title = "Chat"},
    {"file", F_OBJECT, offsetof(struct wf_trigger_cfg, file), .sub = trigger_file_fields,
     .when = "trigger=file", .required = true, .title = "Files"},
    {"s3", F_OBJECT, offsetof(struct wf_trigger_cfg, s3), .sub = trigger_s3_fields,
     .when = "trigger=s3", .required = true, .title = "Bucket"},
    {"email", F_OBJECT, offsetof(struct wf_trigger_cfg, email), .sub = trigger_email_fields,
     .when = "trigger=email", .required = true, .title = "Mails"},
    {0},
};

static bool is_token(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return s.n > 0;
}

static void check_header(struct wf_check *ck, Str field, Str name)
{
    if (!is_token(name))
        wf_check_problem(ck, field, S("bad_name"), "\"%.*s\" is no name for a header.",
                         P(str_head(name, 60)));
}

static void check_schedule(struct wf_check *ck, struct wf_schedule_cfg *cfg)
{
    if (cfg->cron.n && wf_cron_parse(cfg->cron, &cfg->plan) != OK)
        wf_check_problem(ck, S("schedule/cron"), S("bad_cron"), "%s", err_record()->detail);
    if (wf_zone(cfg->timezone, &cfg->tz) != OK)
        wf_check_problem(ck, S("schedule/timezone"), S("bad_timezone"), "%s", err_record()->detail);
}

static void check(struct wf_check *ck, void *settings)
{
    struct wf_trigger_cfg *cfg = settings;
    const struct wf_webhook_cfg *hook = &cfg->webhook;
    Str key;

    if (str_eq(cfg->trigger, S("webhook")) && str_eq(hook->auth, S("none")))
        wf_check_warning(ck, S("webhook/auth"), S("open_webhook"),
                         "Whoever knows the address of this webhook can start the workflow.");
    if (str_eq(cfg->trigger, S("form")))
        wf_form_check(ck, &cfg->form, json_at(ck->data, "input"));
    if (str_eq(cfg->trigger, S("chat")))
        wf_chat_check(ck, &cfg->chat);
    if (str_eq(cfg->trigger, S("schedule")))
        check_schedule(ck, &cfg->schedule);
    if (str_eq(cfg->trigger, S("event")))
        trigger_event_check(ck, &cfg->event);
    if (str_eq(cfg->trigger, S("file")))
        trigger_file_check(ck, &cfg->file);
    if (str_eq(cfg->trigger, S("s3")))
        trigger_s3_check(ck, &cfg->s3);
    if (str_eq(cfg->trigger, S("email")))
        trigger_email_check(ck, &cfg->email);
    if (str_eq(hook->auth, S("header")))
        check_header(ck, S("webhook/header"), hook->header);
    if (!str_eq(hook->auth, S("hmac")))
        return;
    check_header(ck, S("webhook/signature_header"), hook->signature_header);
    if (hook->timestamp_header.n)
        check_header(ck, S("webhook/timestamp_header"), hook->timestamp_header);
    if (signature_key(ck->a, hook->secret, &key) != OK)
        wf_check_problem(ck, S("webhook/secret"), S("bad_secret"),
                         "What stands behind \"whsec_\" must be base64.");
}

Err wf_def_check_input(const struct wf_def *def, struct arena *a, const struct json *input,
                       JsonSchemaErrors *ret_errors)
{
    const struct wf_trigger_cfg *cfg = def->nodes[def->trigger].settings;
    JsonSchemaErrors errors = {0};

    if (!cfg->input)
        return OK;
    Err e = json_schema_validate(cfg->input, a, input ? input : json_null(a), 20, &errors);
    if (e == E_INVALID && errors.n)
        e = err_detail(E_INVALID, "The input does not meet the schema of the trigger: %.*s%s%.*s",
                       P(errors.at[0].path), errors.at[0].path.n ? ": " : "",
                       P(errors.at[0].message));
    if (e != OK && ret_errors)
        *ret_errors = errors;
    return e;
}

static bool takes_lists(const struct wf_def *def)
{
    return def->flow && def->flow->batch.size;
}

Err wf_def_check_run_input(const struct wf_def *def, struct arena *a, const struct json *input)
{
    if (!takes_lists(def))
        return wf_def_check_input(def, a, input, NULL);
    if (!json_is(input, JSON_ARR))
        return err_detail(E_INVALID, "Runs of this workflow get a list of inputs (batch).");
    for (size_t i = 0; i < json_len(input); i++)
        TRY(wf_def_check_input(def, a, json_item(input, i), NULL));
    return OK;
}

const struct json *wf_def_run_input(const struct wf_def *def, struct arena *a,
                                    const struct json *input)
{
    if (!takes_lists(def))
        return input;
    struct json *list = json_arr(a);
    json_push(a, list, input ? json_dup(a, input) : json_null(a));
    return list;
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    (void)settings; /* the check finds them through the definition */
    TRY(wf_def_check_run_input(step->def, step->a, step->input));
    ret_outcome->output = (struct json *)(uintptr_t)step->input;
    return OK;
}

const struct wf_node_type wf_node_trigger = {
    .name = "trigger",
    .title = "Trigger",
    .help = "Where a run begins: by hand, by the API, by a call to its webhook, by a form, by a "
            "chat, by the clock, by an event, by a new file, object or mail, or by the failure of "
            "another workflow's run.",
    .group = "trigger",
    .fields = fields,
    .settings_size = sizeof(struct wf_trigger_cfg),
    .effects = WF_PURE,
    .check = check,
    .run = run,
};
