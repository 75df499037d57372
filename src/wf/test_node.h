/* src/wf/test_node.h - for tests: definitions in few words, and one step of one node. */
#ifndef WF_TEST_NODE_H
#define WF_TEST_NODE_H

#include "base/test.h"
#include "wf/node.h"

/* JSON written with ' for ", as the test's own. Fails the test if it is none. */
struct json *t_json(const char *text);
/* @text with every ' as ". */
Str t_quoted(const char *text);

/* Parse a definition given so. */
Err t_def(const char *text, WfProblems *ret_problems, struct wf_def **ret_def);
/* A definition of the trigger "t" and the node "n" of @type with @data behind it. */
Err t_node_def(const char *type, const char *data, WfProblems *ret_problems,
               struct wf_def **ret_def);
/* The first problem as "code path"; "" if there is none. */
Str t_problem(const WfProblems *problems);
/* The problem of t_node_def() with @data. */
Str t_node_problem(const char *type, const char *data);

/* Run one attempt of such a node. @scope holds first names and their values; a name that is not in
 * it leads nowhere. @env NULL: none. Results live as long as the test. */
Err t_node_run(const char *type, const char *data, const char *scope, const struct wf_env *env,
               struct wf_outcome *ret_outcome);
/* Ask such a node what it waits for. */
Err t_node_wait(const char *type, const char *data, const char *scope, struct wf_wait *ret_wait);
/* What t_node_run() gives as JSON text with ' for ", or "E_CODE: detail". */
Str t_node_output(const char *type, const char *data, const char *scope);
/* A scope over the members of @names. */
struct wf_scope t_scope(struct json *names);

/* The pieces that the last t_node_run() told watchers, joined by "|". */
Str t_live(void);

#endif
