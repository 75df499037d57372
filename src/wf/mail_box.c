/* src/wf/mail_box.c - one folder of mails, as long as it is ours: connected, looked at, waited for.
 */
#include "base/crypto.h"
#include "net/mime.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "wf/mail.h"
#include "wf/seal.h"

#include <stdio.h>

enum { WINDOW = 10000, MEMORY = 256 << 20, HEAD_PART = MIME_HEAD_MAX };
static const Usec LONG_ENOUGH = USEC_MIN; /* so long a connection stands that is no failure */
static const Usec BACKOFF = 2 * USEC_S, BACKOFF_MAX = 5 * USEC_MIN;
static const Usec RIGHTS_MIN = 30 * USEC_S, RIGHTS_MAX = 15 * USEC_MIN; /* users get locked out */
static const Usec PATIENCE_MIN = 5 * USEC_S, PATIENCE_MAX = 30 * USEC_S;
static const Usec FLOW_MAX = 5 * USEC_MIN;

static struct metric mails_total = {
    "heddle_mails_total",
    "Mails that triggers have looked at: started a run, skipped by flow control, not what was "
    "asked for, or refused.",
    METRIC_COUNTER, "outcome"};
static struct metric fails_total = {"heddle_mail_failures_total",
                                    "Connections of triggers to mail servers that failed.",
                                    METRIC_COUNTER, NULL};

static void count(const char *outcome)
{
    metric_add(metric_series(&mails_total, outcome), 1);
}

/* ---- the row ---- */

/* It stays ours. */
static Err keep(struct mailbox *box)
{
    AUTO(arena) *a = arena_new(KIB(64));
    struct db_tx *tx = db_begin(box->engine->db, a);

    box->row.next_at = time_wall() + MAIL_TAKEN;
    box->keep_at = usec_in(MAIL_TAKEN / 3);
    store_mailbox_keep(tx, &box->row);
    Err e = db_commit(tx);
    if (e == E_CONFLICT)
        box->lost = true;
    return e;
}

static Err keep_if_due(struct mailbox *box)
{
    return time_mono() >= box->keep_at ? keep(box) : OK;
}

static Err meanwhile(void *ctx)
{
    return keep_if_due(ctx);
}

/* Nothing has to be done for messages up to @uid any more. */
static void pass(struct mailbox *box, int64_t uid)
{
    if (uid > box->row.last_uid)
        box->row.last_uid = uid;
}

static void complain(struct mailbox *box, const char *what, Err e)
{
    if (!box->error[0]) /* one of them says enough */
        snprintf(box->error, sizeof box->error, "%s: %s", what, err_client_text(e));
    LOG_WARN("a mail of a trigger was not dealt with as it says", L_CSTR("what", what), L_ERR(e));
}

/* ---- connecting ---- */

static enum imap_tls tls_of(Str name)
{
    return str_eq(name, S("implicit"))   ? IMAP_TLS
           : str_eq(name, S("starttls")) ? IMAP_STARTTLS
                                         : IMAP_CLEAR;
}

static Err check_clear(struct wf_engine *e, const struct wf_email_cfg *cfg)
{
    if (str_eq(cfg->tls, S("none")) && !e->o.env.plain_mail)
        return err_detail(E_INVALID, "Mails are read over encrypted connections alone here "
                                     "(triggers.plain_mail).");
    return OK;
}

Str mail_seal_use(struct arena *a, const struct mail_target *t)
{
    const struct wf_email_cfg *cfg = t->cfg;
    char id[ID_TEXT_SIZE];

    return str_fmt(a, "email:%.*s:%.*s:%u:%.*s:%.*s", P(id_text(t->tenant, id)),
                   P(str_lower(a, cfg->host)), trigger_email_port(cfg), P(cfg->tls), P(cfg->user));
}

static Err login(struct wf_engine *e, const struct mail_target *t, struct imap *im)
{
    AUTO(arena) *a = arena_new(KIB(64));
    Str password;

    TRY(seal_open(e, a, mail_seal_use(a, t), t->cfg->password, &password));
    Err result = imap_login(im, t->cfg->user, password);
    crypto_wipe((char *)(uintptr_t)password.p, password.n);
    return result;
}

