/* src/wf/node.h - what a node type is, and what its function sees of a run.
 *
 * One file is one type: its settings, its function, one const struct at the end, listed in
 * nodes/table.c.
 */
#ifndef WF_NODE_H
#define WF_NODE_H

#include "net/egress.h"
#include "wf/def.h"

/* What running a step does to the world; decides when it is journaled (engine.h). */
enum wf_effects {
    WF_PURE,       /* computed from its inputs alone: may be computed again */
    WF_IDEMPOTENT, /* calls out, but a repeat does no harm */
    WF_EXTERNAL,   /* acts on the world: repeated only by policy */
};

enum field_kind {
    F_STR,      /* Str */
    F_TEMPLATE, /* struct wf_template * */
    F_VALUE,    /* struct wf_value *: any JSON with templates in its strings */
    F_MAP,      /* struct wf_value *: an object whose values are strings with templates */
    F_INT,      /* int64_t */
    F_REAL,     /* double */
    F_BOOL,     /* bool */
    F_ENUM,     /* Str, one of .one_of */
    F_USEC,     /* Usec: "30s" or seconds */
    F_SIZE,     /* size_t: "8MiB" or bytes */
    F_JSON,     /* const struct json *: as it is; .check looks closer */
    F_SCHEMA,   /* struct json_schema *: compiled */
    F_STR_LIST, /* const struct json *: an array of strings */
    F_OBJECT,   /* an object of .sub fields, in place at .offset */
    F_LIST,     /* struct wf_list: an array of objects of .sub fields */
};

/* Elements of .sub_size bytes each. */
struct wf_list {
    void *at;
    size_t n;
};

struct field {
    const char *name;
    enum field_kind kind;
    uint32_t offset;
    const char *dflt;   /* as text of that kind; NULL: zero, "", NULL. FIELD_UNSET: see below */
    const char *one_of; /* F_ENUM, F_STR_LIST: space-separated */
    double min, max;    /* of a number, seconds, bytes, characters, elements; both 0: no bound */
    const char *title;  /* a few words for the editor */
    const char *help;   /* a sentence */
    const char *when; /* "mode=pick,omit": belongs to these values of a field before it, else it is
                       * refused */
    const struct field *sub; /* F_OBJECT, F_LIST; ends with {0} */
    uint32_t sub_size;       /* F_LIST */
    bool in_body; /* of a container: its templates are answered in the body, at a round's end */
    bool required;
    bool secret; /* shown only to who may change the workflow, scrubbed from the log */
    bool lines;  /* the editor shows several lines */
};

/* As .dflt: a field that was not given is -1 (F_USEC), INT64_MIN (F_INT), not a number (F_REAL). */
#define FIELD_UNSET "unset"

/* What the platform lends to a step. Lives as long as the engine. */
/* The model gateway of this process, for its own workflows (main/inner_door.h). */
struct wf_gateway {
    Str url;                     /* up to and with /v1; empty: there is none */
    Str authorization;           /* of each call: a secret */
    const struct egress *egress; /* its own address is private */
};

struct wf_env {
    const struct egress *egress;
    Str llm_base_url, llm_api_key; /* defaults of the llm node */
    struct wf_gateway gateway;     /* for steps that name no model server */
    size_t max_output;             /* bytes of a step's output */
    Str user_agent;
    Str folders;     /* that workflows may watch, "/a,/b"; empty: none */
    bool plain_mail; /* mails may be read over connections that are not encrypted */
    bool sends_mail; /* approvers can be sent their links */
};

struct wf_state;
struct wf_node_run;

struct wf_step {
    struct arena *a; /* of this attempt; the output may live in it */
    const struct wf_env *env;
    const struct wf_def *def;
    const struct wf_node *node;
    const struct wf_scope *scope;
    Id tenant, workflow, run;
    int attempt;   /* from 1 */
    Str where;     /* the item or round it belongs to, as wf_path_text() writes it; mostly empty */
    Str key;       /* the same for all attempts: travels as Idempotency-Key */
    Usec deadline; /* monotonic, of this attempt */
    const struct json *input; /* what the run was started with */
    /* For those to whom it matters how the run came here; NULL: it came from nowhere. */
    const struct wf_state *state;
    const struct wf_node_run *self;
    /* Tell watchers of the run something that is not journaled, e.g. a piece of a model's answer.
     */
    void (*live)(struct wf_step *step, Str kind, const struct json *data);
    void *engine; /* the engine's own */
};

/* As the handle of an outcome: every edge but those of errors. */
#define WF_ALL_HANDLES "*"

struct wf_outcome {
    struct json *output;
    Str handle;     /* which out-edges are taken; empty: "out" */
    Str error_code; /* of a failure, in place of that of its Err */
};

