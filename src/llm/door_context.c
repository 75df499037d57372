/* src/llm/door_context.c - requests that are longer than their model can read: refused before they
 * are sent, or trimmed, as the route says.
 *
 * How long that is stands in the table of prices; without it nothing is done. A token is at least a
 * byte: what has no more bytes than the window has tokens is not looked at. Where tokens are
 * estimated, a request is refused only when it is longer by a fifth, and trimmed to nine tenths.
 */
#include "llm/door_private.h"

#include "llm/tokens/request.h"
#include "llm/tokens/trim.h"
#include "rt/work.h"

enum { ON_A_WORKER = 4 * 1024, TREE_MAX = 512 << 20 }; /* a millisecond or two */

struct context_job {
    const struct llm_vocabularies *vocabularies;
    Str model, body;
    enum llm_context policy;
    int64_t window, output; /* tokens */
    bool chat;
    /* what came of it */
    struct buf *out; /* the list of messages, if some were left out */
    struct llm_trimmed trimmed;
    const char *method;
    bool exact;
};

static Err fit(void *arg)
{
    struct context_job *job = arg;
    AUTO(arena) *a = arena_new(TREE_MAX);
    struct llm_tally empty, t;
    struct json *v;

    TRY(json_parse(a, job->body, &v));
    llm_tally_init(&empty, job->vocabularies, job->model);
    t = empty;
    llm_tally_request(&t, a, v);
    job->trimmed.tokens = llm_tally_total(&t);
    job->exact = llm_tally_exact(&t);
    job->method = llm_tally_method(&t, job->vocabularies);
    if (job->policy != LLM_CONTEXT_TRIM || !job->chat)
        return OK;
    int64_t most = job->exact ? job->window : job->window / 10 * 9;
    if (job->output < most / 2) /* else it leaves no room for a question */
        most -= job->output;
    if (job->trimmed.tokens <= most)
        return OK;
    TRY(llm_trim(a, &empty, v, most, &job->trimmed));
    if (job->trimmed.dropped)
        json_write(job->out, job->trimmed.messages);
    return buf_ok(job->out);
}

static Err too_long(struct llm_call *c, const struct context_job *job)
{
    c->untranslatable = true; /* another target may have a wider window */
    return err_detail(
        E_CONTEXT, "The request has %s%lld tokens; the model \"%.*s\" of \"%.*s\" reads %lld.",
        job->exact ? "" : "about ", (long long)job->trimmed.tokens,
        P(str_head(c->target.model, 128)), P(c->target.provider->name), (long long)job->window);
}

/* Put the messages that stay in the place of all. The body as it came is kept: another target may
 * take it whole. */
static Err take_trimmed(struct llm_call *c, const struct context_job *job)
{
    struct llm_member messages = {c->op == LLM_GENERATE    ? S("contents")
                                  : c->op == LLM_RESPONSES ? S("input")
                                                           : S("messages"),
                                  0, 0};
    struct arena *a = c->req->a;

    TRY(llm_scan_text(c->body, &messages, 1));
    size_t n = c->body.n - (messages.to - messages.from) + job->out->n;
    char *to = arena_try(a, n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The request is too large to be trimmed.");
    memcpy(to, c->body.p, messages.from);
    memcpy(to + messages.from, job->out->p, job->out->n);
    memcpy(to + messages.from + job->out->n, c->body.p + messages.to, c->body.n - messages.to);
    struct llm_untrimmed *whole = arena_new_of(a, struct llm_untrimmed);
    whole->body = c->body;
    memcpy(whole->members, c->members, sizeof c->members);
    c->untrimmed = whole;
    c->body = str_from(to, n);
    TRY(llm_call_scan(c));
    c->trimmed = str_fmt(a, "messages=%zu; tokens=%lld; by=%s", job->trimmed.dropped,
                         (long long)job->trimmed.tokens, job->method);
    return OK;
}

static bool is_too_long(const struct context_job *job)
{
    int64_t most = job->exact ? job->window : job->window / 5 * 6;

    return job->trimmed.tokens > most;
}

/* A client may say itself that it is to be trimmed. */
static enum llm_context policy_of(const struct llm_call *c)
{
    if (c->translated && c->talk && c->talk->truncates)
        return LLM_CONTEXT_TRIM;
    return c->route && c->route->context ? c->route->context : c->llm->context;
}

Err llm_context_fit(struct llm_call *c)
{
    AUTO_BUF(out, LLM_BODY_MAX);
    bool chat = llm_chats(c->op) || c->op == LLM_RESPONSES;
    struct context_job job = {
        .vocabularies = c->llm->vocabularies,
        .model = c->target.model,
        .policy = policy_of(c),
        .window = c->priced ? c->price.max_input : 0,
        .output = llm_output_asked(c),
        .chat = chat,
        .out = &out,
    };

    if (c->untrimmed) {
        c->body = c->untrimmed->body;
        memcpy(c->members, c->untrimmed->members, sizeof c->members);
        c->untrimmed = NULL;
    }
    c->trimmed = S("");
    job.body = c->body;
    if (!chat || job.policy <= LLM_CONTEXT_NONE || !job.window || (int64_t)c->body.n <= job.window)
        return OK;
    TRY(c->body.n > ON_A_WORKER ? work_run(fit, &job) : fit(&job));
    if (is_too_long(&job))
        return too_long(c, &job);
    return job.trimmed.dropped ? take_trimmed(c, &job) : OK;
}
