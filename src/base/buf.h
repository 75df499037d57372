/* src/base/buf.h - growing text with a maximum.
 *
 * A buf owns heap memory. Appending never fails at once: when the maximum would be passed the buf
 * keeps what it has, remembers the failure, ignores later appends, and buf_ok() or
 * buf_str_checked() tells.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    bool failed;
};

#define BUF(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);  /* frees; the buf may be used again with the same maximum */
void buf_reset(struct buf *b); /* empties, keeps the memory */
DEFINE_AUTO(buf, buf_done)
/* For a buf on the stack: AUTO_BUF(b, KIB(4)); */
static inline void buf_auto_done(struct buf *b)
{
    buf_done(b);
}
#define AUTO_BUF(name, max_bytes)                                                                  \
    __attribute__((cleanup(buf_auto_done))) struct buf name = BUF(max_bytes)

void buf_add(struct buf *b, Str s);
void buf_add_c(struct buf *b, const char *c);
void buf_add_char(struct buf *b, char c);
void buf_add_fmt(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_add_i64(struct buf *b, int64_t v);
void buf_add_u64(struct buf *b, uint64_t v);
/* Room for @n more bytes; NULL when that passes the maximum. Follow with buf_added(). */
char *buf_room(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
/* Drop the first @n bytes. */
void buf_drop(struct buf *b, size_t n);

static inline Str buf_str(const struct buf *b)
{
    return (Str){b->p, b->n};
}
/* E_TOO_LARGE if something did not fit. */
Err buf_ok(const struct buf *b);

#endif
