/* src/wf/nodes/node_llm.c - the "llm" node: one chat completion of any server that speaks OpenAI's
 * protocol.
 *
 * Pieces of a streamed answer go to the watchers of the run as they come; only the whole answer is
 * the output. The platform's own API key is sent to the platform's own model server alone: a
 * workflow that names another base_url brings its own key, or its author could have the platform's
 * key sent wherever he likes. Where the operator wants it (models.workflows) a node that names no
 * server calls the model gateway of this process instead.
 */
#include "wf/nodes/llm_reply.h"
#include "wf/nodes/step.h"
#include "wf/nodes/table.h"
#include "wf/sample.h"

#include "net/sse.h"

#include <math.h>

enum { EVENT_MAX = 1 << 20, BODY_MAX = 16 << 20, ERROR_BODY_MAX = 64 << 10, MESSAGES_MAX = 1000 };
static const size_t STREAM_MAX = MIB(64);
static const Usec DRAIN_PATIENCE = 20 * USEC_MS;

struct message_cfg {
    Str role;
    struct wf_value *content;
};

struct llm_cfg {
    struct wf_template *base_url, *api_key, *model, *system, *prompt;
    struct wf_list messages;
    double temperature, top_p;
    int64_t max_tokens, seed;
    const struct json *stop;
    Str response_format;
    struct json_schema *schema;
    const struct json *schema_json; /* as it is sent */
    bool stream;
    Usec silence;
    struct wf_value *extra;
};

static const struct field message_fields[] = {
    {"role", F_ENUM, offsetof(struct message_cfg, role), .required = true,
     .one_of = "system developer user assistant", .title = "Role"},
    {"content", F_VALUE, offsetof(struct message_cfg, content), .required = true,
     .title = "Content", .lines = true},
    {0},
};

static const struct field fields[] = {
    {"model", F_TEMPLATE, offsetof(struct llm_cfg, model), .required = true, .title = "Model"},
    {"base_url", F_TEMPLATE, offsetof(struct llm_cfg, base_url), .title = "Base URL",
     .help = "Of an OpenAI-compatible server, up to and with /v1. Default: OPENAI_BASE_URL."},
    {"api_key", F_TEMPLATE, offsetof(struct llm_cfg, api_key), .secret = true, .title = "API key",
     .help = "Default: OPENAI_API_KEY, unless base_url names another server."},
    {"system", F_TEMPLATE, offsetof(struct llm_cfg, system), .title = "Instructions",
     .lines = true},
    {"prompt", F_TEMPLATE, offsetof(struct llm_cfg, prompt), .title = "Prompt", .lines = true},
    {"messages", F_LIST, offsetof(struct llm_cfg, messages), .min = 1, .max = MESSAGES_MAX,
     .sub = message_fields, .sub_size = sizeof(struct message_cfg), .title = "Messages",
     .help = "Instead of a prompt."},
    {"temperature", F_REAL, offsetof(struct llm_cfg, temperature), .dflt = FIELD_UNSET, .min = 0,
     .max = 2, .title = "Temperature"},
    {"top_p", F_REAL, offsetof(struct llm_cfg, top_p), .dflt = FIELD_UNSET, .min = 0, .max = 1,
     .title = "Top p"},
    {"max_tokens", F_INT, offsetof(struct llm_cfg, max_tokens), .dflt = FIELD_UNSET, .min = 1,
     .max = 10000000, .title = "Tokens at most"},
    {"stop", F_STR_LIST, offsetof(struct llm_cfg, stop), .min = 1, .max = 16, .title = "Stop at",
     .help = "Texts at which the model ends its answer."},
    {"seed", F_INT, offsetof(struct llm_cfg, seed), .dflt = FIELD_UNSET, .title = "Seed"},
    {"response_format", F_ENUM, offsetof(struct llm_cfg, response_format), .dflt = "text",
     .one_of = "text json json_schema", .title = "Answer as"},
    {"schema", F_SCHEMA, offsetof(struct llm_cfg, schema), .required = true,
     .when = "response_format=json_schema", .title = "Schema",
     .help = "JSON Schema that the answer must meet."},
    {"stream", F_BOOL, offsetof(struct llm_cfg, stream), .dflt = "true", .title = "Stream",
     .help = "Whether watchers of the run see the answer while it is made."},
    {"silence", F_USEC, offsetof(struct llm_cfg, silence), .dflt = "120s", .min = 0.001,
     .max = 86400, .title = "Longest silence",
     .help = "A stream in which nothing comes for so long is given up."},
    {"extra", F_VALUE, offsetof(struct llm_cfg, extra), .title = "More",
     .help = "An object whose members are added to the request.", .lines = true},
    {0},
};

