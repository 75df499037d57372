/* src/base/json_private.h - what the json_*.c files share.
 *
 * Blocks. The children of a container lie in one block. A block that grew by json_push or json_set,
 * or that belongs to an object of more than JSON_INDEX_MIN members, has a head in front of it (flag
 * JSON_HEADED): how many places it has, how many are taken, and for large objects a hash index over
 * the keys. Everything is built when the object is, never by a reader, so that readers on several
 * threads need no lock.
 *
 * Depth. Documents may be as deep as the parser's limit allows, fibers have small stacks:
 * everything that walks a document keeps its place in a struct json_stack instead of calling
 * itself.
 */
#ifndef BASE_JSON_PRIVATE_H
#define BASE_JSON_PRIVATE_H

#include "base/json.h"

#include <stdalign.h>
#include <stdlib.h>

enum { JSON_HEADED = 1 };     /* .flags: a struct json_head stands in front of the block */
enum { JSON_INDEX_MIN = 16 }; /* objects of more members have an index */

/* One place of the index; @at is the member's place plus one, 0 when free. */
struct json_slot {
    uint32_t hash, at;
};

struct json_head {
    uint32_t cap, used;
    struct json_slot *slots; /* NULL without index */
    uint32_t mask;           /* number of slots - 1 */
    uint32_t spare;
};

_Static_assert(sizeof(struct json) == 16, "values are 16 bytes");
_Static_assert(sizeof(struct json_head) % 8 == 0, "a block follows its head");

static inline struct json_head *json_head(const struct json *v)
{
    return v->flags & JSON_HEADED ? (struct json_head *)(void *)v->arr - 1 : NULL;
}

static inline Str json_chars(const struct json *v)
{
    return (Str){v->s, v->n};
}

/* Whether the two are equal; most pairs of keys differ at an end already, which saves the call. */
static inline bool json_same_key(const struct json *x, Str key)
{
    return x->n == key.n &&
           (key.n == 0 || (x->s[0] == key.p[0] && x->s[key.n - 1] == key.p[key.n - 1] &&
                           memcmp(x->s, key.p, key.n) == 0));
}

static inline uint32_t json_key_hash(Str key)
{
    return (uint32_t)str_hash_keyed(key, str_hash_key());
}

/* Where @key stands in the index of @v, NULL if nowhere. */
struct json_slot *json_index_find(const struct json_head *head, const struct json_member *members,
                                  uint32_t n, Str key, uint32_t hash);
void json_index_add(struct json_head *head, uint32_t hash, uint32_t at);

/* An object whose members are copied from @from, of equal keys the last value in the first one's
 * place. E_TOO_LARGE when the arena is full (no detail). */
Err json_object_from(struct arena *a, const struct json_member *from, size_t n,
                     struct json *ret_object);

/* ---- numbers by their decimal digits ---- */

/* A number as digits * 10^exp: no zero at either end of the digits, none at all for 0. The digits
 * of a double are the shortest that read back as it. */
struct json_num {
    bool negative;
    bool wild; /* the exponent does not fit: the text itself stands for the number */
    int64_t exp;
    size_t n;      /* how many digits */
    const char *p; /* the first; a '.' may stand among them */
    char own[24];
};

/* Read @v, a number. @num is referred to by itself: do not copy it. */
void json_num_of(const struct json *v, struct json_num *num);
/* The digits of a number's text. */
void json_num_of_text(Str text, struct json_num *num);
/* The digits as an integer; they must be at most 19. */
uint64_t json_num_digits(const struct json_num *num);
/* The nearest double; infinite when it is too large. */
double json_num_double(const struct json_num *num);
/* Negative, 0 or positive, by mathematical value. */
int json_num_cmp(const struct json_num *x, const struct json_num *y);
bool json_num_is_whole(const struct json_num *num);

/* ---- walking without recursion ---- */

/* A stack of frames of one size. It starts on the C stack and moves to the heap when it grows. */
struct json_stack {
    char *p;
    size_t n, cap, size;
    alignas(16) char first[768];
};

static inline void json_stack_init(struct json_stack *s, size_t frame_size)
{
    s->p = s->first;
    s->n = 0;
    s->size = frame_size;
    s->cap = sizeof s->first / frame_size;
}

void json_stack_grow(struct json_stack *s);

/* A new frame on top, not initialised. Frames move: pointers to older ones end here. */
static inline void *json_stack_push(struct json_stack *s)
{
    if (__builtin_expect(s->n == s->cap, 0))
        json_stack_grow(s);
    return s->p + s->n++ * s->size;
}

/* The frame on top, NULL when there is none. */
static inline void *json_stack_top(struct json_stack *s)
{
    return s->n ? s->p + (s->n - 1) * s->size : NULL;
}

static inline void json_stack_done(struct json_stack *s)
{
    if (s->p != s->first)
        free(s->p);
}

#endif
