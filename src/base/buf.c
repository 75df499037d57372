/* src/base/buf.c - growing text with a maximum. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
    *b = BUF(max);
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = BUF(b->max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

char *buf_room(struct buf *b, size_t n)
{
    if (__builtin_expect(b->failed, 0))
        return NULL;
    if (n <= b->cap - b->n)
        return b->p + b->n;
    if (n > b->max || b->n > b->max - n) {
        b->failed = true;
        return NULL;
    }
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->n + n)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    char *p = realloc(b->p, cap + 1); /* one to spare for the NUL that printf writes */
    if (!p) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return b->p + b->n;
}

void buf_added(struct buf *b, size_t n)
{
    b->n += n;
}

void buf_add(struct buf *b, Str s)
{
    char *to = s.n ? buf_room(b, s.n) : NULL;
    if (!to)
        return;
    memcpy(to, s.p, s.n);
    b->n += s.n;
}

void buf_add_c(struct buf *b, const char *c)
{
    buf_add(b, str_c(c));
}

void buf_add_char(struct buf *b, char c)
{
    char *to = buf_room(b, 1);
    if (!to)
        return;
    *to = c;
    b->n++;
}

void buf_add_fmt(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = b->p && !b->failed ? b->cap - b->n + 1 : 0;
    int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < room) {
        b->n += (size_t)n;
    } else if (n > 0) {
        char *to = buf_room(b, (size_t)n);
        if (to) {
            vsnprintf(to, (size_t)n + 1, fmt, again);
            b->n += (size_t)n;
        }
    }
    va_end(again);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char text[20];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, (Str){text + at, sizeof text - at});
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

Err buf_ok(const struct buf *b)
{
    return b->failed ? err_set(E_TOO_LARGE, "text of more than %zu bytes", b->max) : OK;
}
