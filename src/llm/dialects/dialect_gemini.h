/* src/llm/dialects/dialect_gemini.h - the files of Gemini's dialect, to each other. */
#ifndef LLM_DIALECT_GEMINI_H
#define LLM_DIALECT_GEMINI_H

#include "llm/dialects/stream.h"

Err llm_gemini_read_request(struct llm_chat *c, const struct json *body);
Err llm_gemini_write_request(struct llm_chat *c, Str model, bool full, struct json **ret_body);
Err llm_gemini_read_answer(struct llm_chat *c, const struct json *v, struct llm_answer *ret_answer);
struct json *llm_gemini_write_answer(struct arena *a, const struct llm_answer *answer);
void llm_gemini_read_event(struct llm_stream *s, Str data, const struct json *v);
void llm_gemini_read_end(struct llm_stream *s);
void llm_gemini_write_delta(struct llm_stream *s, const struct llm_delta *d);
struct json *llm_gemini_write_error(struct arena *a, int status, Str message, Str code);
void llm_gemini_read_usage(const struct json *v, struct llm_usage *usage);

/* ---- of requests ---- */

/* Base64 of what stands for a signature that nobody has. */
#define LLM_GEMINI_NOBODY "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="

/* Its servers take each name in two forms: "systemInstruction" and "system_instruction". Whether
 * @name is @camel in either; the member of @v; a whole number, which may be a text there. */
bool llm_gemini_is(Str name, const char *camel);
const struct json *llm_gemini_get(const struct json *v, const char *camel);
int64_t llm_gemini_int(const struct json *v, int64_t otherwise);
/* A field and who reads it; NULL: it says nothing to others. */
struct llm_gemini_field {
    const char *name;
    Err (*read)(struct llm_chat *c, const struct json *v);
};
/* Read the members of @v by @fields (ended by {0}); those without a row are dropped as @where +
 * name. */
Err llm_gemini_fields(struct llm_chat *c, const struct json *v, Str where,
                      const struct llm_gemini_field *fields);
/* Note the members of @v that are not in @known (ended by NULL). */
void llm_gemini_drop_others(struct llm_chat *c, const struct json *v, Str where,
                            const char *const *known);

Err llm_gemini_read_config(struct llm_chat *c, const struct json *v);
Err llm_gemini_read_tools(struct llm_chat *c, const struct json *v);
Err llm_gemini_read_tool_config(struct llm_chat *c, const struct json *v);
/* A schema in the words of OpenAPI 3.0 as a JSON Schema. @where: its field, for notes. E_BAD_INPUT,
 * E_TOO_LARGE. */
Err llm_gemini_schema(struct llm_chat *c, const struct json *v, const char *where,
                      struct json **ret_schema);
/* Whether servers that take the strictest schemas alone take this one. */
bool llm_schema_is_strict(const struct json *v);

#endif
