/* src/wf/headers.h - HTTP headers as workflows see them. */
#ifndef WF_HEADERS_H
#define WF_HEADERS_H

#include "base/json.h"
#include "net/http.h"

/* An object by lower-case name. Headers of one name are joined by ", " as RFC 9110 has it, but
 * Set-Cookie is an array. @leave_out (may be NULL) tells by lower-case name what is not shown.
 * Linear in the bytes. */
struct json *wf_headers_json(struct arena *a, const HttpHeaders *headers,
                             bool (*leave_out)(const void *ctx, Str name), const void *ctx);

#endif
