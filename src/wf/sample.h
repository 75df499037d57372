/* src/wf/sample.h - what stands for results that are not had: of steps that would call out, when a
 * run is simulated or dry.
 *
 * A placeholder has the shape of what the node type gives, and of what the workflow reads of it:
 * "placeholder" as text, three elements where an iteration goes through it. It says nothing about
 * what the far end would have said; a mock does that.
 */
#ifndef WF_SAMPLE_H
#define WF_SAMPLE_H

#include "wf/node.h"

/* In place of an attempt of @step, which calls out: its settings are answered, and fail as they
 * would; then its output is a placeholder. */
Err wf_sample_run(struct wf_step *step, struct wf_outcome *ret_outcome) YIELDS;
/* What stands for the output of @node of @def when nothing was asked. */
struct json *wf_sample_output(struct arena *a, const struct wf_def *def, int node);
/* A value that is meant to meet @schema (JSON Schema); it may not. */
struct json *wf_sample_schema(struct arena *a, const struct json *schema);
/* What a run may be started with: as the trigger's schema and what is read of it say. */
struct json *wf_sample_input(struct arena *a, const struct wf_def *def);
/* A wait's answer: of an approval's form, or of an event. */
struct json *wf_sample_answer(struct arena *a, const struct wf_def *def, int node);

#endif
