/* src/llm/door.c - a call from a client to its upstream and back. */
#include "llm/door.h"

#include "base/json.h"
#include "llm/door_out.h"
#include "llm/door_private.h"
#include "llm/states.h"
#include "rt/log.h"
#include "rt/metric.h"

enum {
    ANSWER_MAX = 64 << 20,
    ERROR_MAX = 1 << 20,
    STREAM_MAX = 1 << 30,
};
static const Usec STREAM_LONGEST = USEC_DAY;
static const Usec LAST_BYTES = 100 * USEC_MS;

static struct metric calls_total = {"heddle_model_calls_total",
                                    "Model calls by provider and how they ended.", METRIC_COUNTER,
                                    "provider,outcome"};
static struct metric tokens_total = {"heddle_model_tokens_total", "Tokens as upstreams count them.",
                                     METRIC_COUNTER, "provider,kind"};
static struct metric first_byte = {"heddle_model_first_byte_seconds",
                                   "From the upstream call to the first byte of its answer.",
                                   METRIC_HISTOGRAM, "provider"};

/* ---- the upstream's request ---- */

/* What the client says to the model's server rather than to us; what is of a dialect goes to
 * servers of that alone. */
static void hand_on(struct llm_call *c, HttpHeaders *headers)
{
    static const struct {
        Str name;
        const struct llm_dialect *dialect; /* NULL: any */
    } rows[] = {
        {S_INIT("idempotency-key"), NULL},
        {S_INIT("traceparent"), NULL},
        {S_INIT("tracestate"), NULL},
        {S_INIT("openai-beta"), &llm_dialect_openai},
        {S_INIT("anthropic-version"), &llm_dialect_anthropic},
        {S_INIT("anthropic-beta"), &llm_dialect_anthropic},
    };
    const struct llm_dialect *to = c->target.provider->kind->dialect;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Str value = req_header(c->req, rows[i].name);
        bool fits = !rows[i].dialect || (rows[i].dialect == to && !c->translated);
        if (value.p && fits)
            http_header_add(c->req->a, headers, rows[i].name, value);
    }
}

static Err make_call(struct llm_call *c, struct http_call *ret_call)
{
    const struct llm_provider *p = c->target.provider;
    struct arena *a = c->req->a;
    Usec silence = c->route && c->route->timeout ? c->route->timeout : p->timeout;
    bool in_pieces = c->stream || llm_passes(c->op);
    struct http_call call = {
        .method = HTTP_POST,
        .egress = p->egress,
        .deadline = usec_in(in_pieces ? STREAM_LONGEST : silence),
        .idle_timeout = silence,
        .max_body = in_pieces ? STREAM_MAX : ANSWER_MAX,
        .idempotent = true, /* on a kept connection that turned out dead nothing was done yet */
    };

    TRY(llm_usable(p));
    enum llm_op op = c->translated && c->op == LLM_RESPONSES ? LLM_CHAT : c->op;
    Err e = llm_upstream_url(a, p, op, c->target.model, c->stream, &call.url);
    c->untranslatable = e == E_BAD_INPUT;
    TRY(e);
    TRY(c->form ? llm_pass_body(c, &call) : llm_call_body(c, &call.body));
    hand_on(c, &call.headers);
    llm_upstream_headers(a, p, &call.headers);
    http_header_add(a, &call.headers, S("Content-Type"),
                    c->form ? c->form_type : S("application/json"));
    http_header_add(a, &call.headers, S("Accept"),
                    llm_passes(c->op) ? S("*/*")
                    : c->stream       ? S("text/event-stream")
                                      : S("application/json"));
    c->attempts++;
    c->first_at = 0;
    c->sent_at = time_mono();
    if (!c->first_sent_at)
        c->first_sent_at = c->sent_at;
    *ret_call = call;
    return OK;
}

