/* src/base/arena.c - chunked bump allocation with a maximum.
 *
 * Chunks double from 1 KiB to 64 KiB; an allocation larger than that gets a chunk of its own size.
 * Under AddressSanitizer each allocation is poisoned behind its end so that overruns are seen.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized" /* poisoning reads nothing */
#endif
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define RED_ZONE 8
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define RED_ZONE 0
#endif

enum { FIRST_CHUNK = 1024, LARGEST_CHUNK = 64 * 1024, ALIGN = alignof(max_align_t) };

struct chunk {
    struct chunk *next;
    size_t size; /* bytes behind this header */
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *p);
    void *p;
};

struct arena {
    char *at, *end;
    struct chunk
        *chunks; /* the newest first; the first one lives with the arena and is not listed */
    struct deferred *deferred;
    size_t used; /* bytes in chunks */
    size_t max;
    size_t next_size;
    size_t first_size; /* of the chunk that this lies in */
    alignas(max_align_t) char first[];
};

struct arena *arena_new(size_t max)
{
    return arena_new_sized(max, FIRST_CHUNK);
}

struct arena *arena_new_sized(size_t max, size_t first)
{
    size_t size = first < FIRST_CHUNK     ? (size_t)FIRST_CHUNK
                  : first < LARGEST_CHUNK ? first
                                          : (size_t)LARGEST_CHUNK;
    struct arena *a = malloc(size);
    if (!a)
        DIE("out of memory");
    a->first_size = size;
    a->chunks = NULL;
    a->deferred = NULL;
    a->at = a->first;
    a->end = (char *)a + size;
    a->used = (size_t)(a->end - a->at);
    a->max = max;
    a->next_size = FIRST_CHUNK * 2;
    POISON(a->at, (size_t)(a->end - a->at));
    return a;
}

static void release(struct arena *a)
{
    /* A deferred call may defer again while it runs. */
    while (a->deferred) {
        struct deferred *d = a->deferred;
        a->deferred = d->next;
        d->fn(d->p);
    }
    while (a->chunks) {
        struct chunk *c = a->chunks;
        a->chunks = c->next;
        UNPOISON(c, sizeof *c + c->size);
        free(c);
    }
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    release(a);
    UNPOISON(a, a->first_size);
    free(a);
}

void arena_reset(struct arena *a)
{
    release(a);
    a->at = a->first;
    a->end = (char *)a + a->first_size;
    a->used = (size_t)(a->end - a->at);
    a->next_size = FIRST_CHUNK * 2;
    POISON(a->at, (size_t)(a->end - a->at));
}

static bool add_chunk(struct arena *a, size_t n)
{
    size_t size = a->next_size;
    if (size < n)
        size = n;
    if (a->used > a->max || size > a->max - a->used) {
        size = n; /* near the maximum: only what is asked */
        if (a->used > a->max || size > a->max - a->used)
            return false;
    }
    struct chunk *c = malloc(sizeof *c + size);
    if (!c)
        return false;
    c->next = a->chunks;
    c->size = size;
    a->chunks = c;
    a->used += size;
    a->at = (char *)(c + 1);
    a->end = a->at + size;
    POISON(a->at, size);
    if (a->next_size < LARGEST_CHUNK)
        a->next_size *= 2;
    return true;
}

static void *take(struct arena *a, size_t n, size_t align)
{
    if (n > a->max || n > PTRDIFF_MAX / 2) /* below this no sum overflows */
        return NULL;
    uintptr_t at = ((uintptr_t)a->at + align - 1) & ~(uintptr_t)(align - 1);
    if (__builtin_expect(at + n + RED_ZONE > (uintptr_t)a->end, 0)) {
        if (!add_chunk(a, n + align + RED_ZONE))
            return NULL;
        at = ((uintptr_t)a->at + align - 1) & ~(uintptr_t)(align - 1);
    }
    a->at = (char *)(at + n + RED_ZONE);
    UNPOISON((void *)at, n);
    return (void *)at;
}

void *arena_try(struct arena *a, size_t n)
{
    return take(a, n, ALIGN);
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = take(a, n, ALIGN);
    if (!p)
        DIE("arena of %zu bytes cannot give %zu more (%zu used)", a->max, n, a->used);
    return memset(p, 0, n);
}

char *arena_bytes(struct arena *a, size_t n)
{
    char *p = take(a, n, 1);
    if (!p)
        DIE("arena of %zu bytes cannot give %zu more (%zu used)", a->max, n, a->used);
    return p;
}

void *arena_grow(struct arena *a, void *p, size_t old, size_t n)
{
    if (p && (char *)p + old + RED_ZONE == a->at && n >= old &&
        n - old <= (size_t)(a->end - a->at)) {
        a->at = (char *)p + n + RED_ZONE;
        UNPOISON(p, n);
        return p;
    }
    void *q = arena_try(a, n);
    if (q && p && old)
        memcpy(q, p, old < n ? old : n);
    return q;
}

void arena_defer(struct arena *a, void (*fn)(void *p), void *p)
{
    struct deferred *d = arena_alloc(a, sizeof *d);
    d->fn = fn;
    d->p = p;
    d->next = a->deferred;
    a->deferred = d;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

size_t arena_max(const struct arena *a)
{
    return a->max;
}
