/* test/fuzz/fuzz_llm_stream.c - however a stream is cut, its translation is the same and has the
 * same end. The first byte says which dialect into which, the second where to cut. */
#include "llm/dialects/stream.h"

#include <assert.h>

static void run(struct llm_stream *s, Str text, size_t cut, struct buf *out)
{
    s->created = 7;
    s->nonce = 7;
    buf_add(out, llm_stream_feed(s, str_head(text, cut)));
    buf_add(out, llm_stream_feed(s, str_skip(text, cut)));
    buf_add(out, llm_stream_end(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct llm_dialect *const all[] = {&llm_dialect_openai, &llm_dialect_anthropic,
                                                    &llm_dialect_gemini};
    static const struct llm_dialect *const clients[] = {
        &llm_dialect_openai, &llm_dialect_anthropic, &llm_dialect_responses, &llm_dialect_gemini};

    if (size < 3)
        return 0;
    const struct llm_dialect *from = all[data[0] % 3], *to = clients[data[0] / 3 % 4];
    Str text = {(const char *)data + 2, size - 2};
    AUTO(llm_stream) *whole = llm_stream_new(from, to, S("m"), true);
    AUTO(llm_stream) *parts = llm_stream_new(from, to, S("m"), true);
    AUTO_BUF(a, MIB(16));
    AUTO_BUF(b, MIB(16));

    run(whole, text, text.n, &a);
    run(parts, text, data[1] * text.n / 256, &b);
    assert(a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0));
    assert(whole->done == parts->done && whole->failed == parts->failed);
    assert(whole->fault == parts->fault && whole->chunks == parts->chunks);
    assert(whole->usage.prompt == parts->usage.prompt);
    assert(!(whole->done && whole->failed));
    return 0;
}
