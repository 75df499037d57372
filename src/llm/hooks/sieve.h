/* src/llm/hooks/sieve.h - an event stream that is held back until somebody has looked at it.
 *
 * Events are read in the dialect of the client and wait in order. When so many new bytes of text
 * wait, when a part of the answer is complete, and at the end, all that waits is shown; what was
 * let pass goes out, but for its last bytes, which are shown once more with what follows: what is
 * no longer than these is never out by half. Arguments of a call of a tool wait until they are
 * complete. Everything is bounded: E_TOO_LARGE.
 */
#ifndef LLM_HOOKS_SIEVE_H
#define LLM_HOOKS_SIEVE_H

#include "llm/hooks/said.h"
#include "rt/fiber.h"

enum {
    LLM_SIEVE_MAX = 8 << 20, /* bytes that wait, or are kept for the end */
    LLM_SIEVE_CHANNELS_MAX = 256,
    LLM_SIEVE_BEFORE = 512, /* of what went out, that is shown again */
};

/* How a dialect ends its texts. */
enum llm_sieve_kind {
    LLM_SIEVE_CHUNKS,
    LLM_SIEVE_MESSAGES,
    LLM_SIEVE_REPEATS, /* what was said piece by piece is said whole afterwards */
};

struct llm_sieve_rule {
    enum llm_sieve_kind kind;
    size_t window; /* new bytes of text that may wait before they are shown */
    size_t back;   /* bytes that wait until more has come */
    bool chunks;   /* it is shown on its way */
    bool whole;    /* and once more at its end, before the client has that; without chunks nothing
                    * goes out before */
};

/* Shown: part.with is what goes out instead. An error ends the stream. @whole: it is the whole
 * answer. */
typedef Err llm_sieve_show(void *ctx, struct llm_said *said, bool whole) YIELDS;

struct llm_sieve;
struct llm_sieve *llm_sieve_new(const struct llm_sieve_rule *rule, llm_sieve_show *show, void *ctx);
void llm_sieve_free(struct llm_sieve *h);
DEFINE_AUTO(llm_sieve, llm_sieve_free)
/* What may go out now that @piece has come; valid until the next call. */
Err llm_sieve_feed(struct llm_sieve *h, Str piece, Str *ret_out) YIELDS;
/* The stream is over: what is still to go out. */
Err llm_sieve_end(struct llm_sieve *h, Str *ret_out) YIELDS;

#endif