Err mail_connect(struct wf_engine *e, const struct mail_target *t, struct imap **ret_imap,
                 struct imap_folder *ret_folder)
{
    const struct wf_email_cfg *cfg = t->cfg;
    AUTO(imap) *im = NULL;

    TRY(check_clear(e, cfg));
    TRY(imap_open(&(struct imap_options){.host = cfg->host,
                                         .port = trigger_email_port(cfg),
                                         .tls = tls_of(cfg->tls),
                                         .patience = usec_max(usec_min(cfg->every, PATIENCE_MAX),
                                                              PATIENCE_MIN),
                                         .egress = e->o.env.egress},
                  &im));
    TRY(login(e, t, im));
    if (str_eq(cfg->after, S("move")))
        TRY(imap_check_folder(im, cfg->move_to));
    TRY(imap_select(im, cfg->folder, str_eq(cfg->after, S("nothing")), ret_folder));
    *ret_imap = im;
    im = NULL;
    return OK;
}

/* Where to begin in a folder that is seen for the first time. */
static Err begin_first(struct mailbox *box, const struct imap_folder *folder)
{
    struct imap_message last = {0};

    if (box->cfg->existing)
        return OK;
    Err e = imap_last(box->im, &last);
    if (e != OK && e != E_NOT_FOUND)
        return e;
    pass(box, last.uid);
    pass(box, (int64_t)folder->uidnext - 1);
    box->row.arrived = last.arrived;
    return OK;
}

static Err begin(struct mailbox *box, const struct imap_folder *folder)
{
    struct mailbox_row *row = &box->row;

    if (row->uidvalidity && row->uidvalidity != folder->uidvalidity) {
        /* The numbers mean other messages now. What arrived later than all that was looked at is
         * new. */
        LOG_WARN("a mail server has numbered a folder anew", L_STR("folder", box->cfg->folder));
        row->after = row->arrived;
        row->last_uid = row->pending_uid = 0;
    }
    if (!row->uidvalidity)
        TRY(begin_first(box, folder));
    row->uidvalidity = folder->uidvalidity;
    return OK;
}

/* ---- a message has started a run ---- */

static Err act(struct mailbox *box, uint32_t uid)
{
    Str after = box->cfg->after;

    if (str_eq(after, S("seen")))
        return imap_mark_seen(box->im, uid);
    if (str_eq(after, S("delete")))
        return imap_delete(box->im, uid);
    return str_eq(after, S("move")) ? imap_move(box->im, uid, box->cfg->move_to) : OK;
}

static Err afterwards(struct mailbox *box)
{
    Err e = act(box, (uint32_t)box->row.pending_uid);

    if (e == E_CONFLICT) { /* it stays as it is */
        complain(box, "A mail that has started a run could not be marked, moved or deleted", e);
        e = OK;
    }
    if (e == OK)
        box->row.pending_uid = 0;
    return e;
}

struct found {
    struct mailbox *box;
    uint32_t uid;
    Usec now;
};

static void note_started(struct db_tx *tx, Id run, void *ctx)
{
    const struct found *f = ctx;

    (void)run;
    store_mailbox_started(tx, &f->box->row, f->uid, !str_eq(f->box->cfg->after, S("nothing")),
                          f->now);
}

static Err start(struct mailbox *box, struct arena *a, uint32_t uid, const struct json *input)
{
    struct found found = {box, uid, time_wall()};
    const struct mailbox_row *row = &box->row;
    uint8_t hash[CRYPTO_HASH_SIZE];
    AUTO(wf_run) *run = NULL;
    struct wf_gathered gathered;

    TRY(wf_def_check_input(box->def, a, input, NULL));
    crypto_blake2b(row->spec, hash);
    struct wf_start s = {
        .tenant = row->tenant,
        .workflow = row->workflow,
        .version = row->version,
        .def = box->def,
        .origin = S("email"),
        .input = input,
        .key = str_fmt(a, "email:%.*s:%lld:%u", P(crypto_hex(a, hash, 8)),
                       (long long)row->uidvalidity, uid),
        .fingerprint = S("00000000000000000000000000000000"),
        .also = note_started,
        .also_ctx = &found,
    };
    TRY(INJECT("wf.mail.before_start"));
    TRY(wf_start_gathers(&s) ? wf_run_gather(box->engine, &s, &gathered)
                             : wf_run_start(box->engine, &s, &run));
    INJECT_VOID("wf.mail.after_start");
    box->row.mail_at = found.now;
    if (!str_eq(box->cfg->after, S("nothing")))
        box->row.pending_uid = uid;
    return OK;
}

