/* src/llm/prices.c - the prices that are known: kept in memory, read again when they change. */
#include "llm/prices.h"

#include "base/map.h"
#include "llm/llm_private.h"
#include "rt/log.h"
#include "rt/work.h"

#include <stdlib.h>

enum { KEY_MAX = 16 + 1 + LLM_NAME_MAX + 1 + LLM_MODEL_MAX, LIST_MAX = 256 << 20 };

struct llm_prices {
    struct db *db;
    uv_mutex_t lock;
    struct map
        *by_name; /* tenant, origin, provider and model -> struct llm_price; under the lock */
    struct store_stamp stamp;
    uint64_t reads, in_force; /* begun; the one whose prices these are */
};

struct llm_prices *llm_prices_new(struct db *db)
{
    struct llm_prices *prices = calloc(1, sizeof *prices);

    if (!prices || uv_mutex_init(&prices->lock))
        DIE("out of memory");
    prices->db = db;
    prices->by_name = map_new();
    return prices;
}

void llm_prices_free(struct llm_prices *prices)
{
    if (!prices)
        return;
    map_free(prices->by_name, free);
    uv_mutex_destroy(&prices->lock);
    free(prices);
}

/* ---- in memory ---- */

/* Empty if there can be none of these names. */
static Str key_of(char out[KEY_MAX], Id tenant, bool imported, Str provider, Str model)
{
    size_t n = 0;

    if (provider.n > LLM_NAME_MAX || model.n > LLM_MODEL_MAX)
        return S("");
    memcpy(out, tenant.b, 16);
    n = 16;
    out[n++] = imported ? 'i' : 'o';
    memcpy(out + n, provider.p, provider.n);
    n += provider.n;
    out[n++] = '\0';
    memcpy(out + n, model.p, model.n);
    return str_from(out, n + model.n);
}

static Err add(struct map *by_name, const struct model_price_row *row)
{
    AUTO(arena) *a = arena_new(KIB(64));
    char key[KEY_MAX];
    struct json *v;
    struct llm_price *p = malloc(sizeof *p);
    Str k = key_of(key, row->tenant, row->imported, row->provider, row->model);

    if (!p)
        DIE("out of memory");
    Err e = json_parse(a, row->prices, &v);
    if (e == OK)
        e = llm_price_read(v, p);
    if (e == OK && k.n)
        free(map_put(by_name, k, p));
    else
        free(p);
    return e;
}

static Err read_all(struct llm_prices *prices, struct arena *a, struct map *by_name)
{
    ModelPriceRows rows;

    TRY(store_model_price_list(prices->db, a, &rows));
    vec_each(&rows, row) {
        Err e = add(by_name, row);
        if (e != OK)
            LOG_ERROR("a stored price cannot be read", L_STR("provider", row->provider),
                      L_STR("model", row->model), L_ERR(e));
    }
    return OK;
}

/* Read them whatever the stamp is. */
static Err reload(struct llm_prices *prices, struct arena *a)
{
    struct store_stamp stamp;

    uv_mutex_lock(&prices->lock);
    uint64_t turn = ++prices->reads;
    uv_mutex_unlock(&prices->lock);
    TRY(store_model_price_stamp(prices->db, a, &stamp));
    struct map *other = map_new();
    Err e = read_all(prices, a, other);
    uv_mutex_lock(&prices->lock);
    if (e == OK &&
        turn > prices->in_force) { /* else one that began to read later has come before */
        struct map *old = prices->by_name;
        prices->by_name = other;
        other = old;
        prices->stamp = stamp;
        prices->in_force = turn;
    }
    uv_mutex_unlock(&prices->lock);
    map_free(other, free);
    return e;
}

Err llm_prices_look(struct llm_prices *prices)
{
    AUTO(arena) *a = arena_new(LIST_MAX);
    struct store_stamp stamp;

    TRY(store_model_price_stamp(prices->db, a, &stamp));
    uv_mutex_lock(&prices->lock);
    bool same = prices->in_force && memcmp(&stamp, &prices->stamp, sizeof stamp) == 0;
    uv_mutex_unlock(&prices->lock);
    return same ? OK : reload(prices, a);
}

bool llm_prices_find(struct llm_prices *prices, const struct llm_target *t,
                     struct llm_price *ret_price)
{
    const struct llm_provider *p = t->provider;
    const struct llm_price *found = NULL;
    char key[KEY_MAX];

