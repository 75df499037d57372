/* test/fuzz/fuzz_multipart.c - a body of parts: the first line of the input is the content type.
 * Parts lie in the body, names are UTF-8, and what is written of them anew reads back the same. */
#include "base/buf.h"
#include "base/utf8.h"
#include "net/multipart.h"

#include <assert.h>
#include <stdlib.h>

enum { PARTS_MAX = 20 };

static bool is_plain(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '/' || s.p[i] == '%' || s.p[i] == '\r' ||
            s.p[i] == '\n')
            return false;
    return true;
}

/* Whether the parts can be written with such a boundary and these plain quotes. */
static bool can_be_written(struct arena *a, const MultipartParts *parts, Str boundary)
{
    Str mark = str_fmt(a, "\r\n--%.*s", P(boundary));

    vec_each(parts, p)
        if (!is_plain(p->name) || !is_plain(p->file_name) ||
            str_find(str_fmt(a, "\r\n%.*s", P(p->data)), mark) != SIZE_MAX)
            return false;
    return true;
}

static void write_again(struct arena *a, const MultipartParts *parts, Str boundary)
{
    MultipartParts again;
    AUTO_BUF(b, 16 << 20);

    vec_each(parts, p) {
        buf_add_fmt(&b, "--%.*s\r\nContent-Disposition: form-data; name=\"%.*s\"", P(boundary),
                    P(p->name));
        if (p->file)
            buf_add_fmt(&b, "; filename=\"%.*s\"", P(p->file_name));
        buf_add_c(&b, "\r\n\r\n");
        buf_add(&b, p->data);
        buf_add_c(&b, "\r\n");
    }
    buf_add_fmt(&b, "--%.*s--", P(boundary));
    if (buf_ok(&b) != OK)
        return;
    if (multipart_parse(a, buf_str(&b), boundary, PARTS_MAX, &again) != OK)
        abort();
    assert(again.n == parts->n);
    for (size_t i = 0; i < again.n; i++) {
        assert(str_eq(again.at[i].name, parts->at[i].name));
        assert(again.at[i].file == parts->at[i].file);
        assert(str_eq(again.at[i].file_name, parts->at[i].file_name));
        assert(str_eq(again.at[i].data, parts->at[i].data));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(64 << 20);
    char *copy = malloc(size + 1);
    MultipartParts parts = {0};
    Str type, boundary;

    memcpy(copy, data, size);
    Str body = str_cut((Str){copy, size}, '\n', &type);
    if (body.p && multipart_boundary(a, type, &boundary) == OK &&
        multipart_parse(a, body, boundary, PARTS_MAX, &parts) == OK) {
        assert(parts.n <= PARTS_MAX);
        vec_each(&parts, p) {
            assert(p->data.p >= body.p && p->data.p + p->data.n <= body.p + body.n);
            assert(utf8_valid(p->name) && utf8_valid(p->file_name));
            assert(!memchr(p->name.p, 0, p->name.n));
            assert(p->file || p->file_name.n == 0);
        }
        if (can_be_written(a, &parts, boundary))
            write_again(a, &parts, boundary);
    }
    free(copy);
    return 0;
}
