/* src/llm/door_hook.c - hooks of a call: who wants to look at it, and what they make of it.
 *
 * A call has c->hook only if some hook wants it; nothing here runs otherwise. The request is sent
 * on as it was read for the hooks, so that no server reads anything else in it than they did.
 */
#include "llm/door_private.h"

#include "llm/hooks/sieve.h"
#include "rt/work.h"

enum {
    ON_A_WORKER = 128 << 10,
    TREE_MAX = 768 << 20,
    ANSWER_MAX = 128 << 20,
    STREAM_KEPT_MAX = 64 << 20,
};

struct bound_hook {
    const struct llm_hook *hook;
    unsigned wants;
};

struct llm_call_hook {
    struct llm_hook_call info;
    VEC(struct bound_hook) bound;
    unsigned all; /* wants of all */
    int rank;     /* of the verdict that is recorded */
    Str by, verdict, reason;
    bool spoke;     /* a hook answered the call */
    Err failure;    /* what the hooks ended the call with */
    bool replaced;  /* something was, by those that were asked last */
    bool answered;  /* the provider has answered */
    Str given;      /* of a kept answer: what went out */
    bool in_chunks; /* the sieve shows what waits before it has all */
    struct llm_sieve *sieve;
    Usec wrote_at;
};

/* ---- who wants to look ---- */

static void bind_hook(struct arena *a, struct llm_call_hook *h, const struct llm_hook *hook)
{
    unsigned wants = hook->wants(hook->ctx, &h->info);

    if (!wants)
        return;
    vec_push(a, &h->bound, ((struct bound_hook){hook, wants}));
    h->all |= wants;
}

void llm_hook_find(struct llm_call *c, const struct llm_view *view, bool any_route)
{
    struct llm_call_hook *h = arena_new_of(c->req->a, struct llm_call_hook);

    h->info = (struct llm_hook_call){.tenant = c->req->who.tenant,
                                     .key = c->req->who.actor,
                                     .request_id = c->req->request_id,
                                     .op = c->op,
                                     .operation = llm_operation_name(c->op),
                                     .model = c->model,
                                     .called = c->called,
                                     .agent = c->labels[LLM_LABEL_AGENT],
                                     .workflow = c->labels[LLM_LABEL_WORKFLOW],
                                     .step = c->labels[LLM_LABEL_STEP],
                                     .user = c->labels[LLM_LABEL_USER],
                                     .streamed = c->stream,
                                     .any_route = any_route};
    for (size_t i = 0; i < c->llm->n_hooks; i++)
        bind_hook(c->req->a, h, c->llm->hooks[i]);
    vec_each(&view->guards, g)
        bind_hook(c->req->a, h, &g->hook);
    c->hook = h->bound.n ? h : NULL;
}

static bool wants(const struct llm_call *c, enum llm_hook_event event)
{
    return c->hook->all >> event & 1;
}

/* ---- asking ---- */

enum { RANK_ALLOWED = 1, RANK_UNASKED, RANK_REPLACED, RANK_ENDED };

static void note(struct llm_call *c, const struct llm_hook *hook, int rank, const char *verdict,
                 Str reason)
{
    struct llm_call_hook *h = c->hook;

    if (rank <= h->rank)
        return;
    h->rank = rank;
    h->by = str_dup(c->req->a, str_head(hook->name, LLM_NAME_MAX));
    h->verdict = str_c(verdict);
    h->reason = str_dup(c->req->a, str_head(reason, LLM_REASON_MAX));
}

static Err end(struct llm_call_hook *h, Err e)
{
    if (e != E_CANCELLED)
        h->failure = e;
    return e;
}

static Err refuse(struct llm_call *c, const struct llm_hook *hook, const struct llm_hook_verdict *v)
{
    note(c, hook, RANK_ENDED, res_started(c->res) ? "cut" : "refused", v->reason);
    return end(c->hook, err_detail(E_BLOCKED, "The guard \"%.*s\" does not let this pass%s%.*s",
                                   P(hook->name), v->reason.n ? ": " : ".", P(v->reason)));
}

