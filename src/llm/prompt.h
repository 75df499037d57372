/* src/llm/prompt.h - prompts: messages with places for variables, a model and its parameters, under
 * a name and in versions that never change.
 *
 * A version is {"model": "chat", "messages": [{"role", "content"}, ...], "parameters": {...},
 * "defaults": {...}}, of which the first two are needed. Texts in the messages may have templates
 * of the house ("{{ customer.name }}"); what their first names are, are the prompt's variables, and
 * those in defaults need not be given. Parameters are members of a request ("temperature").
 *
 * A label stands for a version: "published" is the one that is called when nothing is said.
 */
#ifndef LLM_PROMPT_H
#define LLM_PROMPT_H

#include "llm/llm.h"
#include "store/store_prompt.h"

enum {
    LLM_PROMPT_BODY_MAX = 256 * 1024,
    LLM_PROMPT_FILLED_MAX = 8 << 20, /* of its messages with their values, as JSON */
    LLM_PROMPT_LABELS_MAX = 32,
    LLM_PROMPT_TEXT_MAX = 2000, /* of a description or note */
};

/* "prompt/NAME", and behind it perhaps "@3" or "@label". */
bool llm_is_prompt(Str model);

/* What is wrong with a version. E_INVALID with a detail. */
Err llm_prompt_check(const struct llm *llm, struct arena *a, const struct json *body);
/* The names of its variables, each once; *ret_needed those without a default. */
Err llm_prompt_variables(const struct llm *llm, struct arena *a, const struct json *body,
                         LlmNames *ret_names, LlmNames *ret_needed);
/* Its messages with @values (an object, or NULL). E_BAD_INPUT names a variable that is missing, or
 * is none of it; E_TOO_LARGE past LLM_PROMPT_FILLED_MAX. */
Err llm_prompt_fill(const struct llm *llm, struct arena *a, Str name, const struct json *body,
                    const struct json *values, struct json **ret_messages) YIELDS;

/* The number of the version that @which means: a number, a label, or empty for the published one.
 * E_NOT_FOUND with a detail. */
Err llm_prompt_number(struct arena *a, const struct prompt_row *row, Str which,
                      int64_t *ret_number);

/* The row is complete but for what is made here: id, times, labels. */
Err llm_prompt_create(struct llm *llm, struct arena *a, struct prompt_row *row,
                      struct prompt_version_row *version) YIELDS;
/* A new version of @row; @publish: it is called from now on. Gives its number in both. */
Err llm_prompt_add(struct llm *llm, struct arena *a, struct prompt_row *row,
                   struct prompt_version_row *version, bool publish) YIELDS;
/* @label stands for version @number from now on; 0: for none. */
Err llm_prompt_label(struct llm *llm, struct arena *a, struct prompt_row *row, Str label,
                     int64_t number) YIELDS;

#endif
