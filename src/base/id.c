/* src/base/id.c - UUIDv7 with a monotonic counter per thread and 62 random bits. */
#include "base/id.h"

#include "base/arena.h"

#include <sys/random.h>

/* Random bytes are drawn 4 KiB at a time: a system call for each id would cost more than the id. */
static void draw(uint8_t *out, size_t n)
{
    static _Thread_local uint8_t pool[4096];
    static _Thread_local size_t left;

    if (left < n) {
        for (size_t got = 0; got < sizeof pool;) {
            ssize_t r = getrandom(pool + got, sizeof pool - got, 0);
            if (r > 0)
                got += (size_t)r;
        }
        left = sizeof pool;
    }
    memcpy(out, pool + left - n, n);
    memset(pool + left - n, 0, n);
    left -= n;
}

static void put_time(Id *id, uint64_t ms)
{
    for (int i = 0; i < 6; i++)
        id->b[i] = (uint8_t)(ms >> (40 - 8 * i));
}

Id id_new(void)
{
    static _Thread_local uint64_t last_ms;
    static _Thread_local unsigned counter;
    uint64_t ms = (uint64_t)usec_max(time_wall() / USEC_MS, 0);
    Id id;

    draw(id.b + 8, 8);
    if (ms > last_ms) {
        last_ms = ms;
        counter = id.b[8] & 0x7fu; /* start low at a random place: room for 3,900 more in this ms */
    } else if (++counter > 0xfff) {
        last_ms++; /* the clock stood still or went back: go on ahead of it */
        counter = 0;
    }
    put_time(&id, last_ms);
    draw(id.b + 8, 1);
    id.b[6] = (uint8_t)(0x70 | counter >> 8);
    id.b[7] = (uint8_t)counter;
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    return id;
}

Id id_floor(Usec wall)
{
    Id id = ID_NONE;
    put_time(&id, (uint64_t)(wall < 0 ? 0 : wall / USEC_MS));
    id.b[6] = 0x70;
    id.b[8] = 0x80;
    return id;
}

Usec id_time(Id id)
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.b[i];
    return (Usec)ms * USEC_MS;
}

Str id_text(Id id, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *to = out;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[id.b[i] >> 4];
        *to++ = hex[id.b[i] & 15];
    }
    *to = 0;
    return (Str){out, 36};
}

Str id_str(struct arena *a, Id id)
{
    return id_text(id, arena_bytes(a, ID_TEXT_SIZE));
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Err id_parse(Str s, Id *ret_id)
{
    Id id;
    size_t at = 0;

    if (s.n != 36)
        return E_SYNTAX;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && s.p[at++] != '-')
            return E_SYNTAX;
        int high = nibble(s.p[at]), low = nibble(s.p[at + 1]);
        if (high < 0 || low < 0)
            return E_SYNTAX;
        id.b[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret_id = id;
    return OK;
}