    uv_mutex_lock(&prices->lock);
    for (int i = 0; i < 4 && !found; i++) {
        Str k = key_of(key, p->tenant, i >= 2, i % 2 ? str_c(p->kind->name) : p->name, t->model);
        found = k.n ? map_get(prices->by_name, k) : NULL;
    }
    if (found)
        *ret_price = *found;
    uv_mutex_unlock(&prices->lock);
    if (found || !p->kind->demo)
        return found != NULL;
    *ret_price = (struct llm_price){0}; /* a demo costs nothing */
    return true;
}

/* ---- changes ---- */

static Err check_names(Str provider, Str model)
{
    if (!provider.n || provider.n > LLM_NAME_MAX)
        return err_detail(E_INVALID,
                          "A price needs a provider, its name or kind, of 1 to %d bytes.",
                          LLM_NAME_MAX);
    if (!model.n || model.n > LLM_MODEL_MAX)
        return err_detail(E_INVALID, "A price needs a model of 1 to %d bytes.", LLM_MODEL_MAX);
    return OK;
}

static Err written(struct llm *llm, Err e)
{
    AUTO(arena) *a = arena_new(LIST_MAX);

    TRY(e);
    return reload(llm->prices, a);
}

Err llm_prices_put(struct llm *llm, struct arena *a, Id tenant, Str provider, Str model,
                   const struct json *v)
{
    struct llm_price price;

    TRY(check_names(provider, model));
    TRY(llm_price_read(v, &price));
    struct model_price_row row = {.id = id_new(),
                                  .tenant = tenant,
                                  .provider = provider,
                                  .model = model,
                                  .prices = json_text(a, llm_price_json(a, &price))};
    return written(llm, store_model_price_put(llm->db, a, &row));
}

Err llm_prices_delete(struct llm *llm, struct arena *a, Id tenant, Id id)
{
    return written(llm, store_model_price_delete(llm->db, a, tenant, id));
}

/* ---- LiteLLM's list ---- */

struct import_job {
    struct arena *a;
    Str text;
    Id tenant;
    ModelPriceRows rows;
    int64_t skipped;
};

/* Whether the entry was taken. */
static bool take_entry(struct import_job *job, struct map *seen, const struct json_member *m)
{
    struct model_price_row row = {.id = id_new(), .tenant = job->tenant, .imported = true};
    struct llm_price price;
    char key[KEY_MAX];

    if (llm_price_litellm(json_str_of(&m->key, S("")), &m->val, &row.provider, &row.model,
                          &price) != OK ||
        check_names(row.provider, row.model) != OK)
        return false;
    Str k = key_of(key, job->tenant, true, row.provider, row.model);
    if (map_get(seen, k))
        return false;
    (void)map_put(seen, k, job); /* there was none */
    row.prices = json_text(job->a, llm_price_json(job->a, &price));
    vec_push(job->a, &job->rows, row);
    return true;
}

static Err read_list(void *arg)
{
    struct import_job *job = arg;
    struct json *v;

    TRY(json_parse(job->a, job->text, &v));
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_INVALID, "A list of prices is an object of models.");
    if (json_len(v) > LLM_PRICES_MAX)
        return err_detail(E_INVALID, "A list of prices has at most %d models.", LLM_PRICES_MAX);
    struct map *seen = map_new();
    for (size_t i = 0; i < json_len(v); i++)
        if (!take_entry(job, seen, &v->obj[i]))
            job->skipped++;
    map_free(seen, NULL);
    if (!job->rows.n)
        return err_detail(E_INVALID, "No entry of the list has a price that is understood.");
    return OK;
}

Err llm_prices_import(struct llm *llm, Id tenant, Str text, struct llm_import *ret_import)
{
    AUTO(arena) *own = arena_new(LIST_MAX);
    struct import_job job = {.a = own, .text = text, .tenant = tenant};

    if (text.n > LLM_PRICES_TEXT_MAX)
        return err_detail(E_TOO_LARGE, "A list of prices has at most %d bytes.",
                          LLM_PRICES_TEXT_MAX);
    TRY(work_run(read_list, &job));
    Err e = store_model_price_import(llm->db, own, tenant, &job.rows);
    if (e == E_EXISTS)
        return err_detail(E_CONFLICT, "Prices are being imported by somebody else.");
    TRY(written(llm, e));
    *ret_import = (struct llm_import){(int64_t)job.rows.n, job.skipped};
    return OK;
}
