/* src/base/map.c - open addressing with linear probing and backward-shift deletion. */
#include "base/map.h"

#include <stdlib.h>

struct slot {
    char *key; /* NULL: free */
    size_t key_n;
    uint64_t hash;
    void *value;
};

struct map {
    struct slot *slots;
    size_t mask, count;
};

static uint64_t hash_of(Str key)
{
    return str_hash_keyed(key, str_hash_key());
}

struct map *map_new(void)
{
    struct map *m = calloc(1, sizeof *m);
    if (!m || !(m->slots = calloc(8, sizeof *m->slots)))
        DIE("out of memory");
    m->mask = 7;
    return m;
}

void map_free(struct map *m, void (*free_value)(void *value))
{
    if (!m)
        return;
    for (size_t i = 0; i <= m->mask; i++) {
        if (!m->slots[i].key)
            continue;
        if (free_value)
            free_value(m->slots[i].value);
        free(m->slots[i].key);
    }
    free(m->slots);
    free(m);
}

size_t map_count(const struct map *m)
{
    return m->count;
}

static struct slot *find(const struct map *m, Str key, uint64_t hash)
{
    for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
        struct slot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && s->key_n == key.n &&
                        (key.n == 0 || memcmp(s->key, key.p, key.n) == 0)))
            return s;
    }
}

void *map_get(const struct map *m, Str key)
{
    return find(m, key, hash_of(key))->value;
}

static void grow(struct map *m)
{
    size_t old = m->mask + 1;
    struct slot *from = m->slots;

    m->slots = calloc(old * 2, sizeof *m->slots);
    if (!m->slots)
        DIE("out of memory");
    m->mask = old * 2 - 1;
    for (size_t i = 0; i < old; i++) {
        if (!from[i].key)
            continue;
        size_t to = from[i].hash & m->mask;
        while (m->slots[to].key)
            to = (to + 1) & m->mask;
        m->slots[to] = from[i];
    }
    free(from);
}

void *map_put(struct map *m, Str key, void *value)
{
    uint64_t hash = hash_of(key);
    struct slot *s = find(m, key, hash);

    if (s->key) {
        void *former = s->value;
        s->value = value;
        return former;
    }
    if ((m->count + 1) * 4 > (m->mask + 1) * 3) {
        grow(m);
        s = find(m, key, hash);
    }
    s->key = malloc(key.n + 1);
    if (!s->key)
        DIE("out of memory");
    if (key.n)
        memcpy(s->key, key.p, key.n);
    s->key[key.n] = 0;
    s->key_n = key.n;
    s->hash = hash;
    s->value = value;
    m->count++;
    return NULL;
}

void *map_take(struct map *m, Str key)
{
    struct slot *s = find(m, key, hash_of(key));
    if (!s->key)
        return NULL;
    void *value = s->value;
    free(s->key);
    size_t hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & m->mask; m->slots[i].key; i = (i + 1) & m->mask) {
        size_t home = m->slots[i].hash & m->mask;
        /* Move back what could not be found any more past the hole. */
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct slot){0};
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *at, Str *ret_key, void **ret_value)
{
    for (; *at <= m->mask; (*at)++) {
        const struct slot *s = &m->slots[*at];
        if (!s->key)
            continue;
        if (ret_key)
            *ret_key = (Str){s->key, s->key_n};
        if (ret_value)
            *ret_value = s->value;
        (*at)++;
        return true;
    }
    return false;
}
