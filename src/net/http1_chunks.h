/* src/net/http1_chunks.h - the chunked transfer coding (RFC 9112 section 7.1), decoded strictly.
 *
 * llhttp is not used for it: its loose mode skips bytes behind a chunk unseen, its strict mode
 * refuses honest extensions and takes a bare LF for the end. Extensions and trailers are checked,
 * bounded, dropped.
 */
#ifndef NET_HTTP1_CHUNKS_H
#define NET_HTTP1_CHUNKS_H

#include "base/str.h"

struct http1_chunks {
    uint64_t left;    /* of the present chunk */
    uint64_t content; /* bytes of all chunks so far */
    uint64_t framing; /* bytes of everything else */
    uint16_t trailers;
    uint8_t state, digits;
};

/* Zero is the beginning. */
static inline void http1_chunks_init(struct http1_chunks *c)
{
    *c = (struct http1_chunks){0};
}

/* Take bytes from *input up to the end of a piece of content, of the body, or of *input. *ret_piece
 * is the content (points into the input, may be empty); *ret_end tells that the body is complete:
 * *input is what follows. E_BAD_INPUT, with the reason in *ret_why. */
Err http1_chunks_next(struct http1_chunks *c, Str *input, Str *ret_piece, bool *ret_end,
                      const char **ret_why);

#endif
