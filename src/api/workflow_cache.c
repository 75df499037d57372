/* src/api/workflow_cache.c - a locked map of rows. A row that was read while something was
 * forgotten is not kept: it may be what was forgotten. */
#include "api/workflow_cache.h"

#include "base/map.h"

#include <stdlib.h>
#include <uv.h>

static const Usec TTL = USEC_S;
enum { ROWS_MAX = 10000 };

struct entry {
    struct workflow_row row;
    Usec until;
    char text[]; /* name, draft, published */
};

struct workflow_cache {
    struct db *db;
    uv_mutex_t lock;
    struct map *rows;    /* under the lock */
    uint64_t generation; /* likewise */
};

struct workflow_cache *workflow_cache_new(struct db *db)
{
    struct workflow_cache *c = calloc(1, sizeof *c);
    if (!c || uv_mutex_init(&c->lock))
        DIE("out of memory");
    c->db = db;
    c->rows = map_new();
    return c;
}

void workflow_cache_free(struct workflow_cache *c)
{
    if (!c)
        return;
    map_free(c->rows, free);
    uv_mutex_destroy(&c->lock);
    free(c);
}

static Str key_of(const Id *id)
{
    return str_from((const char *)id->b, sizeof id->b);
}

static bool look(struct workflow_cache *c, struct arena *a, Id id, struct workflow_row *ret_row,
                 uint64_t *ret_generation)
{
    uv_mutex_lock(&c->lock);
    const struct entry *e = map_get(c->rows, key_of(&id));
    bool found = e && time_mono() < e->until;
    if (found) {
        *ret_row = e->row;
        ret_row->name = str_dup(a, e->row.name);
        ret_row->draft = str_dup(a, e->row.draft);
        ret_row->published = str_dup(a, e->row.published);
    }
    *ret_generation = c->generation;
    uv_mutex_unlock(&c->lock);
    return found;
}

static Str put(char **at, Str s)
{
    char *p = *at;
    if (s.n)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return str_from(p, s.n);
}

static void keep(struct workflow_cache *c, const struct workflow_row *row, uint64_t generation)
{
    struct entry *e = malloc(sizeof *e + row->name.n + row->draft.n + row->published.n);
    char *at;
    if (!e)
        DIE("out of memory");
    e->row = *row;
    e->until = usec_in(TTL);
    e->row.description = S("");
    at = e->text;
    e->row.name = put(&at, row->name);
    e->row.draft = put(&at, row->draft);
    e->row.published = put(&at, row->published);
    uv_mutex_lock(&c->lock);
    if (c->generation != generation) {
        free(e);
    } else {
        if (map_count(c->rows) >= ROWS_MAX) {
            map_free(c->rows, free);
            c->rows = map_new();
        }
        free(map_put(c->rows, key_of(&row->id), e));
    }
    uv_mutex_unlock(&c->lock);
}

Err workflow_cache_get(struct workflow_cache *c, struct arena *a, Id id,
                       struct workflow_row *ret_row)
{
    uint64_t generation;

    if (look(c, a, id, ret_row, &generation))
        return OK;
    TRY(store_workflow_get_any(c->db, a, id, ret_row));
    keep(c, ret_row, generation);
    return OK;
}

void workflow_cache_forget(struct workflow_cache *c, Id id)
{
    uv_mutex_lock(&c->lock);
    c->generation++;
    free(map_take(c->rows, key_of(&id)));
    uv_mutex_unlock(&c->lock);
}