static void check_extra(struct wf_check *ck, const struct json *extra)
{
    static const Str own[] = {S_INIT("model"), S_INIT("messages"), S_INIT("stream"),
                              S_INIT("response_format")};

    if (extra && !json_is(extra, JSON_OBJ) && !json_is(extra, JSON_STR))
        wf_check_problem(ck, S("extra"), S("type"), "\"extra\" must be an object, not %s.",
                         json_type_name(extra));
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (json_get(extra, own[i]))
            wf_check_problem(ck, S("extra"), S("reserved"), "Set \"%.*s\" by its own field.",
                             P(own[i]));
}

static void check(struct wf_check *ck, void *settings)
{
    struct llm_cfg *cfg = settings;

    cfg->schema_json = json_at(ck->data, "schema");
    if (cfg->base_url)
        check_url(ck, S("base_url"), cfg->base_url);
    if (!cfg->prompt && !cfg->messages.n)
        wf_check_problem(ck, S("prompt"), S("required"), "Give a \"prompt\" or \"messages\".");
    if (cfg->prompt && cfg->messages.n)
        wf_check_problem(ck, S("messages"), S("not_used"),
                         "Give either a \"prompt\" or \"messages\".");
    check_extra(ck, json_at(ck->data, "extra"));
}

/* ---- the request ---- */

static Err text_of(struct wf_step *step, const struct wf_template *t, Str *ret_text)
{
    return wf_template_text(step->a, t, step->scope, step->deadline, ret_text);
}

static struct json *message(struct arena *a, Str role, const struct json *content)
{
    return json_obj(a, "role", json_str(a, role), "content", content, NULL);
}

static Err add_text_message(struct wf_step *step, struct json *messages, Str role,
                            const struct wf_template *t)
{
    Str text;

    if (!t)
        return OK;
    TRY(text_of(step, t, &text));
    json_push(step->a, messages, message(step->a, role, json_str(step->a, text)));
    return OK;
}

/* A string, or an array of parts, goes as it is; anything else as its JSON text. */
static Err add_message(struct wf_step *step, struct json *messages, const struct message_cfg *m)
{
    struct json *content;

    TRY(wf_value_eval(step->a, m->content, step->scope, step->deadline, &content));
    if (!json_is(content, JSON_STR) && !json_is(content, JSON_ARR)) {
        Str text;
        TRY(step_text(step, content, STEP_REQUEST_MAX, &text));
        content = json_str(step->a, text);
    }
    json_push(step->a, messages, message(step->a, m->role, content));
    return OK;
}

static Err messages_json(struct wf_step *step, const struct llm_cfg *cfg,
                         struct json **ret_messages)
{
    struct json *messages = json_arr(step->a);

    TRY(add_text_message(step, messages, S("system"), cfg->system));
    TRY(add_text_message(step, messages, S("user"), cfg->prompt));
    for (size_t i = 0; i < cfg->messages.n; i++)
        TRY(add_message(step, messages, (const struct message_cfg *)cfg->messages.at + i));
    *ret_messages = messages;
    return OK;
}

