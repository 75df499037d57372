/* src/llm/prober.c - asks providers that want it if they are there.
 *
 * Each server asks for itself: what one can reach says nothing of another, and their breakers are
 * their own. A word that a model is made to say is a call of the tenant: its limits have room for
 * it, or it is not made, and it stands in the record of calls as "probe", of no key.
 */
#include "llm/dialects/chat.h"
#include "llm/limits.h"
#include "llm/llm_private.h"
#include "llm/prices.h"
#include "llm/states.h"
#include "llm/upstream.h"
#include "net/http_client.h"
#include "rt/log.h"
#include "rt/metric.h"

#include <stdlib.h>

enum {
    UNDER_WAY_MAX = 16, /* probes at once */
    PROBE_ARENA_MAX = 512 << 20,
    ANSWER_MAX = 64 * 1024,
    WORD_TOKENS = 16, /* the least that all models take */
    PROMPT_TOKENS = 64,
};
static const Usec TICK = 250 * USEC_MS;

static struct metric probes_total = {"heddle_model_probes_total",
                                     "Providers asked if they are there, by how it ended.",
                                     METRIC_COUNTER, "provider,outcome"};

struct probing {
    struct llm *llm;
    struct llm_view *view;
    const struct llm_provider *p;
};

/* ---- a word of a model ---- */

struct word {
    struct llm *llm;
    struct arena *a;
    struct llm_target target;
    struct llm_price price;
    bool priced, sent;
    struct llm_usage usage;
    int status;
    Usec began;
};

static Err make_body(struct word *w, Str *ret_text)
{
    static const Str request = S_INIT("{\"messages\":[{\"role\":\"user\",\"content\":\"Say ok.\"}],"
                                      "\"max_completion_tokens\":16}");
    const struct llm_kind *kind = w->target.provider->kind;
    struct llm_chat *chat = arena_new_of(w->a, struct llm_chat);
    struct json *v, *body;

    chat->a = chat->text = w->a;
    chat->most_tokens = w->priced ? w->price.max_output : 0;
    TRY(json_parse(w->a, request, &v));
    TRY(llm_dialect_openai.read_request(chat, v));
    TRY(kind->dialect->write_request(chat, w->target.model, kind->full, &body));
    *ret_text = json_text(w->a, body);
    return OK;
}

static Err read_word(struct word *w, Str body)
{
    struct llm_chat *chat = arena_new_of(w->a, struct llm_chat);
    struct llm_answer answer = {0};
    struct json *v;

    chat->a = chat->text = w->a;
    if (json_parse(w->a, body, &v) != OK ||
        w->target.provider->kind->dialect->read_answer(chat, v, &answer) != OK)
        return err_detail(E_UPSTREAM, "The model \"%.*s\" gave no usable answer.",
                          P(w->target.model));
    w->usage = answer.usage;
    return OK;
}

static Err ask_word(struct word *w)
{
    const struct llm_provider *p = w->target.provider;
    struct http_reply reply;
    struct http_call call = {.method = HTTP_POST,
                             .egress = p->egress,
                             .deadline = usec_in(p->probe.timeout),
                             .max_body = ANSWER_MAX,
                             .idempotent = true};

    TRY(llm_upstream_url(w->a, p, LLM_CHAT, w->target.model, false, &call.url));
    TRY(make_body(w, &call.body));
    llm_upstream_headers(w->a, p, &call.headers);
    http_header_add(w->a, &call.headers, S("Content-Type"), S("application/json"));
    http_header_add(w->a, &call.headers, S("Accept"), S("application/json"));
    w->sent = true;
    w->began = time_mono();
    Err e = http_fetch(w->a, &call, &reply);
    if (e != OK)
        return llm_call_error(p, e);
    w->status = reply.status;
    if (reply.status != 200)
        return err_detail(E_UPSTREAM, "The model \"%.*s\" answered with status %d.",
                          P(w->target.model), reply.status);
    return read_word(w, reply.body);
}

static int64_t cost_of(const struct word *w)
{
    if (!w->usage.prompt && !w->usage.completion)
        return 0;
    return w->priced ? llm_price_cost(&w->price, &w->usage) : -1;
}

static void record(const struct word *w, Err e)
{
    const struct llm_provider *p = w->target.provider;

    if (!w->llm->ledger || !w->sent)
        return;
    struct model_call_row row = {
        .id = id_new(),
        .tenant = p->tenant,
        .model = str_fmt(w->a, "%.*s/%.*s", P(p->name), P(w->target.model)),
        .provider = p->name,
        .upstream_model = w->target.model,
        .operation = S("probe"),
        .outcome = e == OK            ? S("ok")
                   : e == E_CANCELLED ? S("cancelled")
                                      : S("failed"),
        .estimated = w->usage.estimated,
        .status = w->status          ? w->status
                  : e == E_CANCELLED ? 499
                                     : err_http(e),
        .attempts = 1,
        .prompt = w->usage.prompt,
        .cached = w->usage.cached,
        .completion = w->usage.completion,
        .reasoning = w->usage.reasoning,
        .cost = cost_of(w),
        .total = time_mono() - w->began,
        .error = e == OK ? S("") : str_c(err_slug(e)),
    };
    llm_ledger_add(w->llm->ledger, &row);
}

