/* src/net/http_answer.h - the parser of answers to outbound calls, on llhttp.
 *
 * It is fed bytes as they come, cut anywhere, and keeps what the caller wants: status and headers
 * in the call's arena, the body in a buffer that the caller may take from, or whole. Interim
 * answers (1xx) are passed over. Everything is bounded; the first error stays.
 */
#ifndef NET_HTTP_ANSWER_H
#define NET_HTTP_ANSWER_H

#include "base/buf.h"
#include "base/time.h"
#include "net/http.h"
#include "net/llhttp_names.h"

/* Set before http_answer_begin(). */
struct http_answer_wants {
    struct arena *a;
    size_t
        max_header; /* text of all fields and 32 bytes for each, interim answers and trailers too */
    size_t max_body;
    bool is_head; /* the request was HEAD: there is no body */
    bool collect; /* all of the body is wanted at once: short ones go into the arena directly */
};

struct http_answer {
    struct http_answer_wants wants;
    HttpHeaders headers;
    struct buf body; /* what came and was not taken; it outlives begin */
    char *direct;    /* where a short body that is collected went instead */
    size_t body_n;   /* all that came */
    int status;
    Err error; /* E_UPSTREAM, E_UPSTREAM_CUT, E_TOO_LARGE */
    const char *why;
    Usec keep_span; /* how long the server keeps the connection, at most */
    bool got_bytes, headers_done;
    bool complete;
    bool keep; /* the connection may be used again */
    bool more; /* bytes came after the end of the answer */

    /* private */
    llhttp_t parser;
    struct http_header *header;
    size_t header_bytes;
    bool field_done;
};

/* Be ready for an answer; what a body buffer holds from before is dropped. */
void http_answer_begin(struct http_answer *x, const struct http_answer_wants *wants);
void http_answer_feed(struct http_answer *x, const char *p, size_t n);
/* No more bytes will come, in order (the peer's FIN, or close_notify) or not; @why is for the
 * error. */
void http_answer_end(struct http_answer *x, bool in_order, const char *why);
/* End it by an error from outside, if it has none and is not complete. */
void http_answer_fail(struct http_answer *x, Err e, const char *why);

#endif
