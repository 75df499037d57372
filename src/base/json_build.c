/* src/base/json_build.c - making values and changing containers. */
#include "base/json.h"

#include "base/json_private.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>

static struct json *value(struct arena *a, enum json_type type)
{
    struct json *v = arena_new_of(a, struct json);
    v->type = (uint8_t)type;
    return v;
}

struct json *json_null(struct arena *a)
{
    return value(a, JSON_NULL);
}

struct json *json_bool(struct arena *a, bool b)
{
    return value(a, b ? JSON_TRUE : JSON_FALSE);
}

struct json *json_int(struct arena *a, int64_t i)
{
    struct json *v = value(a, JSON_INT);
    v->i = i;
    return v;
}

struct json *json_double(struct arena *a, double d)
{
    struct json *v = value(a, isfinite(d) ? JSON_DOUBLE : JSON_NULL);
    if (v->type == JSON_DOUBLE)
        v->d = d;
    return v;
}

static struct json string(struct arena *a, Str s)
{
    if (s.n > UINT32_MAX / 3)
        DIE("a JSON string of %zu bytes", s.n);
    s = utf8_repair(a, s);
    return (struct json){.type = JSON_STR, .n = (uint32_t)s.n, .s = s.p ? s.p : ""};
}

struct json *json_str(struct arena *a, Str s)
{
    struct json *v = value(a, JSON_STR);
    *v = string(a, s);
    return v;
}

struct json *json_str_c(struct arena *a, const char *s)
{
    return json_str(a, str_c(s));
}

struct json *json_id(struct arena *a, Id id)
{
    return json_str(a, id_str(a, id));
}

struct json *json_time(struct arena *a, Usec wall)
{
    return wall ? json_str(a, time_rfc3339(wall, arena_bytes(a, TIME_RFC3339_SIZE))) : json_null(a);
}

struct json *json_arr(struct arena *a)
{
    return value(a, JSON_ARR);
}

struct json *json_obj(struct arena *a, ...)
{
    struct json *obj = value(a, JSON_OBJ);
    const char *key;
    va_list ap;

    va_start(ap, a);
    while ((key = va_arg(ap, const char *))) {
        const struct json *val = va_arg(ap, const struct json *);
        if (val)
            json_set(a, obj, str_c(key), val);
    }
    va_end(ap);
    return obj;
}

/* ---- blocks ---- */

/* A headed block of @cap children of @size bytes, with an index if @index; NULL when the arena is
 * full. */
static struct json_head *block_try(struct arena *a, uint64_t cap, size_t size, bool index)
{
    uint64_t slots = 0;

    if (cap > UINT32_MAX / 4)
        return NULL;
    if (index)
        for (slots = 32; slots < cap * 2; slots *= 2)
            ;
    struct json_head *head = arena_try(a, sizeof *head + cap * size + slots * sizeof *head->slots);
    if (!head)
        return NULL;
    char *end = (char *)(head + 1) + cap * size;
    *head = (struct json_head){.cap = (uint32_t)cap};
    if (index) {
        head->slots = (struct json_slot *)(void *)end;
        head->mask = (uint32_t)(slots - 1);
        memset(head->slots, 0, slots * sizeof *head->slots);
    }
    return head;
}

static void index_all(struct json_head *head, const struct json_head *former,
                      const struct json_member *members, uint32_t n)
{
    if (former && former->slots && former->used == n) {
        for (uint64_t i = 0; i <= former->mask; i++)
            if (former->slots[i].at)
                json_index_add(head, former->slots[i].hash, former->slots[i].at - 1);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        json_index_add(head, json_key_hash(json_chars(&members[i].key)), i);
}

/* Make room for one more child: in place if the block ends where @v does, else in a wider copy. */
static void make_room(struct arena *a, struct json *v, size_t size)
{
    struct json_head *head = json_head(v);

    if (head && head->used == v->n && v->n < head->cap)
        return;
    uint64_t cap = v->n < 4 ? 4 : (uint64_t)v->n * 2;
    struct json_head *wide = block_try(a, cap, size, v->type == JSON_OBJ && cap > JSON_INDEX_MIN);
    if (!wide)
        DIE("arena of %zu bytes is too small for %u children", arena_max(a), v->n + 1);
    if (v->arr && v->n)
        memcpy(wide + 1, v->arr, v->n * size);
    wide->used = v->n;
    if (wide->slots)
        index_all(wide, head, (struct json_member *)(void *)(wide + 1), v->n);
    v->arr = (struct json *)(void *)(wide + 1);
    v->flags |= JSON_HEADED;
}

void json_push(struct arena *a, struct json *arr, const struct json *item)
{
    struct json copy = item ? *item : (struct json){.type = JSON_NULL};

    if (arr->type != JSON_ARR)
        DIE("json_push onto %s", json_type_name(arr));
    make_room(a, arr, sizeof *arr->arr);
    arr->arr[arr->n++] = copy;
    json_head(arr)->used = arr->n;
}

void json_set(struct arena *a, struct json *obj, Str key, const struct json *val)
{
    if (obj->type != JSON_OBJ)
        DIE("json_set on %s", json_type_name(obj));
    if (!val)
        return;
    struct json copy = *val, name = string(a, key);
    struct json *there = json_get(obj, json_chars(&name));
    if (there) {
        *there = copy;
        return;
    }
    make_room(a, obj, sizeof *obj->obj);
    struct json_head *head = json_head(obj);
    if (head->slots)
        json_index_add(head, json_key_hash(json_chars(&name)), obj->n);
    obj->obj[obj->n++] = (struct json_member){name, copy};
    head->used = obj->n;
}

/* Take a slot out of the index, move back what it had pushed on, and count members behind it down.
 */
static void index_remove(struct json_head *head, struct json_slot *slot)
{
    uint32_t hole = (uint32_t)(slot - head->slots), gone = slot->at;

    for (uint32_t i = (hole + 1) & head->mask; head->slots[i].at; i = (i + 1) & head->mask) {
        uint32_t home = head->slots[i].hash & head->mask;
        if (((i - home) & head->mask) >= ((i - hole) & head->mask)) {
            head->slots[hole] = head->slots[i];
            hole = i;
        }
    }
    head->slots[hole] = (struct json_slot){0};
    for (uint64_t i = 0; i <= head->mask; i++)
        head->slots[i].at -= head->slots[i].at > gone;
}

bool json_remove(struct json *obj, Str key)
{
    struct json *val = json_get(obj, key);
    if (!val)
        return false;
    struct json_member *m = (struct json_member *)(void *)(val - 1);
    struct json_head *head = json_head(obj);
    if (head && head->slots)
        index_remove(head, json_index_find(head, obj->obj, obj->n, key, json_key_hash(key)));
    memmove(m, m + 1, (size_t)(obj->obj + obj->n - (m + 1)) * sizeof *m);
    if (head && head->used == obj->n)
        head->used--;
    obj->n--;
    return true;
}

/* ---- objects from members that may repeat ---- */

/* Few members: compare each key with those before it. */
static uint32_t copy_few(struct json_member *to, const struct json_member *from, size_t n)
{
    uint32_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t at = 0;
        while (at < kept && !json_same_key(&to[at].key, json_chars(&from[i].key)))
            at++;
        if (at == kept)
            to[kept++] = from[i];
        else
            to[at].val = from[i].val;
    }
    return kept;
}

