/* src/base/vec.c - the growth of arena vectors. */
#include "base/vec.h"

void *vec_add_raw(struct arena *a, void **at, size_t *n, size_t *cap, size_t size)
{
    if (*n == *cap) {
        size_t wider = *cap ? *cap * 2 : 8;
        void *p = arena_grow(a, *at, *cap * size, wider * size);
        if (!p)
            DIE("arena is too small for a vector of %zu elements of %zu bytes", wider, size);
        *at = p;
        *cap = wider;
    }
    void *slot = (char *)*at + (*n)++ * size;
    return memset(slot, 0, size);
}