static struct json *format_json(struct arena *a, const struct llm_cfg *cfg)
{
    if (str_eq(cfg->response_format, S("json")))
        return json_obj(a, "type", json_str_c(a, "json_object"), NULL);
    if (!str_eq(cfg->response_format, S("json_schema")))
        return NULL;
    return json_obj(a, "type", json_str_c(a, "json_schema"), "json_schema",
                    json_obj(a, "name", json_str_c(a, "output"), "schema", cfg->schema_json, NULL),
                    NULL);
}

static struct json *real(struct arena *a, double d)
{
    return isnan(d) ? NULL : json_double(a, d);
}

static struct json *integer(struct arena *a, int64_t i)
{
    return i == INT64_MIN ? NULL : json_int(a, i);
}

static Err add_extra(struct wf_step *step, const struct llm_cfg *cfg, struct json *body)
{
    struct json *extra;

    if (!cfg->extra)
        return OK;
    TRY(wf_value_eval(step->a, cfg->extra, step->scope, step->deadline, &extra));
    if (!json_is(extra, JSON_OBJ))
        return err_detail(E_INVALID,
                          "\"extra\" of node %.*s must be an object; it is of the type %s.",
                          P(step->node->id), json_type_name(extra));
    for (size_t i = 0; i < json_len(extra); i++)
        json_set(step->a, body, json_str_of(&extra->obj[i].key, S("")), &extra->obj[i].val);
    return OK;
}

static Err request_body(struct wf_step *step, const struct llm_cfg *cfg, Str *ret_body)
{
    struct arena *a = step->a;
    struct json *messages, *body, *options = NULL;
    Str model;

    TRY(text_of(step, cfg->model, &model));
    TRY(messages_json(step, cfg, &messages));
    if (cfg->stream)
        options = json_obj(a, "include_usage", json_bool(a, true), NULL);
    body = json_obj(a, "model", json_str(a, model), "messages", messages, "temperature",
                    real(a, cfg->temperature), NULL);
    json_set(a, body, S("top_p"), real(a, cfg->top_p));
    json_set(a, body, S("max_tokens"), integer(a, cfg->max_tokens));
    json_set(a, body, S("stop"), cfg->stop);
    json_set(a, body, S("seed"), integer(a, cfg->seed));
    json_set(a, body, S("response_format"), format_json(a, cfg));
    json_set(a, body, S("stream"), json_bool(a, cfg->stream));
    json_set(a, body, S("stream_options"), options);
    TRY(add_extra(step, cfg, body));
    return step_json(step, body, STEP_REQUEST_MAX, ret_body);
}

/* The same as text alone: what it was made of need not wait for the answer, however long that
 * takes. */
static Err request_text(struct wf_step *step, const struct llm_cfg *cfg, Str *ret_body)
{
    struct arena *a = step->a;
    AUTO(arena) *scratch = arena_new(arena_max(a));
    Str body;

    step->a = scratch;
    Err e = request_body(step, cfg, &body);
    step->a = a;
    TRY(e);
    *ret_body = str_dup(a, body);
    return OK;
}

static Str without_slash(Str url)
{
    url = str_trim(url);
    while (str_ends(url, S("/")))
        url.n--;
    return url;
}

/* Whose call it is, and what for. */
static Err call_gateway(struct wf_step *step, struct step_call *ret_call)
{
    const struct wf_gateway *g = &step->env->gateway;
    char tenant[ID_TEXT_SIZE], workflow[ID_TEXT_SIZE];
    Str id = id_text(step->workflow, workflow);

    TRY(step_call_begin(step, str_fmt(step->a, "%.*s/chat/completions", P(g->url)), NULL,
                        ret_call));
    ret_call->http.egress = g->egress;
    ret_call->host = S("the model gateway");
    ret_call->ours = true;
    step_call_header(ret_call, S("Authorization"), g->authorization);
    step_call_header(ret_call, S("X-Heddle-Caller"),
                     str_fmt(step->a, "%.*s %.*s", P(id_text(step->tenant, tenant)), P(id)));
    step_call_header(ret_call, S("X-Heddle-Workflow"), str_dup(step->a, id));
    step_call_header(ret_call, S("X-Heddle-Step"), step->node->id);
    return OK;
}

