/* src/wf/nodes/table.h - the node types by name, one line for each file beside it. */
#ifndef WF_NODES_TABLE_H
#define WF_NODES_TABLE_H

#include "wf/node.h"

extern const struct wf_node_type wf_node_api_call;
extern const struct wf_node_type wf_node_approval;
extern const struct wf_node_type wf_node_condition;
extern const struct wf_node_type wf_node_data_transform;
extern const struct wf_node_type wf_node_delay;
extern const struct wf_node_type wf_node_error;
extern const struct wf_node_type wf_node_iteration;
extern const struct wf_node_type wf_node_llm;
extern const struct wf_node_type wf_node_loop;
extern const struct wf_node_type wf_node_merge;
extern const struct wf_node_type wf_node_output;
extern const struct wf_node_type wf_node_parallel;
extern const struct wf_node_type wf_node_respond;
extern const struct wf_node_type wf_node_sub_workflow;
extern const struct wf_node_type wf_node_trigger;
extern const struct wf_node_type wf_node_wait_event;
extern const struct wf_node_type wf_node_webhook;

#endif
