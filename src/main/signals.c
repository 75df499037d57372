/* src/main/signals.c - Unix signals by way of the loop. */
#include "main/signals.h"

static void on_signal(uv_signal_t *handle, int number)
{
    struct signals *s = handle->data;

    for (int i = 0; i < s->n; i++)
        if (s->numbers[i] == number)
            s->counts[i]++;
    wait_queue_wake_all(&s->waiters, OK);
}

void signals_init(struct signals *s, const int *numbers)
{
    *s = (struct signals){0};
    for (; numbers[s->n] && s->n < SIGNALS_MAX; s->n++) {
        s->numbers[s->n] = numbers[s->n];
        uv_signal_init(shard_loop(), &s->handles[s->n]);
        s->handles[s->n].data = s;
        uv_signal_start(&s->handles[s->n], on_signal, numbers[s->n]);
        s->open++;
    }
}

Err signals_next(struct signals *s, Usec deadline, int *ret_number)
{
    for (;;) {
        for (int i = 0; i < s->n; i++) {
            if (!s->counts[i])
                continue;
            s->counts[i]--;
            *ret_number = s->numbers[i];
            return OK;
        }
        TRY(wait_queue_wait(&s->waiters, deadline));
    }
}

static void on_close(uv_handle_t *handle)
{
    struct signals *s = handle->data;
    s->open--;
    wait_queue_wake_all(&s->waiters, OK);
}

void signals_done(struct signals *s)
{
    for (int i = 0; i < s->n; i++)
        uv_close((uv_handle_t *)&s->handles[i], on_close);
    fiber_shield();
    while (s->open) {
        Err e = wait_queue_wait(&s->waiters, USEC_NEVER);
        (void)e; /* shielded and without a deadline: it ends by a close */
    }
    fiber_unshield();
}