/* What a step waits for instead of giving a result: a time, or somebody's answer. It takes no slot
 * and no memory meanwhile. */
struct wf_wait {
    Usec span;         /* so long from now; 0: until */
    Usec until;        /* wall; both 0: for ever */
    Str handle;        /* taken when the time comes; empty: "out" */
    struct json *what; /* for the journal and who looks: "kind", ... */
    /* An event of this name and key answers it; one that came so long before counts too. */
    Str event, key;
    Usec accept_past;
    bool people; /* people answer it, in the console, by API or by their links */
    /* The end of a run of this workflow answers it, which is started with @input; detached: the
     * step does not wait for it. */
    Str workflow;
    struct json *input;
    bool detached;
};

/* What a container goes through: a list, or rounds with variables. */
struct wf_opening {
    int64_t count;            /* items, or rounds at most */
    const struct json *items; /* an array, or an object */
    struct json *vars;        /* of the first round: an object */
};

/* What a round leads to. */
struct wf_round {
    bool over;
    bool must_end; /* it is a failure when there are no more rounds and it is not over */
    const struct json *set, *append; /* objects by variable; NULL: none */
};

/* Where a type's check puts what it finds; @field is relative to data:
 * "cases/0/conditions/1/operator". */
struct wf_check {
    struct arena *a; /* of the definition: compiled things go here */
    const struct wf_node *node;
    const struct json *data;
    void *def_state; /* private to def.c */
};
void wf_check_problem(struct wf_check *ck, Str field, Str code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, of what is doubtful and yet allowed. */
void wf_check_warning(struct wf_check *ck, Str field, Str code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Keep @secret out of the log as long as the definition lives. */
void wf_check_secret(struct wf_check *ck, Str secret);
/* Compile @json with the templates in it, and have their names checked; NULL after a problem. */
struct wf_value *wf_check_value(struct wf_check *ck, Str field, const struct json *json);

struct wf_node_type {
    const char *name;
    const char *title;
    const char *help;
    const char *group;          /* "trigger", "logic", "data", "ai", "integration" */
    const struct field *fields; /* ends with {0} */
    size_t settings_size;
    enum wf_effects effects; /* the most it may do */
    const char *handles;     /* fixed source handles, space-separated; NULL: "out" */
    struct wf_retry retry;   /* defaults; max_attempts 0 means 1 */
    Usec timeout;            /* default of an attempt; 0: 60 s */
    /* The effects with these settings; NULL: .effects. */
    enum wf_effects (*effects_of)(const void *settings);
    /* Look closer at settings that are right field by field, compile what F_JSON holds. May be
     * NULL. */
    void (*check)(struct wf_check *ck, void *settings);
    /* Whether there is such a source handle with these settings; NULL: those of .handles. */
    bool (*has_handle)(const void *settings, Str handle);
    bool takes_all; /* it gives WF_ALL_HANDLES */
    bool answers; /* its output is the answer to whoever waits for one: {status, headers, as, body}
                   */
    bool speaks;  /* its pieces and the "text" of its output are meant for who listens */
    /* Whether it begins with the first edge that is taken, and waits for no other. */
    bool (*joins_first)(const void *settings);
    /* Run one attempt. A failure says in its detail what a user can do; E_RATE_LIMITED and the like
     * carry retry_after_us in the error record. Output is checked against env->max_output by the
     * engine. */
    Err (*run)(struct wf_step *step, const void *settings, struct wf_outcome *ret_outcome);
    /* What stands for its output where nothing may be called (sample.h): of its shape, in @a. NULL:
     * it is not known. */
    struct json *(*sample)(struct arena *a, const void *settings);
    bool keyed; /* its calls that change something carry the step's key: a repeat can be told */
    /* Say what to wait for; of a type that waits, which has no .run and is WF_PURE. */
    Err (*wait)(struct wf_step *step, const void *settings, struct wf_wait *ret_wait);
    /* Say what to go through; of a container, which has no .run and is WF_PURE. Asked again after a
     * restart, and must answer the same. */
    Err (*open)(struct wf_step *step, const void *settings, struct wf_opening *ret_opening);
    /* A round is over: what now? Of a container with rounds. */
    Err (*round)(struct wf_step *step, const void *settings, struct wf_round *ret_round);
    struct wf_cycle_rules (*cycle)(const void *settings);
};

/* nodes/table.c: all types in alphabetical order, ends with NULL. */
extern const struct wf_node_type *const wf_node_types[];
const struct wf_node_type *wf_node_type_find(Str name);
/* The effects of @node as set. */
enum wf_effects wf_node_effects(const struct wf_node *node);
/* Every type with its fields, for the editor, the docs and OpenAPI. */
struct json *wf_node_types_json(struct arena *a);

#endif
