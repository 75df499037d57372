/* src/wf/def.h - a workflow definition: parsed, checked, compiled, immutable.
 *
 * The format is docs/formats/workflow.md: React Flow's nodes and edges, with the settings of a node
 * in its "data". A definition is compiled once and shared by all runs of its version, on any shard:
 * it is reference-counted atomically and never changes.
 */
#ifndef WF_DEF_H
#define WF_DEF_H

#include "base/json.h"
#include "base/json_schema.h"
#include "wf/template.h"

struct retention;
struct wf_node_type;

enum {
    WF_NODES_MAX = 5000,
    WF_EDGES_MAX = 20000,
    WF_TEXT_MAX = 4 << 20, /* bytes of a definition */
    WF_ATTEMPTS_MAX = 100,
    WF_DEPTH_MAX = 5, /* bodies inside each other */
};

/* Which errors a step tries again. */
enum wf_retry_on {
    WF_RETRY_TIMEOUT = 1,      /* E_TIMEOUT */
    WF_RETRY_RATE_LIMITED = 2, /* E_RATE_LIMITED */
    WF_RETRY_UNAVAILABLE = 4,  /* E_CONNECT, E_UNAVAILABLE, E_OVERLOADED, E_UPSTREAM_CUT, 5xx */
    WF_RETRY_BAD_ANSWER = 8,   /* E_UPSTREAM: an answer came that cannot be used */
    WF_RETRY_USUAL = 7,        /* what counts when nothing else is said */
    WF_RETRY_ANY = 0xff,       /* everything but E_CANCELLED, E_INVALID and E_EGRESS */
};

struct wf_retry {
    int max_attempts; /* 1: no retry */
    bool exponential;
    Usec delay, max_delay;
    double jitter; /* 0..1: the part of the delay that is chance */
    unsigned on;   /* enum wf_retry_on */
};

enum wf_on_error { WF_ERROR_FAIL, WF_ERROR_DEFAULT, WF_ERROR_BRANCH };
/* What a restart does with a step that was started and whose end is not known. */
enum wf_unknown { WF_UNKNOWN_TYPE, WF_UNKNOWN_REPEAT, WF_UNKNOWN_FAIL };

struct wf_edge {
    Str id;
    int from, to; /* node indexes */
    Str handle;   /* "out", "error", a case of a condition */
};

/* The nodes that a container (an iteration, a loop) runs again and again. */
struct wf_body {
    int *nodes; /* indexes, in the order of the definition */
    int n;
    int *starts; /* those without in-edges */
    int n_starts;
};

/* What becomes of an iteration of which an item fails. */
enum wf_item_error { WF_ITEM_FAIL, WF_ITEM_SKIP, WF_ITEM_NULL };

/* How a container goes through its body. */
struct wf_cycle_rules {
    bool rounds;  /* one after the other, each decides about the next; else one for each item */
    int parallel; /* items at once */
    enum wf_item_error on_item_error;
};

struct wf_node {
    int index;
    Str id, title;
    const struct wf_node_type *type;
    void *settings; /* of the type's own struct, compiled */
    struct wf_retry retry;
    Usec timeout;       /* of one attempt */
    Usec total_timeout; /* of all attempts and the waits between them; 0: none */
    enum wf_on_error on_error;
    const struct json *default_output;
    enum wf_unknown on_unknown;
    Str compensate; /* the id of the node that undoes it; empty: none */
    int undo;       /* its index; -1: none */
    int undoes;     /* the node that this one undoes; -1: none */
    int *in, *out;  /* edge indexes */
    int n_in, n_out;
    int parent;                  /* the container whose body it is in; -1: none */
    int place;                   /* in that body */
    int depth;                   /* how many containers it is in */
    const struct wf_body *body;  /* of a container; else NULL */
    struct wf_cycle_rules cycle; /* of a container */
    bool joins_first;            /* it begins with the first edge that is taken */
    bool reachable;              /* a path leads here from the trigger; else it never runs */
};

struct wf_variable {
    Str name, type; /* string, number, boolean, object, array, any */
    const struct json *value;
};

/* So many in so long, and how many of them may come at once. */
struct wf_flow_rate {
    int64_t limit; /* 0: none */
    Usec per;
    int64_t burst; /* 0: one */
};

/* Starts that become one run. */
struct wf_flow_debounce {
    Usec delay, max_delay; /* delay 0: none */
    Str mode;              /* "trailing", "leading" */
};
struct wf_flow_batch {
    int64_t size; /* 0: none */
    Usec timeout;
};

