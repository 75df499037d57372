/* src/wf/approval_mail.c - approvers get their links by mail.
 *
 * A row for each is written by the transaction that makes the approval (store_approval_mail.h). One
 * fiber of each node hands them to the operator's mail server, one after the other. What a mail
 * says, and its link, is made when it is sent: of an approval that was decided meanwhile nobody
 * hears any more. A mail is taken for longer than an attempt lasts: a node that dies leaves it due
 * again, and it may come twice then, with the same Message-ID.
 */
#include "base/crypto.h"
#include "net/smtp.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "store/store_approval_mail.h"
#include "wf/engine_private.h"

#include <stdlib.h>

static const Usec LOOK = 2 * USEC_S; /* for mails that were put by other nodes, or are due again */
static const Usec TAKEN = USEC_MIN;
enum { AT_ONCE = 20 };

/* After each attempt that failed; then it is given up, some two days later. */
static const Usec PAUSES[] = {10 * USEC_S,    USEC_MIN,       5 * USEC_MIN,   20 * USEC_MIN,
                              60 * USEC_MIN,  180 * USEC_MIN, 360 * USEC_MIN, 720 * USEC_MIN,
                              720 * USEC_MIN, 720 * USEC_MIN};

static struct metric sent_total = {"heddle_approval_mails_total",
                                   "Mails to approvers, by what became of the attempt.",
                                   METRIC_COUNTER, "outcome"};

struct approval_mails {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct bell bell;
    bool failing;
    atomic_bool stopping;
    atomic_int rings; /* on their way here */
};

struct words {
    const char *decide, *until, *workflow, *yours;
};
static const struct words english = {
    .decide = "Approve or reject here",
    .until = "Open until",
    .workflow = "Workflow",
    .yours = "This link is yours alone: whoever has it decides in your name.",
};
static const struct words german = {
    .decide = "Hier zustimmen oder ablehnen",
    .until = "Offen bis",
    .workflow = "Workflow",
    .yours = "Dieser Link gilt nur für Sie: Wer ihn hat, entscheidet in Ihrem Namen.",
};

/* ---- what is sent ---- */

void run_mail_approval(struct wf_run *run, struct arena *a, struct db_tx *tx,
                       const struct approval_row *row)
{
    struct json *what;

    if (json_parse(a, row->body, &what) != OK || !json_bool_of(json_at(what, "email"), false))
        return; /* written a moment ago: it can be read */
    const struct json *approvers = json_at(what, "approvers");
    for (size_t i = 0; i < json_len(approvers); i++) {
        struct approval_mail mail = {.id = id_new(),
                                     .approval = row->id,
                                     .to = json_str_of(json_item(approvers, i), S("")),
                                     .created_at = time_wall()};
        store_approval_mail_put(tx, &mail);
    }
    run->told = true;
}

static Str mail_text(const struct approval_mails *m, struct arena *a,
                     const struct approval_row *row, const struct json *what, Str to)
{
    const struct words *w = m->engine->o.mail.german ? &german : &english;
    Str message = json_str_of(json_at(what, "message"), S(""));
    AUTO_BUF(b, KIB(256));
    char until[TIME_RFC3339_SIZE];

    buf_add_fmt(&b, "%.*s\n\n", P(json_str_of(json_at(what, "subject"), S(""))));
    if (message.n)
        buf_add_fmt(&b, "%.*s\n\n", P(message));
    buf_add_fmt(&b, "%s:\n%.*s\n\n", w->decide,
                P(wf_approval_link(a, m->engine->o.mail.base_url, row, to)));
    if (row->due_at)
        buf_add_fmt(&b, "%s: %.*s\n", w->until, P(time_http_date(row->due_at, until)));
    buf_add_fmt(&b, "%s: %.*s\n\n%s\n", w->workflow, P(row->workflow_name), w->yours);
    return str_dup(a, buf_str(&b));
}

/* ---- sending ---- */

static void judge(struct approval_mail *mail, struct arena *a, Err e)
{
    Usec now = time_wall();

    mail->attempts++;
    if (e == OK) {
        mail->state = APPROVAL_MAIL_SENT;
        mail->error = S("");
        mail->finished_at = now;
        return;
    }
    mail->error = str_dup(a, str_c(err_client_text(e)));
    size_t i = (size_t)mail->attempts - 1;
    if (e == E_INVALID || i >= ARRAY_LEN(PAUSES)) {
        mail->state = APPROVAL_MAIL_DEAD;
        mail->finished_at = now;
        return;
    }
    mail->next_at = now + PAUSES[i] + (Usec)(crypto_random_u64() % (uint64_t)(PAUSES[i] / 10));
}

static Err hand_over(struct approval_mails *m, struct arena *a, const struct approval_row *row,
                     const struct approval_mail *mail)
{
    char id[ID_TEXT_SIZE];
    struct json *what;

    TRY(json_parse(a, row->body, &what));
    struct smtp_message message = {.id = id_text(mail->id, id),
                                   .to = mail->to,
                                   .subject = json_str_of(json_at(what, "subject"), S("")),
                                   .text = mail_text(m, a, row, what, mail->to),
                                   .date = mail->created_at};
    INJECT_VOID("wf.mail.before_send");
    Err e = smtp_send(&m->engine->o.mail.server, a, &message, &m->stopping);
    INJECT_VOID("wf.mail.after_send");
    return e;
}

