/* src/base/vec.h - growing arrays in an arena.
 *
 * A vector is any struct with the members { T *at; size_t n, cap; }; VEC(T) declares one.
 *     VEC(struct row) rows = {0};
 *     struct row *r = vec_add(a, &rows);   // a zeroed new element
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/arena.h"

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *at;                                                                                  \
        size_t n, cap;                                                                             \
    }

#define vec_add(a, v)                                                                              \
    ((__typeof__((v)->at))vec_add_raw((a), (void **)&(v)->at, &(v)->n, &(v)->cap, sizeof *(v)->at))
#define vec_push(a, v, value) ((void)(*vec_add((a), (v)) = (value)))
/* Iterate: vec_each(&rows, r) { use(r); } */
#define vec_each(v, it)                                                                            \
    for (__typeof__(*(v)->at) *it = (v)->at, *it##_end_ = it ? it + (v)->n : it; it < it##_end_;   \
         it++)

void *vec_add_raw(struct arena *a, void **at, size_t *n, size_t *cap, size_t size);

#endif
