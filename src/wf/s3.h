/* src/wf/s3.h - a bucket on a server that speaks S3: its list page by page, its objects. */
#ifndef WF_S3_H
#define WF_S3_H

#include "base/id.h"
#include "net/egress.h"
#include "net/sigv4.h"
#include "wf/nodes/trigger_s3.h"

enum { S3_PAGE = 1000, S3_KEY_MAX = 1024, S3_TOKEN_MAX = 4096 };

struct s3_bucket {
    Str origin; /* "https://host:port" */
    Str host;   /* as Host says */
    Str path;   /* "/bucket", or empty: it stands in the host */
    Str region, access_key, secret_key, session_token;
    const struct egress *egress;
    Str user_agent;
    struct url url; /* of the origin */
};

/* Whether the bucket stands in the path of its addresses. */
bool s3_in_path(const struct wf_s3_cfg *cfg);
/* Where it is, and as whom it is called; .egress and .user_agent are the caller's to set. E_INVALID
 * with a detail: the endpoint is none. */
Err s3_bucket_of(struct arena *a, const struct wf_s3_cfg *cfg, struct s3_bucket *ret_bucket);

/* What the secret @name of a trigger opens for (seal.h). */
Str s3_seal_use(struct arena *a, Id tenant, const struct wf_s3_cfg *cfg, const char *name);

struct s3_object {
    Str key; /* UTF-8, no NUL */
    int64_t size;
    Str etag;          /* as it was said, with its quotes; may be empty */
    Str last_modified; /* as it was said */
};
struct s3_page {
    VEC(struct s3_object) objects; /* at most S3_PAGE */
    int odd;                       /* keys that are no UTF-8, or too long: they are left out */
    bool more;
    Str token; /* of the next page, if there is more */
};
/* The answer to ListObjectsV2. E_UPSTREAM with a detail: it is none. Pure. */
Err s3_page_parse(struct arena *a, Str body, struct s3_page *ret_page);

/* The page behind @token, or, when that is empty, behind the key @after. Failures have details that
 * say what can be done; retry_after_us of the error record is the server's wish. */
Err s3_list(struct arena *a, const struct s3_bucket *b, Str prefix, Str after, Str token,
            struct s3_page *ret_page) YIELDS;
/* What is in @object as it was listed. E_CONFLICT: it is another one now, or gone; E_FORBIDDEN: it
 * cannot be read; E_TOO_LARGE. */
Err s3_get(struct arena *a, const struct s3_bucket *b, const struct s3_object *object, size_t max,
           Str *ret_content) YIELDS;

#endif
