/* src/llm/usage.h - what a call used, as the upstream counted it. */
#ifndef LLM_USAGE_H
#define LLM_USAGE_H

#include "base/json.h"

struct llm_usage {
    bool known; /* the upstream said so */
    int64_t prompt, cached, completion, reasoning;
    int64_t cache_written;                /* of the prompt, as is what was cached */
    int64_t images, characters, audio_ms; /* what is not counted in tokens */
    bool estimated;                       /* nobody counted them */
};

/* Read a "usage" member in any of the forms that servers of OpenAI's dialect use; what is no number
 * or negative counts as 0. Nothing changes if @v is no object. */
void llm_usage_read(const struct json *v, struct llm_usage *usage);
/* The same of calls that pass through: also OpenAI's newer names, a duration, a total alone. */
void llm_usage_read_passed(const struct json *v, struct llm_usage *usage);

#endif
