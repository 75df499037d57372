/* src/wf/notice.c - see notice.h: what is told, and the fiber that sends it.
 *
 * The fiber looks for subscriptions with something due, and gives each to a child that sends a few
 * at once until nothing is left: one slow receiver holds up nobody else. A delivery is taken for a
 * little longer than an attempt lasts: a sender that dies leaves it due again. Other nodes do the
 * same.
 */
#include "wf/notice.h"

#include "base/crypto.h"
#include "net/http_client.h"
#include "net/signature.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "rt/metric.h"
#include "secrets/secrets.h"
#include "wf/event_start.h"

#include <stdlib.h>

static const Usec TICK = USEC_S;
static const Usec LOOK = 2 * USEC_S; /* for subscriptions that other nodes have got */
static const Usec TIMEOUT = 20 * USEC_S;
static const Usec TAKEN = 40 * USEC_S;
static const Usec KEPT = 14 * USEC_DAY;
enum { SENDERS = 32, AT_ONCE = 4, OUTPUT_MAX = 64 << 10, EXPIRE_MAX = 500, ATTEMPTS_MAX = 12 };

/* After each attempt that failed. */
static const Usec PAUSES[] = {2 * USEC_S,     15 * USEC_S,    USEC_MIN,       5 * USEC_MIN,
                              20 * USEC_MIN,  60 * USEC_MIN,  180 * USEC_MIN, 360 * USEC_MIN,
                              720 * USEC_MIN, 720 * USEC_MIN, 1440 * USEC_MIN};

const char *const wf_notice_names[] = {"run.succeeded",
                                       "run.failed",
                                       "run.cancelled",
                                       "approval.requested",
                                       "provider.down",
                                       "provider.up",
                                       "budget.warning",
                                       "budget.exhausted",
                                       "limits.degraded",
                                       "limits.restored",
                                       NULL};

static struct metric sent_total = {"heddle_deliveries_total",
                                   "Deliveries to subscriptions, by what became of the attempt.",
                                   METRIC_COUNTER, "outcome"};

struct notices {
    struct wf_engine *engine;
    struct shard *shard;
    struct fiber *fiber;
    struct map *busy; /* ids of subscriptions that are being sent to */
    struct bell bell;
    bool failing;
    atomic_bool any; /* there are subscriptions */
    atomic_int pokes;
};

/* ---- what is told ---- */

/* An event as receivers get it. */
static Str notice_text(struct arena *a, const char *name, Usec at, const struct json *data)
{
    return json_text(a, json_obj(a, "type", json_str_c(a, name), "timestamp", json_time(a, at),
                                 "data", data, NULL));
}

static struct json *run_of(struct arena *a, const struct wf_run *run)
{
    return json_obj(a, "run_id", json_id(a, run->row.id), "workflow_id",
                    json_id(a, run->row.workflow), "workflow_name", json_str(a, run->def->name),
                    "version", json_int(a, run->row.version), "trigger",
                    json_str(a, run->row.origin), NULL);
}

/* The output, unless it is long: receivers ask for it then. */
static void add_output(struct arena *a, struct json *data, const struct json *output)
{
    AUTO_BUF(text, OUTPUT_MAX);

    json_write(&text, output);
    if (buf_ok(&text) == OK)
        json_set(a, data, S("output"), output);
    else
        json_set(a, data, S("output_omitted"), json_bool(a, true));
}

/* Whether anybody wants to know: subscriptions, or triggers. Nobody hears of a dry run. */
static bool is_heard(const struct wf_run *run)
{
    if (run->state->dry_run)
        return false;
    return atomic_load(&run->engine->notices->any) || event_starts_any(run->engine);
}

static void put(struct wf_run *run, struct arena *a, struct db_tx *tx, const char *name, Usec at,
                const struct json *data)
{
    if (atomic_load(&run->engine->notices->any))
        store_delivery_put(tx, run->row.tenant, run->row.workflow, id_new(), str_c(name),
                           run->row.id, notice_text(a, name, at, data), time_wall());
    run_event_put(run, a, tx, str_c(name), at, data);
    run->told = true;
}

