/* src/wf/nodes/trigger_s3.c - which objects of a bucket start a workflow. */
#include "wf/nodes/trigger_s3.h"

#include "wf/s3.h"

const struct field trigger_s3_fields[] = {
    {"endpoint", F_STR, offsetof(struct wf_s3_cfg, endpoint), .dflt = "", .max = 500,
     .title = "Endpoint",
     .help = "Such as https://minio.example:9000. Empty: AWS, in the region below."},
    {"region", F_STR, offsetof(struct wf_s3_cfg, region), .dflt = "us-east-1", .min = 1, .max = 64,
     .title = "Region"},
    {"bucket", F_STR, offsetof(struct wf_s3_cfg, bucket), .required = true, .min = 1, .max = 255,
     .title = "Bucket"},
    {"prefix", F_STR, offsetof(struct wf_s3_cfg, prefix), .dflt = "", .max = 1000,
     .title = "Prefix", .help = "Only keys that begin so are listed."},
    {"pattern", F_STR, offsetof(struct wf_s3_cfg, pattern), .dflt = "*", .min = 1, .max = 255,
     .title = "Names", .help = "Of what follows the prefix, such as *.csv; * takes slashes, too."},
    {"addressing", F_ENUM, offsetof(struct wf_s3_cfg, addressing), .dflt = "auto",
     .one_of = "auto path virtual", .title = "Addressing",
     .help = "Whether the bucket stands in the path or in the host. auto: in the host for AWS."},
    {"access_key", F_STR, offsetof(struct wf_s3_cfg, access_key), .dflt = "", .max = 256,
     .title = "Access key", .help = "Empty: calls are not signed, for public buckets."},
    {"secret_key", F_STR, offsetof(struct wf_s3_cfg, secret_key), .dflt = "", .max = 2000,
     .secret = true, .title = "Secret key",
     .help = "Sealed when it is saved, for this endpoint and access key alone."},
    {"session_token", F_STR, offsetof(struct wf_s3_cfg, session_token), .dflt = "", .max = 8000,
     .secret = true, .title = "Session token", .help = "Of temporary credentials."},
    {"on", F_ENUM, offsetof(struct wf_s3_cfg, on), .dflt = "new", .one_of = "new changed",
     .title = "When", .help = "An object is new; or it is new or has another content."},
    {"existing", F_BOOL, offsetof(struct wf_s3_cfg, existing), .dflt = "false",
     .title = "Existing objects", .help = "Whether those that are there at first count as new."},
    {"every", F_USEC, offsetof(struct wf_s3_cfg, every), .dflt = "1m", .min = 0.2, .max = 86400,
     .title = "Look every"},
    {"content", F_ENUM, offsetof(struct wf_s3_cfg, content), .dflt = "none",
     .one_of = "none text base64", .title = "Content", .help = "What the run gets of it."},
    {"max_size", F_SIZE, offsetof(struct wf_s3_cfg, max_size), .dflt = "1MiB", .min = 1,
     .max = 8 << 20, .when = "content=text,base64", .title = "At most",
     .help = "A larger object starts the run without its content."},
    {0},
};

static bool is_of(Str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(more, c)))
            return false;
    }
    return true;
}

static void check_name(struct wf_check *ck, const struct wf_s3_cfg *cfg)
{
    bool host = !s3_in_path(cfg);

    if (!is_of(cfg->bucket, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-") ||
        str_find_char(str_head(cfg->bucket, 1), '.') == 0)
        wf_check_problem(ck, S("s3/bucket"), S("bad_name"),
                         "A bucket's name has letters, digits, dots, dashes and underscores.");
    else if (host && (cfg->bucket.n > 63 || !is_of(cfg->bucket, ".-") ||
                      str_find(cfg->bucket, S("..")) != SIZE_MAX))
        wf_check_problem(ck, S("s3/bucket"), S("bad_name"),
                         "This name cannot stand in a host: set addressing to path.");
    if (!is_of(cfg->region, "-"))
        wf_check_problem(ck, S("s3/region"), S("bad_name"),
                         "A region is called as in us-east-1: small letters, digits and dashes.");
}

static void check_header_text(struct wf_check *ck, const char *field, Str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~') {
            wf_check_problem(ck, str_c(field), S("bad_name"), "A key has no spaces or such.");
            return;
        }
}

void trigger_s3_check(struct wf_check *ck, const struct wf_s3_cfg *cfg)
{
    struct s3_bucket bucket;

    if (!cfg->bucket.n || !cfg->region.n)
        return; /* said elsewhere */
    check_name(ck, cfg);
    check_header_text(ck, "s3/access_key", cfg->access_key);
    check_header_text(ck, "s3/session_token", cfg->session_token);
    if (!cfg->access_key.n != !cfg->secret_key.n)
        wf_check_problem(ck, cfg->access_key.n ? S("s3/secret_key") : S("s3/access_key"),
                         S("required"), "An access key and its secret key go together.");
    if (cfg->session_token.n && !cfg->access_key.n)
        wf_check_problem(ck, S("s3/session_token"), S("not_used"),
                         "A session token goes with an access key.");
    if (s3_bucket_of(ck->a, cfg, &bucket) != OK)
        wf_check_problem(ck, S("s3/endpoint"), S("bad_url"), "%s", err_record()->detail);
}