/* Errors that end the look are given. */
static Err start_one(struct mailbox *box, struct arena *a, uint32_t uid, const struct json *input)
{
    Err e = start(box, a, uid, input);

    switch (e) {
    case OK:
        count("started");
        pass(box, uid);
        return box->row.pending_uid ? afterwards(box) : OK;
    case E_EXISTS: /* it has had its run, before the folder was another one for a time */
    case E_PRECONDITION:
        count("skipped");
        pass(box, uid);
        return OK;
    case E_INVALID:
    case E_TOO_LARGE:
        count("refused");
        complain(box, "A mail cannot start the workflow", e);
        pass(box, uid);
        return OK;
    case E_RATE_LIMITED:
    case E_OVERLOADED:
        box->retry_at = usec_in(usec_min(usec_max(err_record()->retry_after_us, USEC_S), FLOW_MAX));
        return E_RATE_LIMITED;
    case E_CONFLICT:
    case E_UNKNOWN_OUTCOME: /* the row has it */
        box->lost = true;
        return e;
    default:
        return e;
    }
}

/* ---- looking ---- */

#define ITEMS "UID INTERNALDATE RFC822.SIZE "

/* One that somebody has taken away comes without its UID. */
static Err fetch(struct mailbox *box, uint32_t uid, Str items, size_t max,
                 struct imap_message *ret_message)
{
    Err e = imap_fetch(box->im, uid, items, max, ret_message);

    if (e == E_NOT_FOUND)
        *ret_message = (struct imap_message){0};
    return e == E_NOT_FOUND ? OK : e;
}

/* Whether it is one that is asked for; what can be told by its head. */
static Err check_head(struct mailbox *box, uint32_t uid, bool *ret_fits)
{
    const struct wf_email_cfg *cfg = box->cfg;
    struct imap_message head;
    char items[100];

    *ret_fits = true;
    if (!cfg->from.n && !cfg->subject.n && !cfg->since_at && !box->row.after)
        return OK;
    snprintf(items, sizeof items, ITEMS "BODY.PEEK[HEADER]<0.%d>", HEAD_PART);
    TRY(fetch(box, uid, str_c(items), HEAD_PART, &head));
    *ret_fits = head.uid && head.arrived >= cfg->since_at &&
                (!box->row.after || head.arrived > box->row.after) && mail_fits(cfg, head.body);
    box->row.arrived = usec_max(box->row.arrived, head.arrived);
    return OK;
}

static Err read_one(struct mailbox *box, uint32_t uid)
{
    AUTO(arena) *a = arena_new(MEMORY); /* mail_input.c: some five times cfg->max_size */
    struct imap_message message;
    struct json *input;
    char items[100];
    bool fits;

    TRY(check_head(box, uid, &fits));
    if (!fits) {
        count("other");
        pass(box, uid);
        return OK;
    }
    snprintf(items, sizeof items, ITEMS "BODY.PEEK[]<0.%zu>", box->cfg->max_size);
    TRY(fetch(box, uid, str_c(items), box->cfg->max_size, &message));
    if (!message.uid) {
        pass(box, uid);
        return OK;
    }
    if (!message.has_body)
        return err_detail(E_UPSTREAM, "The mail server does not give what is in a mail.");
    box->row.arrived = usec_max(box->row.arrived, message.arrived);
    struct mail_source source = {.cfg = box->cfg,
                                 .uidvalidity = box->row.uidvalidity,
                                 .message = &message,
                                 .cut = message.size > message.body.n,
                                 .max_output = box->engine->o.env.max_output};
    Err e = mail_input(a, &source, &input);
    if (e == E_TOO_LARGE) {
        count("refused");
        complain(box, "A mail cannot start the workflow", e);
        pass(box, uid);
        return OK;
    }
    TRY(e);
    return start_one(box, a, uid, input);
}

