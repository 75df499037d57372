/* src/base/json_algo.c - equality, hashes, pointers, merge patch. None of them calls itself. */
#include "base/json.h"

#include "base/json_private.h"

/* ---- equality ---- */

static bool numbers_equal(const struct json *x, const struct json *y)
{
    struct json_num a, b;

    if (x->type == JSON_INT && y->type == JSON_INT)
        return x->i == y->i;
    if (x->type == JSON_DOUBLE && y->type == JSON_DOUBLE)
        return x->d == y->d;
    json_num_of(x, &a);
    json_num_of(y, &b);
    return json_num_cmp(&a, &b) == 0;
}

/* Whether two values are equal as far as can be told without looking at children. */
static bool shells_equal(const struct json *x, const struct json *y)
{
    if (json_is_number(x))
        return json_is_number(y) && numbers_equal(x, y);
    if (json_type(x) != json_type(y))
        return false;
    if (json_is(x, JSON_STR))
        return str_eq(json_chars(x), json_chars(y));
    return json_len(x) == json_len(y);
}

struct pair {
    const struct json *x, *y;
    uint32_t i;
};

bool json_equal(const struct json *x, const struct json *y)
{
    struct json_stack stack;
    struct pair *f;
    bool equal;

    json_stack_init(&stack, sizeof *f);
    for (;;) {
        equal = shells_equal(x, y);
        if (!equal)
            break;
        if (json_len(x) && x->arr != y->arr)
            *(struct pair *)json_stack_push(&stack) = (struct pair){x, y, 0};
        while ((f = json_stack_top(&stack)) && f->i == f->x->n)
            stack.n--;
        if (!f)
            break;
        uint32_t i = f->i++;
        if (f->x->type == JSON_ARR) {
            x = &f->x->arr[i];
            y = &f->y->arr[i];
        } else {
            x = &f->x->obj[i].val;
            y = json_get(f->y, json_chars(&f->x->obj[i].key));
            equal = y != NULL;
            if (!equal)
                break;
        }
    }
    json_stack_done(&stack);
    return equal;
}

/* ---- hashes ---- */

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    return h ^ h >> 29;
}

static uint64_t number_hash(const struct json *v)
{
    struct json_num num;
    uint64_t h;

    json_num_of(v, &num);
    if (num.wild)
        return str_hash_keyed(str_from(num.p, num.n), str_hash_key());
    if (num.n <= 19)
        h = json_num_digits(&num);
    else {
        h = 0;
        for (size_t i = 0; i < num.n + (memchr(num.p, '.', num.n) != NULL); i++)
            if (num.p[i] != '.')
                h = mix(h * 10 + (uint64_t)num.p[i]);
    }
    uint64_t parts[3] = {h, (uint64_t)num.exp, num.negative};
    return str_hash_keyed(str_from((char *)parts, sizeof parts), str_hash_key());
}

static uint64_t leaf_hash(const struct json *v)
{
    if (json_is_number(v))
        return number_hash(v);
    if (json_is(v, JSON_STR))
        return str_hash_keyed(json_chars(v), str_hash_key());
    return mix(0x51ed270b9f1a3c77u + (uint64_t)json_type(v)); /* also of empty containers */
}

struct sum {
    const struct json *v;
    uint64_t h;
    uint32_t i;
};

/* Take the hash of a child in: in order for arrays, without order for objects. */
static void add_hash(struct sum *f, uint64_t child)
{
    uint32_t i = f->i++;
    if (f->v->type == JSON_ARR)
        f->h = mix(f->h * 31 + child);
    else
        f->h += mix(child * 31 + str_hash_keyed(json_chars(&f->v->obj[i].key), str_hash_key()));
}

uint64_t json_hash(const struct json *v)
{
    struct json_stack stack;
    struct sum *f;
    uint64_t h = 0;

    json_stack_init(&stack, sizeof *f);
    for (;;) {
        if (json_len(v)) {
            *(struct sum *)json_stack_push(&stack) = (struct sum){v, v->type, 0};
        } else {
            h = leaf_hash(v);
            f = json_stack_top(&stack);
            if (!f)
                break;
            add_hash(f, h);
        }
        f = json_stack_top(&stack);
        while (f && f->i == f->v->n) {
            h = mix(f->h);
            stack.n--;
            f = json_stack_top(&stack);
            if (f)
                add_hash(f, h);
        }
        if (!f)
            break;
        v = f->v->type == JSON_ARR ? &f->v->arr[f->i] : &f->v->obj[f->i].val;
    }
    json_stack_done(&stack);
    return h;
}

