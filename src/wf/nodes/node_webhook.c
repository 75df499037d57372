/* src/wf/nodes/node_webhook.c - the "webhook" node: tells another system, signed as
 * standardwebhooks.com has it.
 *
 * A delivery happens at least once: the id is the step's key, the same for every attempt and after
 * a restart, and receivers tell repeats by it. Redirects are not followed, as that specification
 * demands.
 */
#include "net/signature.h"
#include "wf/nodes/call.h"
#include "wf/nodes/table.h"

struct webhook_cfg {
    Str method;
    struct wf_template *url, *secret;
    struct wf_value *payload, *headers;
};

static const struct field fields[] = {
    {"url", F_TEMPLATE, offsetof(struct webhook_cfg, url), .required = true, .title = "URL"},
    {"method", F_ENUM, offsetof(struct webhook_cfg, method), .dflt = "POST",
     .one_of = "POST PUT PATCH", .title = "Method"},
    {"payload", F_VALUE, offsetof(struct webhook_cfg, payload), .required = true,
     .title = "Payload", .help = "Any JSON with templates.", .lines = true},
    {"secret", F_TEMPLATE, offsetof(struct webhook_cfg, secret), .secret = true, .title = "Secret",
     .help = "Signs the delivery: whsec_ and base64, or any text. Without it, it is not signed."},
    {"headers", F_MAP, offsetof(struct webhook_cfg, headers), .title = "Headers"},
    {0},
};

static void check_own_headers(struct wf_check *ck)
{
    const struct json *map = json_at(ck->data, "headers");

    for (size_t i = 0; i < json_len(map); i++)
        if (str_starts_nocase(json_str_of(&map->obj[i].key, S("")), S("webhook-")))
            wf_check_problem(ck, S("headers"), S("reserved"),
                             "The webhook- headers are set by this node itself.");
}

static void check(struct wf_check *ck, void *settings)
{
    const struct webhook_cfg *cfg = settings;
    Str key;

    check_url(ck, S("url"), cfg->url);
    check_headers(ck, S("headers"));
    check_own_headers(ck);
    if (cfg->secret && wf_template_is_fixed(cfg->secret) &&
        signature_key(ck->a, wf_template_source(cfg->secret), &key) != OK)
        wf_check_problem(ck, S("secret"), S("bad_secret"),
                         "What stands behind \"whsec_\" must be base64.");
}

static Err sign(struct step_call *call, const struct webhook_cfg *cfg)
{
    struct wf_step *step = call->step;
    Str secret = S(""), key;
    Str timestamp = str_fmt(step->a, "%lld", (long long)(time_wall() / USEC_S));

    step_call_header(call, S("webhook-id"), step->key);
    step_call_header(call, S("webhook-timestamp"), timestamp);
    if (cfg->secret)
        TRY(wf_template_text(step->a, cfg->secret, step->scope, step->deadline, &secret));
    if (str_is_empty(secret))
        return OK;
    if (signature_key(step->a, secret, &key) != OK)
        return err_detail(
            E_INVALID,
            "The secret of node %.*s begins with \"whsec_\" but is not base64 behind it.",
            P(step->node->id));
    step_call_header(call, S("webhook-signature"),
                     signature_make(step->a, key, step->key, timestamp, call->http.body));
    return OK;
}

/* What the receiver says, if it is something that can be shown: it is not what the step is about.
 */
static struct json *body_of(const struct step_call *call, const struct http_reply *reply)
{
    struct json *body;

    return step_call_body(call, reply, REPLY_AUTO, &body) == OK ? body : json_null(call->step->a);
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct webhook_cfg *cfg = settings;
    struct step_call call;
    struct http_reply reply;
    struct json *payload;
    Str url;

    TRY(wf_template_text(step->a, cfg->url, step->scope, step->deadline, &url));
    TRY(step_call_begin(step, url, NULL, &call));
    TRY(wf_value_eval(step->a, cfg->payload, step->scope, step->deadline, &payload));
    call.http.engine = HTTP_CURL;
    call.http.method = http_method_parse(cfg->method);
    TRY(step_json(step, payload, STEP_REQUEST_MAX, &call.http.body));
    call.http.idempotent = true;
    TRY(sign(&call, cfg));
    TRY(step_call_headers(&call, cfg->headers));
    step_call_header(&call, S("Content-Type"), S("application/json"));
    TRY(step_call_fetch(&call, &reply));
    if (reply.status < 200 || reply.status >= 300)
        return step_call_status(
            &call, reply.status, &reply.headers,
            reply.status < 400 ? "redirects are not followed, so set its new URL" : NULL);
    ret_outcome->output =
        json_obj(step->a, "status", json_int(step->a, reply.status), "id",
                 json_str(step->a, step->key), "body", body_of(&call, &reply), NULL);
    return OK;
}

static struct json *sample(struct arena *a, const void *settings)
{
    (void)settings;
    return json_obj(a, "status", json_int(a, 200), "id", json_str(a, S("placeholder")), "body",
                    json_str(a, S("placeholder")), NULL);
}

const struct wf_node_type wf_node_webhook = {
    .name = "webhook",
    .title = "Webhook",
    .help = "Sends data to another system's webhook, signed.",
    .group = "integration",
    .fields = fields,
    .settings_size = sizeof(struct webhook_cfg),
    .effects = WF_IDEMPOTENT,
    .retry = {.max_attempts = 5, .exponential = true, .delay = USEC_S},
    .timeout = 30 * USEC_S,
    .check = check,
    .run = run,
    .sample = sample,
    .keyed = true,
};