void run_tell_end(struct wf_run *run, struct arena *a, struct db_tx *tx)
{
    const struct wf_state *s = run->state;
    struct json *data;

    if (!is_heard(run))
        return;
    const char *name = s->run == WF_RUN_SUCCEEDED ? "run.succeeded"
                       : s->run == WF_RUN_FAILED  ? "run.failed"
                                                  : "run.cancelled";
    data = run_of(a, run);
    json_set(a, data, S("state"), json_str_c(a, wf_run_state_name(s->run)));
    json_set(a, data, S("started_at"), json_time(a, s->started_at));
    json_set(a, data, S("finished_at"), json_time(a, s->ended_at));
    if (s->run == WF_RUN_SUCCEEDED && s->output)
        add_output(a, data, s->output);
    if (s->run == WF_RUN_FAILED) {
        struct json *error = json_obj(a, "code", json_str(a, s->error.code), "message",
                                      json_str(a, s->error.message), NULL);
        if (s->error_node >= 0)
            json_set(a, error, S("node"), json_str(a, run->def->nodes[s->error_node].id));
        json_set(a, data, S("error"), error);
    }
    put(run, a, tx, name, s->ended_at, data);
}

void run_tell_approval(struct wf_run *run, struct arena *a, struct db_tx *tx,
                       const struct approval_row *row)
{
    struct json *data, *what;

    if (!is_heard(run) || json_parse(a, row->body, &what) != OK) /* written a moment ago */
        return;
    data = run_of(a, run);
    json_set(a, data, S("approval_id"), json_id(a, row->id));
    json_set(a, data, S("subject"), json_at(what, "subject"));
    json_set(a, data, S("message"), json_at(what, "message"));
    json_set(a, data, S("approvers"), json_at(what, "approvers"));
    json_set(a, data, S("due_at"), json_time(a, row->due_at));
    put(run, a, tx, "approval.requested", row->created_at, data);
}

/* ---- sending one ---- */

struct sending {
    struct notices *n;
    const struct subscription_row *to;
    Str key;
    struct delivery_row *row;
};

static Err post(struct sending *s, struct arena *a, struct http_reply *ret_reply)
{
    const struct wf_env *env = &s->n->engine->o.env;
    char id[ID_TEXT_SIZE];
    Str name = id_text(s->row->id, id);
    Str timestamp = str_fmt(a, "%lld", (long long)(time_wall() / USEC_S));
    struct http_call call = {.method = HTTP_POST,
                             .url = s->to->url,
                             .body = s->row->body,
                             .egress = env->egress,
                             .engine = HTTP_CURL,
                             .deadline = usec_in(TIMEOUT),
                             .max_body = KIB(64),
                             .idempotent = true};

    http_header_add(a, &call.headers, S("Content-Type"), S("application/json"));
    http_header_add(a, &call.headers, S("User-Agent"), env->user_agent);
    http_header_add(a, &call.headers, S("webhook-id"), name);
    http_header_add(a, &call.headers, S("webhook-timestamp"), timestamp);
    http_header_add(a, &call.headers, S("webhook-signature"),
                    signature_make(a, s->key, name, timestamp, s->row->body));
    return http_fetch(a, &call, ret_reply);
}

/* Nothing of the answer but its status: it is the receiver's business. */
static Str failure_text(struct arena *a, Err e, int status)
{
    if (e == E_TOO_LARGE)
        return S("its answer is larger than 64 KiB");
    if (e != OK)
        return str_dup(a, str_c(err_client_text(e)));
    return status < 400 ? str_fmt(a, "answered %d: redirects are not followed", status)
                        : str_fmt(a, "answered %d", status);
}

/* What became of an attempt. @wish: when the receiver wants the next, 0: it did not say. */
static void judge(struct sending *s, struct arena *a, Err e, int status, Usec wish,
                  Str *ret_disable)
{
    struct delivery_row *row = s->row;
    Usec now = time_wall();

    row->status = e == OK || e == E_TOO_LARGE ? status : 0;
    row->attempts++;
    if (e == OK && status >= 200 && status < 300) {
        row->state = DELIVERY_DONE;
        row->error = S("");
        row->finished_at = now;
        return;
    }
    row->error = failure_text(a, e, status);
    if (e == OK && status == 410)
        *ret_disable = S("The receiver answered 410: it wants no more.");
    if (ret_disable->n || row->attempts >= s->to->max_attempts) {
        row->state = DELIVERY_DEAD;
        row->finished_at = now;
        return;
    }
    size_t i = (size_t)row->attempts - 1;
    Usec pause = PAUSES[i < ARRAY_LEN(PAUSES) ? i : ARRAY_LEN(PAUSES) - 1];
    pause += (Usec)(crypto_random_u64() % (uint64_t)(pause / 10 + 1));
    row->next_at = now + usec_max(pause, usec_min(wish, USEC_DAY));
}

