/* src/llm/door_cache.c - calls that are answered by what was answered before.
 *
 * Two calls are the same when the tenant, the operation, the route and its targets as they are now
 * (or the provider and model), the headers that change answers and the canonical text of the body
 * are, and, unless the rule shares answers in the tenant, the key. What stands in the body and
 * changes nothing of an answer does not count. A stream and a whole answer are two: each is given
 * again as it was.
 */
#include "base/crypto.h"
#include "llm/door_meaning.h"
#include "rt/metric.h"
#include "rt/work.h"

enum {
    ASKED_MAX = 1 << 20, /* bytes of a body for which an answer is kept */
    ON_A_WORKER = 64 * 1024,
    TREE_MAX = 256 << 20,
    PIECE = 64 * 1024, /* of a stream, when it is given again */
};

struct llm_cache_use {
    uint8_t hash[LLM_CACHE_HASH];
    struct llm_cache_rule rule;
    bool store;
    uint64_t turn;
    const struct llm_kept *held; /* until the request ends */
    const struct llm_kept *hit;  /* the same, if it is the answer */
    struct buf stream;           /* the events of an answer */
    Str words; /* of the last message, if answers to the like of them are looked for */
    uint8_t near[LLM_CACHE_HASH];
    struct llm_embedding meaning; /* of the words, if it has a vector */
    double cosine;                /* of the hit's; 0: it is to the same words */
};

static struct metric lookups = {
    "heddle_model_cache_total",
    "Model calls for which answers are kept, by how they were answered.", METRIC_COUNTER, "result"};

/* ---- what counts ---- */

/* A response that is stored is one of its own each time. */
static bool is_kept(const struct llm_call *c)
{
    return llm_chats(c->op) || llm_embeds(c->op) || c->op == LLM_COMPLETIONS ||
           (c->op == LLM_RESPONSES && c->talk->fleeting && !c->follows.n);
}

static struct llm_cache_rule rule_of(const struct llm_call *c)
{
    struct llm_cache_rule said[2];

    llm_limits_cache(c->llm->limits, &c->hold, said);
    if (said[0].given)
        return said[0];
    return c->route && c->route->cache.given ? c->route->cache : said[1];
}

struct hash_job {
    Str body;
    struct buf *text;
    uint8_t *hash, *near;
    struct arena *a; /* for the words; NULL: they are not wanted */
    Str words;
};

/* Behind what the call is besides: the body, but for what changes nothing of an answer. */
static Err hash_body(void *arg)
{
    static const Str without[] = {S_INIT("model"),
                                  S_INIT("stream"),
                                  S_INIT("stream_options"),
                                  S_INIT("user"),
                                  S_INIT("metadata"),
                                  S_INIT("safety_identifier"),
                                  S_INIT("prompt_cache_key"),
                                  S_INIT("prompt_cache_retention")};
    struct hash_job *job = arg;
    AUTO(arena) *a = arena_new(TREE_MAX);
    struct json *v;

    size_t before = job->text->n;
    TRY(json_parse(a, job->body, &v));
    for (size_t i = 0; i < ARRAY_LEN(without); i++)
        (void)json_remove(v, without[i]); /* if it is there */
    json_write_canonical(job->text, v);
    TRY(buf_ok(job->text));
    crypto_blake2b(buf_str(job->text), job->hash);
    if (job->a)
        job->words = llm_meaning_words(job->a, v);
    if (!job->words.n)
        return OK;
    job->text->n = before;
    buf_add_c(job->text, "near");
    json_write_canonical(job->text, v);
    TRY(buf_ok(job->text));
    crypto_blake2b(buf_str(job->text), job->near);
    return OK;
}

/* A text that cannot run into the next one. */
static void put(struct buf *b, Str text)
{
    buf_add_fmt(b, "%zu:", text.n);
    buf_add(b, text);
}

static void put_id(struct buf *b, Id id)
{
    buf_add(b, llm_id_key(&id));
}

static void put_provider(struct buf *b, const struct llm_provider *p, Str model)
{
    put_id(b, p ? p->id : ID_NONE);
    buf_add_fmt(b, "%lld,", p ? (long long)p->revision : 0);
    put(b, p ? p->base_url : S(""));
    put(b, model);
}

