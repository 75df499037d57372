/* test/fuzz/fuzz_llm_guard.c - what a guard answers is a verdict or an error, and replaces parts
 * that there are alone. */
#include "llm/hooks/guard.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > KIB(64))
        return 0;
    AUTO(arena) *a = arena_new(MIB(16));
    Str text = {(const char *)data + 1, size - 1};
    enum llm_hook_event event = (enum llm_hook_event)(data[0] % LLM_HOOK_EVENTS);
    struct llm_hook_verdict verdict = {0};
    struct llm_said said = {.a = a};
    struct llm_said_part part = {.text = S("one")};

    if (llm_said_add(&said, &part) != OK || llm_said_add(&said, &part) != OK)
        return 0;
    if (llm_verdict_read(a, text, event, &said, &verdict) != OK)
        return 0;
    bool any = said.parts.at[0].with.p || said.parts.at[1].with.p;
    assert(any == (verdict.action == LLM_REPLACE));
    assert(verdict.reason.n <= LLM_REASON_MAX);
    assert(event != LLM_ON_MODERATION || json_len(verdict.results) == said.parts.n);
    return 0;
}
