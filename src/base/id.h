/* src/base/id.h - identifiers: UUID version 7 (RFC 9562 section 5.7).
 *
 * The first 48 bits are the wall time in milliseconds, the next 12 a counter, so that ids made by
 * one process sort in the order they were made and databases append instead of scattering.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/time.h"

typedef struct Id {
    uint8_t b[16];
} Id;

enum { ID_TEXT_SIZE = 37 };

#define ID_NONE ((Id){{0}})

/* A new id, later than every id this thread made before; unique across threads and machines. */
Id id_new(void);
/* The first id of a moment: everything made later sorts after it. */
Id id_floor(Usec wall);
/* When @id was made, to the millisecond. */
Usec id_time(Id id);

static inline bool id_is_none(Id id)
{
    static const uint8_t zero[16];
    return memcmp(id.b, zero, 16) == 0;
}
static inline bool id_eq(Id a, Id b)
{
    return memcmp(a.b, b.b, 16) == 0;
}
static inline int id_cmp(Id a, Id b)
{
    return memcmp(a.b, b.b, 16);
}

/* Canonical text, lower case, into @out (of ID_TEXT_SIZE, NUL-terminated); gives the text. */
Str id_text(Id id, char *out);
Str id_str(struct arena *a, Id id);
/* Canonical text in either case; E_SYNTAX. Any UUID version is taken. */
Err id_parse(Str s, Id *ret_id);

#endif
