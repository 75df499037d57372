/* src/llm/vector.c - the direction of an embedding, in a byte for each number. */
#include "llm/vector.h"

#include <math.h>

/* The length of the packed direction stands before it. */
typedef float Length;

static double length_of(const int8_t *q, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)q[i] * q[i];
    return sqrt(sum);
}

Err llm_vector_pack(struct arena *a, const struct json *numbers, Str *ret_vector)
{
    size_t n = json_is(numbers, JSON_ARR) ? json_len(numbers) : 0;
    double most = 0;

    if (!n || n > LLM_VECTOR_MAX)
        return err_set(E_UPSTREAM, "an embedding of %zu numbers", n);
    for (size_t i = 0; i < n; i++) {
        const struct json *v = json_item(numbers, i);
        double d = fabs(json_double_of(v, 0));
        if (!json_is_number(v) || !isfinite(d))
            return err_set(E_UPSTREAM, "an embedding with what is no number");
        most = d > most ? d : most;
    }
    if (most <= 0 || !isfinite(127 / most))
        return err_set(E_UPSTREAM, "an embedding without a direction");
    char *to = arena_bytes(a, sizeof(Length) + n);
    int8_t *q = (int8_t *)(to + sizeof(Length));
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)lrint(json_double_of(json_item(numbers, i), 0) * (127 / most));
    Length length = (Length)length_of(q, n);
    memcpy(to, &length, sizeof length);
    *ret_vector = str_from(to, sizeof length + n);
    return OK;
}

double llm_vector_cosine(Str x, Str y)
{
    Length length_x, length_y;
    int64_t dot = 0;

    if (x.n != y.n || x.n <= sizeof(Length))
        return -1;
    memcpy(&length_x, x.p, sizeof length_x);
    memcpy(&length_y, y.p, sizeof length_y);
    const int8_t *p = (const int8_t *)(x.p + sizeof(Length));
    const int8_t *q = (const int8_t *)(y.p + sizeof(Length));
    size_t n = x.n - sizeof(Length);
    for (size_t i = 0; i < n;) {
        int32_t part = 0; /* of so few that it holds them */
        for (size_t end = i + 4096 < n ? i + 4096 : n; i < end; i++)
            part += p[i] * q[i];
        dot += part;
    }
    double cosine = (double)dot / ((double)length_x * length_y);
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}
