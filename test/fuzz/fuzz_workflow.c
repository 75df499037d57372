/* test/fuzz/fuzz_workflow.c - whatever is sent as a definition, it is taken or every refusal has a
 * located problem; what was taken is normalised once and for all. */
#include "wf/def.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO(wf_def) *def = NULL;
    AUTO(wf_def) *again = NULL;
    WfProblems problems = {0}, none = {0};
    bool error = false;

    if (size > 65536)
        return 0;
    Err e = wf_def_parse(a, (Str){(const char *)data, size}, &problems, &def);
    assert(problems.n <= 100);
    vec_each(&problems, p) {
        assert(p->code.n && p->message.n);
        assert(p->path.n == 0 || p->path.p[0] == '/');
        error |= !p->warning;
    }
    assert(error == (e != OK));
    (void)wf_problems_json(a, &problems);
    if (e != OK)
        return 0;
    assert(def->trigger >= 0 && def->trigger < def->n_nodes);
    assert(wf_def_parse(a, def->text, &none, &again) == OK);
    assert(str_eq(def->text, again->text));
    assert(memcmp(def->hash, again->hash, sizeof def->hash) == 0);
    return 0;
}
