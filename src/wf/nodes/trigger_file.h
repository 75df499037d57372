/* src/wf/nodes/trigger_file.h - the settings of a trigger that watches a folder. */
#ifndef WF_NODES_TRIGGER_FILE_H
#define WF_NODES_TRIGGER_FILE_H

#include "wf/node.h"

struct wf_file_cfg {
    Str folder; /* absolute */
    Str pattern;
    Str on; /* "new", "changed" */
    bool existing;
    Usec every, settle;
    Str content; /* "none", "text", "base64" */
    size_t max_size;
};

extern const struct field trigger_file_fields[];
void trigger_file_check(struct wf_check *ck, const struct wf_file_cfg *cfg);

#endif
