/* src/llm/tokens/tokens.h - how many tokens a text is for a model.
 *
 * By the vocabulary of the model's family where the operator has given it, else by an estimate
 * that was fitted to the family; the count says which.
 */
#ifndef LLM_TOKENS_H
#define LLM_TOKENS_H

#include "llm/tokens/bpe.h"
#include "llm/tokens/estimate.h"

struct llm_vocabularies;

/* Those of @folder: files cl100k_base.tiktoken and o200k_base.tiktoken, at least one of them. An
 * empty name: none. Blocks. E_NOT_FOUND, E_SYNTAX, E_INVALID with a detail. */
Err llm_vocabularies_load(Str folder, struct llm_vocabularies **ret_vocabularies);
void llm_vocabularies_free(struct llm_vocabularies *v);

/* A count on its way. */
struct llm_tally {
    const struct bpe *bpe; /* NULL: an estimate */
    const struct llm_weights *weights;
    struct llm_features features;
    int64_t fixed;
    bool guessed; /* part of it is no text, or of a form that only the provider knows */
};

/* For the provider's own name of a model. @v may be NULL. Borrows @v. */
void llm_tally_init(struct llm_tally *t, const struct llm_vocabularies *v, Str model);
void llm_tally_add(struct llm_tally *t, Str text);
int64_t llm_tally_total(const struct llm_tally *t);
/* "o200k_base", "cl100k_base", or "estimate". */
const char *llm_tally_method(const struct llm_tally *t, const struct llm_vocabularies *v);
static inline bool llm_tally_exact(const struct llm_tally *t)
{
    return t->bpe && !t->guessed;
}

#endif