/* How runs of a workflow make room for each other (flow_plan.h). */
struct wf_flow {
    struct wf_template *key, *fair; /* NULL: none */
    struct wf_value *priority;      /* NULL: none */
    Str pool;
    int64_t concurrency; /* 0: no limit */
    struct wf_flow_rate throttle, rate_limit;
    Str rate_of;   /* the rate limit is of starts by this alone: "webhook", "form"; empty: of all */
    Str singleton; /* "off", "skip", "cancel" */
    struct wf_flow_debounce debounce;
    struct wf_flow_batch batch;
};

struct wf_def {
    struct arena *a; /* owns everything below */
    Str name, description;
    const struct json *json; /* normalised: what is stored and shown */
    Str text;                /* its compact text */
    uint8_t hash[32];        /* of the canonical text without positions and other looks */
    uint8_t text_hash[32];   /* of text: under it the definition is stored */
    struct wf_node *nodes;
    int n_nodes;
    struct wf_edge *edges;
    int n_edges;
    int trigger; /* index of the trigger node */
    struct wf_variable *variables;
    int n_variables;
    struct map *ids;             /* node id -> its index, an int * */
    Usec timeout;                /* of a run, without the time in which it only waits */
    Usec deadline;               /* of a run, waits included; 0: none */
    int max_steps;               /* of a run, attempts included */
    int max_parallel;            /* steps of one run at once */
    struct wf_flow *flow;        /* NULL: none */
    struct retention *retention; /* what it says of its runs that have ended */
    bool undoes;                 /* a node has a compensation */
    bool answered;               /* its caller waits for what a node answers */
    Str error_workflow;          /* id or name of what is started when a run fails; empty: none */
    _Atomic unsigned refs;
};

/* One thing wrong with a definition. */
struct wf_problem {
    Str path;  /* JSON pointer into the definition: "/nodes/2/data/url" */
    Str node;  /* id of the node, "" for the workflow or an edge */
    Str field; /* "url", "" for the whole */
    Str code; /* "required", "unknown_field", "type", "cycle", "unreachable", "unknown_node", ... */
    Str message;  /* a sentence that says what is wrong and what would be right */
    bool warning; /* may be saved and run all the same: a node that nothing leads to */
};
typedef VEC(struct wf_problem) WfProblems;

/* Parse, check and compile. All problems found (at most 100) are appended to *ret_problems in @a.
 * Gives a definition if none of them is an error; else E_INVALID. Syntax errors of the JSON itself:
 * E_SYNTAX. */
Err wf_def_parse(struct arena *a, Str text, WfProblems *ret_problems, struct wf_def **ret_def);
/* The same; a large text is parsed on a worker, so that it holds no loop. For fibers. */
Err wf_def_parse_aside(struct arena *a, Str text, WfProblems *ret_problems, struct wf_def **ret_def)
    YIELDS;
struct wf_def *wf_def_ref(struct wf_def *def);
void wf_def_unref(struct wf_def *def);
DEFINE_AUTO(wf_def, wf_def_unref)

/* Whether @input (NULL: null) meets the trigger's input schema, if there is one: E_INVALID with
 * what is wrong; @ret_errors may be NULL. */
Err wf_def_check_input(const struct wf_def *def, struct arena *a, const struct json *input,
                       JsonSchemaErrors *ret_errors);

/* The same for what a run has, which may be a list of inputs (settings.flow.batch). */
Err wf_def_check_run_input(const struct wf_def *def, struct arena *a, const struct json *input);
/* The input of a run that is started for one input alone: a list of it where runs get lists. */
const struct json *wf_def_run_input(const struct wf_def *def, struct arena *a,
                                    const struct json *input);

/* What stands for a secret that is not shown. */
#define WF_HIDDEN "********"

/* Hide, in place, texts below @v that are named as secrets are. */
void wf_hide_secrets_in(struct arena *a, struct json *v);
/* The same for the settings of a node, and what its type says is secret. */
void wf_def_hide_settings(struct arena *a, const struct wf_node_type *type, struct json *data);
/* A copy of a definition's JSON with stars for secrets: the settings that their type says are
 * secret, and texts and variables with such names. What only refers to a value stays. */
struct json *wf_def_hide_secrets(struct arena *a, const struct json *definition);

/* The index of node @id; -1. Safe on several threads. */
int wf_def_node(const struct wf_def *def, Str id);
/* Whether steps of @node may leave by @handle. */
bool wf_node_has_handle(const struct wf_node *node, Str handle);
/* The problems as JSON: [{path, node, field, code, message, warning}]. */
struct json *wf_problems_json(struct arena *a, const WfProblems *problems);

#endif
