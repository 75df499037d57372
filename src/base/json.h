/* src/base/json.h - JSON documents in an arena (RFC 8259).
 *
 * A value is 16 bytes; arrays and objects hold their children in one block, objects in the order of
 * their text. Numbers keep what was written: an int64 if it is one, a double if its shortest text
 * is of the same decimal value (0.1, 1e3, -0), else the text itself (JSON_RAW: 1e400,
 * 12345678901234567890), so that no id or amount is ever rounded. Of equal keys the last value
 * wins, in the place of the first. Objects of more than 16 members carry a hash index from their
 * making: a look-up does not depend on their size. A parsed document borrows its input text:
 * strings without escapes point into it.
 *
 * Values are plain data and may be shared between documents whose arenas live long enough; any
 * number of threads may read one. Readers accept NULL for "not there", so look-ups chain:
 * json_str_of(json_at(json_at(v, "a"), "b"), S("")). Nothing here recurses: depth costs no stack.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/id.h"
#include "base/vec.h"

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_INT,    /* .i */
    JSON_DOUBLE, /* .d, finite */
    JSON_RAW,    /* .s: the number's text */
    JSON_STR,    /* .s: UTF-8, checked */
    JSON_ARR,    /* .arr, n elements */
    JSON_OBJ,    /* .obj, n members */
};

struct json_member;
struct json {
    uint8_t type;
    uint8_t flags; /* private to json.c */
    uint16_t spare;
    uint32_t n; /* bytes, elements or members */
    union {
        int64_t i;
        double d;
        const char *s;
        struct json *arr;
        struct json_member *obj;
    };
};

struct json_member {
    struct json key; /* JSON_STR */
    struct json val;
};

/* ---- parsing ---- */

struct json_limits {
    unsigned depth; /* nesting; 0 means 200 */
    size_t bytes;   /* of the text; 0 means 64 MiB */
};

/* Parse the whole of @text (one value, white space around it). Borrows @text for the life of @a.
 * Failure is E_SYNTAX with a detail that names line, column and cause, or E_TOO_LARGE (depth,
 * bytes, arena). */
Err json_parse(struct arena *a, Str text, struct json **ret_value);
Err json_parse_limits(struct arena *a, Str text, const struct json_limits *limits,
                      struct json **ret_value);

/* ---- reading; every function takes NULL ---- */

static inline enum json_type json_type(const struct json *v)
{
    return v ? (enum json_type)v->type : JSON_NULL;
}
static inline bool json_is(const struct json *v, enum json_type t)
{
    return v && v->type == t;
}
bool json_is_number(const struct json *v);
bool json_is_bool(const struct json *v);
/* "null", "boolean", "number", "string", "array", "object": for error texts. */
const char *json_type_name(const struct json *v);

/* The member @key of an object; NULL if @v is none or has none. */
struct json *json_get(const struct json *v, Str key);
#define json_at(v, lit) json_get((v), S(lit))
/* Element @i of an array; NULL if there is none. */
struct json *json_item(const struct json *v, size_t i);
/* Elements of an array, members of an object, else 0. */
size_t json_len(const struct json *v);

Str json_str_of(const struct json *v, Str otherwise);
int64_t json_int_of(const struct json *v, int64_t otherwise); /* a double counts if it is whole */
double json_double_of(const struct json *v, double otherwise);
bool json_bool_of(const struct json *v, bool otherwise);

/* ---- building ---- */

struct json *json_null(struct arena *a);
struct json *json_bool(struct arena *a, bool b);
struct json *json_int(struct arena *a, int64_t i);
/* Not-a-number and infinities become null, as in JavaScript. */
struct json *json_double(struct arena *a, double d);
/* Borrows the bytes; ill-formed UTF-8 is repaired (copied). */
struct json *json_str(struct arena *a, Str s);
struct json *json_str_c(struct arena *a, const char *s);
struct json *json_id(struct arena *a, Id id);
/* RFC 3339 text of a wall time; 0 gives null. */
struct json *json_time(struct arena *a, Usec wall);
struct json *json_arr(struct arena *a);
/* An object of pairs (const char *key, struct json *value), ended by NULL; members whose value is
 * NULL are left out: json_obj(a, "id", json_id(a, id), "n", json_int(a, 3), NULL). */
struct json *json_obj(struct arena *a, ...) __attribute__((sentinel));
/* Putting a value in copies its 16 bytes and shares its children: build the child first, put it in
 * last. To go on changing it afterwards, change the one inside (json_get, json_item), or a
 * json_dup. */
void json_push(struct arena *a, struct json *arr, const struct json *item); /* NULL puts null */
/* Set or replace; @key is borrowed; a NULL @val changes nothing. */
void json_set(struct arena *a, struct json *obj, Str key, const struct json *val);
/* Take a member out, for all that share the object; whether there was one. */
bool json_remove(struct json *obj, Str key);
/* A deep copy that borrows nothing. */
struct json *json_dup(struct arena *a, const struct json *v);

/* ---- writing ---- */

/* Compact text. Strings are written as UTF-8 with the escapes RFC 8259 demands. */
void json_write(struct buf *b, const struct json *v);
void json_write_pretty(struct buf *b, const struct json *v); /* two spaces a level */
/* The same as a Str in @a. */
Str json_text(struct arena *a, const struct json *v);
/* A string with quotes and escapes; ill-formed UTF-8 is repaired. */
void json_write_str(struct buf *b, Str s);
/* The fewest digits that read back as @d; a whole one keeps its point ("1.0"), so that it stays a
 * double. Not-a-number and infinities are written as null. */
void json_write_double(struct buf *b, double d);

/* ---- algorithms ---- */

/* Deep equality; numbers by mathematical value (1 == 1.0), objects without order. */
bool json_equal(const struct json *x, const struct json *y);
/* RFC 6901, in its string form; E_SYNTAX for a bad pointer, E_NOT_FOUND. */
Err json_pointer(const struct json *v, Str pointer, struct json **ret_value);
/* RFC 7396: a new document; both inputs stay as they are and are shared. */
struct json *json_merge_patch(struct arena *a, const struct json *target, const struct json *patch);
/* A hash that agrees with json_equal, of this process only. */
uint64_t json_hash(const struct json *v);
/* Canonical text: members sorted by key bytes, no space, numbers normalised; for content hashes. */
void json_write_canonical(struct buf *b, const struct json *v);

#endif