static Err call_server(struct wf_step *step, Str base, Str key, struct step_call *ret_call)
{
    Str platform = without_slash(step->env->llm_base_url);

    if (str_is_empty(platform))
        platform = S("https://api.openai.com/v1");
    if (str_is_empty(base))
        base = platform;
    if (str_is_empty(key) && str_eq(base, platform))
        key = step->env->llm_api_key;
    TRY(step_call_begin(step, str_fmt(step->a, "%.*s/chat/completions", P(base)), NULL, ret_call));
    if (key.n)
        step_call_header(ret_call, S("Authorization"),
                         str_fmt(step->a, "Bearer %.*s", P(str_trim(key))));
    return OK;
}

static Err prepare(struct wf_step *step, const struct llm_cfg *cfg, struct step_call *ret_call)
{
    Str base = S(""), key = S("");

    if (cfg->base_url)
        TRY(text_of(step, cfg->base_url, &base));
    if (cfg->api_key)
        TRY(text_of(step, cfg->api_key, &key));
    base = without_slash(base);
    bool own = base.n || !str_is_empty(key); /* its server, or its account there */
    if (step->env->gateway.url.n && !own)
        TRY(call_gateway(step, ret_call));
    else
        TRY(call_server(step, base, key, ret_call));
    ret_call->http.engine = HTTP_OWN;
    ret_call->http.method = HTTP_POST;
    TRY(request_text(step, cfg, &ret_call->http.body));
    step_call_header(ret_call, S("Content-Type"), S("application/json"));
    step_call_header(ret_call, S("Accept"),
                     cfg->stream ? S("text/event-stream, application/json")
                                 : S("application/json"));
    if (step->env->user_agent.n)
        step_call_header(ret_call, S("User-Agent"), step->env->user_agent);
    return OK;
}

/* ---- the answer ---- */

/* Tell watchers. What that allocates lives as long as the piece. */
static void tell(struct wf_step *step, struct llm_reply *r, Str piece)
{
    struct arena *a = step->a;

    if (piece.n == 0 || !step->live)
        return;
    arena_reset(r->scratch);
    step->a = r->scratch;
    step->live(step, S("step.delta"),
               json_obj(r->scratch, "text", json_str(r->scratch, piece), NULL));
    step->a = a;
}

static Err silent(const struct step_call *call, const struct llm_cfg *cfg)
{
    char span[TIME_RFC3339_SIZE];
    const struct wf_step *step = call->step;

    if (time_mono() >= step->deadline)
        return err_detail(
            E_TIMEOUT, "The model server at %.*s did not end its answer to node %.*s within %.*s.",
            P(call->host), P(step->node->id), P(time_span(step->node->timeout, span)));
    return err_detail(E_TIMEOUT, "The model server at %.*s was silent for %.*s (node %.*s).",
                      P(call->host), P(time_span(cfg->silence, span)), P(step->node->id));
}

/* Why the stream ended, as this node tells it. */
static Err ended(const struct llm_reply *r, const struct llm_cfg *cfg, Err e)
{
    if ((e == E_EOF || e == E_UPSTREAM_CUT) && llm_reply_is_whole(r))
        return OK;
    if (e == E_EOF || e == E_UPSTREAM_CUT)
        return llm_reply_cut(r);
    return e == E_TIMEOUT ? silent(r->call, cfg) : step_call_failed(r->call, e);
}

/* Events out of one piece of the stream. */
static Err take_piece(struct wf_step *step, struct llm_reply *r, struct sse_parser *parser,
                      Str piece)
{
    struct sse_event event;
    bool complete;
    Str text;

    while (piece.n && !r->done) {
        TRY(sse_parser_feed(parser, &piece, &event, &complete));
        if (!complete)
            continue;
        TRY(llm_reply_chunk(r, event.data, &text));
        tell(step, r, text);
    }
    return OK;
}

