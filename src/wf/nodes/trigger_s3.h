/* src/wf/nodes/trigger_s3.h - the settings of a trigger that watches a bucket. */
#ifndef WF_NODES_TRIGGER_S3_H
#define WF_NODES_TRIGGER_S3_H

#include "wf/node.h"

struct wf_s3_cfg {
    Str endpoint; /* "https://host[:port]"; empty: that of AWS for the region */
    Str region, bucket, prefix, pattern;
    Str addressing; /* "auto", "path", "virtual" */
    Str access_key, secret_key, session_token;
    Str on; /* "new", "changed" */
    bool existing;
    Usec every;
    Str content; /* "none", "text", "base64" */
    size_t max_size;
};

extern const struct field trigger_s3_fields[];
void trigger_s3_check(struct wf_check *ck, const struct wf_s3_cfg *cfg);

#endif