/* Reserve what it may use of the tenant's limits. */
static Err reserve(struct word *w, struct llm_hold *hold)
{
    const struct llm_provider *p = w->target.provider;
    struct llm_usage most = {.prompt = PROMPT_TOKENS, .completion = WORD_TOKENS};

    w->priced = llm_prices_find(w->llm->prices, &w->target, &w->price);
    if (w->llm->refuse_unpriced && !w->priced)
        return err_detail(E_INVALID,
                          "The price of the model \"%.*s\" is not known, and calls "
                          "without a price are refused.",
                          P(w->target.model));
    struct llm_caller caller = {.tenant = p->tenant, .key = p->tenant};
    TRY(llm_limits_open(w->llm->limits, &caller, w->target.model, S("probe"), hold));
    if (!llm_limits_apply(w->llm->limits, hold))
        return OK;
    hold->need[LLM_REQUESTS] = 1;
    hold->need[LLM_TOKENS] = most.prompt + most.completion;
    hold->need[LLM_COST] = w->priced ? llm_price_most(&w->price, &most) : 0;
    hold->at_once = true;
    Err e = llm_limits_reserve(w->llm->limits, hold);
    if (e != OK)
        llm_limits_settle(w->llm->limits, hold, (int64_t[LLM_WHATS]){0});
    return e;
}

/* *ret_sent: it was called, so the outcome says something of it. */
static Err say_word(struct llm *llm, struct arena *a, const struct llm_target *target,
                    bool *ret_sent)
{
    struct word w = {.llm = llm, .a = a, .target = *target};
    struct llm_hold hold;

    TRY(reserve(&w, &hold));
    Err e = ask_word(&w);
    struct err_record kept = *err_record();
    if (w.sent && !w.usage.known && w.status == 200) {
        w.usage.prompt = PROMPT_TOKENS;
        w.usage.completion = WORD_TOKENS;
        w.usage.estimated = true;
    }
    int64_t cost = cost_of(&w);
    llm_limits_settle(llm->limits, &hold,
                      (int64_t[LLM_WHATS]){[LLM_REQUESTS] = w.sent,
                                           [LLM_TOKENS] = w.usage.prompt + w.usage.completion,
                                           [LLM_COST] = cost > 0 ? cost : 0});
    record(&w, e);
    *err_record() = kept;
    *ret_sent = w.sent;
    return e;
}

/* ---- a probe ---- */

/* For who looks at the database beside us. */
static void keep(const struct probing *job, struct arena *a)
{
    const struct llm_provider *p = job->p;
    struct llm_provider_state s = llm_state_look(job->llm, p);
    struct provider_state_row row = {.provider = p->id,
                                     .tenant = p->tenant,
                                     .state = str_c(llm_state_name(p, &s)),
                                     .since = s.probed.since,
                                     .asked_at = s.probed.at,
                                     .took = s.probed.took,
                                     .error = str_c(s.probed.why)};

    Err e = store_provider_state_put(job->llm->db, a, &row);
    if (e != OK && e != E_CANCELLED)
        LOG_WARN("how a provider is cannot be stored", L_STR("provider", p->name), L_ERR(e));
}

static void tell(const struct probing *job, struct arena *a, Err e, Usec took, bool sent)
{
    const struct llm_provider *p = job->p;
    struct llm_target target = {p, p->probe.model};
    char name[LLM_NAME_MAX + 1];

    if (e == E_CANCELLED) {
        (void)llm_state_probe_drop(job->llm, p, S(""));
        return;
    }
    snprintf(name, sizeof name, "%.*s", P(p->name));
    metric_add(metric_series(&probes_total, name,
                             !sent     ? "refused"
                             : e == OK ? "ok"
                                       : "failed"),
               1);
    Str why = e == OK ? S("") : str_dup(a, str_c(err_client_text(e)));
    if (sent) {
        if (llm_state_probed(job->llm, p, why, took, p->probe.model.n ? &target : NULL))
            keep(job, a);
    } else if (llm_state_probe_drop(job->llm, p, why)) {
        LOG_WARN("a provider cannot be asked if it is there", L_STR("provider", p->name), L_ERR(e));
    }
}

static Err probe(void *arg)
{
    struct probing *job = arg;
    AUTO(arena) *a = arena_new(PROBE_ARENA_MAX);
    const struct llm_provider *p = job->p;
    struct llm_target target = {p, p->probe.model};
    bool sent = !p->probe.model.n;
    Usec from = time_mono();
    LlmNames names;
    Err e;

    (void)fiber_deadline_set(usec_in(p->probe.timeout));
    if (sent) {
        e = llm_models_fetch(job->llm, a, p, &names);
        e = e == E_TIMEOUT ? llm_call_error(p, e) : e;
    } else {
        e = say_word(job->llm, a, &target, &sent);
    }
    (void)fiber_deadline_set(USEC_NEVER);
    tell(job, a, e, time_mono() - from, sent);
    llm_view_unref(job->view);
    free(job);
    return OK;
}

/* Begin what is due. */
static Err begin_due(struct llm *llm, struct fiber_group *g)
{
    AUTO(llm_view) *view = llm_view_take(llm);

    for (size_t i = 0; i < llm_view_count(view); i++) {
        const struct llm_provider *p = llm_view_at(view, i);
        if (!p->probe.every || llm_usable(p) != OK || !llm_state_probe_take(llm, p))
            continue;
        struct probing *job = calloc(1, sizeof *job);
        if (!job)
            DIE("out of memory");
        atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
        *job = (struct probing){llm, view, p};
        Err e = fiber_group_start(g, "llm.probe", probe, job);
        if (e == OK)
            continue;
        (void)llm_state_probe_drop(llm, p, S(""));
        llm_view_unref(view);
        free(job);
        return e;
    }
    return OK;
}

static Err run(void *arg)
{
    struct llm *llm = arg;
    FIBER_GROUP(g, UNDER_WAY_MAX, false);

    while (fiber_sleep(TICK) == OK)
        if (begin_due(llm, &g) != OK)
            break; /* cancelled while it waited for a free place */
    return OK;
}

void llm_probes_begin(struct llm *llm)
{
    llm->prober = fiber_start_ref("llm.probes", run, llm);
}
