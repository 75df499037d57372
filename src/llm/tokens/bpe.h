/* src/llm/tokens/bpe.h - counts tokens as OpenAI's tokenizers do: byte pair encoding by a
 * vocabulary.
 *
 * A text is cut into pieces by a pattern, and the bytes of each piece are merged, the pair of the
 * lowest rank first, until no two neighbours are a token. A piece longer than BPE_PIECE_MAX is
 * counted in parts of that length, each of which may have a token too many. A vocabulary never
 * changes; any thread may count by it.
 */
#ifndef LLM_BPE_H
#define LLM_BPE_H

#include "base/str.h"

enum { BPE_FILE_MAX = 16 << 20, BPE_TOKENS_MAX = 1 << 20, BPE_PIECE_MAX = 64 * 1024 };

struct bpe;

/* @text: lines of a token in base64, a space and its rank, as the files that OpenAI publishes are
 * (*.tiktoken). @pattern: how it cuts texts. E_SYNTAX with a detail. */
Err bpe_new(Str text, const char *pattern, struct bpe **ret_bpe);
void bpe_free(struct bpe *b);
DEFINE_AUTO(bpe, bpe_free)

/* How many tokens @text is. Texts that are no UTF-8 are counted as if they were repaired. */
int64_t bpe_count(const struct bpe *b, Str text);
/* How many there are in the vocabulary. */
size_t bpe_size(const struct bpe *b);

#endif