static uint32_t copy_many(struct json_head *head, const struct json_member *from, size_t n)
{
    struct json_member *to = (struct json_member *)(void *)(head + 1);
    uint32_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        Str key = json_chars(&from[i].key);
        uint32_t hash = json_key_hash(key);
        struct json_slot *slot = json_index_find(head, to, kept, key, hash);
        if (slot) {
            to[slot->at - 1].val = from[i].val;
            continue;
        }
        json_index_add(head, hash, kept);
        to[kept++] = from[i];
    }
    return kept;
}

Err json_object_from(struct arena *a, const struct json_member *from, size_t n,
                     struct json *ret_object)
{
    struct json obj = {.type = JSON_OBJ};

    if (n > JSON_INDEX_MIN) {
        struct json_head *head = block_try(a, n, sizeof *from, true);
        if (!head)
            return E_TOO_LARGE;
        obj.n = head->used = copy_many(head, from, n);
        obj.obj = (struct json_member *)(void *)(head + 1);
        obj.flags = JSON_HEADED;
    } else if (n) {
        obj.obj = arena_try(a, n * sizeof *from);
        if (!obj.obj)
            return E_TOO_LARGE;
        obj.n = copy_few(obj.obj, from, n);
    }
    *ret_object = obj;
    return OK;
}

/* ---- deep copies ---- */

struct dup_frame {
    struct json *v; /* a copy whose children still belong to the original */
    uint32_t i;
};

static void dup_bytes(struct arena *a, struct json *v)
{
    if (v->type == JSON_STR || v->type == JSON_RAW)
        v->s = str_dup(a, json_chars(v)).p;
}

/* Give @v, a shallow copy, a block of its own. */
static void dup_block(struct arena *a, struct json *v)
{
    size_t size = v->type == JSON_OBJ ? sizeof *v->obj : sizeof *v->arr;

    if (v->type == JSON_OBJ && v->n > JSON_INDEX_MIN) {
        const struct json_head *former = json_head(v);
        struct json_head *head = block_try(a, v->n, size, true);
        if (!head)
            DIE("arena of %zu bytes is too small for a copy of %u members", arena_max(a), v->n);
        memcpy(head + 1, v->obj, v->n * size);
        head->used = v->n;
        index_all(head, former, v->obj, v->n);
        v->obj = (struct json_member *)(void *)(head + 1);
        return; /* it had a head before, as every large object */
    }
    v->flags = 0;
    if (v->n == 0) {
        v->arr = NULL;
        return;
    }
    void *block = arena_alloc(a, v->n * size);
    memcpy(block, v->arr, v->n * size);
    v->arr = block;
}

struct json *json_dup(struct arena *a, const struct json *v)
{
    struct json *root = value(a, JSON_NULL);
    struct json_stack stack;
    struct dup_frame *f;

    if (v)
        *root = *v;
    json_stack_init(&stack, sizeof *f);
    struct json *next = root;
    for (;;) {
        if (next && json_len(next)) {
            dup_block(a, next);
            *(struct dup_frame *)json_stack_push(&stack) = (struct dup_frame){next, 0};
        } else if (next) {
            if (next->type >= JSON_ARR)
                dup_block(a, next);
            dup_bytes(a, next);
        }
        f = json_stack_top(&stack);
        if (!f)
            break;
        next = NULL;
        if (f->i == f->v->n) {
            stack.n--;
        } else if (f->v->type == JSON_ARR) {
            next = &f->v->arr[f->i++];
        } else {
            dup_bytes(a, &f->v->obj[f->i].key);
            next = &f->v->obj[f->i++].val;
        }
    }
    json_stack_done(&stack);
    return root;
}
