/* test/fuzz/fuzz_mime.c - a mail, however odd, is read within its bounds: parts lie in it, texts
 * are UTF-8, and nothing is more than it may be. */
#include "base/utf8.h"
#include "net/mime.h"

#include <assert.h>
#include <stdlib.h>

enum { TEXT_MAX = 4096 };

static void look_at_part(struct arena *a, Str raw, const struct mime_part *p)
{
    bool cut;
    Str bytes, text;

    assert(p->body.n == 0 || (p->body.p >= raw.p && p->body.p + p->body.n <= raw.p + raw.n));
    assert(utf8_valid(p->file_name) && p->file_name.n <= 255);
    assert(str_find_char(p->file_name, '/') == SIZE_MAX);
    assert(mime_part_bytes(a, p, &bytes) == OK && bytes.n <= p->body.n);
    assert(mime_part_text(a, p, TEXT_MAX, &text, &cut) == OK);
    assert(utf8_valid(text) && text.n <= TEXT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(256 << 20);
    char *copy = malloc(size + 1);
    struct mime_message m;
    MimeAddresses addresses;
    Usec at;

    memcpy(copy, data, size);
    Str raw = {copy, size};
    mime_parse(a, raw, &m);
    assert(m.parts.n <= MIME_PARTS_MAX + MIME_DEPTH_MAX && m.headers.n <= MIME_HEADERS_MAX);
    vec_each(&m.headers, h) {
        assert(utf8_valid(mime_words(a, h->value)));
        mime_addresses(a, h->value, &addresses);
        assert(addresses.n <= MIME_ADDRESSES_MAX);
        vec_each(&addresses, x)
            assert(utf8_valid(x->name) && utf8_valid(x->address));
        if (mime_date(h->value, &at) == OK)
            assert(at > -2 * USEC_DAY);
    }
    vec_each(&m.parts, p)
        look_at_part(a, raw, p);
    free(copy);
    return 0;
}
