/* src/net/sigv4_test.c - the examples that AWS publishes: its test suite of Signature Version 4,
 * and "Authenticating Requests" of the API reference of S3. */
#include "net/sigv4.h"

#include "base/test.h"

static Usec at(const char *time)
{
    Usec wall = 0;

    return time_parse_rfc3339(str_c(time), &wall) == OK ? wall : 0;
}

/* The end of the Authorization header, and all of it if @ret_all. */
static Str sign(const struct sigv4 *by, const struct sigv4_request *r, HttpHeaders headers,
                Str *ret_all)
{
    sigv4_sign(t_arena(), by, r, &headers);
    Str all = http_header_get(&headers, S("authorization"));
    if (ret_all)
        *ret_all = all;
    return str_skip(all, all.n - 64);
}

static struct sigv4 suite(void)
{
    return (struct sigv4){.access_key = S("AKIDEXAMPLE"),
                          .secret_key = S("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                          .region = S("us-east-1"),
                          .service = S("service"),
                          .now = at("2015-08-30T12:36:00Z")};
}

static struct sigv4_request get(const char *path, const char *query)
{
    return (struct sigv4_request){.method = S("GET"),
                                  .host = S("example.amazonaws.com"),
                                  .path = str_c(path),
                                  .query = str_c(query),
                                  .body_hash = sigv4_hash(t_arena(), S(""))};
}

TEST(sigv4_signs_as_the_test_suite_of_aws)
{
    struct sigv4 by = suite();
    struct sigv4_request r = get("/", "");
    HttpHeaders none = {0}, headers = {0}, pairs = {0};
    Str all;

    t_expect_str(sign(&by, &r, none, &all),
                 S("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"));
    t_expect_str(all, S("AWS4-HMAC-SHA256 "
                        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=host;x-amz-date, Signature="
                        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"));
    /* get-vanilla-query-order-key-case */
    http_header_add(t_arena(), &pairs, S("Param2"), S("value2"));
    http_header_add(t_arena(), &pairs, S("Param1"), S("value1"));
    r.query = sigv4_query(t_arena(), &pairs);
    t_expect_str(r.query, S("Param1=value1&Param2=value2"));
    t_expect_str(sign(&by, &r, none, NULL),
                 S("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
    /* get-header-value-trim */
    r.query = S("");
    http_header_add(t_arena(), &headers, S("My-Header1"), S(" value1"));
    http_header_add(t_arena(), &headers, S("My-Header2"), S(" \"a   b   c\""));
    t_expect_str(sign(&by, &r, headers, NULL),
                 S("acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"));
    /* post-vanilla, post-sts-header-before */
    r.method = S("POST");
    t_expect_str(sign(&by, &r, none, NULL),
                 S("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"));
    by.session_token =
        S("AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmx"
          "fpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0K"
          "PkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZb"
          "qBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==");
    t_expect_str(sign(&by, &r, none, NULL),
                 S("85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"));
}

TEST(sigv4_signs_as_the_examples_of_s3)
{
    const struct sigv4 by = {.access_key = S("AKIAIOSFODNN7EXAMPLE"),
                             .secret_key = S("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                             .region = S("us-east-1"),
                             .service = S("s3"),
                             .now = at("2013-05-24T00:00:00Z")};
    struct sigv4_request r = get("/test.txt", "");
    HttpHeaders none = {0}, headers = {0}, pairs = {0};

    r.host = S("examplebucket.s3.amazonaws.com");
    http_header_add(t_arena(), &headers, S("Range"), S("bytes=0-9"));
    t_expect_str(sign(&by, &r, headers, NULL),
                 S("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
    http_header_add(t_arena(), &pairs, S("prefix"), S("J"));
    http_header_add(t_arena(), &pairs, S("max-keys"), S("2"));
    r.path = S("/");
    r.query = sigv4_query(t_arena(), &pairs);
    t_expect_str(sign(&by, &r, none, NULL),
                 S("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
    r.query = S("lifecycle=");
    t_expect_str(sign(&by, &r, none, NULL),
                 S("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
    headers = (HttpHeaders){0};
    http_header_add(t_arena(), &headers, S("Date"), S("Fri, 24 May 2013 00:00:00 GMT"));
    http_header_add(t_arena(), &headers, S("x-amz-storage-class"), S("REDUCED_REDUNDANCY"));
    r.method = S("PUT");
    r.query = S("");
    r.path = sigv4_path(t_arena(), S("/test$file.text"));
    r.body_hash = sigv4_hash(t_arena(), S("Welcome to Amazon S3."));
    t_expect_str(sign(&by, &r, headers, NULL),
                 S("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(sigv4_escapes_what_is_not_unreserved)
{
    HttpHeaders pairs = {0};

    t_expect_str(sigv4_path(t_arena(), S("/a b/\xc3\xa4+%2F~_-.$'(!)*")),
                 S("/a%20b/%C3%A4%2B%252F~_-.%24%27%28%21%29%2A"));
    t_expect_str(sigv4_query(t_arena(), &pairs), S(""));
    http_header_add(t_arena(), &pairs, S("b"), S("2"));
    http_header_add(t_arena(), &pairs, S("b"), S("1 /"));
    http_header_add(t_arena(), &pairs, S("a"), S(""));
    t_expect_str(sigv4_query(t_arena(), &pairs), S("a=&b=1%20%2F&b=2"));
}