/* What the target's tokens cost. */
static Err find_price(struct llm_call *c)
{
    c->price = (struct llm_price){0};
    c->priced = llm_pass_price(c, &c->target, &c->price);
    if (!c->llm->refuse_unpriced || (c->priced && llm_pass_covers(c->op, &c->price)))
        return OK;
    return err_detail(E_INVALID,
                      "The price of \"%.*s\" at \"%.*s\" is not known for such a call (%.*s), and "
                      "calls without a price are refused.",
                      P(str_head(c->target.model, 128)), P(c->target.provider->name),
                      P(llm_operation_name(c->op)));
}

/* The status is not 200. That of a route's target waits: another one may answer. */
Err llm_refused(struct llm_call *c, int status, const HttpHeaders *headers, Str body)
{
    c->refusal = (struct llm_refusal){status, *headers, body};
    llm_refusal_read(c, &c->refusal);
    status = c->said = c->refusal.status;
    bool other = status == 401 || status == 402 || status == 408 || status == 429 || status >= 500;
    c->missed = c->follows.n && !other && llm_is_missing(status, body);
    if (c->route && (other || c->missed))
        return OK;
    /* A server without responses says so in many ways; its chat tells whether that is so. */
    c->lacking = c->op == LLM_RESPONSES && !c->translated && !c->follows.n &&
                 llm_responses_of(c->target.provider) == LLM_RESPONSES_PERHAPS &&
                 (status == 404 || status == 405 || status == 501);
    if (c->lacking)
        return OK;
    TRY(llm_claim(c));
    struct llm_refusal told = c->refusal;
    c->refusal.status = 0;
    return llm_answer_error(c, told.status, &told.headers, told.body);
}

/* ---- whole answers ---- */

/* As http_fetch(), and with the first byte of a result it is this attempt that answers. */
static Err fetch_claimed(struct llm_call *c, const struct http_call *call,
                         struct http_reply *ret_reply)
{
    AUTO(http_stream) *up = NULL;
    AUTO_BUF(b, ANSWER_MAX);
    Str piece;
    Err e;

    TRY(http_open(c->req->a, call, &up));
    int status = http_stream_status(up);
    while ((e = http_read(up, &piece)) == OK) {
        if (status == 200)
            TRY(llm_claim(c));
        buf_add(&b, piece);
    }
    if (e != E_EOF)
        return e;
    char *to = b.failed ? NULL : arena_try(c->req->a, b.n + 1);
    if (!to)
        return err_set(E_TOO_LARGE, "an answer that does not fit");
    memcpy(to, b.n ? b.p : "", b.n);
    *ret_reply = (struct http_reply){status, *http_stream_headers(up), str_from(to, b.n)};
    return status == 200 ? llm_claim(c) : OK;
}

static Err call_whole(struct llm_call *c, const struct http_call *call)
{
    struct http_reply reply;
    Err e = c->race ? fetch_claimed(c, call, &reply) : http_fetch(c->req->a, call, &reply);

    if (e != OK)
        return llm_call_error(c->target.provider, e);
    c->first_at = time_mono();
    if (reply.status != 200)
        return llm_refused(c, reply.status, &reply.headers, reply.body);
    return llm_answer_whole(c, &reply.headers, reply.body);
}

/* ---- streams ---- */

/* A stream that is being written knows more of what belongs there. */
static Str error_event(struct llm_call *c, const struct llm_relay *relay, Err code)
{
    struct arena *a = c->req->a;
    struct llm_stream *s = relay ? relay->translation : NULL;
    Str message = str_dup(a, str_c(err_client_text(code))), slug = str_c(err_slug(code));

    /* It may repeat what hooks let nobody see. */
    if (s && c->talk && !s->done && !s->failed && llm_hook_failure(c) == OK) {
        buf_reset(&s->out);
        s->fault = OK;
        llm_stream_put(
            s, &(struct llm_delta){
                   .kind = LLM_D_ERROR, .status = err_http(code), .name = slug, .text = message});
        if (s->fault == OK && buf_ok(&s->out) == OK)
            return buf_str(&s->out);
    }
    Str text = llm_error_text(c, err_http(code), message, slug);
    return str_fmt(a, "%.*sdata: %.*s\n\n", P(c->dialect->error_before), P(text));
}

