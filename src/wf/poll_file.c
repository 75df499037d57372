/* src/wf/poll_file.c - workflows that begin when a file is new in a folder.
 *
 * What is there is compared with what was seen; what is new, and has not changed for a while,
 * starts a run in the transaction in which it is noted as done.
 */
#include "wf/poll_source.h"

#include "base/crypto.h"
#include "base/utf8.h"
#include "rt/log.h"
#include "wf/folder.h"
#include "wf/nodes/node_trigger.h"

#include <stdlib.h>

enum { STARTS_MAX = 100, BATCH = 500 };

struct look {
    struct poll_look *l;
    struct arena *a; /* of @l */
    const struct wf_file_cfg *cfg;
    struct folder_files files;
    struct map *known; /* item -> struct known_item */
    PollItems changes; /* to be written */
    VEC(struct ready) ready;
    size_t unread; /* of the ready ones: they cannot be read, and stay so */
    bool soon;     /* something is new, and has to settle */
};

struct known_item {
    struct poll_item item;
    bool is_there;
};

struct ready {
    const struct folder_file *file;
    struct poll_item item;
};

static Id item_of(Str name)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    Id id;

    crypto_blake2b(name, hash);
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

static Str id_bytes(const Id *id)
{
    return str_from((const char *)id->b, sizeof id->b);
}

static Str mark_of(struct arena *a, const struct folder_file *f)
{
    return str_fmt(a, "%lld %lld", (long long)f->size, (long long)f->mtime_ns);
}

static Err read_known(struct look *l)
{
    PollItems items;

    TRY(store_poll_items(l->l->engine->db, l->a, l->l->row.workflow, &items));
    vec_each(&items, item) {
        struct known_item *k = arena_new_of(l->a, struct known_item);
        k->item = *item;
        map_put(l->known, id_bytes(&k->item.item), k);
    }
    return OK;
}

static Err write_changes(struct look *l)
{
    struct db *db = l->l->engine->db;

    for (size_t at = 0; at < l->changes.n; at += BATCH) {
        AUTO(arena) *a = arena_new(MIB(4));
        struct db_tx *tx = db_begin(db, a);
        for (size_t i = at; i < l->changes.n && i < at + BATCH; i++)
            store_poll_item_put(tx, l->l->row.workflow, &l->changes.at[i]);
        TRY(db_commit(tx));
    }
    return OK;
}

/* What is there no more may come again, and is new then. */
static Err drop_gone(struct look *l)
{
    size_t at = 0, n = 1;
    void *value;

    while (n) {
        AUTO(arena) *a = arena_new(MIB(4));
        struct db_tx *tx = db_begin(l->l->engine->db, a);
        n = 0;
        while (n < BATCH && map_next(l->known, &at, NULL, &value)) {
            struct known_item *k = value;
            if (k->is_there)
                continue;
            store_poll_item_drop(tx, l->l->row.workflow, k->item.item);
            n++;
        }
        if (n)
            TRY(db_commit(tx));
    }
    return OK;
}

/* It is the same as before: has it been for long enough? */
static void look_same(struct look *l, const struct folder_file *file, const struct poll_item *item)
{
    if (item->state == POLL_DONE)
        return;
    if (llabs(l->l->now - item->since) < l->cfg->settle)
        l->soon = true;
    else
        vec_push(l->a, &l->ready, ((struct ready){file, *item}));
}

static void look_at_file(struct look *l, const struct folder_file *file)
{
    struct poll_item item = {item_of(file->name), mark_of(l->a, file), POLL_NEW, l->l->now};
    struct known_item *k = map_get(l->known, id_bytes(&item.item));

    if (k) {
        k->is_there = true;
        if (str_eq(k->item.mark, item.mark)) {
            look_same(l, file, &k->item);
            return;
        }
        if (k->item.state == POLL_DONE && str_eq(l->cfg->on, S("new")))
            return;
        item.state = k->item.state == POLL_NEW ? POLL_NEW : POLL_CHANGED;
    } else if (l->l->row.is_first && !l->cfg->existing) {
        item.state = POLL_DONE;
    }
    l->soon = l->soon || item.state != POLL_DONE;
    vec_push(l->a, &l->changes, item);
}

/* ---- what is new starts a run ---- */

static void note_done(struct db_tx *tx, void *ctx)
{
    const struct look *l = ((void **)ctx)[0];
    const struct ready *r = ((void **)ctx)[1];

    store_poll_item_done(tx, l->l->row.workflow, &r->item);
}

