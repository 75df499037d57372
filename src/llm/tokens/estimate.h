/* src/llm/tokens/estimate.h - about how many tokens a text is, where no vocabulary can be had.
 *
 * A text is counted by what it consists of: words, letters, digits, signs, lines, characters of
 * other scripts. A family of models has a weight for each; they were fitted to the family's own
 * tokenizer over prose in some forty languages, source code and JSON (docs/adr/0009). Pure.
 */
#ifndef LLM_ESTIMATE_H
#define LLM_ESTIMATE_H

#include "base/str.h"

enum llm_feature {
    LLM_F_PLAIN, /* words (runs of ASCII letters) as in prose: small letters behind a space */
    LLM_F_PLAIN_LETTERS, /* of them, beyond the eighth of a word */
    LLM_F_WORDS,         /* other words */
    LLM_F_LETTERS,       /* of them, beyond the fourth of a word */
    LLM_F_DIGITS,
    LLM_F_NUMBERS, /* runs of digits */
    LLM_F_SIGNS,   /* ASCII signs */
    LLM_F_SIGN_RUNS,
    LLM_F_LINES,    /* runs of line ends */
    LLM_F_INDENTS,  /* runs of two spaces and more */
    LLM_F_LATIN,    /* letters of Latin scripts beyond ASCII */
    LLM_F_CYRILLIC, /* and Greek, Hebrew, Arabic: two bytes each */
    LLM_F_INDIC,    /* and Thai, Georgian, ...: three bytes, in words */
    LLM_F_HAN,
    LLM_F_KANA,
    LLM_F_HANGUL,
    LLM_F_MARKS,  /* other characters of up to three bytes */
    LLM_F_ASTRAL, /* characters of four bytes */
    LLM_FEATURES
};

struct llm_features {
    int64_t n[LLM_FEATURES];
};

/* Add those of @text, which need not be UTF-8. */
void llm_features_add(struct llm_features *f, Str text);

/* Thousandths of a token for each feature. */
struct llm_weights {
    const char *name;
    int w[LLM_FEATURES];
};

extern const struct llm_weights llm_weights_gpt, llm_weights_gpt4, llm_weights_claude,
    llm_weights_gemini, llm_weights_llama, llm_weights_mistral, llm_weights_qwen,
    llm_weights_deepseek;

int64_t llm_features_tokens(const struct llm_features *f, const struct llm_weights *w);

#endif
