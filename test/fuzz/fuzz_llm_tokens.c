/* test/fuzz/fuzz_llm_tokens.c - whatever a vocabulary and a text are, counting ends, and a text has
 * no more tokens than bytes (three times as many, if it is no UTF-8 and was repaired). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "llm/tokens/request.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes, and what the input has before its first empty line: a merge a line. */
static Str vocabulary(struct arena *a, Str merges)
{
    AUTO_BUF(b, MIB(4));
    int rank = 0;

    for (; rank < 256; rank++) {
        char c = (char)rank;
        buf_add_fmt(&b, "%.*s %d\n", P(crypto_base64(a, str_from(&c, 1))), rank);
    }
    while (merges.n) {
        Str line;
        merges = str_cut(merges, '\n', &line);
        if (line.n > 1)
            buf_add_fmt(&b, "%.*s %d\n", P(crypto_base64(a, line)), rank++);
    }
    return str_dup(a, buf_str(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(64));
    AUTO(bpe) *given = NULL, *made = NULL;
    Str in = {(const char *)data, size};
    size_t at = str_find(in, S("\n\n"));
    Str merges = at == SIZE_MAX ? S("") : str_head(in, at);
    Str text = at == SIZE_MAX ? in : str_skip(in, at + 2);
    struct llm_tally t;
    struct json *v;

    if (size > KIB(64))
        return 0;
    if (bpe_new(in, "\\w+|\\W+", &given) == OK)
        (void)bpe_count(given, text);
    if (bpe_new(vocabulary(a, merges), "\\w+|\\W+", &made) == OK) {
        int64_t n = bpe_count(made, text);
        assert(n >= 0 && n <= (int64_t)text.n * 3 && (n > 0 || !text.n));
    }
    llm_tally_init(&t, NULL, str_head(text, 40));
    llm_tally_add(&t, text);
    assert(llm_tally_total(&t) >= 0 && llm_tally_total(&t) <= (int64_t)text.n * 5 + 1);
    if (json_parse(a, text, &v) == OK)
        llm_tally_request(&t, a, v);
    return 0;
}
