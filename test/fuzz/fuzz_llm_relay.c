/* test/fuzz/fuzz_llm_relay.c - however an upstream's stream is cut, the client gets the same bytes
 * and the gateway learns the same. The first byte says where to cut, and whose
 * events they are. */
#include "llm/relay.h"

#include <assert.h>

static void run(struct llm_relay *r, Str text, size_t cut, enum llm_events events, struct buf *out)
{
    llm_relay_init(r, true);
    r->events = events;
    r->mend = true;
    buf_add(out, llm_relay_feed(r, str_head(text, cut)));
    buf_add(out, llm_relay_feed(r, str_skip(text, cut)));
    buf_add(out, llm_relay_rest(r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > LLM_HELD_MAX / 2)
        return 0; /* a longer event may go out before its end, where it is not looked into */
    Str text = {(const char *)data + 1, size - 1};
    struct llm_relay whole, parts;
    AUTO_BUF(a, MIB(1));
    AUTO_BUF(b, MIB(1));

    enum llm_events events = (enum llm_events)(data[0] % 5);

    run(&whole, text, text.n, events, &a);
    run(&parts, text, data[0] % size, events, &b);
    assert(a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
    assert(whole.done == parts.done && whole.failed == parts.failed);
    assert(whole.chunks == parts.chunks && whole.finished == parts.finished);
    assert(whole.usage.prompt == parts.usage.prompt);
    llm_relay_done(&whole);
    llm_relay_done(&parts);
    return 0;
}
