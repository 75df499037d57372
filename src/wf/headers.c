/* src/wf/headers.c - HTTP headers as a JSON object. */
#include "wf/headers.h"

#include "base/map.h"

/* The values of one name. */
struct joined {
    Str name;
    struct json *each; /* Set-Cookie: every value by itself */
    char *p;
    size_t n, cap;
};

static void join(struct arena *a, struct joined *j, Str value)
{
    size_t n = j->n + (j->n ? 2 : 0) + value.n;

    if (n > j->cap) {
        char *wide = arena_bytes(a, n * 2);
        if (j->n)
            memcpy(wide, j->p, j->n);
        j->p = wide;
        j->cap = n * 2;
    }
    if (j->n)
        memcpy(j->p + j->n, ", ", 2);
    if (value.n)
        memcpy(j->p + n - value.n, value.p, value.n);
    j->n = n;
}

static void add(struct arena *a, struct joined *j, Str value)
{
    if (!str_eq(j->name, S("set-cookie"))) {
        join(a, j, value);
        return;
    }
    if (!j->each)
        j->each = json_arr(a);
    json_push(a, j->each, json_str(a, value));
}

struct json *wf_headers_json(struct arena *a, const HttpHeaders *headers,
                             bool (*leave_out)(const void *ctx, Str name), const void *ctx)
{
    struct json *obj = json_obj(a, NULL);
    struct map *by_name = map_new();
    VEC(struct joined *) all = {0};

    vec_each(headers, h) {
        Str name = str_lower(a, h->name);
        if (leave_out && leave_out(ctx, name))
            continue;
        struct joined *j = map_get(by_name, name);
        if (!j) {
            j = arena_new_of(a, struct joined);
            j->name = name;
            map_put(by_name, name, j);
            vec_push(a, &all, j);
        }
        add(a, j, h->value);
    }
    map_free(by_name, NULL);
    vec_each(&all, at) {
        const struct joined *j = *at;
        json_set(a, obj, j->name, j->each ? j->each : json_str(a, (Str){j->p, j->n}));
    }
    return obj;
}
