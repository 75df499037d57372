/* test/fuzz/fuzz_jsonpath.c - a path in the first line, a document behind it: the query ends, and
 * selects nodes that are in the document. */
#include "wf/json_path.h"

#include <assert.h>

/* How many values there are, and whether @node is one of them. */
static size_t walk(const struct json *v, const struct json *node, bool *ret_there)
{
    size_t n = 1;

    *ret_there |= v == node;
    for (size_t i = 0; i < json_len(v); i++)
        n += walk(json_is(v, JSON_ARR) ? &v->arr[i] : &v->obj[i].val, node, ret_there);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    struct wf_jsonpath *path;
    WfJsonNodes nodes;
    struct json *doc;
    Str line;

    if (size > 8192)
        return 0;
    Str rest = str_cut((Str){(const char *)data, size}, '\n', &line);
    if (wf_jsonpath_compile(a, line, &path) != OK || json_parse(a, rest, &doc) != OK)
        return 0;
    Err e = wf_jsonpath_query(path, a, doc, &nodes);
    assert(e == OK || e == E_TOO_LARGE);
    for (size_t i = 0; e == OK && i < nodes.n && i < 16; i++) {
        bool there = false;
        walk(doc, nodes.at[i], &there);
        assert(there);
    }
    return 0;
}