static Err send_fiber(void *arg)
{
    struct sending *s = arg;
    AUTO(arena) *a = arena_new(MIB(4));
    struct http_reply reply = {0};
    Str disable = S("");
    Usec taken = time_wall() + TAKEN;

    Err e = store_delivery_take(s->n->engine->db, a, s->row, s->n->engine->node, taken);
    if (e != OK)
        return e == E_CONFLICT ? OK : e;
    INJECT_VOID("wf.notice.before_post");
    e = post(s, a, &reply);
    INJECT_VOID("wf.notice.after_post");
    if (e == E_CANCELLED)
        s->row->next_at = time_wall(); /* the server stops: at once, by whoever is there */
    else
        judge(s, a, e, reply.status, http_retry_after(&reply.headers), &disable);
    const char *outcome = e == E_CANCELLED                 ? "interrupted"
                          : s->row->state == DELIVERY_DONE ? "delivered"
                          : s->row->state == DELIVERY_DEAD ? "dead"
                                                           : "failed";
    metric_add(metric_series(&sent_total, outcome), 1);
    fiber_shield();
    Err kept = store_delivery_tried(s->n->engine->db, a, s->row, taken, disable);
    fiber_unshield();
    return kept;
}

/* ---- sending all ---- */

struct sender {
    struct notices *n;
    Id subscription;
};

static Str use_of(struct arena *a, Id id)
{
    char text[ID_TEXT_SIZE];
    return str_fmt(a, "subscription:%.*s", P(id_text(id, text)));
}

static Err open_secret(struct notices *n, struct arena *a, const struct subscription_row *row,
                       Str *ret_key)
{
    Str secret;

    TRY(secrets_unseal(n->engine->o.secrets, a, use_of(a, row->id), row->secret, &secret));
    return signature_key(a, secret, ret_key);
}

static Err send_some(struct sender *s, struct arena *a, const struct subscription_row *to, Str key,
                     size_t *ret_n)
{
    struct sending at[AT_ONCE];
    DeliveryRows rows;

    TRY(store_delivery_next(s->n->engine->db, a, to->id, time_wall(), AT_ONCE, &rows));
    FIBER_GROUP(g, AT_ONCE, false);
    for (size_t i = 0; i < rows.n; i++) {
        at[i] = (struct sending){s->n, to, key, &rows.at[i]};
        TRY(fiber_group_start(&g, "delivery", send_fiber, &at[i]));
    }
    *ret_n = rows.n;
    return fiber_group_join(&g);
}

static Err send_all(struct sender *s)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct subscription_row to;
    size_t n = 1;
    Str key;

    TRY(store_subscription_get(s->n->engine->db, a, ID_NONE, s->subscription, &to));
    TRY(open_secret(s->n, a, &to, &key));
    while (n && to.enabled) {
        AUTO(arena) *some = arena_new(MIB(64));
        TRY(send_some(s, some, &to, key, &n));
        AUTO(arena) *again = arena_new(MIB(1));
        struct subscription_row now;
        TRY(store_subscription_get(s->n->engine->db, again, ID_NONE, s->subscription, &now));
        if (now.revision != to.revision)
            return OK; /* it was changed: the next look sends the rest */
    }
    return OK;
}

static Err sender_fiber(void *arg)
{
    struct sender *s = arg;
    Err e = send_all(s);

    if (e != OK && e != E_CANCELLED && e != E_NOT_FOUND && !run_may_pass(e))
        LOG_WARN("deliveries to a subscription cannot be sent", L_ERR(e));
    (void)map_take(s->n->busy, str_from((char *)s->subscription.b, 16));
    free(s);
    return OK;
}

static Err start_senders(struct notices *n, struct fiber_group *g)
{
    AUTO(arena) *a = arena_new(MIB(1));
    SubscriptionIds due;

    TRY(store_delivery_due(n->engine->db, a, time_wall(), ID_NONE, 1000, &due));
    vec_each(&due, id) {
        Str key = str_from((char *)id->b, 16);
        if (map_get(n->busy, key))
            continue;
        struct sender *s = malloc(sizeof *s);
        if (!s)
            DIE("out of memory");
        *s = (struct sender){n, *id};
        (void)map_put(n->busy, key, s);
        Err e = fiber_group_start(g, "deliveries", sender_fiber, s);
        if (e != OK) {
            (void)map_take(n->busy, key);
            free(s);
            return e;
        }
    }
    return OK;
}

