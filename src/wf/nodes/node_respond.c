/* src/wf/nodes/node_respond.c - the "respond" node: the answer to whoever called the webhook and
 * waits for it.
 *
 * It is a value like any other: the engine makes it durable, and only then the caller gets it. The
 * first one that a run comes to is the answer, and the run goes on. The answer is sent from the
 * address of the console, so headers by which a page would act in its name are not the workflow's
 * to set.
 */
#include "base/crypto.h"
#include "net/http.h"
#include "wf/nodes/call.h"
#include "wf/nodes/table.h"

struct respond_cfg {
    Str with; /* "json", "text", "base64", "none", "redirect" */
    struct wf_value *status, *body, *headers;
    struct wf_template *location;
};

static const struct field fields[] = {
    {"respond_with", F_ENUM, offsetof(struct respond_cfg, with), .dflt = "json",
     .one_of = "json text base64 none redirect", .title = "Respond with"},
    {"body", F_VALUE, offsetof(struct respond_cfg, body), .required = true,
     .when = "respond_with=json,text,base64", .title = "Body", .lines = true,
     .help = "What the caller gets. Any JSON with templates."},
    {"location", F_TEMPLATE, offsetof(struct respond_cfg, location), .required = true,
     .when = "respond_with=redirect", .title = "Address", .help = "Where the caller is sent to."},
    {"status", F_VALUE, offsetof(struct respond_cfg, status), .title = "Status",
     .help = "200 to 599. Default: 200; 204 without a body; 302 of a redirect."},
    {"headers", F_MAP, offsetof(struct respond_cfg, headers), .title = "Headers"},
    {0},
};

/* Of the server, or such that they act on more than this answer. */
static bool is_reserved(Str name)
{
    static const Str names[] = {
        S_INIT("connection"),
        S_INIT("content-length"),
        S_INIT("content-security-policy"),
        S_INIT("clear-site-data"),
        S_INIT("date"),
        S_INIT("keep-alive"),
        S_INIT("location"),
        S_INIT("proxy-authenticate"),
        S_INIT("refresh"),
        S_INIT("service-worker-allowed"),
        S_INIT("set-cookie"),
        S_INIT("strict-transport-security"),
        S_INIT("te"),
        S_INIT("trailer"),
        S_INIT("transfer-encoding"),
        S_INIT("upgrade"),
        S_INIT("x-content-type-options"),
        S_INIT("x-request-id"),
        S_INIT("x-run-id"),
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return false;
}

static bool is_status(int64_t status)
{
    return status >= 200 && status <= 599;
}

static void check(struct wf_check *ck, void *settings)
{
    const struct json *status = json_at(ck->data, "status"), *map = json_at(ck->data, "headers");

    (void)settings;
    check_headers(ck, S("headers"));
    for (size_t i = 0; json_is(map, JSON_OBJ) && i < map->n; i++) {
        Str name = str_from(map->obj[i].key.s, map->obj[i].key.n);
        if (is_reserved(name))
            wf_check_problem(ck, S("headers"), S("reserved"),
                             "The header \"%.*s\" is not the workflow's to set.",
                             P(str_head(name, 60)));
    }
    if (status && !json_is(status, JSON_STR) && json_type(status) != JSON_NULL &&
        !(json_is(status, JSON_INT) && is_status(json_int_of(status, 0))))
        wf_check_problem(ck, S("status"), S("range"),
                         "\"status\" must be a number from 200 to 599, or a template.");
}

static int usual_status(const struct respond_cfg *cfg)
{
    if (str_eq(cfg->with, S("none")))
        return 204;
    return str_eq(cfg->with, S("redirect")) ? 302 : 200;
}

static Err eval_status(struct wf_step *step, const struct respond_cfg *cfg, int64_t *ret_status)
{
    struct json *v = NULL;
    int64_t status;

    if (cfg->status)
        TRY(wf_value_eval(step->a, cfg->status, step->scope, step->deadline, &v));
    if (json_type(v) == JSON_NULL) {
        *ret_status = usual_status(cfg);
        return OK;
    }
    status = json_int_of(v, 0);
    if (json_is(v, JSON_STR) && str_to_i64(json_str_of(v, S("")), &status) != OK)
        status = 0;
    if (!is_status(status))
        return err_detail(E_INVALID,
                          "The status that node %.*s answers with must be from 200 to 599.",
                          P(step->node->id));
    *ret_status = status;
    return OK;
}

static Err eval_headers(struct wf_step *step, const struct respond_cfg *cfg, struct json **ret_map)
{
    struct json *map = json_obj(step->a, NULL);
    HttpHeaders pairs = {0};

    TRY(step_pairs(step, cfg->headers, &pairs));
    vec_each(&pairs, h) {
        if (!http_header_valid(h->name, h->value))
            return err_detail(E_INVALID,
                              "The header \"%.*s\" of node %.*s would have a value that a header "
                              "cannot have.",
                              P(str_head(h->name, 60)), P(step->node->id));
        json_set(step->a, map, str_lower(step->a, h->name), json_str(step->a, h->value));
    }
    *ret_map = map;
    return OK;
}

static Err eval_location(struct wf_step *step, const struct respond_cfg *cfg, struct json *headers)
{
    Str location;

    TRY(wf_template_text(step->a, cfg->location, step->scope, step->deadline, &location));
    location = str_trim(location);
    bool absolute =
        str_starts_nocase(location, S("https://")) || str_starts_nocase(location, S("http://"));
    if (!(absolute || str_starts(location, S("/"))) || !http_header_valid(S("location"), location))
        return err_detail(E_INVALID,
                          "The address that node %.*s redirects to must begin with http://, "
                          "https:// or /.",
                          P(step->node->id));
    json_set(step->a, headers, S("location"), json_str(step->a, location));
    return OK;
}

static Err eval_body(struct wf_step *step, const struct respond_cfg *cfg, struct json *headers,
                     struct json **ret_body)
{
    bool json = str_eq(cfg->with, S("json")), text = str_eq(cfg->with, S("text"));
    const char *type = json   ? "application/json"
                       : text ? "text/plain; charset=utf-8"
                              : "application/octet-stream";
    Str bytes;

    TRY(wf_value_eval(step->a, cfg->body, step->scope, step->deadline, ret_body));
    if (!json) {
        TRY(step_text(step, *ret_body, step->env->max_output, &bytes));
        *ret_body = json_str(step->a, bytes);
        if (!text && crypto_unbase64(step->a, bytes, &bytes) != OK)
            return err_detail(E_INVALID, "What node %.*s answers with is not base64.",
                              P(step->node->id));
    }
    if (!json_at(headers, "content-type"))
        json_set(step->a, headers, S("content-type"), json_str_c(step->a, type));
    return OK;
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct respond_cfg *cfg = settings;
    struct json *headers = NULL, *body = json_null(step->a);
    int64_t status = 0;

    TRY(eval_status(step, cfg, &status));
    TRY(eval_headers(step, cfg, &headers));
    if (cfg->location)
        TRY(eval_location(step, cfg, headers));
    if (cfg->body)
        TRY(eval_body(step, cfg, headers, &body));
    ret_outcome->output = json_obj(step->a, "status", json_int(step->a, status), "headers", headers,
                                   "as", json_str(step->a, cfg->with), "body", body, NULL);
    return OK;
}

const struct wf_node_type wf_node_respond = {
    .name = "respond",
    .title = "Respond",
    .help = "Answers the caller of the webhook; the run goes on.",
    .group = "integration",
    .fields = fields,
    .settings_size = sizeof(struct respond_cfg),
    .effects = WF_PURE,
    .answers = true,
    .check = check,
    .run = run,
};
