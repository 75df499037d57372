/* src/base/json_schema.h - JSON Schema draft 2020-12: compile once, validate often.
 *
 * Used for settings, structured output and tool arguments. `format` is an annotation unless
 * SCHEMA_FORMAT is given or the meta-schema demands it. References are resolved inside the schema,
 * to @remotes, and to the 2020-12 meta-schemas; nothing is fetched. Patterns are those of
 * ECMAScript, on PCRE2 with match limits. Older drafts are read as far as they agree: tuples in
 * "items", "dependencies", "definitions" and "#name" as $id are understood.
 */
#ifndef BASE_JSON_SCHEMA_H
#define BASE_JSON_SCHEMA_H

#include "base/json.h"

struct json_schema;

enum { SCHEMA_FORMAT = 1 };

struct json_schema_error {
    Str path;    /* JSON pointer into the instance, "" for its root */
    Str keyword; /* "required", "type", ... */
    Str message; /* a sentence: what was expected and what is there */
};
typedef VEC(struct json_schema_error) JsonSchemaErrors;

struct json_schema_remote {
    Str uri;
    const struct json *schema;
};

/* Compile @schema; borrows it and @remotes until the result is freed. E_INVALID with a detail that
 * names the place, E_TOO_LARGE beyond half a million values. */
Err json_schema_compile(const struct json *schema, const struct json_schema_remote *remotes,
                        size_t n_remotes, unsigned flags, struct json_schema **ret_schema);
void json_schema_free(struct json_schema *s);
DEFINE_AUTO(json_schema, json_schema_free)

/* OK, or E_INVALID with up to @max errors appended to *ret_errors (in @a); ret_errors may be NULL.
 * Bounded in depth and in steps: E_TOO_LARGE when a schema makes the work explode. Safe on several
 * threads. */
Err json_schema_validate(const struct json_schema *s, struct arena *a, const struct json *value,
                         size_t max, JsonSchemaErrors *ret_errors);

#endif
