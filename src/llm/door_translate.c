/* src/llm/door_translate.c - calls whose upstream speaks another dialect than their client.
 *
 * Bodies are read into trees of their own, apart from the request's memory, and freed at once; long
 * ones are translated by a worker.
 */
#include "llm/door_private.h"

#include "rt/work.h"

enum {
    ON_A_WORKER = 256 * 1024,
    TREE_MAX = 512 << 20,
    MADE_MAX = 512 << 20,
    REQUEST_MAX = 2 * LLM_BODY_MAX, /* what is written may be longer than what was read */
    ANSWER_MAX = 128 << 20,
};

struct translate_job {
    const struct llm_dialect *from, *to;
    Str text;
    struct buf *out;
    /* of requests */
    struct arena *notes; /* where their names go */
    Str model, dropped, changed;
    struct llm_talk *talk; /* NULL: it is no response */
    bool full, ask_usage, stream;
    int64_t most_tokens, window;
    /* of answers */
    struct llm_usage *usage;
};

bool llm_is_foreign(const struct llm_call *c)
{
    const struct llm_provider *p = c->target.provider;

    if (c->dialect != &llm_dialect_responses)
        return p->kind->dialect != c->dialect;
    enum llm_has_responses has = llm_responses_of(p);
    return has == LLM_RESPONSES_PERHAPS ? llm_lacks_has(c->llm->lacks, p, time_mono())
                                        : has == LLM_RESPONSES_NO;
}

/* As the client's dialect calls them. */
static Str names_of(const struct translate_job *job, const LlmNotes *notes)
{
    VEC(Str) names = {0};

    vec_each(notes, n)
        vec_push(job->notes, &names, job->from->field_name ? job->from->field_name(*n) : *n);
    return str_join(job->notes, names.at, names.n, S(", "));
}

static Err translate_request(void *arg)
{
    struct translate_job *job = arg;
    AUTO(arena) *tree = arena_new(TREE_MAX), *made = arena_new(MADE_MAX);
    struct llm_chat *chat = arena_new_of(made, struct llm_chat);
    struct json *v, *body;

    chat->a = made;
    chat->text = tree;
    chat->ask_usage = job->ask_usage;
    chat->most_tokens = job->most_tokens;
    chat->to = job->to;
    chat->stream = job->stream; /* where the body does not say it */
    chat->trims = job->talk && job->talk->truncates && job->window;
    TRY(json_parse(tree, job->text, &v));
    TRY(job->from->read_request(chat, v));
    TRY(llm_talk_frame(job->talk, job->notes, chat, v));
    if (job->talk && job->talk->unkept)
        llm_chat_drop(chat, S("store"));
    TRY(job->to->write_request(chat, job->model, job->full, &body));
    json_write(job->out, body);
    job->dropped = names_of(job, &chat->dropped);
    job->changed = names_of(job, &chat->changed);
    return buf_ok(job->out);
}

Err llm_translate_request(struct llm_call *c, Str *ret_body)
{
    struct translate_job job = {.from = c->dialect,
                                .to = c->target.provider->kind->dialect,
                                .text = c->body,
                                .out = &c->edited,
                                .notes = c->req->a,
                                .model = c->target.model,
                                .talk = c->talk,
                                .stream = c->stream,
                                .full = c->target.provider->kind->full,
                                .ask_usage = !c->target.provider->kind->no_stream_options,
                                .window = c->priced ? c->price.max_input : 0,
                                .most_tokens = c->priced ? c->price.max_output : 0};

    buf_reset(&c->edited);
    c->edited.max = REQUEST_MAX;
    Err e = c->body.n > ON_A_WORKER ? work_run(translate_request, &job) : translate_request(&job);
    c->untranslatable = e == E_BAD_INPUT || e == E_TOO_LARGE;
    TRY(e);
    c->dropped = job.dropped;
    c->changed = job.changed;
    *ret_body = buf_str(&c->edited);
    return OK;
}

/* ---- answers ---- */

static Err translate_answer(void *arg)
{
    struct translate_job *job = arg;
    AUTO(arena) *tree = arena_new(TREE_MAX), *made = arena_new(MADE_MAX);
    struct llm_chat *chat = arena_new_of(made, struct llm_chat);
    struct llm_answer answer = {0};
    struct json *v;

    chat->a = made;
    chat->text = tree;
    if (json_parse(tree, job->text, &v) != OK)
        return err_set(E_UPSTREAM, "an answer that is no JSON");
    TRY(job->from->read_answer(chat, v, &answer));
    *job->usage = answer.usage;
    answer.from = job->from;
    answer.reply = job->talk ? &job->talk->reply : NULL;
    if (!answer.model.n)
        answer.model = job->model;
    json_write(job->out, job->to->write_answer(made, &answer));
    return buf_ok(job->out);
}

Err llm_translate_answer(struct llm_call *c, Str body, Str *ret_body)
{
    AUTO_BUF(out, ANSWER_MAX);
    struct translate_job job = {.from = c->target.provider->kind->dialect,
                                .to = c->dialect,
                                .text = body,
                                .out = &out,
                                .model = c->target.model,
                                .talk = c->talk,
                                .usage = &c->usage};
    Err e = body.n > ON_A_WORKER ? work_run(translate_answer, &job) : translate_answer(&job);

    if (e == E_UPSTREAM || e == E_BAD_INPUT || e == E_TOO_LARGE)
        return err_detail(
            E_UPSTREAM,
            "The provider \"%.*s\" gave no usable answer: it is not what its dialect has.",
            P(c->target.provider->name));
    TRY(e);
    char *to = arena_try(c->req->a, out.n);
    if (!to)
        return err_detail(E_UPSTREAM, "The provider \"%.*s\" answered more than is taken.",
                          P(c->target.provider->name));
    *ret_body = str_from(memcpy(to, out.p, out.n), out.n);
    return OK;
}
