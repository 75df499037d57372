/* src/wf/s3_page.c - the answer to ListObjectsV2, which somebody else has written. */
#include "base/utf8.h"
#include "base/xml.h"
#include "wf/s3.h"

enum { ETAG_MAX = 200, TIME_MAX = 64 };

static Err bad(const char *what)
{
    return err_detail(E_UPSTREAM, "The server's list of objects cannot be read: %s.", what);
}

static Err read_object(struct xml *x, struct s3_object *ret_object)
{
    struct s3_object o = {.size = -1};
    Str name, size = S("");
    Err e;

    while (xml_child(x, &name, &e)) {
        Str *to = str_eq(name, S("Key"))            ? &o.key
                  : str_eq(name, S("ETag"))         ? &o.etag
                  : str_eq(name, S("LastModified")) ? &o.last_modified
                  : str_eq(name, S("Size"))         ? &size
                                                    : NULL;
        TRY(to ? xml_text(x, to) : xml_skip(x));
    }
    TRY(e);
    if (!o.key.n || str_to_i64(size, &o.size) != OK || o.size < 0)
        return bad("an object has no key or no size");
    if (o.etag.n > ETAG_MAX || o.last_modified.n > TIME_MAX || utf8_control_free(o.etag) < o.etag.n)
        return bad("an ETag or a time is too long, or odd");
    *ret_object = o;
    return OK;
}

/* Keys as they are; those that are no text for us are left out. */
static void decode_keys(struct arena *a, struct s3_page *page, bool encoded)
{
    size_t n = 0;

    vec_each(&page->objects, o) {
        Str key = o->key;
        bool is = !encoded || url_decode(a, key, true, &key) == OK;
        if (is && utf8_valid(key) && key.n && key.n <= S3_KEY_MAX) {
            o->key = key;
            page->objects.at[n++] = *o;
        } else {
            page->odd++;
        }
    }
    page->objects.n = n;
}

static Err read_page(struct xml *x, struct s3_page *page, bool *ret_encoded)
{
    Str name, text;
    Err e;

    while (xml_child(x, &name, &e)) {
        if (str_eq(name, S("Contents"))) {
            if (page->objects.n == S3_PAGE)
                return bad("it has more objects than were asked for");
            struct s3_object *o = vec_add(x->a, &page->objects);
            TRY(read_object(x, o));
        } else if (str_eq(name, S("IsTruncated"))) {
            TRY(xml_text(x, &text));
            if (str_to_bool(text, &page->more) != OK)
                return bad("IsTruncated is neither true nor false");
        } else if (str_eq(name, S("NextContinuationToken"))) {
            TRY(xml_text(x, &page->token));
        } else if (str_eq(name, S("EncodingType"))) {
            TRY(xml_text(x, &text));
            *ret_encoded = str_eq(text, S("url"));
        } else {
            TRY(xml_skip(x));
        }
    }
    return e;
}

Err s3_page_parse(struct arena *a, Str body, struct s3_page *ret_page)
{
    struct s3_page page = {0};
    bool encoded = false;
    struct xml x;

    Err e = xml_begin(&x, a, body, S("ListBucketResult"));
    if (e == OK)
        e = read_page(&x, &page, &encoded);
    if (e == E_SYNTAX) {
        struct err_record why = *err_record();
        return bad(why.detail);
    }
    TRY(e);
    if (page.more && (!page.token.n || page.token.n > S3_TOKEN_MAX))
        return bad("there is more, but no token for it");
    decode_keys(a, &page, encoded);
    *ret_page = page;
    return OK;
}