static Err write_error(struct llm_call *c, const struct llm_relay *relay, Err code)
{
    Str event = error_event(c, relay, code);

    if (c->log)
        llm_log_note(c, event);
    return llm_out(c, event);
}

Err llm_tell_in_stream(struct llm_call *c, const struct llm_relay *relay, Err code)
{
    c->told = llm_hook_failure(c) == OK; /* else it is not the provider's */
    fiber_shield();                      /* a drain cancels; the write deadline bounds it */
    Err e = write_error(c, relay, code);
    if (e == OK)
        e = llm_out_end(c);
    fiber_unshield();
    return e;
}

/* Whether the client has a part of an event. */
static bool is_inside(const struct llm_call *c, const struct llm_relay *relay)
{
    return relay->inside && !(c->hook && llm_hook_holds(c));
}

/* In the stream, since its head is out. In the middle of an event nothing can be said: returning
 * without res_end() cuts the connection, which the client takes for the failure it is. */
static Err tell_in_stream(struct llm_call *c, const struct llm_relay *relay, Err code)
{
    if (!is_inside(c, relay))
        return llm_tell_in_stream(c, relay, code);
    c->told = true;
    return code;
}

/* @last: the answer is whole with it. */
static Err write_piece(struct llm_call *c, const struct llm_relay *relay, Str piece, bool last)
{
    if (c->cache)
        llm_cache_note(c, piece, last && !relay->failed, &relay->usage);
    if (c->hook)
        TRY(llm_hook_pass(c, &piece));
    if (c->log)
        llm_log_note(c, piece);
    return piece.n ? llm_out(c, piece) : OK;
}

/* Before anybody has the end of it. */
static Err keep_answer(struct llm_call *c, const struct llm_relay *relay)
{
    const struct llm_stream *s = relay->translation;

    if (!s || !s->answer_n || relay->failed)
        return OK;
    return llm_talk_keep(c, str_from(s->out.p + s->answer_at, s->answer_n));
}

/* What could not be written: the client is gone, or hooks let no more of it pass. */
static Err stop_stream(struct llm_call *c, const struct llm_relay *relay, Err e)
{
    return llm_hook_failure(c) != OK ? tell_in_stream(c, relay, e) : e;
}

/* All of the answer was written. */
static Err finish_stream(struct llm_call *c, const struct llm_relay *relay)
{
    Str rest = S("");
    Err e = c->hook ? llm_hook_finish(c, &rest) : OK;

    if (e == OK && rest.n && c->log)
        llm_log_note(c, rest);
    if (e == OK && rest.n)
        e = llm_out(c, rest);
    return e == OK ? llm_out_end(c) : stop_stream(c, relay, e);
}

/* The upstream's stream has ended with @e. */
static Err end_stream(struct llm_call *c, struct llm_relay *relay, Err e)
{
    const struct llm_provider *p = c->target.provider;

    if (e == E_EOF || e == E_UPSTREAM_CUT) {
        Str rest = llm_relay_rest(relay);
        bool whole = relay->done || (e == E_EOF && relay->finished);
        if (relay->failed && !relay->inside)
            return finish_stream(c, relay);
        if (relay->fault != OK)
            return tell_in_stream(c, relay, llm_call_error(p, relay->fault));
        if (whole && (e = keep_answer(c, relay)) != OK)
            return tell_in_stream(c, relay, e);
        if (whole) {
            Str end = relay->done ? S("") : c->dialect->stream_end;
            if (rest.n)
                end = str_fmt(c->req->a, "%.*s%s%.*s", P(rest),
                              str_ends(rest, S("\n\n")) ? "" : "\n\n", P(end));
            Err w = write_piece(c, relay, end, true);
            return w == OK ? finish_stream(c, relay) : stop_stream(c, relay, w);
        }
        e = err_detail(E_UPSTREAM_CUT, "The provider \"%.*s\" stopped in the middle of its answer.",
                       P(p->name));
    } else if (e == E_CANCELLED) {
        e = err_detail(E_SHUTDOWN, "The gateway is shutting down.");
    } else {
        e = llm_call_error(p, e);
    }
    return tell_in_stream(c, relay, e);
}

