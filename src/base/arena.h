/* src/base/arena.h - memory that is freed whole.
 *
 * Every request, step and job has one arena. Code below it allocates and never frees. An arena
 * grows by chunks up to its maximum; limits on input are set so that the maximum is never met by
 * arena_alloc(), which ends the process there. Whoever allocates by a size that came from outside
 * uses arena_try().
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena;

/* A new arena of at most @max bytes. Small until used: the first chunk is 1 KiB and lives with it.
 */
struct arena *arena_new(size_t max);
/* The same with a first chunk of @first bytes, for what will be used of it anyway. */
struct arena *arena_new_sized(size_t max, size_t first);
void arena_free(struct arena *a);
DEFINE_AUTO(arena, arena_free)
/* Run the deferred calls and forget all memory, but keep the arena (and its first chunk) for use
 * again. */
void arena_reset(struct arena *a);

/* Zeroed memory for any type. Never NULL; past the maximum the process ends. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, alloc_size(2)));
/* Bytes that are not zeroed and not aligned. Never NULL. */
char *arena_bytes(struct arena *a, size_t n) __attribute__((malloc, alloc_size(2)));
/* As arena_alloc, without zeroing, but NULL when the maximum would be passed. */
void *arena_try(struct arena *a, size_t n);
#define arena_new_of(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

/* Make the last allocation @p of @old bytes one of @n bytes, in place if there is room, else by
 * copy. NULL past the maximum (@p stays valid). */
void *arena_grow(struct arena *a, void *p, size_t old, size_t n);

/* Call fn(p) when the arena is freed or reset; the last deferred runs first. */
void arena_defer(struct arena *a, void (*fn)(void *p), void *p);

/* How many bytes it holds, and its limit. */
size_t arena_used(const struct arena *a);
size_t arena_max(const struct arena *a);

#endif
