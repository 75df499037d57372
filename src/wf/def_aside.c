/* src/wf/def_aside.c - large definitions are parsed on a worker: 4 MiB of one take hundreds of
 * milliseconds. */
#include "rt/work.h"
#include "wf/def.h"

enum { ASIDE_FROM = 64 << 10 };

struct job {
    struct arena *a;
    Str text;
    WfProblems *problems;
    struct wf_def **def;
};

static Err parse(void *arg)
{
    struct job *job = arg;
    return wf_def_parse(job->a, job->text, job->problems, job->def);
}

Err wf_def_parse_aside(struct arena *a, Str text, WfProblems *ret_problems, struct wf_def **ret_def)
{
    struct job job = {a, text, ret_problems, ret_def};

    /* The fiber waits without being cancelled, so its arena and its frame stay. */
    return text.n < ASIDE_FROM ? parse(&job) : work_run(parse, &job);
}