/* The end of the body follows [DONE] at once, and with it the connection can be used again. */
static void drain(struct http_stream *stream)
{
    Usec former = fiber_deadline_set(usec_min(fiber_deadline(), usec_in(DRAIN_PATIENCE)));
    Str piece;

    while (http_read(stream, &piece) == OK)
        ;
    (void)fiber_deadline_set(former);
}

static Err read_stream(struct wf_step *step, const struct llm_cfg *cfg, struct llm_reply *r,
                       struct http_stream *stream)
{
    AUTO(sse_parser) *parser = sse_parser_new(EVENT_MAX);
    Str piece;
    Err e = OK;

    while (!r->done && (e = http_read(stream, &piece)) == OK)
        TRY(take_piece(step, r, parser, piece));
    if (!r->done)
        return ended(r, cfg, e);
    drain(stream);
    return OK;
}

/* A whole body of at most @max bytes; *ret_body is in the attempt's arena. */
static Err read_whole(struct llm_reply *r, const struct llm_cfg *cfg, struct http_stream *stream,
                      size_t max, bool may_be_cut, Str *ret_body)
{
    AUTO_BUF(body, max);
    Str piece;
    Err e;

    while ((e = http_read(stream, &piece)) == OK && !body.failed)
        buf_add(&body, piece);
    if (e == E_CANCELLED)
        return e;
    if (!may_be_cut && (e != E_EOF || body.failed)) {
        if (body.failed)
            e = E_TOO_LARGE;
        return e == E_TIMEOUT ? silent(r->call, cfg) : step_call_failed(r->call, e);
    }
    *ret_body = str_dup(r->a, buf_str(&body));
    return OK;
}

static bool type_is(const struct http_stream *stream, const char *type)
{
    return http_type_is(http_header_get(http_stream_headers(stream), S("content-type")),
                        str_c(type));
}

static Err read_answer(struct wf_step *step, const struct llm_cfg *cfg, struct llm_reply *r,
                       struct http_stream *stream)
{
    int status = http_stream_status(stream);
    Str body = S("");

    if (status != 200) {
        TRY(read_whole(r, cfg, stream, ERROR_BODY_MAX, true, &body));
        return llm_reply_status(r, status, http_stream_headers(stream), body);
    }
    /* Some servers stream, or do not, whatever was asked: the type of the answer decides. */
    if (type_is(stream, "text/event-stream"))
        return read_stream(step, cfg, r, stream);
    if (type_is(stream, "text/html"))
        return err_detail(E_UPSTREAM,
                          "%.*s answered node %.*s with a web page, not as a model server does: "
                          "check its base_url.",
                          P(r->call->host), P(step->node->id));
    TRY(read_whole(r, cfg, stream, BODY_MAX, false, &body));
    TRY(llm_reply_body(r, body));
    tell(step, r, buf_str(&r->text));
    return OK;
}

/* ---- the output ---- */

/* The text without a Markdown fence around it: many models add one even when asked for JSON. */
static Str unfenced(Str text)
{
    text = str_trim(text);
    if (!str_starts(text, S("```")) || !str_ends(text, S("```")) || text.n < 6)
        return text;
    size_t line = str_find_char(text, '\n');
    if (line == SIZE_MAX || line + 4 > text.n)
        return text;
    return str_trim((Str){text.p + line, text.n - line - 3});
}