static Err wait_next(struct notices *n)
{
    Err e = bell_wait(&n->bell, usec_in(TICK));

    return e == E_TIMEOUT ? OK : e;
}

static Err watch(void *arg)
{
    struct notices *n = arg;
    Usec look_at = usec_in(LOOK), expire_at = usec_in(USEC_MIN);

    FIBER_GROUP(g, SENDERS, false);
    while (!fiber_cancelled()) {
        Err e = OK;
        if (time_mono() >= look_at) {
            AUTO(arena) *a = arena_new(MIB(1));
            bool any;
            e = store_subscription_any(n->engine->db, a, &any);
            if (e == OK)
                atomic_store(&n->any, any);
            look_at = usec_in(LOOK);
        }
        if (e == OK && time_mono() >= expire_at) {
            AUTO(arena) *a = arena_new(MIB(1));
            e = store_delivery_expire(n->engine->db, a, time_wall() - KEPT, EXPIRE_MAX);
            expire_at = usec_in(USEC_MIN);
        }
        if (e == OK && atomic_load(&n->any))
            e = start_senders(n, &g);
        if (e != OK && e != E_CANCELLED && !n->failing)
            LOG_WARN("deliveries wait for the store", L_ERR(e));
        n->failing = e != OK;
        if (wait_next(n) != OK)
            break;
    }
    return OK;
}

/* ---- life ---- */

static void poke_here(void *arg)
{
    struct notices *n = arg;

    bell_ring(&n->bell);
    atomic_fetch_sub(&n->pokes, 1);
}

void notices_moved(struct notices *n)
{
    if (!n->fiber)
        return;
    atomic_fetch_add(&n->pokes, 1);
    shard_post(n->shard, poke_here, n);
}

Err notices_new(struct wf_engine *e, struct notices **ret_notices)
{
    AUTO(arena) *a = arena_new(MIB(1));
    struct notices *n = calloc(1, sizeof *n);
    bool any = false;

    if (!n)
        DIE("out of memory");
    n->engine = e;
    n->shard = shard_self();
    Err err = store_subscription_any(e->db, a, &any);
    if (err == OK && any && e->o.secrets && (e->o.alone || !id_is_none(e->o.former)))
        err = store_delivery_free(e->db, a, e->o.alone ? ID_NONE : e->o.former);
    if (err != OK) {
        free(n);
        return err;
    }
    atomic_store(&n->any, any);
    n->busy = map_new();
    if (e->o.secrets)
        n->fiber = fiber_start_ref("notices", watch, n);
    *ret_notices = n;
    return OK;
}

void notices_stop(struct notices *n)
{
    if (n->fiber)
        fiber_cancel(n->fiber);
}

bool notices_stopped(struct notices *n)
{
    return !n->fiber || (fiber_ended(n->fiber) && !atomic_load(&n->pokes));
}

void notices_free(struct notices *n)
{
    if (!n)
        return;
    fiber_unref(n->fiber);
    map_free(n->busy, NULL);
    free(n);
}

/* ---- subscriptions ---- */

static bool is_known(Str name)
{
    for (size_t i = 0; wf_notice_names[i]; i++)
        if (str_eq(name, str_c(wf_notice_names[i])))
            return true;
    return false;
}

static Str all_names(struct arena *a)
{
    Str names[ARRAY_LEN(wf_notice_names)];
    size_t n = 0;

    for (; wf_notice_names[n]; n++)
        names[n] = str_c(wf_notice_names[n]);
    return str_join(a, names, n, S(", "));
}

static Err check_events(struct arena *a, Str events, Str *ret_events)
{
    Str rest = str_trim(events), name;
    AUTO_BUF(all, KIB(1));

    buf_add_char(&all, ' ');
    if (str_eq(rest, S("*"))) {
        *ret_events = S(" * ");
        return OK;
    }
    while (rest.p) {
        rest = str_cut(rest, ' ', &name);
        if (!name.n)
            continue;
        if (!is_known(name))
            return err_detail(E_INVALID,
                              "There is no event \"%.*s\". There are %.*s, or \"*\" alone.",
                              P(str_head(name, 64)), P(all_names(a)));
        buf_add(&all, name);
        buf_add_char(&all, ' ');
    }
    if (all.n == 1)
        return err_detail(E_INVALID, "Say which events are wanted, or \"*\".");
    TRY(buf_ok(&all));
    *ret_events = str_dup(a, buf_str(&all));
    return OK;
}