/* The client has all of it. Let the upstream end its answer, so that its connection can be kept. */
static void take_last_bytes(struct http_stream *up)
{
    Usec before = fiber_deadline_set(usec_in(LAST_BYTES));
    Str piece;

    while (http_read(up, &piece) == OK)
        ;
    fiber_deadline_set(before);
}

/* Silence on a client's line makes proxies and clients give up: a comment, which they skip, keeps
 * it open. Between events alone. */
static Err keep_alive(struct llm_call *c, const struct llm_relay *relay)
{
    return is_inside(c, relay) ? OK : llm_out_alive(c);
}

/* The next piece. */
static Err next_piece(struct llm_call *c, struct http_stream *up, const struct llm_relay *relay,
                      Str *ret_piece)
{
    while (c->heartbeat && http_wait(up, c->heartbeat) == E_TIMEOUT)
        TRY(keep_alive(c, relay));
    return http_read(up, ret_piece);
}

/* @piece: what was read already. */
static Err pass_stream(struct llm_call *c, struct http_stream *up, struct llm_relay *relay,
                       Str piece)
{
    Err e = piece.n ? OK : next_piece(c, up, relay, &piece);

    for (; e == OK; e = next_piece(c, up, relay, &piece)) {
        if (!c->first_at)
            c->first_at = time_mono();
        Str out = llm_relay_feed(relay, piece);
        if (relay->done && (e = keep_answer(c, relay)) != OK)
            return tell_in_stream(c, relay, e);
        Err w = out.n ? write_piece(c, relay, out, relay->done) : OK;
        if (w != OK)
            return stop_stream(c, relay, w);
        if (relay->fault != OK)
            return end_stream(c, relay, relay->fault);
        if (!relay->done || relay->failed || relay->held.n)
            continue;
        TRY(finish_stream(c, relay));
        take_last_bytes(up);
        return OK;
    }
    return end_stream(c, relay, e);
}

Err llm_read_error_body(struct llm_call *c, struct http_stream *up, Str *ret_body)
{
    AUTO_BUF(b, ERROR_MAX);
    Str piece;
    Err e;

    while ((e = http_read(up, &piece)) == OK)
        buf_add(&b, piece);
    if (e != E_EOF || b.failed)
        buf_reset(&b); /* cut or endless: its status says enough */
    *ret_body = str_dup(c->req->a, buf_str(&b));
    return e == E_CANCELLED ? e : OK;
}

/* The first piece of a stream in a race, which is won by it. */
static Err claim_stream(struct llm_call *c, struct http_stream *up, Str *ret_piece)
{
    Err e = http_read(up, ret_piece);

    if (e != OK)
        return llm_call_error(c->target.provider, e == E_EOF ? E_UPSTREAM_CUT : e);
    c->first_at = time_mono();
    return llm_claim(c);
}

/* Some name a stream what it is not. Whether it is one is told by how it begins; @ret_piece is what
 * was read for that. */
static Err check_stream(struct llm_call *c, struct http_stream *up, Str *ret_piece)
{
    static const Str beginnings[] = {S_INIT("data:"), S_INIT("event:"), S_INIT(":"), S_INIT("id:")};
    Str type = http_header_get(http_stream_headers(up), S("content-type")), piece;

    *ret_piece = (Str){0};
    if (!http_type_is(type, S("application/json")) && !http_type_is(type, S("text/html")))
        return c->race ? claim_stream(c, up, ret_piece) : OK;
    Err e = http_read(up, &piece);
    if (e != OK && e != E_EOF)
        return llm_call_error(c->target.provider, e);
    TRY(llm_claim(c));
    for (size_t i = 0; e == OK && i < ARRAY_LEN(beginnings); i++)
        if (str_starts(str_trim(piece), beginnings[i])) {
            *ret_piece = piece;
            return OK;
        }
    return err_detail(E_UPSTREAM,
                      "The provider \"%.*s\" does not stream: it answered with one "
                      "whole document.",
                      P(c->target.provider->name));
}

