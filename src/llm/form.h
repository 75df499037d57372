/* src/llm/form.h - a form of several parts (multipart/form-data, RFC 7578): where its fields stand.
 *
 * Calls with files are forwarded as they came, but for the field that names the model. The reader
 * copies nothing: it notes where each part's value stands. It refuses what two readers could
 * understand differently: text before the first or behind the last part, a part whose head is not
 * plain, an encoding of its own, a name given in two ways. Pure.
 */
#ifndef LLM_FORM_H
#define LLM_FORM_H

#include "base/str.h"

enum { LLM_FORM_PARTS_MAX = 64, LLM_FORM_HEAD_MAX = 4096, LLM_FORM_BOUNDARY_MAX = 70 };

/* Its value stands in [from, to) of the body. */
struct llm_form_part {
    Str name;
    bool file; /* it has a file name */
    size_t from, to;
};

struct llm_form {
    struct llm_form_part parts[LLM_FORM_PARTS_MAX];
    size_t n;
};

/* The boundary that a Content-Type names. E_MEDIA_TYPE if it is no form, or names none that can be
 * one. */
Err llm_form_boundary(Str content_type, Str *ret_boundary);
/* E_SYNTAX or E_TOO_LARGE (parts, a part's head) with a detail. Borrows @body for the names. */
Err llm_form_read(Str body, Str boundary, struct llm_form *ret_form);

#endif
