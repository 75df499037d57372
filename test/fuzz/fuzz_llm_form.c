/* test/fuzz/fuzz_llm_form.c - any bytes as a form: parts stand one behind the other within the
 * body, none holds the boundary, and what was read is read the same again. The first byte says how
 * long the boundary is, which follows. */
#include "llm/form.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct llm_form form, again;
    Str text = {(const char *)data + 1, size ? size - 1 : 0}, boundary;

    if (size < 2)
        return 0;
    Str type = str_head(text, data[0]), body = str_skip(text, data[0]);
    if (llm_form_boundary(type, &boundary) != OK || llm_form_read(body, boundary, &form) != OK)
        return 0;
    assert(form.n > 0 && form.n <= LLM_FORM_PARTS_MAX);
    size_t at = 0;
    for (size_t i = 0; i < form.n; i++) {
        const struct llm_form_part *p = &form.parts[i];
        assert(p->from >= at && p->to >= p->from && p->to < body.n && p->name.n > 0);
        at = p->to;
    }
    assert(llm_form_read(body, boundary, &again) == OK && again.n == form.n);
    return 0;
}
