/* src/llm/kind.h - kinds of model providers: where they are and what is particular about them. */
#ifndef LLM_KIND_H
#define LLM_KIND_H

#include "base/str.h"

struct llm_dialect;

enum llm_op {
    LLM_CHAT,
    LLM_COMPLETIONS,
    LLM_EMBEDDINGS,
    LLM_MESSAGES, /* a chat in Anthropic's dialect */
    LLM_COUNT_TOKENS,
    LLM_RESPONSES,
    /* Gemini's: a chat, its tokens, embeddings of one text and of several. */
    LLM_GENERATE,
    LLM_GENERATE_TOKENS,
    LLM_EMBED_CONTENT,
    LLM_EMBED_CONTENTS,
    /* What passes through as it is; see door_pass.c. */
    LLM_RERANK,
    LLM_MODERATIONS,
    LLM_TRANSCRIPTIONS,
    LLM_TRANSLATIONS,
    LLM_SPEECH,
    LLM_IMAGES,
    LLM_IMAGE_EDITS,
    LLM_IMAGE_VARIATIONS,
    LLM_OPS
};

/* Whether its servers have OpenAI's responses, and keep them; else they are translated into chats
 * and kept here. */
enum llm_has_responses { LLM_RESPONSES_NO, LLM_RESPONSES_YES, LLM_RESPONSES_PERHAPS };

struct llm_kind {
    const char *name;
    const char *title;
    const char *base_url; /* NULL: must be given */
    const struct llm_dialect *dialect;
    const char *auth_header; /* has the credential alone; NULL: Authorization, as a bearer's */
    bool deployments;        /* models are called by the names under which they were deployed,
                              * which nobody lists; the API has versions */
    bool private_network;    /* usually on this machine or network */
    bool needs_credential;
    bool no_stream_options; /* refuses the member, and sends usage anyway */
    bool demo;              /* answers here, without any model */
    bool max_tokens;        /* knows the older name of max_completion_tokens alone */
    bool no_reasoning;      /* refuses what a model thought, when it comes back */
    enum llm_has_responses responses;
    bool full; /* knows all of its dialect, and its newest names alone */
};

/* All kinds in alphabetical order, ended by {0}. */
extern const struct llm_kind llm_kinds[];
/* NULL if there is none. */
const struct llm_kind *llm_kind_find(Str name);

#endif
