/* src/rt/log.c - one bounded line for each event.
 *
 * A line is put together in a buffer of the thread and leaves by one write(2), so that lines of
 * several threads do not mix. What does not fit into 8 KiB is cut and marked. A line that cannot be
 * written (full non-blocking pipe, full disk) is dropped and counted, and the next line that goes
 * out says how many.
 */
#include "rt/log.h"
#include "base/utf8.h"
#include "rt/fiber.h"
#include "rt/log_scrub.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 8192,
    LINE_TAIL = 64, /* kept free for the end of a cut line */
};

enum log_level log_threshold = LOG_LEVEL_INFO;

static atomic_int line_format = LOG_FORMAT_TEXT;
static atomic_int line_fd = STDERR_FILENO;
static atomic_uint_fast64_t lines_lost;
static atomic_bool line_torn; /* the last one lost had got out in part */

static const char *const level_json[] = {"debug", "info", "warn", "error"};
static const char *const level_text[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

struct line {
    char *p;
    size_t n, max;
    bool json, scrub, cut;
};

void log_setup(enum log_level threshold, enum log_format format)
{
    log_threshold = threshold;
    atomic_store(&line_format, (int)format);
}

void log_fd_set(int fd)
{
    atomic_store(&line_fd, fd);
}

/* All or nothing. */
static bool put(struct line *l, Str s)
{
    if (l->cut || s.n > l->max - l->n) {
        l->cut = true;
        return false;
    }
    memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
    return true;
}

/* Characters that would end a line, move the cursor or turn the reading direction of a terminal. */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* One character of @s, escaped as JSON has it; gives its length in @s. */
static size_t put_char(struct line *l, Str s)
{
    size_t n = 1;
    uint32_t c = (unsigned char)s.p[0];
    char esc[8];

    if (c >= 0x80) {
        Str one = str_head(s, utf8_valid_prefix(str_head(s, 4)));
        if (!one.n) {
            put(l, S("\xef\xbf\xbd")); /* U+FFFD */
            return 1;
        }
        c = utf8_decode(one, &n);
    }
    if (c == '"' || c == '\\') {
        put(l, (Str){(char[]){'\\', (char)c}, 2});
    } else if (c == '\n') {
        put(l, S("\\n"));
    } else if (is_unsafe(c)) {
        snprintf(esc, sizeof esc, "\\u%04x", (unsigned)c & 0xffff);
        put(l, (Str){esc, 6});
    } else {
        put(l, (Str){s.p, n});
    }
    return n;
}

static void put_escaped(struct line *l, Str s)
{
    while (s.n && !l->cut) {
        size_t run = 0;
        while (run < s.n && run < l->max - l->n && s.p[run] >= 0x20 && s.p[run] < 0x7f &&
               s.p[run] != '"' && s.p[run] != '\\')
            run++;
        put(l, str_head(s, run));
        s = str_skip(s, run);
        if (s.n)
            s = str_skip(s, put_char(l, s));
    }
}

/* @s without the secrets in it. Error texts of full length were cut by whoever made them. */
static void put_scrubbed(struct line *l, Str s)
{
    size_t at, n;
    bool cut = s.n >= ERR_DETAIL_MAX - 1;

    s = str_head(s, LINE_MAX_BYTES);
    while (l->scrub && log_scrub_find(s, cut, &at, &n)) {
        put_escaped(l, str_head(s, at));
        put(l, S("***"));
        s = str_skip(s, at + n);
    }
    put_escaped(l, s);
}

static bool needs_quotes(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return true;
    }
    return s.n == 0;
}

/* A cut value still ends in its quote: the tail of the line is kept free for that. */
static void put_string(struct line *l, Str s)
{
    bool quotes = l->json || needs_quotes(s);
    size_t max = l->max;

    if (quotes && !put(l, S("\"")))
        return;
    put_scrubbed(l, s);
    bool cut = l->cut;
    l->cut = false;
    l->max = max + 8;
    if (cut)
        put(l, S("..."));
    if (quotes)
        put(l, S("\""));
    l->max = max;
    l->cut = cut;
}