/* How long a client may hear nothing; 0: for ever. */
static Usec heartbeat_of(const struct llm_call *c)
{
    Str agent = req_header(c->req, S("user-agent")), rest = c->llm->heartbeat_skip, name;

    while (http_list_next(&rest, &name))
        if (str_starts_nocase(agent, name))
            return 0;
    return c->llm->heartbeat;
}

enum llm_events llm_events_of(const struct llm_call *c)
{
    return c->dialect == &llm_dialect_anthropic   ? LLM_EVENTS_MESSAGES
           : c->dialect == &llm_dialect_responses ? LLM_EVENTS_RESPONSES
           : c->dialect == &llm_dialect_gemini    ? LLM_EVENTS_GEMINI
           : llm_passes(c->op)                    ? LLM_EVENTS_PASSED
                                                  : LLM_EVENTS_CHUNKS;
}

Err llm_answer_stream(struct llm_call *c, struct http_stream *up)
{
    const HttpHeaders *headers = http_stream_headers(up);
    struct llm_relay relay;
    Str piece;

    TRY(check_stream(c, up, &piece));
    c->heartbeat = heartbeat_of(c);
    llm_answer_headers(c, headers);
    c->status = 200;
    TRY(llm_out_begin(c));
    llm_relay_init(&relay, !c->wants_usage);
    relay.events = llm_events_of(c);
    relay.mend = c->op == LLM_CHAT && c->members[MEMBER_TOOLS].to;
    if (c->translated)
        relay.translation = llm_stream_new(c->target.provider->kind->dialect, c->dialect,
                                           c->target.model, c->wants_usage);
    if (relay.translation && c->talk)
        relay.translation->reply = &c->talk->reply;
    Err e = pass_stream(c, up, &relay, piece);
    c->usage = relay.usage;
    c->chunks = relay.chunks;
    c->told = c->told || relay.failed;
    if (!c->translated)
        llm_pin(c, str_from(relay.id, relay.id_n));
    llm_relay_done(&relay);
    return e;
}

static Err call_stream(struct llm_call *c, const struct http_call *call)
{
    AUTO(http_stream) *up = NULL;
    Str body;
    Err e = http_open(c->req->a, call, &up);

    if (e != OK)
        return llm_call_error(c->target.provider, e);
    buf_done(&c->edited); /* it was sent: a stream may live long */
    if (http_stream_status(up) == 200)
        return llm_answer_stream(c, up);
    TRY(llm_read_error_body(c, up, &body));
    return llm_refused(c, http_stream_status(up), http_stream_headers(up), body);
}

/* ---- a call ---- */

static const char *outcome_of(const struct llm_call *c, Err e)
{
    if (e == E_CANCELLED || e == E_CLOSED)
        return "cancelled";
    if (llm_hook_failure(c) != OK)
        return llm_hook_failure(c) == E_BLOCKED ? "blocked" : "failed";
    if (e != OK || c->told)
        return "failed";
    return c->status == 200 ? "ok" : c->status == 429 ? "limited" : "refused";
}

void llm_count_attempt(const struct llm_call *c, const char *outcome)
{
    char name[LLM_NAME_MAX + 1];

    snprintf(name, sizeof name, "%.*s", P(c->target.provider->name));
    metric_add(metric_series(&calls_total, name, outcome), 1);
}

static void count(const struct llm_call *c, Err e)
{
    char name[LLM_NAME_MAX + 1];
    const struct llm_provider *p = c->target.provider;

    if (!p || !c->attempts)
        return;
    snprintf(name, sizeof name, "%.*s", P(p->name));
    llm_count_attempt(c, outcome_of(c, e));
    if (c->first_at)
        metric_observe(metric_series(&first_byte, name),
                       (double)(c->first_at - c->sent_at) / (double)USEC_S);
    if (!c->usage.known)
        return;
    metric_add(metric_series(&tokens_total, name, "prompt"), c->usage.prompt);
    metric_add(metric_series(&tokens_total, name, "completion"), c->usage.completion);
}

