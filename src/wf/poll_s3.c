/* src/wf/poll_s3.c - workflows that begin when an object is new in a bucket.
 *
 * A look goes through the bucket page by page, beside the rows of what was seen, which are in the
 * same order: what is listed and not known is new, what is known and not listed is gone. It takes
 * turns of some seconds and keeps where it came to, so that a bucket may have any number of
 * objects. A version of an object is its key and its ETag.
 */
#include "wf/poll_source.h"

#include "base/crypto.h"
#include "base/glob.h"
#include "base/utf8.h"
#include "rt/inject.h"
#include "rt/log.h"
#include "store/store_poll_object.h"
#include "wf/nodes/node_trigger.h"
#include "wf/s3.h"
#include "wf/seal.h"

static const Usec TURN = 10 * USEC_S; /* then others have theirs */
enum { ROWS = 1000, BATCH = 500, ODD_MAX = 100000 };

struct look {
    struct poll_look *l;
    const struct wf_s3_cfg *cfg;
    struct s3_bucket bucket;
    Usec ends;  /* monotonic: of this turn */
    char *room; /* of row.cursor, @after and @token */
    Str last;   /* of the keys of this pass */
    Str after;  /* the key behind which rows are read next */
    Str token;  /* of the next page */
    int odd;
    bool opened; /* secrets of @bucket are ours */
    /* Rows from behind @last on, as far as they were read. */
    struct arena *rows_a;
    PollObjects rows;
    size_t row;
    bool rows_end;
    /* Rows to be dropped. */
    struct arena *gone_a;
    VEC(Str) gone;
};

struct ready {
    const struct s3_object *object;
    struct poll_object row;
};
typedef VEC(struct ready) Ready;

static void came_to(struct look *k, Str key)
{
    if (key.n)
        memcpy(k->room, key.p, key.n); /* S3_KEY_MAX at most, as was checked */
    k->last = (Str){k->room, key.n};
    k->l->row.cursor = k->last;
}

static void rows_go_on_behind(struct look *k, Str name)
{
    k->after = (Str){k->room + S3_KEY_MAX, name.n < S3_KEY_MAX ? name.n : S3_KEY_MAX};
    memcpy(k->room + S3_KEY_MAX, name.p, k->after.n);
}

static bool is_over(const struct look *k)
{
    return time_mono() >= k->ends || fiber_cancelled();
}

/* ---- what was seen ---- */

static Err write_gone(struct look *k)
{
    if (k->gone.n) {
        struct db_tx *tx = db_begin(k->l->engine->db, k->gone_a);
        vec_each(&k->gone, name)
            store_poll_object_drop(tx, k->l->row.watch, *name);
        TRY(db_commit(tx));
    }
    arena_reset(k->gone_a);
    memset(&k->gone, 0, sizeof k->gone);
    return OK;
}

static Err drop(struct look *k, Str name)
{
    vec_push(k->gone_a, &k->gone, str_dup(k->gone_a, name));
    return k->gone.n < BATCH ? OK : write_gone(k);
}

/* The next row; NULL: there is none. */
static Err peek(struct look *k, const struct poll_object **ret_row)
{
    if (k->row == k->rows.n && !k->rows_end) {
        if (k->rows.n)
            rows_go_on_behind(k, k->rows.at[k->rows.n - 1].name);
        arena_reset(k->rows_a);
        memset(&k->rows, 0, sizeof k->rows);
        k->row = 0;
        TRY(store_poll_objects(k->l->engine->db, k->rows_a, k->l->row.watch, k->after, ROWS,
                               &k->rows));
        k->rows_end = k->rows.n < ROWS;
    }
    *ret_row = k->row < k->rows.n ? &k->rows.at[k->row] : NULL;
    return OK;
}

/* What is known of @key, if anything. Rows before it are of what is gone. */
static Err find(struct look *k, Str key, const struct poll_object **ret_row)
{
    const struct poll_object *row;

    *ret_row = NULL;
    for (;;) {
        TRY(peek(k, &row));
        int order = row ? str_cmp(row->name, key) : 1;
        if (order > 0)
            return OK;
        k->row++;
        if (order == 0) {
            *ret_row = row;
            return OK;
        }
        TRY(drop(k, row->name));
    }
}