static void put_answerers(struct buf *b, const struct llm_call *c, const struct llm_view *view)
{
    const struct llm_route *r = c->route;

    if (!r) {
        put_provider(b, c->target.provider, c->target.model);
        return;
    }
    put_id(b, r->id);
    buf_add_fmt(b, "%lld,", (long long)r->revision);
    for (unsigned i = 0; i < r->n_targets; i++)
        put_provider(b, llm_view_named(view, c->req->who.tenant, r->targets[i].provider),
                     r->targets[i].model);
}

static Err find_hash(struct llm_call *c, const struct llm_view *view)
{
    static const Str headers[] = {S_INIT("openai-beta"), S_INIT("anthropic-version"),
                                  S_INIT("anthropic-beta")};
    AUTO_BUF(text, 8 * ASKED_MAX);
    struct hash_job job = {
        .body = c->body, .text = &text, .hash = c->cache->hash, .near = c->cache->near};
    bool talks = llm_chats(c->op);

    put_id(&text, c->req->who.tenant);
    put_id(&text, c->cache->rule.shared ? ID_NONE : c->req->who.actor);
    buf_add_fmt(&text, "%d,%d,%d,", (int)c->op, (int)c->stream, (int)c->wants_usage);
    put_answerers(&text, c, view);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        put(&text, req_header(c->req, headers[i]));
    job.a = c->cache->rule.similarity > 0 && talks ? c->req->a : NULL;
    Err e = c->body.n > ON_A_WORKER ? work_run(hash_body, &job) : hash_body(&job);
    c->cache->words = job.words;
    return e;
}

/* ---- what is kept ---- */

static void say(struct llm_call *c, const char *result)
{
    metric_add(metric_series(&lookups, result), 1);
    res_header(c->res, S("X-Heddle-Cache"), str_c(result));
}

static Err send_events(struct llm_call *c, Str events)
{
    TRY(llm_out_begin(c));
    for (Str rest = events; rest.n; rest = str_skip(rest, PIECE))
        TRY(llm_out(c, str_head(rest, PIECE)));
    return llm_out_end(c);
}

static Err serve_kept(struct llm_call *c)
{
    const struct llm_kept *kept = c->cache->hit;
    struct arena *a = c->req->a;

    Err e = llm_call_reserve_kept(c);
    if (e != OK) { /* it is not given */
        c->cache->hit = NULL;
        return e;
    }
    Str body = kept->body;
    if (c->hook)
        TRY(llm_hook_kept(c, &body));
    say(c, "hit");
    res_header(c->res, S("Age"),
               str_fmt(a, "%lld", (long long)((time_mono() - kept->stored_at) / USEC_S)));
    if (c->cache->cosine > 0)
        res_header(c->res, S("X-Heddle-Cache-Similarity"), str_fmt(a, "%.4f", c->cache->cosine));
    if (c->dialect == &llm_dialect_anthropic)
        res_header(c->res, S("request-id"), c->req->request_id);
    res_header(c->res, S("X-Heddle-Provider"), kept->provider);
    res_header(c->res, S("X-Heddle-Attempts"), S("0"));
    if (kept->dropped.n)
        res_header(c->res, S("X-Heddle-Dropped"), kept->dropped);
    if (kept->changed.n)
        res_header(c->res, S("X-Heddle-Changed"), kept->changed);
    c->first_sent_at = time_mono();
    c->status = 200;
    return c->stream ? send_events(c, body) : res_send(c->res, 200, S("application/json"), body);
}

static bool is_fresh(const struct llm_kept *kept, const struct llm_cache_control *control)
{
    return control->max_age == USEC_NEVER || time_mono() - kept->stored_at < control->max_age;
}

static Err nothing_kept(struct llm_call *c)
{
    res_header(c->res, S("X-Should-Retry"), S("false"));
    res_expected(c->res);
    return err_detail(E_TIMEOUT, "No answer is kept for this call, and \"only-if-cached\" wants no "
                                 "other.");
}

static void forget(void *arg)
{
    struct llm_cache_use *use = arg;

    buf_done(&use->stream);
    llm_kept_unref(use->held);
}

