/* src/wf/s3_test.c - where a bucket is, and what its list says. */
#include "wf/s3.h"

#include "base/test.h"

static struct wf_s3_cfg cfg(const char *endpoint, const char *bucket, const char *addressing)
{
    return (struct wf_s3_cfg){.endpoint = str_c(endpoint),
                              .bucket = str_c(bucket),
                              .region = S("eu-west-1"),
                              .addressing = str_c(addressing)};
}

/* Its address, and the Host. */
static Str address(const char *endpoint, const char *bucket, const char *addressing)
{
    struct wf_s3_cfg c = cfg(endpoint, bucket, addressing);
    struct s3_bucket b;

    if (s3_bucket_of(t_arena(), &c, &b) != OK)
        return S("none");
    return str_fmt(t_arena(), "%.*s%.*s %.*s", P(b.origin), P(b.path), P(b.host));
}

TEST(s3_buckets_stand_in_the_host_or_in_the_path)
{
    t_expect_str(address("", "in", "auto"), S("https://in.s3.eu-west-1.amazonaws.com "
                                              "in.s3.eu-west-1.amazonaws.com"));
    t_expect_str(address("", "in", "path"), S("https://s3.eu-west-1.amazonaws.com/in "
                                              "s3.eu-west-1.amazonaws.com"));
    t_expect_str(address("", "a.b", "auto"), S("https://s3.eu-west-1.amazonaws.com/a.b "
                                               "s3.eu-west-1.amazonaws.com"));
    t_expect_str(address("http://minio:9000", "in", "auto"), S("http://minio:9000/in minio:9000"));
    t_expect_str(address("https://x.example:443/", "in", "virtual"),
                 S("https://in.x.example in.x.example"));
    t_expect_str(address("http://[::1]:80", "in", "auto"), S("http://[::1]/in [::1]"));
    t_expect_str(address("http://x/y", "in", "auto"), S("none"));
    t_expect_str(address("http://x?y", "in", "auto"), S("none"));
    t_expect_str(address("ftp://x", "in", "auto"), S("none"));
    t_expect_str(address("x", "in", "auto"), S("none"));
    t_expect_str(address("http://u@x", "in", "auto"), S("none"));
}

#define OBJECT(key, size, more)                                                                    \
    "<Contents><Key>" key "</Key><Size>" size "</Size>" more "</Contents>"
#define LIST(content) "<?xml version=\"1.0\"?><ListBucketResult>" content "</ListBucketResult>"

/* "key/size/etag/time ...", odd ones, the token; or the error. */
static Str page(const char *body)
{
    struct s3_page p;
    Str all = S("");

    Err e = s3_page_parse(t_arena(), str_c(body), &p);
    if (e != OK)
        return str_c(err_name(e));
    vec_each(&p.objects, o)
        all = str_fmt(t_arena(), "%.*s%.*s/%lld/%.*s/%.*s ", P(all), P(o->key), (long long)o->size,
                      P(o->etag), P(o->last_modified));
    return str_fmt(t_arena(), "%.*s+%d%s%.*s", P(all), p.odd, p.more ? " more " : "", P(p.token));
}

TEST(s3_pages_are_read)
{
    t_expect_str(page(LIST("")), S("+0"));
    t_expect_str(page(LIST(OBJECT("a", "1", "<ETag>&quot;x-1&quot;</ETag><Owner><ID>7</ID></Owner>")
                               OBJECT("b&amp;%20+", "9223372036854775807",
                                      "<LastModified>t</LastModified>") "<IsTruncated>true</"
                                                                        "IsTruncated>"
                                                                        "<NextContinuationToken>n"
                                                                        "</NextContinuationToken>"
                                                                        "<Other><x/></Other>")),
                 S("a/1/\"x-1\"/ b&%20+/9223372036854775807//t +0 more n"));
    t_expect_str(page(LIST(OBJECT("a%20b+c%2B%C3%A4", "0", "") "<EncodingType>url</EncodingType>")),
                 S("a b c+\xc3\xa4/0// +0"));
}

TEST(s3_keys_that_are_no_text_are_left_out)
{
    t_expect_str(page(LIST("<EncodingType>url</EncodingType>" OBJECT("%FF", "1", "") OBJECT(
                     "a%00", "1", "") OBJECT("%zz", "1", "") OBJECT("b", "1", ""))),
                 S("b/1// +3"));
}

TEST(s3_pages_that_are_none_are_refused)
{
    static const char *const bad[] = {
        "",
        "no",
        "<Error><Code>x</Code></Error>",
        LIST(OBJECT("", "1", "")),
        LIST(OBJECT("a", "", "")),
        LIST(OBJECT("a", "-1", "")),
        LIST(OBJECT("a", "1e3", "")),
        LIST("<Contents/>"),
        LIST("<IsTruncated>true</IsTruncated>"),
        LIST("<IsTruncated>perhaps</IsTruncated>"),
        LIST(OBJECT("a", "1", "<ETag>x&#10;y</ETag>")),
        "<ListBucketResult><Contents>",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!str_eq(page(bad[i]), S("E_UPSTREAM")))
            t_fail(__FILE__, __LINE__, "\"%s\" is taken: %.*s", bad[i], P(page(bad[i])));
}
