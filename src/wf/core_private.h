/* src/wf/core_private.h - what core.c (the fold of steps, decisions) and scope.c (bodies: their
 * items and rounds) share. */
#ifndef WF_CORE_PRIVATE_H
#define WF_CORE_PRIVATE_H

#include "wf/core.h"

/* Lists of steps: each is in one at most. */
void core_list_add(struct wf_steps *list, struct wf_node_run *n);
void core_list_take(struct wf_steps *list, struct wf_node_run *n);

/* core.c */
void core_push_ready(struct wf_state *s, struct wf_node_run *n);

/* The arena in which what belongs to @f is kept, and what is kept there of an event. */
static inline struct arena *core_arena(struct wf_state *s, const struct wf_frame *f)
{
    return f->cycle ? f->a : s->a;
}
const struct json *core_keep(struct wf_state *s, const struct wf_frame *f, const struct json *v);
Str core_keep_str(struct wf_state *s, const struct wf_frame *f, Str text);

bool core_is_due(const struct wf_node_run *n, Usec now);
void core_decide_on(struct wf_decision *d, enum wf_do what, struct wf_node_run *n, int attempt);

/* undo.c */

/* What undoes the latest step that is still to be undone; NULL: nothing is left. */
struct wf_node_run *core_next_undo(const struct wf_state *s);
/* Whether @n is there to undo another. */
bool core_is_undo(const struct wf_state *s, const struct wf_node_run *n);
/* The run begins to undo. false: it cannot. */
bool core_undo(struct wf_state *s, const struct wf_event *ev);
void core_decide_undo(struct wf_state *s, Usec now, struct wf_decision *d);

/* scope.c */

/* Free frames that have ended. */
void core_tidy(struct wf_state *s);
/* All frames and what they hold. */
void core_free_frames(void *s);
/* The nodes of the frame that is being built or asked: the step of @node in @f itself; NULL. */
struct wf_node_run *core_step_in(const struct wf_state *s, const struct wf_frame *f, int node);
/* Container @n was opened by an event with @data. false: the data is none. */
bool core_open(struct wf_state *s, struct wf_node_run *n, const struct json *data);
/* A round of @n is decided about. false: there is none, or the data is wrong. */
bool core_round(struct wf_state *s, struct wf_node_run *n, const struct wf_event *ev);
/* What container @n gives, which is over. */
struct json *core_cycle_output(struct wf_state *s, struct wf_node_run *n);
/* A container has ended, whatever was left of it. */
void core_end_cycle(struct wf_state *s, struct wf_cycle *c);
/* Step @n of a body has failed and nothing handles it. */
void core_fail_in_body(struct wf_state *s, struct wf_node_run *n);
/* Look whether the frame, or one around it that is stopped, has come to its end. */
void core_settle(struct wf_state *s, struct wf_frame *f);
/* Count a step in flight in all frames around it. */
void core_count_running(struct wf_frame *f, int change);
/* Event @id answered a wait in @f. */
void core_taken(struct wf_state *s, const struct wf_frame *f, const struct json *output);

/* scope_vars.c */
void core_vars_open(struct wf_state *s, struct wf_cycle *c, const struct json *vars);
/* What a round sets and appends. */
void core_vars_change(struct wf_state *s, struct wf_cycle *c, const struct json *round);
void core_vars_end(struct wf_state *s, struct wf_cycle *c);
/* By name; sharing the values if not @copy. */
struct json *core_vars_json(struct arena *a, const struct wf_cycle *c, bool copy);

#endif