static Err check(struct wf_engine *e, struct arena *a, struct subscription_row *row)
{
    struct url url;

    if (!e->o.secrets)
        return err_set(E_UNSUPPORTED, "this process has no master key");
    if (row->url.n > 2048 || url_parse(a, row->url, &url) != OK)
        return err_detail(E_INVALID, "url must be an address that begins with http or https.");
    TRY(egress_check_host(e->o.env.egress, url.host, url.port));
    if (row->description.n > 500)
        return err_detail(E_INVALID, "description may have 500 bytes.");
    if (row->max_attempts < 1 || row->max_attempts > ATTEMPTS_MAX)
        return err_detail(E_INVALID, "max_attempts must be between 1 and %d.", ATTEMPTS_MAX);
    return check_events(a, row->events, &row->events);
}

/* A secret as the specification recommends: 32 bytes. */
static Str new_secret(struct arena *a)
{
    char bytes[32];

    crypto_random(bytes, sizeof bytes);
    return str_fmt(a, "whsec_%.*s", P(crypto_base64(a, str_from(bytes, sizeof bytes))));
}

static void changed(struct wf_engine *e)
{
    atomic_store(&e->notices->any, true); /* the next look knows better */
    notices_moved(e->notices);
}

Err wf_notice_tell(struct wf_engine *e, struct arena *a, Id tenant, const char *event, Usec at,
                   const struct json *data)
{
    bool any = atomic_load(&e->notices->any);

    if (!any && !event_starts_any(e))
        return OK;
    struct db_tx *tx = db_begin(e->db, a);
    if (any)
        store_delivery_put(tx, tenant, ID_NONE, id_new(), str_c(event), ID_NONE,
                           notice_text(a, event, at, data), time_wall());
    event_noticed_put(e, a, tx, tenant, str_c(event), at, data);
    TRY(db_commit(tx));
    notices_moved(e->notices);
    event_starts_moved(e->event_starts);
    return OK;
}

Err wf_subscription_create(struct wf_engine *e, struct arena *a, struct subscription_row *row,
                           Str *ret_secret)
{
    Str key, secret = row->secret.n ? row->secret : new_secret(a);

    TRY(check(e, a, row));
    if (secret.n > 200 || signature_key(a, secret, &key) != OK || key.n < 16)
        return err_detail(E_INVALID, "secret must be \"whsec_\" and base64 of at least 16 bytes, "
                                     "or any text of 16 to 200 bytes.");
    log_scrub(secret);
    row->id = id_new();
    row->revision = 1;
    row->created_at = row->updated_at = time_wall();
    row->secret = secrets_seal(e->o.secrets, a, use_of(a, row->id), secret);
    TRY(store_subscription_create(e->db, a, row));
    changed(e);
    *ret_secret = secret;
    return OK;
}

Err wf_subscription_update(struct wf_engine *e, struct arena *a, struct subscription_row *row,
                           bool rotate, Str *ret_secret)
{
    TRY(check(e, a, row));
    *ret_secret = S("");
    if (rotate) {
        *ret_secret = new_secret(a);
        log_scrub(*ret_secret);
        row->secret = secrets_seal(e->o.secrets, a, use_of(a, row->id), *ret_secret);
    }
    Err err = store_subscription_update(e->db, a, row);
    if (err == E_CONFLICT)
        return err_detail(err, "The subscription was changed meanwhile: read it again.");
    TRY(err);
    changed(e);
    return OK;
}

Err wf_subscription_delete(struct wf_engine *e, struct arena *a, Id tenant, Id id)
{
    return store_subscription_delete(e->db, a, tenant, id);
}

Err wf_subscription_test(struct wf_engine *e, struct arena *a, const struct subscription_row *row,
                         Id *ret_delivery)
{
    struct delivery_row delivery = {
        .subscription = row->id, .id = id_new(), .event = S("test"), .created_at = time_wall()};
    struct db_tx *tx = db_begin(e->db, a);

    if (!row->enabled)
        return err_detail(E_CONFLICT, "The subscription is disabled.");
    delivery.body = notice_text(a, "test", delivery.created_at,
                                json_obj(a, "subscription_id", json_id(a, row->id), NULL));
    store_delivery_put_one(tx, &delivery);
    TRY(db_commit(tx));
    changed(e);
    *ret_delivery = delivery.id;
    return OK;
}

Err wf_delivery_again(struct wf_engine *e, struct arena *a, Id subscription, Id id)
{
    TRY(store_delivery_again(e->db, a, subscription, id, time_wall()));
    changed(e);
    return OK;
}
