/* src/rt/fiber_trim_test.c */
#include "rt/test_rt.h"

#include <sys/mman.h>
#include <unistd.h>

/* Touch @depth frames of about a KiB; gives an address in the deepest. */
static __attribute__((noinline)) uintptr_t go_deep(int depth)
{
    volatile char frame[1024];

    memset((char *)frame, depth, sizeof frame);
    uintptr_t below = depth ? go_deep(depth - 1) : (uintptr_t)frame;
    return frame[100] == (char)depth ? below : 0;
}

static bool is_resident(uintptr_t at)
{
    unsigned char state = 0;
    uintptr_t page = at & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);

    return mincore((void *)page, 1, &state) == 0 && (state & 1);
}

TEST_FIBER(fiber_trim_gives_unused_stack_back_at_the_next_wait)
{
    char kept[64] = "kept";

    if (fiber_stack_used(fiber_self()) > 0) {
        t_skip("stacks are painted in this build");
        return;
    }
    uintptr_t deep = go_deep(40);
    t_expect(deep != 0);
    t_expect(is_resident(deep));
    fiber_trim();
    t_expect(is_resident(deep));
    t_expect_ok(fiber_sleep(USEC_MS));
    t_expect(!is_resident(deep));
    t_expect_str(str_c(kept), S("kept"));
    t_expect(go_deep(40) == deep);
}