Str llm_operation_name(enum llm_op op)
{
    static const Str names[LLM_OPS] = {[LLM_CHAT] = S_INIT("chat"),
                                       [LLM_COMPLETIONS] = S_INIT("completions"),
                                       [LLM_EMBEDDINGS] = S_INIT("embeddings"),
                                       [LLM_MESSAGES] = S_INIT("messages"),
                                       [LLM_COUNT_TOKENS] = S_INIT("count_tokens"),
                                       [LLM_RESPONSES] = S_INIT("responses"),
                                       [LLM_GENERATE] = S_INIT("generate_content"),
                                       [LLM_GENERATE_TOKENS] = S_INIT("count_tokens"),
                                       [LLM_EMBED_CONTENT] = S_INIT("embed_content"),
                                       [LLM_EMBED_CONTENTS] = S_INIT("embed_content"),
                                       [LLM_RERANK] = S_INIT("rerank"),
                                       [LLM_MODERATIONS] = S_INIT("moderations"),
                                       [LLM_TRANSCRIPTIONS] = S_INIT("transcriptions"),
                                       [LLM_TRANSLATIONS] = S_INIT("translations"),
                                       [LLM_SPEECH] = S_INIT("speech"),
                                       [LLM_IMAGES] = S_INIT("images"),
                                       [LLM_IMAGE_EDITS] = S_INIT("image_edits"),
                                       [LLM_IMAGE_VARIATIONS] = S_INIT("image_variations")};

    return names[op];
}

/* What a call used. One whose upstream said nothing of it used something all the same: what was
 * sent, at four bytes a token, and the chunks that came. */
static struct llm_usage used(const struct llm_call *c, bool cancelled)
{
    struct llm_usage usage = c->usage;

    bool answered = c->status == 200 || llm_hook_answered(c);

    if (!c->attempts || (!answered && !cancelled) || llm_counts(c->op))
        return usage;
    if (llm_passes(c->op))
        return llm_pass_used(c);
    if (usage.known)
        return usage;
    usage.prompt = (int64_t)(c->body.n / 4);
    usage.completion = (int64_t)c->chunks;
    usage.estimated = usage.prompt + usage.completion > 0;
    return usage;
}

int64_t llm_call_cost(const struct llm_call *c, const struct llm_usage *usage)
{
    if (usage->prompt + usage->completion + usage->images + usage->characters + usage->audio_ms ==
        0)
        return 0;
    return c->priced && llm_pass_priced(&c->price, usage) ? llm_price_cost(&c->price, usage) : -1;
}

/* The record of a call that ended with @e. */
static struct model_call_row row_of(const struct llm_call *c, Err e, const struct llm_usage *usage,
                                    int64_t cost)
{
    bool cancelled = e == E_CANCELLED || e == E_CLOSED;
    const struct llm_kept *kept = llm_cache_hit(c);

    Err failure = llm_hook_failure(c);

    return (struct model_call_row){
        .id = id_new(),
        .tenant = c->req->who.tenant,
        .key = c->req->who.actor,
        .owner = c->req->who.user,
        .team = c->req->who.team,
        .model = c->called.n ? c->called : c->model,
        .provider = kept                 ? kept->provider
                    : c->target.provider ? c->target.provider->name
                                         : S(""),
        .upstream_model = kept ? kept->upstream : c->target.model,
        .operation = llm_operation_name(c->op),
        .outcome = str_c(outcome_of(c, e)),
        .streamed = c->stream,
        .from_cache = kept != NULL,
        .hedged = c->hedged,
        .estimated = usage->estimated,
        .status = cancelled   ? 499
                  : c->status ? c->status
                              : err_http(e),
        .attempts = c->attempts,
        .prompt = usage->prompt,
        .cached = usage->cached,
        .completion = usage->completion,
        .reasoning = usage->reasoning,
        .cost = cost,
        .saved = kept && kept->cost > 0 ? kept->cost : 0,
        .overhead = c->first_sent_at ? c->first_sent_at - c->ready_at : 0,
        .first_byte = c->first_at ? c->first_at - c->sent_at : 0,
        .total = time_mono() - c->req->started,
        .agent = c->labels[LLM_LABEL_AGENT],
        .workflow = c->labels[LLM_LABEL_WORKFLOW],
        .step = c->labels[LLM_LABEL_STEP],
        .user = c->labels[LLM_LABEL_USER],
        .error = e != OK         ? str_c(err_slug(e))
                 : failure != OK ? str_c(err_slug(failure))
                 : c->told       ? S("upstream_cut")
                                 : S(""),
        .request_id = c->req->request_id,
    };
}

