/* test/fuzz/fuzz_imap.c - a response of a mail server: what is read of it lies in it, and names of
 * folders stay one quoted word. */
#include "net/imap_parse.h"

#include <assert.h>
#include <stdlib.h>

static void inside(Str whole, Str part)
{
    assert(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void look_at_name(struct arena *a, Str name)
{
    Str quoted;

    if (imap_folder_name(a, name, &quoted) != OK)
        return;
    assert(quoted.n >= 3 && quoted.p[0] == '"' && quoted.p[quoted.n - 1] == '"');
    for (size_t i = 1; i + 1 < quoted.n; i++) {
        assert(quoted.p[i] >= ' ' && quoted.p[i] < 0x7f);
        if (quoted.p[i] == '\\')
            i++;
        else
            assert(quoted.p[i] != '"');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(64 << 20);
    char *copy = malloc(size + 1);
    struct imap_response r;
    ImapUids uids = {0};
    uint64_t n;

    memcpy(copy, data, size);
    Str text = {copy, size};
    (void)imap_literal(text, true, &n);
    (void)imap_literal(text, false, &n);
    if (imap_parse(text, &r) == OK) {
        inside(text, r.tag);
        inside(text, r.code);
        inside(text, r.text);
        inside(text, r.list);
        inside(text, r.message.body);
        if (r.kind == IMAP_SEARCH && imap_uids(a, r.list, 1000, &uids) == OK)
            assert(uids.n <= 1000);
        (void)imap_has_word(r.list, S("IDLE"));
    }
    look_at_name(a, text);
    free(copy);
    return 0;
}