static Str date_text(struct arena *a, Usec wall)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct time_date d = time_date_of(wall / USEC_DAY);
    return str_fmt(a, "%d-%.3s-%lld", d.day, months + 3 * (d.month - 1), (long long)d.year);
}

/* Messages from @from to @to (0: the last) that are asked for, rising. */
static Err search(struct mailbox *box, struct arena *a, int64_t from, int64_t to, ImapUids *ret)
{
    AUTO_BUF(text, 200);
    /* A day before: servers may go by another zone. */
    Usec since = usec_max(box->cfg->since_at, box->row.after) - USEC_DAY;

    buf_add_fmt(&text, "UID %lld:", (long long)from);
    if (to)
        buf_add_i64(&text, to);
    else
        buf_add_char(&text, '*');
    buf_add(&text, S(" UNDELETED"));
    if (box->cfg->unseen)
        buf_add(&text, S(" UNSEEN"));
    if (since > 0)
        buf_add_fmt(&text, " SINCE %.*s", P(date_text(a, since)));
    return imap_search(box->im, a, buf_str(&text), ret);
}

static Err look_between(struct mailbox *box, int64_t from, int64_t to)
{
    AUTO(arena) *a = arena_new(MIB(4));
    ImapUids uids;

    TRY(search(box, a, from, to, &uids));
    vec_each(&uids, uid) {
        if (*uid <= box->row.last_uid)
            continue; /* "9:*" is the last one, too, if that is 8 */
        TRY(read_one(box, *uid));
        TRY(keep_if_due(box));
    }
    if (to)
        pass(box, to);
    return OK;
}

static Err look(struct mailbox *box, const struct imap_folder *folder)
{
    int64_t end = (int64_t)folder->uidnext - 1; /* as it was when we came */

    box->error[0] = 0;
    box->retry_at = 0;
    while (box->row.last_uid < end) {
        int64_t from = box->row.last_uid + 1, to = from + WINDOW - 1;
        TRY(look_between(box, from, to < end ? to : end));
        TRY(keep_if_due(box));
    }
    return look_between(box, box->row.last_uid + 1, 0);
}

/* ---- waiting ---- */

static Err wait_more(struct mailbox *box, bool idle)
{
    Usec check_at = usec_in(box->cfg->every);
    bool news = false;

    if (box->retry_at)
        check_at = usec_min(check_at, box->retry_at);
    while (!news && time_mono() < check_at) {
        Usec until = usec_min(check_at, box->keep_at);
        if (idle)
            TRY(imap_idle_wait(box->im, until, &news));
        else
            TRY(imap_rest(box->im, until));
        TRY(keep_if_due(box));
    }
    return OK;
}

static Err wait_news(struct mailbox *box)
{
    bool idle = imap_can_idle(box->im) && !box->retry_at;

    if (idle)
        TRY(imap_idle_begin(box->im));
    TRY(wait_more(box, idle));
    return idle ? imap_idle_end(box->im) : imap_noop(box->im);
}

static Err read_folder(struct mailbox *box)
{
    struct imap_folder folder;
    struct mail_target t;

    TRY(wf_engine_def(box->engine, box->row.hash, &box->def));
    if (!str_eq(wf_trigger_cfg(box->def)->trigger, S("email")))
        return err_set(E_INTERNAL, "a workflow that reads no mails has a mailbox");
    box->cfg = &wf_trigger_cfg(box->def)->email;
    t = (struct mail_target){box->row.tenant, box->cfg};
    TRY(mail_connect(box->engine, &t, &box->im, &folder));
    TRY(begin(box, &folder));
    box->connected = time_mono();
    box->row.connected_at = time_wall();
    TRY(keep(box));
    imap_meanwhile(box->im, meanwhile, box);
    if (box->row.pending_uid)
        TRY(afterwards(box));
    for (;;) {
        Err e = look(box, &folder);
        if (e != OK && !(e == E_RATE_LIMITED && box->retry_at))
            return e;
        box->row.looked_at = time_wall();
        box->row.error = str_c(box->error);
        TRY(keep(box));
        TRY(wait_news(box));
    }
}

/* ---- giving it up ---- */

/* Somewhere between 0.8 and 1.2 of it, so that many do not come back at once. */
static Usec jitter(Usec span)
{
    return span / 5 * 4 + (Usec)(crypto_random_u64() % (uint64_t)(span / 5 * 2 + 1));
}