/* The key, and room for a short value behind it. */
static bool put_key(struct line *l, const char *key)
{
    Str k = str_c(key);

    if (l->cut || k.n + 48 > l->max - l->n) {
        l->cut = true;
        return false;
    }
    put(l, l->json ? S(",\"") : S(" "));
    put(l, k);
    put(l, l->json ? S("\":") : S("="));
    return true;
}

static void put_int(struct line *l, int64_t i)
{
    char text[24];

    put(l, (Str){text, (size_t)snprintf(text, sizeof text, "%lld", (long long)i)});
}

static void put_double(struct line *l, double d)
{
    char text[32];

    if (!isfinite(d))
        put(l, l->json ? S("null") : S("nan"));
    else
        put(l, (Str){text, (size_t)snprintf(text, sizeof text, "%.9g", d)});
}

static void put_field(struct line *l, const struct log_field *f)
{
    if (!put_key(l, f->key))
        return;
    if (f->kind == 's')
        put_string(l, f->s);
    else if (f->kind == 'i')
        put_int(l, f->i);
    else
        put_double(l, f->f);
}

static void put_head(struct line *l, enum log_level level, const char *message)
{
    char text[TIME_RFC3339_SIZE];
    Str now = time_rfc3339(time_wall(), text);

    if (!l->json) {
        put(l, now);
        put(l, S(" "));
        put(l, str_c(level_text[level]));
        put(l, S(" "));
        put_scrubbed(l, str_c(message));
        return;
    }
    put(l, S("{\"time\":\""));
    put(l, now);
    put(l, S("\",\"level\":\""));
    put(l, str_c(level_json[level]));
    put(l, S("\",\"msg\":"));
    put_string(l, str_c(message));
}

static void put_line(struct line *l, enum log_level level, const char *message,
                     const struct log_field *fields, uint64_t lost)
{
    put_head(l, level, message);
    Str id = fiber_request_id();
    if (id.n && put_key(l, "request_id"))
        put_string(l, id);
    if (lost && put_key(l, "lost_lines"))
        put_int(l, (int64_t)lost);
    for (; fields->key; fields++)
        put_field(l, fields);

    bool cut = l->cut;
    l->cut = false;
    l->max = LINE_MAX_BYTES;
    if (cut)
        put(l, l->json ? S(",\"cut\":true") : S(" cut=true"));
    put(l, l->json ? S("}\n") : S("\n"));
}

/* One write; more only when a signal or a full disk or pipe cut it short. false: the line is lost.
 */
static bool write_line(Str s)
{
    int fd = atomic_load(&line_fd);
    Str rest = s;

    for (int tries = 0; rest.n && tries < 8; tries++) {
        ssize_t n = write(fd, rest.p, rest.n);
        if (n > 0)
            rest = str_skip(rest, (size_t)n);
        else if (n < 0 && errno != EINTR)
            break;
    }
    if (rest.n && rest.n < s.n)
        atomic_store(&line_torn, true);
    return rest.n == 0;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    static _Thread_local char text[LINE_MAX_BYTES];
    struct line l = {.p = text,
                     .max = LINE_MAX_BYTES - LINE_TAIL,
                     .json = atomic_load(&line_format) == LOG_FORMAT_JSON};
    int saved_errno = errno;
    uint64_t lost = atomic_exchange(&lines_lost, 0);

    if (atomic_exchange(&line_torn, false))
        put(&l, S("\n"));
    l.scrub = log_scrub_begin();
    put_line(&l, level, message, fields, lost);
    if (l.scrub)
        log_scrub_end();
    if (!write_line((Str){text, l.n}))
        atomic_fetch_add(&lines_lost, lost + 1);
    errno = saved_errno;
}
