/* test/fuzz/fuzz_redis.c - a reply of Redis is the same however much of what follows it is there,
 * and a part of it is no reply. */
#include "base/arena.h"
#include "net/redis_reply.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(4));
    Str in = {(const char *)data, size};
    struct redis_reply r, again;
    size_t used = 0, used_again = 0;

    if (redis_reply_parse(a, in, &r, &used) != OK || !used)
        return 0;
    assert(used <= size);
    char *copy = malloc(used);
    memcpy(copy, data, used);
    assert(redis_reply_parse(a, str_from(copy, used), &again, &used_again) == OK);
    assert(used_again == used && again.type == r.type && again.n == r.n && again.i == r.i);
    assert(str_eq(again.s, r.s));
    if (redis_reply_parse(a, str_from(copy, used - 1), &again, &used_again) == OK)
        assert(used_again == 0);
    free(copy);
    return 0;
}