/* Take what a hook put in the place of texts. */
static Err replace(struct llm_said *said, struct arena *tree)
{
    bool changed;

    if (tree)
        return llm_said_apply(said, tree, &changed);
    vec_each(&said->parts, p) {
        if (!p->with.p)
            continue;
        p->text = p->with;
        p->with = (Str){0};
        p->replaced = true;
    }
    return OK;
}

/* Ask all that want it, one after the other. @tree: of the JSON that parts stand in; NULL: they
 * stand in none. @other: for those that do not want @event, but this. */
static Err look_or(struct llm_call *c, enum llm_hook_event event, enum llm_hook_event other,
                   struct llm_said *said, struct arena *tree)
{
    struct llm_call_hook *h = c->hook;

    h->replaced = false;
    if (!said->parts.n)
        return OK;
    if (c->target.provider) {
        h->info.provider = c->target.provider->name;
        h->info.upstream = c->target.model;
    }
    for (size_t i = 0; i < h->bound.n; i++) {
        const struct llm_hook *hook = h->bound.at[i].hook;
        struct llm_hook_verdict v = {0};
        enum llm_hook_event its = h->bound.at[i].wants >> event & 1 ? event : other;
        if (!(h->bound.at[i].wants >> its & 1))
            continue;
        Err e = hook->look(hook->ctx, &h->info, its, said, &v);
        if (e == OK && v.action == LLM_REFUSE)
            return refuse(c, hook, &v);
        if (e == OK && v.action == LLM_REPLACE)
            e = replace(said, tree);
        h->replaced |= e == OK && v.action == LLM_REPLACE;
        if (e != OK) {
            note(c, hook, RANK_ENDED, "failed", str_c(err_client_text(e)));
            return end(h, e == E_INVALID ? err_detail(E_UNAVAILABLE,
                                                      "The guard \"%.*s\" gave no "
                                                      "verdict that can be heeded.",
                                                      P(hook->name))
                                         : e);
        }
        note(c, hook,
             v.unasked                 ? RANK_UNASKED
             : v.action == LLM_REPLACE ? RANK_REPLACED
                                       : RANK_ALLOWED,
             v.unasked                 ? "unasked"
             : v.action == LLM_REPLACE ? "replaced"
                                       : "allowed",
             v.reason);
    }
    return OK;
}

static Err look(struct llm_call *c, enum llm_hook_event event, struct llm_said *said,
                struct arena *tree)
{
    return look_or(c, event, event, said, tree);
}

/* At an answer that nobody has seen any of: who wants its chunks gets it as one. */
static Err look_at_all(struct llm_call *c, struct llm_said *said, struct arena *tree)
{
    return look_or(c, LLM_ON_RESPONSE, LLM_ON_CHUNK, said, tree);
}

/* ---- requests ---- */

struct read_job {
    struct arena *tree;
    struct llm_said *said;
    Str text;
    bool answer;
    struct json *v;
};

static Err read_text(void *arg)
{
    struct read_job *job = arg;

    TRY(json_parse(job->tree, job->text, &job->v));
    return job->answer ? llm_said_answer(job->said, job->v) : llm_said_request(job->said, job->v);
}

static Err read_said(struct read_job *job)
{
    return job->text.n > ON_A_WORKER ? work_run(read_text, job) : read_text(job);
}

static Err said_of_form(struct llm_call *c, struct llm_said *said)
{
    for (size_t i = 0; i < c->form->n; i++) {
        const struct llm_form_part *p = &c->form->parts[i];
        bool known = str_eq(p->name, S("model"));
        struct llm_said_part part = {.kind = p->file                        ? LLM_SAID_FILE
                                             : str_eq(p->name, S("prompt")) ? LLM_SAID_TEXT
                                                                            : LLM_SAID_OTHER,
                                     .role = S("user"),
                                     .path = str_fmt(said->a, "/%.*s", P(str_head(p->name, 64))),
                                     .text = str_from(c->body.p + p->from, p->to - p->from),
                                     .group = -1};
        if (p->file) /* what it has is not shown */
            part.text = str_fmt(said->a, "data:;%zu bytes", part.text.n);
        if (!known)
            TRY(llm_said_add(said, &part));
    }
    return OK;
}