static const char *outcome_of(const struct approval_mail *mail)
{
    switch (mail->state) {
    case APPROVAL_MAIL_SENT:
        return "sent";
    case APPROVAL_MAIL_DEAD:
        return "dead";
    case APPROVAL_MAIL_NEEDLESS:
        return "needless";
    default:
        return "failed";
    }
}

static Err send_one(struct approval_mails *m, struct approval_mail *mail)
{
    struct wf_engine *e = m->engine;
    AUTO(arena) *a = arena_new(MIB(16));
    struct approval_row row;
    Usec taken = time_wall() + TAKEN;

    Err err = store_approval_mail_take(e->db, a, mail, e->node, taken);
    if (err != OK)
        return err == E_CONFLICT ? OK : err;
    err = store_approval_get(e->db, a, mail->approval, &row);
    if (err != OK && err != E_NOT_FOUND)
        return err;
    bool needed = err == OK && !row.closed_at;
    if (needed)
        err = hand_over(m, a, &row, mail);
    if (needed && err == E_CANCELLED) { /* the server stops: at once, by whoever is there */
        mail->next_at = time_wall();
    } else if (needed) {
        if (err != OK)
            LOG_WARN("a mail to an approver was not sent", L_ERR(err));
        judge(mail, a, err);
    } else {
        mail->state = APPROVAL_MAIL_NEEDLESS;
        mail->finished_at = time_wall();
    }
    metric_add(metric_series(&sent_total, outcome_of(mail)), 1);
    fiber_shield();
    Err kept = store_approval_mail_tried(e->db, a, mail, taken);
    fiber_unshield();
    return kept;
}

static Err send_due(struct approval_mails *m)
{
    size_t n = AT_ONCE;

    while (n == AT_ONCE && !fiber_cancelled()) {
        AUTO(arena) *a = arena_new(MIB(1));
        ApprovalMails due;
        TRY(store_approval_mail_due(m->engine->db, a, time_wall(), AT_ONCE, &due));
        vec_each(&due, mail)
            if (!fiber_cancelled())
                TRY(send_one(m, mail));
        n = due.n;
    }
    return OK;
}

static Err watch(void *arg)
{
    struct approval_mails *m = arg;

    while (!fiber_cancelled()) {
        Err e = send_due(m);
        if (e != OK && e != E_CANCELLED && !m->failing)
            LOG_WARN("mails to approvers wait for the store", L_ERR(e));
        m->failing = e != OK;
        e = bell_wait(&m->bell, usec_in(LOOK));
        if (e != OK && e != E_TIMEOUT)
            break;
    }
    return OK;
}

/* ---- life ---- */

static void ring_here(void *arg)
{
    struct approval_mails *m = arg;

    bell_ring(&m->bell);
    atomic_fetch_sub(&m->rings, 1);
}

void approval_mails_moved(struct approval_mails *m)
{
    if (!m)
        return;
    atomic_fetch_add(&m->rings, 1);
    shard_post(m->shard, ring_here, m);
}

Err approval_mails_new(struct wf_engine *e, struct approval_mails **ret_mails)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct approval_mails *m;

    if (!e->o.mail.server.url.n)
        return OK;
    if (e->o.alone || !id_is_none(e->o.former))
        TRY(store_approval_mail_free(e->db, a, e->o.alone ? ID_NONE : e->o.former));
    m = calloc(1, sizeof *m);
    if (!m)
        DIE("out of memory");
    m->engine = e;
    m->shard = shard_self();
    m->fiber = fiber_start_ref("approval mails", watch, m);
    *ret_mails = m;
    return OK;
}

void approval_mails_stop(struct approval_mails *m)
{
    if (!m)
        return;
    atomic_store(&m->stopping, true);
    fiber_cancel(m->fiber);
}

bool approval_mails_stopped(struct approval_mails *m)
{
    return !m || (fiber_ended(m->fiber) && !atomic_load(&m->rings));
}

void approval_mails_free(struct approval_mails *m)
{
    if (!m)
        return;
    fiber_unref(m->fiber);
    free(m);
}

/* ---- what became of them ---- */

Err wf_approval_mails_json(struct wf_engine *e, struct arena *a, Id approval,
                           struct json **ret_list)
{
    static const char *const states[] = {"pending", "sent", "dead", "needless"};
    struct json *list = json_arr(a);
    ApprovalMails mails;

    TRY(store_approval_mail_of(e->db, a, approval, &mails));
    vec_each(&mails, m)
        json_push(
            a, list,
            json_obj(a, "to", json_str(a, m->to), "state", json_str_c(a, states[m->state]),
                     "attempts", json_int(a, m->attempts), "error",
                     m->error.n ? json_str(a, m->error) : json_null(a), "next_at",
                     m->state == APPROVAL_MAIL_PENDING ? json_time(a, m->next_at) : json_null(a),
                     "finished_at", json_time(a, m->finished_at), NULL));
    *ret_list = list;
    return OK;
}
