/* src/rt/test_rt.h - TEST_FIBER: a unit test whose body is the boot fiber of a fresh runtime. */
#ifndef RT_TEST_RT_H
#define RT_TEST_RT_H

#include "base/test.h"
#include "rt/fiber.h"

/* Run @body as the boot fiber with @shards shards. */
void t_run_fiber(unsigned shards, void (*body)(void));

#define TEST_FIBER(id) TEST_FIBER_ON(1, id)
#define TEST_FIBER_ON(shards, id)                                                                  \
    static void fiber_body_##id(void);                                                             \
    TEST(id)                                                                                       \
    {                                                                                              \
        t_run_fiber((shards), fiber_body_##id);                                                    \
    }                                                                                              \
    static void fiber_body_##id(void)

#endif