static Err add_content(struct look *l, struct arena *a, const struct ready *r, struct json *input)
{
    const struct wf_file_cfg *cfg = l->cfg;
    bool text = str_eq(cfg->content, S("text"));
    Str content;

    if (str_eq(cfg->content, S("none")))
        return OK;
    if ((size_t)r->file->size > cfg->max_size) {
        json_set(a, input, S("content"), json_null(a));
        json_set(a, input, S("content_omitted"), json_bool(a, true));
        return OK;
    }
    TRY(folder_read(a, l->l->engine->o.env.folders, cfg->folder, r->file, &content));
    if (text && !utf8_valid(content))
        return err_detail(E_INVALID, "What is in it is not UTF-8: take its content as base64.");
    json_set(a, input, S("content"), json_str(a, text ? content : crypto_base64(a, content)));
    poll_fit(l->l, a, input);
    return OK;
}

static Err input_of(struct look *l, struct arena *a, const struct ready *r, struct json **ret_input)
{
    const struct folder_file *f = r->file;
    struct json *input = json_obj(
        a, "event", json_str_c(a, r->item.state == POLL_CHANGED ? "changed" : "created"), "folder",
        json_str(a, l->cfg->folder), "name", json_str(a, f->name), "path",
        json_str(a, str_fmt(a, "%.*s%s%.*s", P(l->cfg->folder), l->cfg->folder.n > 1 ? "/" : "",
                            P(f->name))),
        "size", json_int(a, f->size), "modified_at", json_time(a, f->mtime_ns / 1000), NULL);

    TRY(add_content(l, a, r, input));
    *ret_input = input;
    return OK;
}

/* It waits until it can be read, and nothing else waits for it. */
static void put_off(struct look *l, const struct ready *r, Err e)
{
    if (poll_complain(l->l, r->file->name, e) && !l->unread)
        LOG_WARN("a file in a folder that a workflow watches cannot be read", L_ERR(e));
    l->unread++;
}

/* Errors that end the look are given. */
static Err start_one(struct look *l, const struct ready *r)
{
    AUTO(arena) *a = arena_new(MIB(128));
    void *ctx[] = {l, (void *)(uintptr_t)r};
    struct poll_find find = {.name = r->file->name, .done = note_done, .ctx = ctx};
    struct json *input;
    Err e = input_of(l, a, r, &input);

    switch (e) {
    case OK:
        break;
    case E_FORBIDDEN:
    case E_IO:
        put_off(l, r, e);
        return OK;
    case E_CONFLICT: /* it changes, or is gone */
        return OK;
    case E_INVALID:
    case E_TOO_LARGE:
        return poll_refuse(l->l, a, &find, e);
    default:
        return e;
    }
    find.input = input;
    find.key = str_fmt(a, "file:%.*s:%.*s", P(l->cfg->folder), P(r->file->name));
    find.key = str_fmt(a, "%.*s:%.*s", P(find.key), P(r->item.mark));
    return poll_start(l->l, a, &find);
}

static Err start_ready(struct look *l)
{
    size_t i = 0;

    for (; i < l->ready.n && i - l->unread < STARTS_MAX; i++) {
        Err e = start_one(l, &l->ready.at[i]);
        if (e != OK)
            return e == E_RATE_LIMITED ? OK : e;
    }
    if (i < l->ready.n)
        l->l->row.next_at = l->l->now;
    return OK;
}

static Err look_once(struct look *l)
{
    struct poll_row *row = &l->l->row;

    TRY(folder_list(l->a, l->l->engine->o.env.folders, l->cfg->folder, l->cfg->pattern, &l->files));
    if (l->files.odd)
        row->error = str_fmt(l->a, "%d files have names that are not UTF-8; they are passed over.",
                             l->files.odd);
    TRY(read_known(l));
    vec_each(&l->files.list, file)
        look_at_file(l, file);
    TRY(write_changes(l));
    TRY(drop_gone(l));
    row->is_first = false;
    row->next_at = l->l->now + l->cfg->every;
    if (l->soon)
        row->next_at = usec_min(row->next_at, l->l->now + l->cfg->settle);
    return start_ready(l);
}

static Err look(struct poll_look *poll)
{
    struct look l = {
        .l = poll, .a = poll->a, .cfg = &wf_trigger_cfg(poll->def)->file, .known = map_new()};
    Err e = look_once(&l);

    map_free(l.known, NULL);
    return e;
}

static Err spec_of(struct wf_engine *e, struct arena *a, const struct wf_def *def, Str *ret_spec)
{
    const struct wf_file_cfg *file = &wf_trigger_cfg(def)->file;

    TRY(folder_check(e->o.env.folders, file->folder));
    *ret_spec = str_fmt(a, "file %.*s %.*s %.*s", P(file->on), P(file->folder), P(file->pattern));
    return OK;
}

const struct poll_source poll_file = {.kind = "file",
                                      .noun = "a folder",
                                      .spec = spec_of,
                                      .look = look,
                                      .pause = 10 * USEC_S,
                                      .pause_max = 10 * USEC_S};
