/* src/llm/pins.c - which target made a response. */
#include "llm/pins.h"

#include "base/map.h"

#include <stdlib.h>
#include <uv.h>

enum { KEY_MAX = 16 + LLM_PIN_ID_MAX, FLUSH_MAX = 500 }; /* of one transaction */

struct entry {
    struct llm_pin pin;
    size_t key_n;
    char key[KEY_MAX];
};

struct llm_pins {
    uv_mutex_t lock;
    struct map *by_id;
    struct entry **ring; /* in the order in which they came */
    size_t next;
    uint64_t made, written; /* since the start; of the ring */
};

struct llm_pins *llm_pins_new(void)
{
    struct llm_pins *pins = calloc(1, sizeof *pins);

    if (pins)
        pins->ring = calloc(LLM_PINS_MAX, sizeof(struct entry *));
    if (!pins || !pins->ring || uv_mutex_init(&pins->lock))
        DIE("out of memory");
    pins->by_id = map_new();
    return pins;
}

void llm_pins_free(struct llm_pins *pins)
{
    if (!pins)
        return;
    for (size_t i = 0; i < LLM_PINS_MAX; i++)
        free(pins->ring[i]);
    free((void *)pins->ring);
    map_free(pins->by_id, NULL);
    uv_mutex_destroy(&pins->lock);
    free(pins);
}

static bool is_id(Str id)
{
    return id.n > 0 && id.n <= LLM_PIN_ID_MAX;
}

static Str key_of(char out[KEY_MAX], Id tenant, Str id)
{
    memcpy(out, tenant.b, 16);
    memcpy(out + 16, id.p, id.n);
    return str_from(out, 16 + id.n);
}

/* Under the lock. The oldest makes room. */
static struct entry *entry_for(struct llm_pins *pins, Str key)
{
    struct entry *e = map_get(pins->by_id, key);

    if (e)
        return e;
    e = pins->ring[pins->next];
    if (e)
        (void)map_take(pins->by_id, str_from(e->key, e->key_n));
    else
        e = pins->ring[pins->next] = calloc(1, sizeof *e);
    if (!e)
        DIE("out of memory");
    pins->next = (pins->next + 1) % LLM_PINS_MAX;
    pins->made++;
    memcpy(e->key, key.p, key.n);
    e->key_n = key.n;
    map_put(pins->by_id, key, e);
    return e;
}

void llm_pins_put(struct llm_pins *pins, Id tenant, Str id, Id provider, Str model)
{
    char key[KEY_MAX];

    if (!is_id(id) || model.n > sizeof((struct llm_pin *)0)->model)
        return;
    uv_mutex_lock(&pins->lock);
    struct entry *e = entry_for(pins, key_of(key, tenant, id));
    e->pin.provider = provider;
    e->pin.model_n = model.n;
    memcpy(e->pin.model, model.p, model.n);
    uv_mutex_unlock(&pins->lock);
}

bool llm_pins_get(struct llm_pins *pins, Id tenant, Str id, struct llm_pin *ret_pin)
{
    char key[KEY_MAX];

    if (!is_id(id))
        return false;
    uv_mutex_lock(&pins->lock);
    const struct entry *e = map_get(pins->by_id, key_of(key, tenant, id));
    if (e)
        *ret_pin = e->pin;
    uv_mutex_unlock(&pins->lock);
    return e != NULL;
}

/* ---- the store ---- */

/* The oldest that are not written, in @a. */
static size_t look_unwritten(struct llm_pins *pins, struct arena *a, struct model_pin_row *rows,
                             uint64_t *ret_first)
{
    size_t n = 0;

    uv_mutex_lock(&pins->lock);
    if (pins->made - pins->written > LLM_PINS_MAX)
        pins->written = pins->made - LLM_PINS_MAX;
    *ret_first = pins->written;
    for (; n < FLUSH_MAX && pins->written + n < pins->made; n++) {
        const struct entry *e = pins->ring[(pins->written + n) % LLM_PINS_MAX];
        Str key = str_dup(a, str_from(e->key, e->key_n));
        rows[n] =
            (struct model_pin_row){.provider = e->pin.provider,
                                   .response = str_skip(key, 16),
                                   .model = str_dup(a, str_from(e->pin.model, e->pin.model_n))};
        memcpy(rows[n].tenant.b, key.p, 16);
    }
    uv_mutex_unlock(&pins->lock);
    return n;
}

Err llm_pins_flush(struct llm_pins *pins, struct db *db, Usec kept)
{
    size_t n = FLUSH_MAX;
    uint64_t first;

    while (n == FLUSH_MAX) {
        AUTO(arena) *a = arena_new(MIB(4));
        struct model_pin_row *rows = arena_array(a, struct model_pin_row, FLUSH_MAX);
        n = look_unwritten(pins, a, rows, &first);
        if (!n)
            return OK;
        TRY(store_model_pin_put(db, a, rows, n, time_wall() + kept));
        uv_mutex_lock(&pins->lock);
        if (pins->written < first + n)
            pins->written = first + n;
        uv_mutex_unlock(&pins->lock);
    }
    return OK;
}
