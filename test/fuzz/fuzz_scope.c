/* test/fuzz/fuzz_scope.c - a scope that is taken is in the workflow, and reads back the same. */
#include "wf/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char workflow[] =
    "{\"heddle\":1,\"name\":\"x\",\"nodes\":[{\"id\":\"t\",\"type\":\"trigger\",\"data\":{}},"
    "{\"id\":\"a\",\"type\":\"iteration\",\"data\":{\"items\":[1]}},"
    "{\"id\":\"b-1\",\"type\":\"loop\",\"parentId\":\"a\",\"data\":{}},"
    "{\"id\":\"c\",\"type\":\"delay\",\"parentId\":\"b-1\",\"data\":{\"duration\":1}}],"
    "\"edges\":[{\"id\":\"1\",\"source\":\"t\",\"target\":\"a\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wf_def *def;
    AUTO(arena) *a = arena_new(MIB(8));
    char *copy = malloc(size + 1);
    struct wf_path path, again;
    WfProblems problems = {0};

    if (!def && wf_def_parse(a, str_c(workflow), &problems, &def) != OK)
        abort();
    memcpy(copy, data, size);
    if (wf_path_read(def, (Str){copy, size}, &path) == OK) {
        assert(path.depth >= 0 && path.depth <= WF_DEPTH_MAX);
        for (int i = 0; i < path.depth; i++)
            assert(def->nodes[path.at[i].node].body && path.at[i].index >= 0);
        if (wf_path_read(def, wf_path_text(a, def, &path), &again) != OK)
            abort();
        assert(memcmp(&path, &again, sizeof path) == 0);
    }
    free(copy);
    return 0;
}
