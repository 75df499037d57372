/* src/base/err.h - the one error type, and the record of what went wrong.
 *
 * A function that can fail returns Err and nothing else. The code travels by value; text, file and
 * line of the first failure wait in the error record of the running fiber (or thread) until the
 * next err_set. The private text is for the log. What a client may see is the code's public text
 * and, where a function says so with err_detail(), a sentence written for the client.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

typedef enum [[nodiscard]] Err{OK = 0,
#define X(code, http, retry, text) code,
#include "base/err.def"
#undef X
                               ERR_COUNT} Err;

enum err_retry { RETRY_NO, RETRY_NOW, RETRY_LATER, RETRY_MAYBE };

enum { ERR_TEXT_MAX = 512, ERR_DETAIL_MAX = 384 };

/* The last failure. @text is private; @detail may be shown to the client ("" if there is none).
 * @retry_after_us is the far end's own wish, 0 when it gave none. */
struct err_record {
    Err code;
    int line;
    const char *file;
    long long retry_after_us;
    char text[ERR_TEXT_MAX];
    char detail[ERR_DETAIL_MAX];
};

/* The record in force on this thread: the fiber scheduler swaps it at every switch. Never NULL. */
struct err_record *err_record(void);
/* Make @rec the record of this thread; NULL gives the thread its own back. Returns the former one,
 * which is NULL for the thread's own. */
struct err_record *err_record_swap(struct err_record *rec);

/* The three below give back the code they take. Only static analysis has to be told. */
#ifdef __clang_analyzer__
#define ERR_IS(code, call) ((void)(call), (code))
#else
#define ERR_IS(code, call) (call)
#endif

/* Record a failure: forget what was recorded before, keep the formatted private text. Returns
 * @code. */
#define err_set(code, ...) ERR_IS(code, err_set_at((code), __FILE__, __LINE__, __VA_ARGS__))
Err err_set_at(Err code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Say what was being done: prepends "<text>: " to the private text. If the record is of another
 * code (the failing function set none), starts a fresh one. Returns @code. */
#define err_add(code, ...) ERR_IS(code, err_add_at((code), __FILE__, __LINE__, __VA_ARGS__))
Err err_add_at(Err code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Record a failure whose text the client may read: it becomes both the private text and the detail.
 */
#define err_detail(code, ...) ERR_IS(code, err_detail_at((code), __FILE__, __LINE__, __VA_ARGS__))
Err err_detail_at(Err code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Facts about a code. err_name gives "E_NOT_FOUND"; err_slug gives "not_found", the stable machine
 * name that APIs show. All accept any value. */
const char *err_name(Err e);
const char *err_slug(Err e);
/* The code of a slug; OK when there is none. */
Err err_by_slug(const char *slug, size_t n);
int err_http(Err e);
enum err_retry err_retry(Err e);
const char *err_public(Err e);
/* The private text of @e if the record is about @e, else the public text. */
const char *err_text(Err e);
/* The detail for the client if the record is about @e and has one, else the public text. */
const char *err_client_text(Err e);
/* The code that stands for an errno of an I/O call (ENOSPC -> E_DISK_FULL, ...). */
Err err_from_errno(int err_no);

/* Leave the function with the error of @call, if it fails. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        Err try_err_ = (call);                                                                     \
        if (__builtin_expect(try_err_ != OK, 0))                                                   \
            return try_err_;                                                                       \
    } while (0)

/* A declaration with AUTO(thing) *x = NULL; is released at the end of its scope by the function
 * that DEFINE_AUTO(thing, release) named; the release function must accept the pointer, NULL is
 * skipped. */
#define AUTO(type) __attribute__((cleanup(type##_auto_))) struct type
#define DEFINE_AUTO(type, release)                                                                 \
    static inline void type##_auto_(struct type **p_)                                              \
    {                                                                                              \
        if (*p_)                                                                                   \
            release(*p_);                                                                          \
    }                                                                                              \
    static inline void type##_auto_(struct type **p_);

/* On a declaration: other fibers may run before this function returns. */
#define YIELDS

/* End the process with a message: for broken promises of the code itself, never for input. */
#define DIE(...) err_die(__FILE__, __LINE__, __VA_ARGS__)
__attribute__((noreturn)) void err_die(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