static void look_up(struct llm_call *c, const struct llm_cache_control *control)
{
    struct llm_cache_use *use = c->cache;

    use->store = !control->no_store;
    use->turn = llm_cache_turn(c->llm->cache);
    if (control->no_cache || control->no_store)
        return;
    use->held = llm_cache_get(c->llm->cache, use->hash, time_mono());
    if (use->held && is_fresh(use->held, control))
        use->hit = use->held;
}

/* Ask what the words mean, and look for an answer to the like of them. A limit that refuses the
 * question refuses the call. */
static Err look_for_meaning(struct llm_call *c, const struct llm_view *view,
                            const struct llm_cache_control *control)
{
    struct llm_cache_use *use = c->cache;

    if (use->words.n)
        TRY(llm_meaning_find(c, view, str_c(use->rule.embeddings), use->words, &use->meaning));
    if (!use->meaning.vector.n)
        return OK;
    llm_meaning_of(&use->meaning, use->near);
    Usec now = time_mono();
    llm_kept_unref(use->held);
    use->held = use->hit = llm_cache_near(
        c->llm->cache, use->near, use->meaning.vector, use->rule.similarity,
        control->max_age == USEC_NEVER ? -1 : now - control->max_age, now, &use->cosine);
    return OK;
}

/* The call goes on as if there were no cache. */
static Err pass_by(struct llm_call *c, const struct llm_cache_control *control)
{
    c->cache = NULL;
    say(c, "bypass");
    return control->only ? nothing_kept(c) : OK;
}

Err llm_cache_begin(struct llm_call *c, const struct llm_view *view, bool *ret_served)
{
    struct llm_cache_control control =
        llm_cache_control_read(req_header(c->req, S("cache-control")));
    struct llm_cache_rule rule = {0};

    if (is_kept(c))
        rule = rule_of(c);
    if (!rule.ttl)
        return control.only ? nothing_kept(c) : OK;
    if (c->body.n > ASKED_MAX)
        return pass_by(c, &control);
    c->cache = arena_new_of(c->req->a, struct llm_cache_use);
    arena_defer(c->req->a, forget, c->cache);
    c->cache->rule = rule;
    c->cache->stream = BUF(LLM_KEPT_MAX);
    Err e = find_hash(c, view);
    if (e == E_CANCELLED)
        return e;
    if (e != OK) /* the upstream judges what is no JSON */
        return pass_by(c, &control);
    look_up(c, &control);
    if (!c->cache->hit && !control.no_cache && !control.no_store)
        TRY(look_for_meaning(c, view, &control));
    *ret_served = c->cache->hit != NULL;
    if (c->cache->hit)
        return serve_kept(c);
    say(c, control.no_cache || control.no_store ? "bypass" : "miss");
    return control.only ? nothing_kept(c) : OK;
}

/* ---- keeping ---- */

const struct llm_kept *llm_cache_hit(const struct llm_call *c)
{
    return c->cache ? c->cache->hit : NULL;
}

static void keep(struct llm_call *c, Str body, int64_t cost)
{
    const struct llm_cache_use *use = c->cache;
    Usec now = time_mono();
    struct llm_kept answer = {.tenant = c->req->who.tenant,
                              .key = c->req->who.actor,
                              .stored_at = now,
                              .until = now + use->rule.ttl,
                              .cost = cost,
                              .model = c->called.n ? c->called : c->model,
                              .provider = c->target.provider->name,
                              .upstream = c->target.model,
                              .dropped = c->dropped,
                              .changed = c->changed,
                              .body = body,
                              .vector = use->meaning.vector};

    memcpy(answer.hash, use->hash, sizeof answer.hash);
    memcpy(answer.near, use->near, sizeof answer.near);
    (void)llm_cache_put(c->llm->cache, &answer, use->turn); /* or it is not kept */
}

void llm_cache_note(struct llm_call *c, Str piece, bool last, const struct llm_usage *usage)
{
    struct llm_cache_use *use = c->cache;
    Str body = piece;

    if (!use->store)
        return;
    if (c->stream) {
        buf_add(&use->stream, piece);
        body = buf_str(&use->stream);
    }
    if (use->stream.failed) /* too long: it goes on without us */
        use->store = false;
    else if (last)
        keep(c, body, llm_call_cost(c, usage));
}
