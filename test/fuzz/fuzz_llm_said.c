/* test/fuzz/fuzz_llm_said.c - every text of a request is seen, and a stream comes out of a sieve
 * the same however it is cut. The first byte says where to cut, and whose events they are. */
#include "llm/hooks/sieve.h"

#include <assert.h>

static Err allow(void *ctx, struct llm_said *said, bool whole)
{
    (void)ctx, (void)said, (void)whole;
    return OK;
}

static Err sift(Str text, size_t cut, const struct llm_sieve_rule *rule, struct buf *out)
{
    AUTO(llm_sieve) *s = llm_sieve_new(rule, allow, NULL);
    Str piece;

    TRY(llm_sieve_feed(s, str_head(text, cut), &piece));
    buf_add(out, piece);
    TRY(llm_sieve_feed(s, str_skip(text, cut), &piece));
    buf_add(out, piece);
    TRY(llm_sieve_end(s, &piece));
    buf_add(out, piece);
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > KIB(32))
        return 0;
    AUTO(arena) *a = arena_new(LLM_SAID_ARENA), *tree = arena_new(MIB(16));
    AUTO_BUF(whole, MIB(4));
    AUTO_BUF(parts, MIB(4));
    Str text = {(const char *)data + 1, size - 1};
    struct llm_said said = {.a = a};
    struct llm_sieve_rule rule = {.kind = (enum llm_sieve_kind)(data[0] % 3),
                                  .window = 16,
                                  .back = 4,
                                  .chunks = true,
                                  .whole = data[0] & 64};
    struct json *v;
    bool changed;

    if (json_parse(tree, text, &v) == OK && llm_said_request(&said, v) == OK) {
        vec_each(&said.parts, p)
            if (p->place && !p->whole)
                p->with = S("[taken out]");
        assert(llm_said_apply(&said, tree, &changed) == OK);
        assert(changed || !said.parts.n || !said.parts.at[0].place || said.parts.at[0].whole);
    }
    Err e = sift(text, text.n, &rule, &whole);
    Err other = sift(text, data[0] % size, &rule, &parts);
    assert(e == other);
    assert(whole.n == parts.n && (e != OK || !whole.n || !memcmp(whole.p, parts.p, whole.n)));
    return 0;
}
