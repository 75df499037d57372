/* src/llm/kind.h - kinds of model providers: where they are and what is particular about them. */
#ifndef LLM_KIND_H
#define LLM_KIND_H

#include "base/str.h"

enum llm_op { LLM_CHAT, LLM_COMPLETIONS, LLM_EMBEDDINGS, LLM_OPS };

struct llm_kind {
    const char *name;
    const char *title;
    const char *base_url; /* NULL: must be given */
    bool private_network; /* usually on this machine or network */
    bool needs_credential;
    bool no_stream_options; /* refuses the member, and sends usage anyway */
};

/* All kinds in alphabetical order, ended by {0}. */
extern const struct llm_kind llm_kinds[];
/* NULL if there is none. */
const struct llm_kind *llm_kind_find(Str name);
/* "/chat/completions" */
Str llm_op_path(enum llm_op op);

#endif