/* Settle and record what the call used. */
static void record(struct llm_call *c, Err e)
{
    struct llm_usage usage = used(c, e == E_CANCELLED || e == E_CLOSED);
    int64_t cost = llm_call_cost(c, &usage);

    llm_call_settle(c, &usage, cost);
    if (!c->llm->ledger || (!c->attempts && !llm_cache_hit(c) && !llm_hook_spoke(c)) ||
        llm_counts(c->op)) /* which costs nothing */
        return;
    struct model_call_row row = row_of(c, e, &usage, cost);
    if (c->hook)
        llm_hook_record(c, &row);
    llm_log_end(c, &row);
    llm_ledger_add(c->llm->ledger, &row);
}

void llm_call_lost(struct llm_call *c, struct llm_hold *hold)
{
    struct llm_usage usage = used(c, true);
    int64_t cost = llm_call_cost(c, &usage);

    llm_count_attempt(c, "lost");
    llm_call_settle_aside(c, hold, usage.prompt + usage.completion, cost);
    if (!c->llm->ledger)
        return;
    struct model_call_row row = row_of(c, E_CANCELLED, &usage, cost);
    row.error = S("hedge_lost");
    llm_ledger_add(c->llm->ledger, &row);
}

static Err attempt(struct llm_call *c)
{
    struct http_call call;

    c->refusal.status = 0;
    c->untranslatable = c->missed = c->lacking = false;
    c->dropped = c->changed = S("");
    if (llm_counts(c->op) && c->translated)
        return llm_count_tokens(c);
    TRY(find_price(c));
    TRY(llm_context_fit(c));
    if (c->target.provider->kind->demo)
        return llm_demo_call(c);
    TRY(llm_quirks(c));
    TRY(make_call(c, &call));
    return llm_passes(c->op) ? llm_pass_call(c, &call)
           : c->stream       ? call_stream(c, &call)
                             : call_whole(c, &call);
}

/* What the response follows is not kept here, and this provider keeps none. */
static Err refuse_what_follows(struct llm_call *c)
{
    c->translated = false; /* it is said in the client's dialect already */
    c->refusal.status = 0;
    c->untranslatable = c->missed = false;
    c->dropped = c->changed = S("");
    return llm_refused(c, 400, &(HttpHeaders){0}, llm_talk_missing(c));
}

/* As attempt(); a provider that turns out to have no responses is asked for a chat. */
static Err attempt_responses(struct llm_call *c)
{
    c->lacking = false;
    c->translated = llm_is_foreign(c);
    llm_talk_attempt(c);
    if (c->translated && c->follows.n)
        return refuse_what_follows(c);
    Err e = attempt(c);
    if (!c->lacking)
        return e;
    c->attempts--;
    c->said = 0;
    c->translated = true;
    e = attempt(c);
    if (e == OK && c->status == 200)
        llm_lacks_note(c->llm->lacks, c->target.provider, time_mono());
    return e;
}

/* What the attempt says about the provider, if it reached for it and nobody gave it up. */
static void note_fate(const struct llm_call *c, Err e)
{
    int status = c->said ? c->said : c->status && c->status != 200 ? c->status : 0;
    enum llm_fate fate = c->told   ? LLM_FATE_CUT
                         : status  ? llm_fate_of(status)
                         : e == OK ? LLM_FATE_OK
                                   : llm_fate_of_error(e);

    /* What hooks ended is nobody's fault there. */
    if (e != E_CANCELLED && e != E_CLOSED && llm_hook_failure(c) == OK)
        llm_state_note(c->llm, c->target.provider, fate,
                       c->first_at ? c->first_at - c->sent_at : 0);
}

