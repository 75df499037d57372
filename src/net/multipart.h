/* src/net/multipart.h - the parts of a multipart/form-data body (RFC 7578). Pure. */
#ifndef NET_MULTIPART_H
#define NET_MULTIPART_H

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

struct multipart_part {
    Str name;
    bool file;      /* it has a file name, which may be empty: nothing was chosen */
    Str file_name;  /* its last segment, as it is; UTF-8 */
    Str media_type; /* empty: none was given */
    Str data;
};
typedef VEC(struct multipart_part) MultipartParts;

/* The boundary that a Content-Type says; E_SYNTAX when there is none, or it is none. */
Err multipart_boundary(struct arena *a, Str content_type, Str *ret_boundary);
/* All parts of @body, which they point into. E_SYNTAX with a detail; E_TOO_LARGE past @max parts.
 */
Err multipart_parse(struct arena *a, Str body, Str boundary, size_t max, MultipartParts *ret_parts);

#endif
