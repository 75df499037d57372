/* src/api/hook.h - a delivery to a webhook on its way: shared by the address of the published
 * version (api_hooks.c) and by that at which a draft is tried (api_listen.c). */
#ifndef API_HOOK_H
#define API_HOOK_H

#include "api/api.h"
#include "store/store_workflow.h"
#include "wf/hook.h"

struct api_hook {
    struct workflow_row row;
    struct wf_def *def; /* borrowed */
    int version;        /* 0: the draft */
    struct wf_hook_request in;
    struct json *input, *request;
    JsonSchemaErrors errors; /* of the input, with E_INVALID */
    Id run;                  /* that it has started, or had before; none yet */
    bool repeated;           /* an earlier delivery of the same id has started it */
    bool alike;              /* and its body was the same */
    Str skipped;             /* why none was started, and need not be */
    bool gathers;            /* it is put together with others */
    struct wf_gathered gathered;
    struct wf_watch **watch; /* of the run, from before its first step, if its caller streams it */
    struct json *said;       /* besides, in the first event of a stream; NULL: nothing */
};

/* Read and check the delivery and start its run; *ret_run is NULL if it was repeated or skipped. */
Err api_hook_begin(struct req *req, struct api_hook *h, struct wf_run **ret_run) YIELDS;
/* Answer it, as the trigger says, or @e of api_hook_begin. */
Err api_hook_end(struct req *req, struct res *res, const struct api_hook *h, struct wf_run *run,
                 Err e) YIELDS;
/* The run h->run as a stream: the words of its models, its answers, its end. */
Err api_hook_stream(struct req *req, struct res *res, const struct api_hook *h) YIELDS;
/* What the caller hears of @run, which it has started. */
Err api_hook_answer(struct req *req, struct res *res, const struct api_hook *h, struct wf_run *run)
    YIELDS;
/* The same when an earlier delivery of the same id has started h->run. */
Err api_hook_answer_repeat(struct req *req, struct res *res, const struct api_hook *h) YIELDS;

#endif
