/* src/llm/door_log.c - what a call was for, and what was said in it where that is kept.
 *
 * Off unless the key's policy, or the tenant's, says for which part of calls. The request is copied
 * before anything changes it, the answer while it passes; credentials and what patterns name are
 * taken out before a byte of it leaves the call.
 */
#include "base/crypto.h"
#include "llm/assemble.h"
#include "llm/door_private.h"
#include "llm/redact.h"
#include "rt/work.h"

enum {
    SAID_MAX = 1 << 20, /* of a request or an answer that is looked at */
    ON_A_WORKER = 16 * 1024,
    TREE_MAX = 256 << 20,
    LABEL_MAX = 128,
    USER_MAX = 16 * 1024, /* bytes of JSON that are looked at for the end-user */
};

struct llm_call_log {
    Str request;
    struct buf answer; /* as the client got it */
    LlmPatterns patterns;
};

/* ---- what it is for ---- */

static bool is_label(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n <= LABEL_MAX;
}

/* "user", or Anthropic's "metadata": {"user_id"}. One that is no text is the provider's to judge;
 * one that is very long is what it looks like. */
static Str user_of_body(const struct llm_call *c)
{
    static const int members[] = {MEMBER_USER, MEMBER_METADATA};
    struct json *v;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        Str text = llm_member_text(c->body, &c->members[members[i]]);
        if (c->form && members[i] == MEMBER_USER)
            return str_dup(c->req->a, str_head(text, USER_MAX));
        if (!text.n || c->form)
            continue;
        if (text.n > USER_MAX) {
            if (members[i] == MEMBER_USER)
                return str_dup(c->req->a, str_head(text, USER_MAX));
            continue;
        }
        if (json_parse(c->req->a, text, &v) != OK)
            continue;
        Str user = json_str_of(members[i] == MEMBER_USER ? v : json_at(v, "user_id"), S(""));
        if (user.n)
            return str_dup(c->req->a, user);
    }
    return S("");
}

Err llm_labels_read(struct llm_call *c)
{
    static const struct {
        Str header;
        enum llm_label label;
    } rows[] = {{S_INIT("x-heddle-agent"), LLM_LABEL_AGENT},
                {S_INIT("x-heddle-workflow"), LLM_LABEL_WORKFLOW},
                {S_INIT("x-heddle-step"), LLM_LABEL_STEP},
                {S_INIT("x-heddle-user"), LLM_LABEL_USER}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Str value = req_header(c->req, rows[i].header);
        bool ascii = true;
        for (size_t k = 0; k < value.n; k++)
            ascii = ascii && (unsigned char)value.p[k] < 0x7f;
        if (!is_label(value) || !ascii)
            return err_detail(E_BAD_INPUT, "%.*s must be at most %d printable characters of ASCII.",
                              P(rows[i].header), LABEL_MAX);
        c->labels[rows[i].label] = value;
    }
    c->end_user = c->labels[LLM_LABEL_USER].n ? c->labels[LLM_LABEL_USER] : user_of_body(c);
    if (is_label(c->end_user))
        c->labels[LLM_LABEL_USER] = c->end_user;
    return OK;
}

/* ---- what is said ---- */

static void forget(void *arg)
{
    struct llm_call_log *log = arg;

    buf_done(&log->answer);
}

void llm_log_begin(struct llm_call *c)
{
    LlmPatterns patterns = {0};

    if (llm_passes(c->op) || !c->llm->ledger) /* sound and images are no text */
        return;
    double rate = llm_limits_log(c->llm->limits, &c->hold, c->req->a, &patterns);
    if (rate <= 0)
        return;
    if ((double)(crypto_random_u64() >> 11) / (double)(UINT64_C(1) << 53) >= rate)
        return;
    c->log = arena_new_of(c->req->a, struct llm_call_log);
    c->log->request = str_dup(c->req->a, str_head(c->body, SAID_MAX));
    c->log->answer = BUF(SAID_MAX);
    c->log->patterns = patterns;
    arena_defer(c->req->a, forget, c->log);
}

void llm_log_request(struct llm_call *c)
{
    c->log->request = str_dup(c->req->a, str_head(c->body, SAID_MAX));
}

void llm_log_note(struct llm_call *c, Str piece)
{
    struct buf *b = &c->log->answer;

    buf_add(b, str_head(piece, b->n < SAID_MAX ? SAID_MAX - b->n : 0));
}

struct log_job {
    const struct llm_call *c;
    Str secret;
    enum llm_events events;
    Str request, answer;
};

static Err write_log(void *arg)
{
    struct log_job *job = arg;
    const struct llm_call_log *log = job->c->log;
    AUTO(arena) *own = arena_new(TREE_MAX);
    Str answer = buf_str(&log->answer);
    struct json *message =
        job->c->stream && job->c->status == 200 ? llm_assemble(own, job->events, answer) : NULL;

    if (message)
        answer = json_text(own, message);
    job->request =
        str_dup(job->c->req->a, llm_redact(own, log->request, &log->patterns, job->secret));
    job->answer = str_dup(job->c->req->a, llm_redact(own, answer, &log->patterns, job->secret));
    return OK;
}

void llm_log_end(struct llm_call *c, struct model_call_row *row)
{
    const struct llm_kept *kept = llm_cache_hit(c);
    const struct llm_provider *p = c->target.provider;
    struct log_job job = {.c = c};
    Str scheme;

    if (!c->log)
        return;
    if (kept)
        llm_log_note(c, c->hook ? llm_hook_given(c) : kept->body);
    if (p) {
        job.secret = str_cut(p->auth, ' ', &scheme);
        job.secret = job.secret.p ? job.secret : p->auth;
    }
    job.events = llm_events_of(c);
    bool much = c->log->patterns.n || c->log->request.n + c->log->answer.n > ON_A_WORKER;
    if ((much ? work_run(write_log, &job) : write_log(&job)) != OK)
        return; /* no worker was free: the record goes without */
    row->request = job.request;
    row->answer = job.answer;
}
