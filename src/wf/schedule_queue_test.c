/* src/wf/schedule_queue_test.c - against a plain list, and what it costs. */
#include "base/test.h"
#include "wf/schedule_queue.h"

enum { N = 300 };

struct model {
    Id id;
    Usec due;
    enum { UNKNOWN, WAITING, TAKEN } state;
};

static struct model *first(struct model *m)
{
    struct model *best = NULL;
    for (int i = 0; i < N; i++)
        if (m[i].state == WAITING && (!best || m[i].due < best->due))
            best = &m[i];
    return best;
}

TEST(schedules_leave_the_queue_in_order_and_each_once)
{
    static struct model m[N];
    struct schedule_queue *q = schedule_queue_new();
    uint64_t chance = 42;
    size_t known = 0;

    for (int i = 0; i < N; i++)
        m[i] = (struct model){.id = id_new()};
    for (int step = 0; step < 60000; step++) {
        chance = chance * 6364136223846793005 + 1442695040888963407;
        struct model *one = &m[(chance >> 33) % N];
        Usec due = (Usec)((chance >> 20) % 1000000);
        struct model *best = first(m);
        Id id;
        Usec at;
        switch ((chance >> 60) % 5) {
        case 0:
            schedule_queue_put(q, one->id, due);
            one->due = due;
            one->state = WAITING;
            break;
        case 1:
            schedule_queue_meet(q, one->id, due);
            if (one->state == UNKNOWN) {
                one->due = due;
                one->state = WAITING;
            }
            break;
        case 2:
            schedule_queue_forget(q, one->id);
            one->state = UNKNOWN;
            break;
        default:
            t_expect(schedule_queue_next(q) == (best ? best->due : USEC_NEVER));
            t_expect(!best || !schedule_queue_take(q, best->due - 1, &id, &at));
            t_expect(schedule_queue_take(q, USEC_NEVER - 1, &id, &at) == (best != NULL));
            if (!best)
                break;
            t_expect_int(at, best->due);
            for (int i = 0; i < N; i++)
                if (id_eq(m[i].id, id)) {
                    t_expect(m[i].state == WAITING && m[i].due == at);
                    m[i].state = TAKEN;
                }
        }
        known = 0;
        for (int i = 0; i < N; i++)
            known += m[i].state != UNKNOWN;
        t_expect_int(schedule_queue_count(q), known);
    }
    schedule_queue_free(q);
}

TEST(queue_of_sixty_thousand_schedules_takes_less_than_a_hundred_bytes_each)
{
    struct schedule_queue *q = schedule_queue_new();

    for (int i = 0; i < 60000; i++)
        schedule_queue_put(q, id_new(), i % 7);
    t_expect_int(schedule_queue_count(q), 60000);
    t_expect(schedule_queue_bytes(q) < (size_t)60000 * 100);
    schedule_queue_free(q);
}
