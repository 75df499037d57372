/* src/wf/json_path.h - JSONPath (RFC 9535): all of its selectors, filters and functions, within
 * bounds. */
#ifndef WF_JSON_PATH_H
#define WF_JSON_PATH_H

#include "base/json.h"
#include "rt/fiber.h"

struct wf_jsonpath;
typedef VEC(const struct json *) WfJsonNodes;

enum {
    WF_JSONPATH_STEPS_MAX = 2000000, /* nodes looked at by one query */
    WF_JSONPATH_NODES_MAX = 1000000, /* nodes selected */
};

/* Compile; all memory in @a, @text is borrowed. E_SYNTAX with a detail that names the place. */
Err wf_jsonpath_compile(struct arena *a, Str text, struct wf_jsonpath **ret_path);
/* The nodes of @root that @path selects, in order; they are @root's own. On a fiber it makes room
 * for others from time to time. E_TOO_LARGE when one of the limits is met, E_CANCELLED. */
Err wf_jsonpath_query(const struct wf_jsonpath *path, struct arena *a, const struct json *root,
                      WfJsonNodes *ret_nodes) YIELDS;

#endif
