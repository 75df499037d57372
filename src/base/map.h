/* src/base/map.h - a hash map from text to pointer, on the heap, safe against chosen keys
 * (SipHash).
 *
 * Open addressing with backward-shift deletion. Keys are copied. One map belongs to one thread.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map;

struct map *map_new(void);
/* Frees the map and its keys; @free_value, if not NULL, is called for each value. */
void map_free(struct map *m, void (*free_value)(void *value));

size_t map_count(const struct map *m);
void *map_get(const struct map *m, Str key); /* NULL if absent */
/* Puts @value (not NULL) under a copy of @key and gives the former value, NULL if there was none.
 */
void *map_put(struct map *m, Str key, void *value);
/* Takes the entry out and gives its value; NULL if absent. */
void *map_take(struct map *m, Str key);
/* Visit in no order: start with *at = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *m, size_t *at, Str *ret_key, void **ret_value);

#endif
