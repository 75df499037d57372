/* src/rt/test_rt.c - runs the body of a unit test as the boot fiber of a fresh runtime. */
#include "rt/test_rt.h"

struct body {
    void (*run)(void);
};

static Err run_body(void *arg)
{
    struct body *b = arg;
    b->run();
    return OK;
}

void t_run_fiber(unsigned n, void (*body)(void))
{
    struct body b = {body};
    Err e = rt_main(&(struct rt_options){.shards = n, .workers = 2}, run_body, &b);
    if (e != OK)
        t_fail(__FILE__, __LINE__, "the runtime ended with %s", err_name(e));
}