/* ---- pointers ---- */

/* An array index: digits without a leading zero; SIZE_MAX for anything else. */
static size_t index_of(Str token)
{
    uint64_t i;
    if (token.n == 0 || (token.n > 1 && token.p[0] == '0') || str_to_u64(token, &i) != OK)
        return SIZE_MAX;
    return i;
}

/* @token with ~1 and ~0 undone, in @b where there are any. */
static Err unescape(Str token, struct buf *b, Str *ret_key)
{
    *ret_key = token;
    if (str_find_char(token, '~') == SIZE_MAX)
        return OK;
    buf_reset(b);
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        if (c == '~') {
            i++;
            if (i == token.n || (token.p[i] != '0' && token.p[i] != '1'))
                return err_detail(E_SYNTAX, "JSON pointer: '~' is followed by neither 0 nor 1");
            c = token.p[i] == '0' ? '~' : '/';
        }
        buf_add_char(b, c);
    }
    *ret_key = buf_str(b);
    return OK;
}

Err json_pointer(const struct json *v, Str pointer, struct json **ret_value)
{
    AUTO_BUF(b, pointer.n + 1);
    Str rest, token, key;
    const struct json *at = v;

    if (pointer.n && pointer.p[0] != '/')
        return err_detail(E_SYNTAX, "JSON pointer: a pointer is empty or starts with '/'");
    rest = pointer.n ? str_skip(pointer, 1) : (Str){NULL, 0};
    while (rest.p) {
        rest = str_cut(rest, '/', &token);
        TRY(unescape(token, &b, &key)); /* also where nothing is: syntax first */
        at = json_is(at, JSON_ARR) ? json_item(at, index_of(key)) : json_get(at, key);
    }
    if (!at)
        return err_detail(E_NOT_FOUND, "JSON pointer: there is nothing at \"%.*s\"",
                          P(str_head(pointer, 200)));
    *ret_value = (struct json *)(uintptr_t)at; /* as every reader: const is the caller's promise */
    return OK;
}

/* ---- merge patch ---- */

struct merge {
    struct json *slot; /* where the result goes */
    const struct json *target, *patch;
};

/* The object that patching @f->target gives, except that members that are patched by an object are
 * left to be done: those are pushed. */
static void merge_object(struct arena *a, struct json_stack *todo, const struct merge *f)
{
    size_t n_target = json_is(f->target, JSON_OBJ) ? f->target->n : 0, n = 0;
    struct json_member *m = malloc((n_target + f->patch->n + 1) * sizeof *m);

    if (!m)
        DIE("out of memory");
    for (size_t i = 0; i < n_target; i++) {
        const struct json_member *from = &f->target->obj[i];
        const struct json *p = json_get(f->patch, json_chars(&from->key));
        if (!p || p->type != JSON_NULL)
            m[n++] = (struct json_member){from->key, p ? *p : from->val};
    }
    for (uint32_t i = 0; i < f->patch->n; i++) {
        const struct json_member *from = &f->patch->obj[i];
        if (from->val.type != JSON_NULL &&
            (!n_target || !json_get(f->target, json_chars(&from->key))))
            m[n++] = *from;
    }
    if (json_object_from(a, m, n, f->slot) != OK)
        DIE("arena of %zu bytes is too small for %zu members", arena_max(a), n);
    free(m);
    for (uint32_t i = 0; i < f->slot->n; i++) {
        struct json_member *to = &f->slot->obj[i];
        Str key = json_chars(&to->key);
        const struct json *p = json_get(f->patch, key);
        if (json_is(p, JSON_OBJ))
            *(struct merge *)json_stack_push(todo) =
                (struct merge){&to->val, n_target ? json_get(f->target, key) : NULL, p};
    }
}

struct json *json_merge_patch(struct arena *a, const struct json *target, const struct json *patch)
{
    struct json *root = json_null(a);
    struct json_stack todo;

    json_stack_init(&todo, sizeof(struct merge));
    *(struct merge *)json_stack_push(&todo) = (struct merge){root, target, patch};
    while (todo.n) {
        struct merge f = *(struct merge *)json_stack_top(&todo);
        todo.n--;
        if (json_is(f.patch, JSON_OBJ))
            merge_object(a, &todo, &f);
        else if (f.patch)
            *f.slot = *f.patch;
    }
    json_stack_done(&todo);
    return root;
}