/* ---- what is listed ---- */

static Str mark_of(struct arena *a, const struct s3_object *o)
{
    if (o->etag.n)
        return o->etag;
    return str_fmt(a, "%lld %.*s", (long long)o->size, P(o->last_modified));
}

/* Folders of consoles are empty objects with a slash at the end. */
static bool counts(const struct look *k, const struct s3_object *o)
{
    Str key = o->key;

    if (!str_starts(key, k->cfg->prefix) || (o->size == 0 && str_ends(key, S("/"))))
        return false;
    return glob_matches(k->cfg->pattern, str_skip(key, k->cfg->prefix.n));
}

/* Whether it was there when the watch began, which the id of that says: a first pass takes a while,
 * and what comes meanwhile is new. */
static bool was_there(const struct look *k, const struct s3_object *o)
{
    Usec modified;

    return time_parse_rfc3339(o->last_modified, &modified) != OK ||
           modified <= id_time(k->l->row.watch);
}

static void judge(const struct look *k, struct arena *a, const struct s3_object *o,
                  const struct poll_object *known, PollObjects *changes, Ready *ready)
{
    struct poll_object row = {o->key, mark_of(a, o), POLL_NEW};

    if (known && str_eq(known->mark, row.mark)) {
        row.state = known->state;
    } else {
        if (known && known->state == POLL_DONE && str_eq(k->cfg->on, S("new")))
            return;
        if (known)
            row.state = known->state == POLL_NEW ? POLL_NEW : POLL_CHANGED;
        else if (k->l->row.is_first && !k->cfg->existing && was_there(k, o))
            row.state = POLL_DONE;
        vec_push(a, changes, row);
    }
    if (row.state != POLL_DONE)
        vec_push(a, ready, ((struct ready){o, row}));
}

static Err write_changes(struct look *k, const PollObjects *changes)
{
    struct db *db = k->l->engine->db;

    for (size_t at = 0; at < changes->n; at += BATCH) {
        AUTO(arena) *a = arena_new(MIB(4));
        struct db_tx *tx = db_begin(db, a);
        for (size_t i = at; i < changes->n && i < at + BATCH; i++)
            store_poll_object_put(tx, k->l->row.watch, &changes->at[i]);
        TRY(db_commit(tx));
    }
    return OK;
}

static Err compare(struct look *k, struct arena *a, const struct s3_page *page, Ready *ready)
{
    PollObjects changes = {0};
    Str last = k->last;

    vec_each(&page->objects, o) {
        const struct poll_object *known;
        if (last.n && str_cmp(last, o->key) >= 0)
            return err_detail(E_UPSTREAM, "The server does not list keys in the order of their "
                                          "bytes: such a bucket cannot be watched.");
        last = o->key;
        if (!counts(k, o))
            continue;
        TRY(find(k, o->key, &known));
        judge(k, a, o, known, &changes, ready);
    }
    TRY(write_changes(k, &changes));
    return write_gone(k);
}

/* ---- what is new starts a run ---- */

static void note_done(struct db_tx *tx, void *ctx)
{
    const struct look *k = ((void **)ctx)[0];
    const struct ready *r = ((void **)ctx)[1];

    store_poll_object_done(tx, k->l->row.watch, &r->row);
}

static Err add_content(struct look *k, struct arena *a, const struct s3_object *o,
                       struct json *input)
{
    bool text = str_eq(k->cfg->content, S("text"));
    Str content;

    if (str_eq(k->cfg->content, S("none")))
        return OK;
    fiber_unshield();
    Err e = (uint64_t)o->size > k->cfg->max_size
                ? E_TOO_LARGE
                : s3_get(a, &k->bucket, o, k->cfg->max_size, &content);
    fiber_shield();
    if (e == E_TOO_LARGE) {
        json_set(a, input, S("content"), json_null(a));
        json_set(a, input, S("content_omitted"), json_bool(a, true));
        return OK;
    }
    TRY(e);
    if (text && !utf8_valid(content))
        return err_detail(E_INVALID, "What is in it is not UTF-8: take its content as base64.");
    json_set(a, input, S("content"), json_str(a, text ? content : crypto_base64(a, content)));
    poll_fit(k->l, a, input);
    return OK;
}

