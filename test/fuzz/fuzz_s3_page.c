/* test/fuzz/fuzz_s3_page.c - whatever a server says is in a bucket, what is taken of it keeps its
 * bounds and takes no more memory than it may. */
#include "base/utf8.h"
#include "base/xml.h"
#include "wf/s3.h"

#include <assert.h>
#include <stdlib.h>

/* Everything there is, read and left out in turns. */
static Err walk(struct xml *x, int depth)
{
    Str name, text;
    Err e;

    for (int i = 0; xml_child(x, &name, &e); i++) {
        assert(name.n && x->depth == depth + 1 && depth < XML_DEPTH_MAX);
        Err inner = i % 3 == 0 ? xml_text(x, &text) : i % 3 == 1 ? walk(x, depth + 1) : xml_skip(x);
        if (inner != OK)
            return inner;
        assert(x->depth == depth);
        assert(i % 3 || utf8_valid(text));
    }
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(3 * size + (512 << 10));
    char *copy = malloc(size + 1);
    struct s3_page page;
    struct xml x;
    Str in = {copy, size};

    memcpy(copy, data, size);
    if (s3_page_parse(a, in, &page) == OK) {
        assert(page.objects.n <= S3_PAGE);
        assert(!page.more || (page.token.n && page.token.n <= S3_TOKEN_MAX));
        vec_each(&page.objects, o) {
            assert(o->key.n && o->key.n <= S3_KEY_MAX && o->size >= 0);
            assert(utf8_valid(o->key) && str_find_char(o->key, 0) == SIZE_MAX);
            assert(utf8_control_free(o->etag) == o->etag.n);
        }
    }
    AUTO(arena) *b = arena_new(size + (64 << 10));
    if (xml_begin(&x, b, in, S("r")) == OK) {
        Err e = walk(&x, 1);
        assert(e == OK || e == E_SYNTAX);
    }
    free(copy);
    return 0;
}