/* The body as the hooks read it is the call's. Its model is written anew: of two that stand there
 * another one might count than the one that was checked. */
static Err take_body(struct llm_call *c, const struct json *v)
{
    AUTO_BUF(b, LLM_BODY_MAX);

    json_write(&b, v);
    char *to = b.failed ? NULL : arena_try(c->req->a, b.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The request passes %d MiB.", LLM_BODY_MAX >> 20);
    c->body = str_from(memcpy(to, b.p, b.n), b.n);
    c->patched = true;
    TRY(llm_call_scan(c));
    return llm_passes(c->op) ? llm_pass_measure(c) : OK;
}

static Err look_at_form(struct llm_call *c)
{
    AUTO(arena) *a = arena_new(LLM_SAID_ARENA);
    struct llm_said said = {.a = a};

    TRY(said_of_form(c, &said));
    TRY(look(c, LLM_ON_REQUEST, &said, NULL));
    vec_each(&said.parts, p)
        if (p->replaced)
            return end(c->hook, err_detail(E_BLOCKED, "A guard wants other words in a form with "
                                                      "files, where they cannot be put."));
    return OK;
}

static Err look_at_body(struct llm_call *c)
{
    AUTO(arena) *tree = arena_new(TREE_MAX), *a = arena_new(LLM_SAID_ARENA);
    struct llm_said said = {.a = a};
    struct read_job job = {.tree = tree, .said = &said, .text = c->body};

    Err e = read_said(&job);
    if (e == E_SYNTAX || (e == OK && !json_is(job.v, JSON_OBJ)))
        return err_detail(E_BAD_INPUT, "The body is not a valid object of JSON.");
    TRY(e);
    TRY(look(c, LLM_ON_REQUEST, &said, tree));
    TRY(take_body(c, job.v));
    if (c->log && c->hook->replaced)
        llm_log_request(c);
    return OK;
}

Err llm_hook_request(struct llm_call *c, const struct llm_view *view, Str asked)
{
    struct llm_hold aside;

    llm_hook_find(c, view, false);
    if (!c->hook || !wants(c, LLM_ON_REQUEST))
        return OK;
    /* Questions cost: what is over its limit asks none. */
    if (!llm_counts(c->op)) {
        TRY(llm_call_reserve_aside(c, asked, 0, 0, &aside));
        llm_call_settle_aside(c, &aside, 0, 0);
    }
    Err e = c->form ? look_at_form(c) : look_at_body(c);
    if (e == OK && c->hook->replaced)
        res_header(c->res, S("X-Heddle-Guard"), c->hook->by);
    return e;
}

/* ---- whole answers ---- */

static Err take_answer(struct llm_call *c, struct json *v, Str *body)
{
    AUTO_BUF(b, ANSWER_MAX);
    struct json *choices = json_get(v, S("choices"));

    for (size_t i = 0; i < json_len(choices); i++) /* they tell what was taken out */
        if (json_is(json_item(choices, i), JSON_OBJ))
            (void)json_remove(json_item(choices, i), S("logprobs"));
    json_write(&b, v);
    char *to = b.failed ? NULL : arena_try(c->req->a, b.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The answer is too large.");
    *body = str_from(memcpy(to, b.p, b.n), b.n);
    return OK;
}

static Err look_at_answer(struct llm_call *c, Str *body)
{
    AUTO(arena) *tree = arena_new(TREE_MAX), *a = arena_new(LLM_SAID_ARENA);
    struct llm_said said = {.a = a};
    struct read_job job = {.tree = tree, .said = &said, .text = *body, .answer = true};
    Err e = read_said(&job);

    if (e != OK && e != E_CANCELLED)
        return end(c->hook, err_detail(e == E_TOO_LARGE ? e : E_UNAVAILABLE,
                                       "The answer cannot be read to be shown to a guard."));
    TRY(e);
    TRY(look_at_all(c, &said, tree));
    if (!c->hook->replaced)
        return OK;
    e = take_answer(c, job.v, body);
    return e == OK ? e : end(c->hook, e);
}

Err llm_hook_answer(struct llm_call *c, Str *body)
{
    c->hook->answered = true;
    if (!llm_hook_holds(c) || llm_embeds(c->op) || llm_counts(c->op))
        return OK;
    Err e = look_at_answer(c, body);
    if (e != OK)
        c->status = 0; /* nothing is out */
    return e;
}

Err llm_hook_text(struct llm_call *c, Str *text)
{
    AUTO(arena) *a = arena_new(LLM_SAID_ARENA);
    struct llm_said said = {.a = a};
    struct llm_said_part part = {.role = S("assistant"), .path = S(""), .text = *text, .group = -1};

    c->hook->answered = true;
    if (!text->n)
        return OK;
    TRY(llm_said_add(&said, &part));
    TRY(look_at_all(c, &said, NULL));
    if (said.parts.at[0].replaced)
        *text = str_dup(c->req->a, said.parts.at[0].text);
    return OK;
}

/* ---- streams ---- */

static Err show(void *ctx, struct llm_said *said, bool whole)
{
    struct llm_call *c = ctx;

    if (!c->hook->in_chunks)
        TRY(look_at_all(c, said, NULL));
    else
        TRY(look(c, whole ? LLM_ON_RESPONSE : LLM_ON_CHUNK, said, NULL));
    vec_each(&said->parts, p)
        if (p->replaced)
            p->with = str_from(p->text.p ? p->text.p : "", p->text.n);
    return OK;
}

static void forget(void *arg)
{
    llm_sieve_free(((struct llm_call_hook *)arg)->sieve);
}

static void begin_hold(struct llm_call *c)
{
    struct llm_call_hook *h = c->hook;
    enum llm_events events = llm_events_of(c);
    struct llm_sieve_rule rule = {.kind = events == LLM_EVENTS_CHUNKS     ? LLM_SIEVE_CHUNKS
                                          : events == LLM_EVENTS_MESSAGES ? LLM_SIEVE_MESSAGES
                                                                          : LLM_SIEVE_REPEATS,
                                  .window = SIZE_MAX,
                                  .chunks = wants(c, LLM_ON_CHUNK),
                                  .whole = wants(c, LLM_ON_RESPONSE)};
    const unsigned chunk = 1u << LLM_ON_CHUNK, response = 1u << LLM_ON_RESPONSE;

    for (size_t i = 0; i < h->bound.n; i++) {
        if ((h->bound.at[i].wants & (chunk | response)) == response)
            rule.chunks = false; /* the client has nothing before it has seen all */
        if (!(h->bound.at[i].wants & chunk))
            continue;
        rule.window =
            h->bound.at[i].hook->window < rule.window ? h->bound.at[i].hook->window : rule.window;
        rule.back = h->bound.at[i].hook->back > rule.back ? h->bound.at[i].hook->back : rule.back;
    }
    h->in_chunks = rule.chunks;
    h->sieve = llm_sieve_new(&rule, show, c);
    h->wrote_at = time_mono();
    arena_defer(c->req->a, forget, h);
}

bool llm_hook_holds(const struct llm_call *c)
{
    return wants(c, LLM_ON_CHUNK) || wants(c, LLM_ON_RESPONSE);
}

/* What went wrong is of the hooks, whatever it is. */
static Err ended(struct llm_call *c, Err e)
{
    struct llm_call_hook *h = c->hook;

    if (e == OK || e == E_CANCELLED || h->failure != OK)
        return e;
    note(c, h->bound.at[0].hook, RANK_ENDED, "failed", str_c(err_client_text(e)));
    return end(h, e == E_INVALID ? err_detail(E_UNAVAILABLE, "A guard gave no verdict that can be "
                                                             "heeded.")
                                 : e);
}

Err llm_hook_pass(struct llm_call *c, Str *piece)
{
    struct llm_call_hook *h = c->hook;

    h->answered = true;
    if (!llm_hook_holds(c))
        return OK;
    if (!h->sieve)
        begin_hold(c);
    TRY(ended(c, llm_sieve_feed(h->sieve, *piece, piece)));
    Usec now = time_mono();
    /* The upstream speaks, and its client hears nothing of it. */
    if (!piece->n && c->heartbeat && now - h->wrote_at >= c->heartbeat)
        *piece = c->dialect->keep_alive;
    if (piece->n)
        h->wrote_at = now;
    return OK;
}

Err llm_hook_finish(struct llm_call *c, Str *ret_rest)
{
    *ret_rest = (Str){0};
    return c->hook->sieve ? ended(c, llm_sieve_end(c->hook->sieve, ret_rest)) : OK;
}

/* ---- answers that were kept ---- */

static Err look_at_kept_stream(struct llm_call *c, Str *body)
{
    AUTO_BUF(all, STREAM_KEPT_MAX);
    Str piece = *body, rest;

    if (!llm_hook_holds(c))
        return OK;
    TRY(llm_hook_pass(c, &piece));
    buf_add(&all, piece);
    TRY(llm_hook_finish(c, &rest));
    buf_add(&all, rest);
    char *to = all.failed ? NULL : arena_try(c->req->a, all.n);
    if (!to)
        return end(c->hook, err_detail(E_TOO_LARGE, "The answer is too large."));
    *body = str_from(memcpy(to, all.p, all.n), all.n);
    return OK;
}

Err llm_hook_kept(struct llm_call *c, Str *body)
{
    TRY(c->stream ? look_at_kept_stream(c, body) : llm_hook_answer(c, body));
    c->hook->given = *body;
    return OK;
}

/* ---- moderation ---- */

bool llm_hook_moderates(const struct llm_call *c)
{
    return c->hook && wants(c, LLM_ON_MODERATION);
}

Err llm_hook_results(struct llm_call *c, struct llm_said *said, const struct json **ret_results)
{
    struct llm_call_hook *h = c->hook;
    struct llm_hook_verdict v = {0};
    size_t i = 0;

    while (!(h->bound.at[i].wants >> LLM_ON_MODERATION & 1)) /* it was asked whether there is one */
        i++;
    Err e =
        h->bound.at[i].hook->look(h->bound.at[i].hook->ctx, &h->info, LLM_ON_MODERATION, said, &v);
    if (e == OK && json_len(v.results) != said->parts.n)
        e = err_detail(E_UNAVAILABLE, "The guard \"%.*s\" gave no results.",
                       P(h->bound.at[i].hook->name));
    note(c, h->bound.at[i].hook, RANK_ENDED, e == OK ? "answered" : "failed",
         e == OK ? S("") : str_c(err_client_text(e)));
    if (e != OK)
        return end(h, e);
    h->spoke = true;
    res_header(c->res, S("X-Heddle-Guard"), h->by);
    *ret_results = v.results;
    return OK;
}

/* ---- what is recorded ---- */

bool llm_hook_spoke(const struct llm_call *c)
{
    return c->hook && (c->hook->spoke || c->hook->failure != OK);
}

Err llm_hook_failure(const struct llm_call *c)
{
    return c->hook ? c->hook->failure : OK;
}

bool llm_hook_answered(const struct llm_call *c)
{
    return c->hook && c->hook->answered;
}

Str llm_hook_given(const struct llm_call *c)
{
    return c->hook->given;
}

void llm_hook_record(const struct llm_call *c, struct model_call_row *row)
{
    row->guard = c->hook->by;
    row->verdict = c->hook->verdict;
    row->guard_reason = c->hook->reason;
}