static Str bare_etag(Str etag)
{
    bool quoted = etag.n > 1 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"';
    return quoted ? (Str){etag.p + 1, etag.n - 2} : etag;
}

static Err input_of(struct look *k, struct arena *a, const struct ready *r, struct json **ret_input)
{
    const struct s3_object *o = r->object;
    Usec modified;
    bool timed = time_parse_rfc3339(o->last_modified, &modified) == OK;
    struct json *input = json_obj(
        a, "event", json_str_c(a, r->row.state == POLL_CHANGED ? "changed" : "created"), "bucket",
        json_str(a, k->cfg->bucket), "key", json_str(a, o->key), "size", json_int(a, o->size),
        "etag", o->etag.n ? json_str(a, bare_etag(o->etag)) : json_null(a), "last_modified",
        timed ? json_time(a, modified) : json_null(a), NULL);

    TRY(add_content(k, a, o, input));
    *ret_input = input;
    return OK;
}

/* The same version of an object, at the same time of its life, has the same. */
static Str key_of(struct look *k, struct arena *a, const struct ready *r)
{
    const Str parts[] = {k->bucket.origin, k->bucket.path, r->object->key, r->row.mark,
                         r->object->last_modified};
    uint8_t hash[CRYPTO_HASH_SIZE];

    crypto_blake2b(str_join(a, parts, ARRAY_LEN(parts), S("\n")), hash);
    return str_fmt(a, "s3:%.*s", P(crypto_hex(a, hash, sizeof hash)));
}

/* Errors that end the look are given. */
static Err start_one(struct look *k, const struct ready *r)
{
    AUTO(arena) *a = arena_new(MIB(128));
    void *ctx[] = {k, (void *)(uintptr_t)r};
    struct poll_find find = {.name = r->object->key, .done = note_done, .ctx = ctx};
    struct json *input;
    Err e = input_of(k, a, r, &input);

    switch (e) {
    case OK:
        break;
    case E_FORBIDDEN: /* it waits until it can be read, and nothing else waits for it */
        if (poll_complain(k->l, r->object->key, e))
            LOG_WARN("an object in a bucket that a workflow watches cannot be read", L_ERR(e));
        return OK;
    case E_CONFLICT: /* it is another one now, or gone */
    case E_NOT_FOUND:
        return OK;
    case E_INVALID:
        return poll_refuse(k->l, a, &find, e);
    default:
        return e;
    }
    find.input = input;
    find.key = key_of(k, a, r);
    return poll_start(k->l, a, &find);
}

/* One page; *ret_done: all of it, as far as this turn goes. */
static Err look_at_page(struct look *k, struct arena *a, const struct s3_page *page, bool *ret_done)
{
    Ready ready = {0};

    TRY(compare(k, a, page, &ready));
    *ret_done = false;
    vec_each(&ready, r) {
        if (is_over(k))
            return OK;
        TRY(start_one(k, r));
        came_to(k, r->object->key);
    }
    if (page->objects.n)
        came_to(k, page->objects.at[page->objects.n - 1].key);
    *ret_done = true;
    return OK;
}

/* Behind the last key that is listed there are rows of what is gone. */
static Err drop_rest(struct look *k, bool *ret_done)
{
    const struct poll_object *row;

    for (*ret_done = false; !is_over(k); k->row++) {
        TRY(peek(k, &row));
        if (!row) {
            *ret_done = true;
            break;
        }
        TRY(drop(k, row->name));
    }
    return write_gone(k);
}

static Err list(struct look *k, struct arena *a, struct s3_page *ret_page)
{
    fiber_unshield();
    Err e = s3_list(a, &k->bucket, k->cfg->prefix, k->last, k->token, ret_page);
    fiber_shield();
    return e;
}

