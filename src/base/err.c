/* src/base/err.c - error codes as a table, and the error record of the running fiber or thread. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
    enum err_retry retry;
    const char *text;
} codes[ERR_COUNT] = {
    [OK] = {"OK", 200, RETRY_NO, "Done."},
#define X(code, http, retry, text) [code] = {#code, http, retry, text},
#include "base/err.def"
#undef X
};

/* The lower-case names without "E_", built at compile time would need a second table: filled once.
 */
static char slugs[ERR_COUNT][24];

static _Thread_local struct err_record thread_record;
static _Thread_local struct err_record *current;

__attribute__((constructor)) static void fill_slugs(void)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        const char *from = codes[i].name;
        if (from[0] == 'E' && from[1] == '_')
            from += 2;
        size_t n = 0;
        for (; from[n] && n < sizeof slugs[i] - 1; n++)
            slugs[i][n] = (char)(from[n] >= 'A' && from[n] <= 'Z' ? from[n] + 32 : from[n]);
    }
}

struct err_record *err_record(void)
{
    return current ? current : &thread_record;
}

struct err_record *err_record_swap(struct err_record *rec)
{
    struct err_record *former = current;
    current = rec;
    return former;
}

/* Texts are formatted aside first: an argument may be the text of the record itself. */
static Err record(Err code, const char *file, int line, const char *text, const char *detail)
{
    struct err_record *r = err_record();

    r->code = code;
    r->file = file;
    r->line = line;
    r->retry_after_us = 0;
    snprintf(r->text, sizeof r->text, "%s", text);
    snprintf(r->detail, sizeof r->detail, "%s", detail);
    return code;
}

Err err_set_at(Err code, const char *file, int line, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return record(code, file, line, text, "");
}

Err err_add_at(Err code, const char *file, int line, const char *fmt, ...)
{
    struct err_record *r = err_record();
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (r->code != code)
        return record(code, file, line, text, "");
    if (n >= 0 && (size_t)n < sizeof text - 2) {
        snprintf(text + n, sizeof text - (size_t)n, ": %.*s", (int)(sizeof text - (size_t)n - 3),
                 r->text);
        memcpy(r->text, text, sizeof text);
    }
    return code;
}

Err err_detail_at(Err code, const char *file, int line, const char *fmt, ...)
{
    char detail[ERR_DETAIL_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    return record(code, file, line, detail, detail);
}

static int index_of(Err e)
{
    return (int)e >= 0 && (int)e < ERR_COUNT ? (int)e : (int)E_INTERNAL;
}

const char *err_name(Err e)
{
    return codes[index_of(e)].name;
}

const char *err_slug(Err e)
{
    return slugs[index_of(e)];
}

Err err_by_slug(const char *slug, size_t n)
{
    for (int i = 0; i < ERR_COUNT; i++)
        if (strlen(slugs[i]) == n && memcmp(slugs[i], slug, n) == 0)
            return (Err)i;
    return OK;
}

int err_http(Err e)
{
    return codes[index_of(e)].http;
}

enum err_retry err_retry(Err e)
{
    return codes[index_of(e)].retry;
}

const char *err_public(Err e)
{
    return codes[index_of(e)].text;
}

const char *err_text(Err e)
{
    const struct err_record *r = err_record();
    return r->code == e && r->text[0] ? r->text : err_public(e);
}

const char *err_client_text(Err e)
{
    const struct err_record *r = err_record();
    return r->code == e && r->detail[0] ? r->detail : err_public(e);
}

Err err_from_errno(int err_no)
{
    switch (err_no) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return E_DISK_FULL;
    case EROFS:
        return E_READ_ONLY;
    case ENOENT:
    case ENOTDIR:
        return E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return E_FORBIDDEN;
    case EEXIST:
        return E_EXISTS;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return E_CONNECT;
    case ECONNRESET:
    case EPIPE:
        return E_CLOSED;
    case ETIMEDOUT:
        return E_TIMEOUT;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return E_OVERLOADED;
    default:
        return E_IO;
    }
}

void err_die(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "heddle: fatal at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