/* The answer as JSON that meets the schema; its content does not go into the error. */
static Err answer_json(struct wf_step *step, const struct llm_cfg *cfg, const struct llm_reply *r,
                       Str text, struct json **ret_json)
{
    const struct json_limits limits = {.depth = STEP_DEPTH_MAX};
    JsonSchemaErrors errors = {0};

    if (str_eq(cfg->response_format, S("text")))
        return OK;
    if (json_parse_limits(step->a, unfenced(text), &limits, ret_json) != OK)
        return err_detail(E_UPSTREAM,
                          "The model's answer to node %.*s is not the JSON it was asked for%s",
                          P(step->node->id),
                          str_eq(r->finish_reason, S("length"))
                              ? ": it ended at the limit of tokens; raise max_tokens."
                              : ".");
    if (!cfg->schema || json_schema_validate(cfg->schema, step->a, *ret_json, 1, &errors) == OK)
        return OK;
    const struct json_schema_error *first = errors.at;
    return err_detail(E_UPSTREAM,
                      "The model's answer to node %.*s does not meet the schema%s%.*s (%.*s).",
                      P(step->node->id), errors.n && first->path.n ? " at " : "",
                      P(errors.n ? first->path : S("")), P(errors.n ? first->keyword : S("depth")));
}

static Err make_output(struct wf_step *step, const struct llm_cfg *cfg, struct llm_reply *r,
                       struct json **ret_output)
{
    struct arena *a = step->a;
    struct json *json = NULL;
    Str text = str_dup(a, buf_str(&r->text));

    TRY(answer_json(step, cfg, r, text, &json));
    *ret_output =
        json_obj(a, "text", json_str(a, text), "json", json, "model", json_str(a, r->model),
                 "finish_reason", json_str(a, r->finish_reason), "usage", llm_reply_usage(r), NULL);
    return OK;
}

static Err converse(struct wf_step *step, const struct llm_cfg *cfg, struct step_call *call,
                    struct llm_reply *r, struct json **ret_output)
{
    AUTO(http_stream) *stream = NULL;
    Err e;

    call->http.max_body = STREAM_MAX;
    if (cfg->stream)
        call->http.idle_timeout = cfg->silence;
    e = http_open(step->a, &call->http, &stream);
    if (e != OK)
        return e == E_TIMEOUT ? silent(call, cfg) : step_call_failed(call, e);
    llm_reply_init(r, call); /* not before: thousands of calls may wait for this moment */
    TRY(read_answer(step, cfg, r, stream));
    return make_output(step, cfg, r, ret_output);
}

static Err run(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome)
{
    const struct llm_cfg *cfg = settings;
    struct llm_reply reply = {0};
    struct step_call call;

    TRY(prepare(step, cfg, &call));
    Err e = converse(step, cfg, &call, &reply, &ret_outcome->output);
    llm_reply_done(&reply);
    return e;
}

static struct json *sample(struct arena *a, const void *settings)
{
    const struct llm_cfg *cfg = settings;
    struct json *zero = json_int(a, 0), *json = NULL;

    if (cfg->schema)
        json = wf_sample_schema(a, cfg->schema_json);
    else if (str_eq(cfg->response_format, S("json")))
        json = json_obj(a, NULL);
    return json_obj(
        a, "text", json ? json_str(a, json_text(a, json)) : json_str_c(a, "placeholder"), "json",
        json, "model", json_str_c(a, "placeholder"), "finish_reason", json_str_c(a, "stop"),
        "usage",
        json_obj(a, "prompt_tokens", zero, "completion_tokens", zero, "total_tokens", zero, NULL),
        NULL);
}

const struct wf_node_type wf_node_llm = {
    .name = "llm",
    .title = "Language model",
    .help = "Asks a language model and gives its answer.",
    .group = "ai",
    .fields = fields,
    .settings_size = sizeof(struct llm_cfg),
    .effects = WF_IDEMPOTENT,
    .retry = {.max_attempts = 3,
              .exponential = true,
              .delay = USEC_S,
              .on = WF_RETRY_USUAL | WF_RETRY_BAD_ANSWER},
    .timeout = 10 * USEC_MIN,
    .check = check,
    .speaks = true,
    .run = run,
    .sample = sample,
};