static Err pass(struct look *k, bool *ret_done)
{
    bool more = true;

    *ret_done = false;
    while (more) {
        AUTO(arena) *a = arena_new(MIB(64));
        struct s3_page page;
        bool done;
        TRY(list(k, a, &page));
        k->odd += page.odd;
        if (k->odd > ODD_MAX)
            return err_detail(E_UPSTREAM, "Too many keys of the bucket are not UTF-8.");
        TRY(look_at_page(k, a, &page, &done));
        more = page.more;
        k->token = (Str){k->room + 2 * S3_KEY_MAX, more ? page.token.n : 0};
        if (k->token.n)
            memcpy(k->room + 2 * S3_KEY_MAX, page.token.p, k->token.n);
        if (!done || (more && is_over(k)))
            return OK;
        INJECT_VOID("wf.poll.after_page");
    }
    return drop_rest(k, ret_done);
}

static Err open_secret(struct look *k, const char *name, Str *secret)
{
    struct poll_look *l = k->l;

    if (!secret->n)
        return OK;
    Str use = s3_seal_use(l->a, l->row.tenant, k->cfg, name), sealed = *secret;
    *secret = S("");
    TRY(seal_open(l->engine, l->a, use, sealed, secret));
    k->opened = true;
    return OK;
}

static void wipe(Str secret)
{
    crypto_wipe((char *)(uintptr_t)secret.p, secret.n);
}

static Err look_once(struct look *k)
{
    struct poll_row *row = &k->l->row;
    bool done;

    TRY(s3_bucket_of(k->l->a, k->cfg, &k->bucket));
    TRY(open_secret(k, "secret_key", &k->bucket.secret_key));
    TRY(open_secret(k, "session_token", &k->bucket.session_token));
    k->bucket.egress = k->l->engine->o.env.egress;
    k->bucket.user_agent = k->l->engine->o.env.user_agent;
    k->room = arena_bytes(k->l->a, 2 * S3_KEY_MAX + S3_TOKEN_MAX);
    came_to(k, str_head(row->cursor, S3_KEY_MAX));
    rows_go_on_behind(k, k->last);
    row->next_at = k->l->now + k->cfg->every;
    Err e = pass(k, &done);
    if (e == E_RATE_LIMITED)
        return OK; /* from there on when runs may start again */
    TRY(e);
    if (k->odd && !row->error.n)
        row->error =
            str_fmt(k->l->a, "%d keys are not UTF-8, or too long; they are passed over.", k->odd);
    if (!done) {
        row->next_at = k->l->now; /* another turn, from where it came to */
        return OK;
    }
    row->cursor = S("");
    row->is_first = false;
    return OK;
}

static Err look(struct poll_look *l)
{
    struct look k = {.l = l,
                     .cfg = &wf_trigger_cfg(l->def)->s3,
                     .ends = usec_in(TURN),
                     .rows_a = arena_new(MIB(16)),
                     .gone_a = arena_new(MIB(16))};
    Err e = look_once(&k);

    if (k.opened) {
        wipe(k.bucket.secret_key);
        wipe(k.bucket.session_token);
    }
    arena_free(k.rows_a);
    arena_free(k.gone_a);
    return e;
}

static Err spec_of(struct wf_engine *e, struct arena *a, const struct wf_def *def, Str *ret_spec)
{
    const struct wf_s3_cfg *cfg = &wf_trigger_cfg(def)->s3;
    struct s3_bucket b;

    TRY(s3_bucket_of(a, cfg, &b));
    TRY(egress_check_host(e->o.env.egress, b.url.host, b.url.port));
    *ret_spec = str_fmt(a, "s3 %.*s %.*s%.*s %zu:%.*s %.*s", P(cfg->on), P(b.origin), P(b.path),
                        cfg->prefix.n, P(cfg->prefix), P(cfg->pattern));
    return OK;
}

const struct poll_source poll_s3 = {.kind = "s3",
                                    .noun = "a bucket",
                                    .spec = spec_of,
                                    .look = look,
                                    .pause = USEC_S,
                                    .pause_max = 10 * USEC_MIN};