static Usec backoff(Err e, int tries)
{
    bool rights = e == E_FORBIDDEN || e == E_INVALID;
    Usec span = rights ? RIGHTS_MIN : BACKOFF, max = rights ? RIGHTS_MAX : BACKOFF_MAX;

    for (int i = 1; i < tries && span < max; i++)
        span *= 2;
    return jitter(usec_min(span, max));
}

static void failed(struct mailbox *box, Err e)
{
    struct mailbox_row *row = &box->row;
    Str before = row->error;

    if (box->connected && time_mono() - box->connected > LONG_ENOUGH)
        row->tries = 0;
    if (row->tries < INT32_MAX)
        row->tries++;
    row->error = str_dup(box->a, str_c(err_client_text(e)));
    row->next_at = time_wall() + backoff(e, row->tries);
    row->looked_at =
        usec_min(row->looked_at, time_wall()); /* else it is due: the clock was set back */
    metric_add(metric_series(&fails_total), 1);
    if (!str_eq(before, row->error))
        LOG_WARN("the mails of a trigger cannot be read", L_ERR(e));
}

void mailbox_read(struct mailbox *box)
{
    Err e = read_folder(box);
    bool stopped = e == E_CANCELLED || e == E_SHUTDOWN;

    imap_free(box->im);
    box->im = NULL;
    if (!box->lost) {
        if (stopped)
            box->row.next_at = 0;
        else
            failed(box, e);
        AUTO(arena) *a = arena_new(KIB(64));
        e = store_mailbox_leave(box->engine->db, a, &box->row);
        (void)e; /* it is due again when the time is over for which it was taken */
    }
    wf_def_unref(box->def);
    box->def = NULL;
}

void mailbox_poke(struct mailbox *box)
{
    box->keep_at = 0;
    if (box->im)
        imap_poke(box->im);
}

/* ---- for who publishes ---- */

Err wf_trigger_mail(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                    struct mailbox_row *ret_row, bool *ret_has)
{
    const struct wf_trigger_cfg *trigger = wf_trigger_cfg(def);
    const struct wf_email_cfg *cfg = &trigger->email;
    const struct mail_target t = {tenant, cfg};
    Str password;

    *ret_has = str_eq(trigger->trigger, S("email"));
    if (!*ret_has)
        return OK;
    TRY(check_clear(e, cfg));
    TRY(egress_check_host(e->o.env.egress, cfg->host, trigger_email_port(cfg)));
    TRY(seal_open(e, a, mail_seal_use(a, &t), cfg->password, &password));
    crypto_wipe((char *)(uintptr_t)password.p, password.n);
    *ret_row = (struct mailbox_row){
        .tenant = tenant,
        .spec = str_fmt(a, "%.*s\n%u\n%.*s\n%.*s", P(str_lower(a, cfg->host)),
                        trigger_email_port(cfg), P(cfg->user), P(cfg->folder))};
    return OK;
}

Err wf_mail_test(struct wf_engine *e, struct arena *a, Id tenant, const struct wf_def *def,
                 struct json **ret_json)
{
    const struct wf_trigger_cfg *trigger = wf_trigger_cfg(def);
    const struct mail_target t = {tenant, &trigger->email};
    AUTO(imap) *im = NULL;
    struct imap_folder folder;

    if (!str_eq(trigger->trigger, S("email")))
        return err_detail(E_NOT_FOUND, "This workflow does not read mails.");
    Usec before = fiber_deadline_set(usec_min(fiber_deadline(), usec_in(USEC_MIN)));
    Err result = mail_connect(e, &t, &im, &folder);
    if (result == OK)
        imap_logout(im);
    fiber_deadline_set(before);
    if (result == E_CANCELLED)
        return result;
    *ret_json = json_obj(
        a, "ok", json_bool(a, result == OK), "error",
        result == OK ? json_null(a) : json_str(a, str_dup(a, str_c(err_client_text(result)))),
        "messages", result == OK ? json_int(a, folder.exists) : json_null(a), "idle",
        result == OK ? json_bool(a, imap_can_idle(im)) : json_null(a), NULL);
    return OK;
}