Err llm_attempt(struct llm_call *c)
{
    unsigned before = c->attempts;

    c->said = 0;
    Err e = attempt_responses(c);
    if (c->attempts > before)
        note_fate(c, e);
    return e;
}

/* A provider's own names are no route's. */
static const struct llm_route *route_of(const struct llm_call *c, const struct llm_view *view)
{
    Str first;

    if (str_cut(c->model, '/', &first).n && llm_view_named(view, c->req->who.tenant, first))
        return NULL;
    return llm_route_named(view, c->req->who.tenant, c->model);
}

static Err serve(struct llm_call *c, const struct llm_view *view)
{
    bool served = false;

    TRY(llm_call_read(c));
    Str asked = c->model;
    TRY(llm_call_open(c));
    llm_log_begin(c);
    TRY(llm_prompt_apply(c));
    TRY(llm_talk_begin(c));
    if (c->talk && (c->talk->lost || c->talk->gone.n))
        return llm_talk_lost(c);
    c->route = route_of(c, view);
    if (!c->route) {
        Err e = llm_resolve(c->llm, c->req->a, view, c->req->who.tenant, c->model, &c->target);
        if (e == E_NOT_FOUND && c->op == LLM_MODERATIONS && view->hooked)
            return llm_hook_moderate(c, view, asked);
        TRY(e);
    }
    if (view->hooked)
        TRY(llm_hook_request(c, view, asked));
    TRY(llm_cache_begin(c, view, &served));
    if (served)
        return OK;
    TRY(llm_call_reserve(c, view));
    return c->route ? llm_route_call(c, view) : llm_attempt(c);
}

Err llm_call_serve(struct llm_call *c)
{
    AUTO(llm_view) *view = llm_view_take(c->llm);

    Err e = serve(c, view);
    struct err_record kept = *err_record();
    count(c, e);
    record(c, e);
    *err_record() = kept;
    buf_done(&c->edited);
    return e;
}

/* @model: as the path names it; p == NULL: the body does. */
static Err door_call(struct llm *llm, struct req *req, struct res *res, enum llm_op op, Str model)
{
    struct llm_call *c = arena_new_of(req->a, struct llm_call);

    c->llm = llm;
    c->req = req;
    c->res = res;
    c->op = op;
    c->model = model;
    c->named = model.p != NULL;
    c->dialect = op == LLM_MESSAGES || op == LLM_COUNT_TOKENS ? &llm_dialect_anthropic
                 : op == LLM_RESPONSES                        ? &llm_dialect_responses
                                                              : &llm_dialect_openai;
    return llm_call_serve(c);
}

Err llm_door_call(struct llm *llm, struct req *req, struct res *res, enum llm_op op)
{
    return door_call(llm, req, res, op, (Str){0});
}

Err llm_door_deployment(struct llm *llm, struct req *req, struct res *res, Str path)
{
    static const struct {
        Str end;
        enum llm_op op;
    } calls[] = {{S_INIT("/chat/completions"), LLM_CHAT},
                 {S_INIT("/completions"), LLM_COMPLETIONS},
                 {S_INIT("/embeddings"), LLM_EMBEDDINGS},
                 {S_INIT("/audio/transcriptions"), LLM_TRANSCRIPTIONS},
                 {S_INIT("/audio/translations"), LLM_TRANSLATIONS},
                 {S_INIT("/audio/speech"), LLM_SPEECH},
                 {S_INIT("/images/generations"), LLM_IMAGES},
                 {S_INIT("/images/edits"), LLM_IMAGE_EDITS},
                 {S_INIT("/images/variations"), LLM_IMAGE_VARIATIONS}};

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (str_ends(path, calls[i].end) && path.n > calls[i].end.n)
            return door_call(llm, req, res, calls[i].op, str_head(path, path.n - calls[i].end.n));
    return err_detail(E_NOT_FOUND, "There is no such call of a deployment here.");
}
