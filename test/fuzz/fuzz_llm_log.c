/* test/fuzz/fuzz_llm_log.c - whatever a stream says, the message that is logged is JSON, within
 * bounds and without the credential that stands in it; and a Cache-Control is read without a fault.
 */
#include "llm/assemble.h"
#include "llm/cache_rule.h"
#include "llm/redact.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 64 * 1024)
        return 0;
    AUTO(arena) *a = arena_new(MIB(512));
    Str in = {(const char *)data + 1, size - 1};
    enum llm_events kind = (enum llm_events)(data[0] % 4);
    LlmPatterns patterns = {0};
    struct json *v;

    vec_push(a, &patterns, S("[0-9]{4}"));
    (void)llm_cache_control_read(in);
    const struct json *message = llm_assemble(a, kind, in);
    Str text = message ? json_text(a, message) : in;
    Str kept = llm_redact(a, text, &patterns, S("sEcReT"));
    assert(kept.n <= LLM_LOGGED_MAX + 64);
    assert(!memchr(kept.p ? kept.p : "", 0, kept.n));
    assert(str_find(kept, S("sEcReT")) == SIZE_MAX);
    if (message && kept.n < LLM_LOGGED_MAX)
        assert(json_parse(a, kept, &v) == OK);
    return 0;
}
