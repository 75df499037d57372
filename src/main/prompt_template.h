/* src/main/prompt_template.h - the house's templates, for the model gateway's prompts. */
#ifndef MAIN_PROMPT_TEMPLATE_H
#define MAIN_PROMPT_TEMPLATE_H

#include "llm/llm.h"

extern const struct llm_templates prompt_templates;

#endif
