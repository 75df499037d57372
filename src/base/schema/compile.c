/* src/base/schema/compile.c - from the text of a schema to nodes and checks.
 *
 * First all places where the specification has subschemas are visited, to find what has a URI or an
 * anchor (the index). Then nodes are compiled from a list of things to do, beginning with the root:
 * what is not reached is not compiled, what is reached twice is compiled once. Neither step calls
 * itself.
 */
#include "base/map.h"
#include "base/schema/private.h"

#include <stdarg.h>

enum { VALUES_MAX = 500000 }; /* of the schema and what it may refer to */
enum {
    ARENA_MAX = 1024 * 1024 * 1024
}; /* never met: each value costs some hundred bytes at most */
enum { CHECKS_MAX = 64 };

#define DRAFT "https://json-schema.org/draft/2020-12/"
#define DEFAULT_VOCAB (VOCAB_CORE | VOCAB_APPLICATOR | VOCAB_UNEVALUATED | VOCAB_VALIDATION)

struct schema_compiler {
    struct arena *a;
    unsigned flags;
    struct map *uris;   /* of resources */
    struct map *places; /* address of a subschema -> its resource */
    struct map *nodes;  /* address of a subschema -> its node */
    struct map *names;  /* that $dynamicRef asks for */
    VEC(struct schema_resource *) resources;
    VEC(struct schema_node *) todo;
    size_t done;
    struct schema_check scratch[CHECKS_MAX]; /* of the node that is being compiled */
};

struct arena *schema_arena(struct schema_compiler *c)
{
    return c->a;
}

unsigned schema_flags(const struct schema_compiler *c)
{
    return c->flags;
}

/* An address as a key. */
#define KEY_OF(p) str_from((const char *)&(p), sizeof(p))

/* ---- errors ---- */

/* The way to @node as a JSON pointer, or from the last reference. */
static void add_place(struct buf *b, const struct schema_node *node)
{
    const struct schema_node *way[64];
    size_t n = 0;

    for (; node && node->keyword && n < ARRAY_LEN(way); node = node->parent)
        way[n++] = node;
    if (n == ARRAY_LEN(way))
        buf_add(b, S("..."));
    while (n--) {
        buf_add_fmt(b, "/%s", way[n]->keyword);
        if (way[n]->token.n)
            buf_add_fmt(b, "/%.*s", P(str_head(way[n]->token, 100)));
    }
}

Err schema_bad(const struct schema_node *node, const char *keyword, const char *fmt, ...)
{
    AUTO_BUF(place, KIB(16));
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    add_place(&place, node);
    return err_detail(E_INVALID, "schema %.*s: \"%s\" %s",
                      P(place.n ? str_head(buf_str(&place), 100) : S("at its root")), keyword,
                      text);
}

/* ---- the index ---- */

static struct schema_resource *new_resource(struct schema_compiler *c, Str uri,
                                            const struct json *root, struct schema_resource *parent)
{
    struct schema_resource *res = arena_new_of(c->a, struct schema_resource);

    *res = (struct schema_resource){.uri = uri, .root = root, .parent = parent};
    vec_push(c->a, &c->resources, res);
    if (!map_get(c->uris, uri)) /* the first of a URI has it: the schema before what it refers to */
        (void)map_put(c->uris, uri, res);
    return res;
}

static void add_anchor(struct schema_compiler *c, struct schema_resource *res, Str name,
                       const struct json *at, bool dynamic)
{
    struct schema_anchor *anchor = vec_add(c->a, &res->anchors);
    *anchor = (struct schema_anchor){.name = name, .at = at, .dynamic = dynamic};
}

static Str string_at(const struct json *v, Str key)
{
    return json_str_of(json_get(v, key), S(""));
}

/* What @schema, an object, names: itself by $id, places in it by anchors. Gives its resource. */
static struct schema_resource *enter(struct schema_compiler *c, const struct json *schema,
                                     struct schema_resource *res)
{
    Str id = string_at(schema, S("$id")), anchor, uri;

    if (str_starts(id, S("#"))) { /* of older drafts */
        add_anchor(c, res, str_skip(id, 1), schema, false);
    } else if (id.n) {
        (void)schema_uri_split(schema_uri_resolve(c->a, res->uri, id), &uri);
        if (res->root != schema)
            res = new_resource(c, uri, schema, res);
        res->uri = uri;
        if (!map_get(c->uris, uri)) /* a document that was known by another URI so far */
            (void)map_put(c->uris, uri, res);
    }
    anchor = string_at(schema, S("$anchor"));
    if (anchor.n)
        add_anchor(c, res, anchor, schema, false);
    anchor = string_at(schema, S("$dynamicAnchor"));
    if (anchor.n)
        add_anchor(c, res, anchor, schema, true);
    return res;
}

struct place {
    const struct json *schema;
    struct schema_resource *res;
};

static void push_place(struct json_stack *stack, const struct json *schema,
                       struct schema_resource *res)
{
    if (json_is(schema, JSON_OBJ))
        *(struct place *)json_stack_push(stack) = (struct place){schema, res};
}

static void push_subschemas(struct json_stack *stack, const struct schema_keyword *kw,
                            const struct json *arg, struct schema_resource *res)
{
    if (kw->sub == SUB_ONE || (kw->sub == SUB_ONE_OR_LIST && json_is(arg, JSON_OBJ)))
        push_place(stack, arg, res);
    else if (kw->sub == SUB_MAP)
        for (size_t i = 0; json_is(arg, JSON_OBJ) && i < arg->n; i++)
            push_place(stack, &arg->obj[i].val, res);
    else
        for (size_t i = 0; json_is(arg, JSON_ARR) && i < arg->n; i++)
            push_place(stack, &arg->arr[i], res);
}

/* Visit @schema and all subschemas in it that were not visited yet. */
static void index_tree(struct schema_compiler *c, const struct json *schema,
                       struct schema_resource *res)
{
    static const struct schema_keyword *const tables[] = {schema_assertions, schema_applicators};
    struct json_stack stack;

    json_stack_init(&stack, sizeof(struct place));
    push_place(&stack, schema, res);
    while (stack.n) {
        struct place at = *(struct place *)json_stack_top(&stack);
        stack.n--;
        if (map_get(c->places, KEY_OF(at.schema)))
            continue;
        at.res = enter(c, at.schema, at.res);
        (void)map_put(c->places, KEY_OF(at.schema), at.res);
        for (size_t t = 0; t < ARRAY_LEN(tables); t++)
            for (const struct schema_keyword *kw = tables[t]; kw->name; kw++)
                if (kw->sub != SUB_NONE)
                    push_subschemas(&stack, kw, json_get(at.schema, str_c(kw->name)), at.res);
    }
    json_stack_done(&stack);
}

static void index_document(struct schema_compiler *c, const struct json *root, Str uri)
{
    (void)schema_uri_split(uri, &uri);
    index_tree(c, root, new_resource(c, uri, root, NULL));
}

/* ---- references ---- */

/* The resource of @uri; meta-schemas are taken in when they are asked for. */
static struct schema_resource *find_resource(struct schema_compiler *c, Str uri)
{
    struct schema_resource *res = map_get(c->uris, uri);
    struct json *meta;

    if (!res && schema_meta(uri).n && json_parse(c->a, schema_meta(uri), &meta) == OK) {
        index_document(c, meta, uri);
        res = map_get(c->uris, uri);
    }
    return res;
}

/* The value that pointer @rest leads to in *res, which becomes the resource of that value. */
static const struct json *follow(struct schema_compiler *c, struct schema_resource **res,
                                 Str pointer)
{
    const struct json *at = (*res)->root;
    Str rest = str_skip(pointer, 1), token;

    while (rest.p && at) {
        struct json *next;
        rest = str_cut(rest, '/', &token);
        token = str_fmt(c->a, "/%.*s", P(token));
        at = json_pointer(at, token, &next) == OK ? next : NULL;
        struct schema_resource *own = at ? map_get(c->places, KEY_OF(at)) : NULL;
        if (own)
            *res = own;
    }
    return at;
}

/* The node of @schema, which will be compiled if it was not yet. */
static Err node_of(struct schema_compiler *c, const struct json *schema,
                   const struct schema_node *parent, const char *keyword, Str token,
                   struct schema_resource *res, struct schema_node **ret_node)
{
    struct schema_node *node = map_get(c->nodes, KEY_OF(schema));

    if (!node) {
        struct schema_resource *own = map_get(c->places, KEY_OF(schema));
        node = arena_new_of(c->a, struct schema_node);
        *node = (struct schema_node){.src = schema,
                                     .res = own ? own : res,
                                     .parent = parent,
                                     .keyword = keyword,
                                     .token = token};
        if (!json_is(schema, JSON_OBJ) && !json_is_bool(schema))
            return schema_bad(parent ? parent : node, keyword ? keyword : "", "is no schema: %s",
                              json_type_name(schema));
        (void)map_put(c->nodes, KEY_OF(schema), node);
        vec_push(c->a, &c->todo, node);
    }
    *ret_node = node;
    return OK;
}

Err schema_child(struct schema_compiler *c, struct schema_node *node, const char *keyword,
                 Str token, const struct json *child, struct schema_node **ret_node)
{
    return node_of(c, child, node, keyword, token, node->res, ret_node);
}

Err schema_refer(struct schema_compiler *c, struct schema_node *node, Str ref,
                 struct schema_node **ret_node, Str *ret_dynamic)
{
    Str uri, whole = schema_uri_resolve(c->a, node->res->uri, ref);
    Str fragment = schema_uri_decode(c->a, schema_uri_split(whole, &uri));
    struct schema_resource *res = find_resource(c, uri);
    const struct json *at = NULL;

    *ret_dynamic = S("");
    if (res && fragment.n == 0)
        at = res->root;
    else if (res && fragment.p[0] == '/')
        at = follow(c, &res, fragment);
    for (size_t i = 0; res && !at && i < res->anchors.n; i++) {
        const struct schema_anchor *anchor = &res->anchors.at[i];
        if (!str_eq(anchor->name, fragment))
            continue;
        at = anchor->at;
        if (anchor->dynamic)
            *ret_dynamic = fragment;
    }
    /* A $dynamicAnchor may share its name with an $anchor: then it is the dynamic one that counts.
     */
    for (size_t i = 0; res && at && !ret_dynamic->n && fragment.n && i < res->anchors.n; i++)
        if (res->anchors.at[i].dynamic && str_eq(res->anchors.at[i].name, fragment))
            *ret_dynamic = fragment;
    if (!at)
        return schema_bad(node, "$ref", "leads nowhere: %.*s", P(str_head(whole, 120)));
    if (ret_dynamic->n)
        (void)map_put(c->names, *ret_dynamic, c);
    index_tree(c, at, res); /* for a place where the specification has no subschema */
    return node_of(c, at, node, "$ref", S(""), res, ret_node);
}

/* ---- vocabularies ---- */

static Err vocabulary_bits(const struct json *vocabulary, const struct schema_node *node,
                           unsigned *ret_bits)
{
    static const struct {
        Str uri;
        unsigned bits;
    } known[] = {
        {S_INIT(DRAFT "vocab/core"), VOCAB_CORE},
        {S_INIT(DRAFT "vocab/applicator"), VOCAB_APPLICATOR},
        {S_INIT(DRAFT "vocab/unevaluated"), VOCAB_UNEVALUATED},
        {S_INIT(DRAFT "vocab/validation"), VOCAB_VALIDATION},
        {S_INIT(DRAFT "vocab/format-assertion"), VOCAB_FORMAT},
        {S_INIT(DRAFT "vocab/format-annotation"), 0},
        {S_INIT(DRAFT "vocab/meta-data"), 0},
        {S_INIT(DRAFT "vocab/content"), 0},
    };
    unsigned bits = VOCAB_CORE;

    for (uint32_t i = 0; i < vocabulary->n; i++) {
        const struct json_member *m = &vocabulary->obj[i];
        size_t at = 0;
        while (at < ARRAY_LEN(known) && !str_eq(json_chars(&m->key), known[at].uri))
            at++;
        if (at < ARRAY_LEN(known))
            bits |= known[at].bits;
        else if (json_bool_of(&m->val, false))
            return schema_bad(node, "$schema", "requires a vocabulary that is not known: %.*s",
                              P(str_head(json_chars(&m->key), 120)));
    }
    *ret_bits = bits;
    return OK;
}

/* What the meta-schema of @node's resource says; older drafts and unknown ones are taken as
 * 2020-12. */
static Err find_vocabulary(struct schema_compiler *c, const struct schema_node *node)
{
    struct schema_resource *res = node->res;
    Str uri = S("");

    for (const struct schema_resource *at = res; at && !uri.n; at = at->parent)
        uri = string_at(at->root, S("$schema"));
    (void)schema_uri_split(uri, &uri);
    res->vocab = DEFAULT_VOCAB;
    if (uri.n == 0 || str_eq(uri, S(DRAFT "schema")))
        return OK;
    const struct schema_resource *meta = map_get(c->uris, uri);
    const struct json *vocabulary = meta ? json_at(meta->root, "$vocabulary") : NULL;
    return json_is(vocabulary, JSON_OBJ) ? vocabulary_bits(vocabulary, node, &res->vocab) : OK;
}

/* ---- nodes ---- */

static enum schema_step step_false(struct schema_run *r, struct schema_frame *f,
                                   const struct schema_check *check)
{
    return schema_fail(r, f, check, "nothing is allowed here");
}

static const struct schema_keyword false_keyword = {"false", VOCAB_CORE, SUB_NONE, NULL,
                                                    step_false};

static Err compile_table(struct schema_compiler *c, struct schema_node *node,
                         const struct schema_keyword *table)
{
    for (const struct schema_keyword *kw = table; kw->name; kw++) {
        const struct json *arg = kw->step ? json_get(node->src, str_c(kw->name)) : NULL;
        if (!arg || !(node->res->vocab & kw->vocab))
            continue;
        struct schema_check *check = &c->scratch[node->n];
        *check = (struct schema_check){.kw = kw, .arg = arg};
        if (kw->compile)
            TRY(kw->compile(c, node, check));
        node->n += check->kw != NULL;
    }
    return OK;
}

static Err compile_node(struct schema_compiler *c, struct schema_node *node)
{
    node->checks = c->scratch;
    if (node->src->type == JSON_FALSE) {
        node->never = true;
        c->scratch[node->n++] = (struct schema_check){.kw = &false_keyword};
    } else if (node->src->type == JSON_OBJ) {
        if (!node->res->vocab)
            TRY(find_vocabulary(c, node));
        TRY(compile_table(c, node, schema_assertions));
        TRY(compile_table(c, node, schema_applicators));
    }
    node->checks = arena_array(c->a, struct schema_check, node->n + 1);
    memcpy(node->checks, c->scratch, node->n * sizeof *node->checks);
    return OK;
}

/* Nodes for the $dynamicAnchors that a $dynamicRef may lead to. */
static Err add_dynamic(struct schema_compiler *c)
{
    vec_each(&c->resources, it) {
        struct schema_resource *res = *it;
        for (size_t i = 0; i < res->anchors.n; i++) {
            struct schema_anchor *anchor = &res->anchors.at[i];
            if (anchor->dynamic && !anchor->node && map_get(c->names, anchor->name))
                TRY(node_of(c, anchor->at, NULL, NULL, S(""), res, &anchor->node));
        }
    }
    return OK;
}

static Err compile_all(struct schema_compiler *c, const struct json *schema,
                       struct schema_node **ret_root)
{
    TRY(node_of(c, schema, NULL, NULL, S(""), c->resources.at[0], ret_root));
    while (c->done < c->todo.n) {
        while (c->done < c->todo.n)
            TRY(compile_node(c, c->todo.at[c->done++]));
        TRY(add_dynamic(c));
    }
    return OK;
}

static Err check_size(const struct json *schema, const struct json_schema_remote *remotes,
                      size_t n_remotes)
{
    size_t n = schema_size(schema, VALUES_MAX);

    for (size_t i = 0; i < n_remotes; i++)
        n += schema_size(remotes[i].schema, VALUES_MAX);
    return n < VALUES_MAX ? OK : err_detail(E_TOO_LARGE, "the schema is too large");
}

Err json_schema_compile(const struct json *schema, const struct json_schema_remote *remotes,
                        size_t n_remotes, unsigned flags, struct json_schema **ret_schema)
{
    static const struct json nothing = {.type = JSON_NULL};

    TRY(check_size(schema, remotes, n_remotes));
    struct arena *a = arena_new(ARENA_MAX);
    struct json_schema *s = arena_new_of(a, struct json_schema);
    struct schema_compiler *c = arena_new_of(a, struct schema_compiler);
    *s = (struct json_schema){.a = a};
    c->a = a;
    c->flags = flags;
    c->uris = map_new();
    c->places = map_new();
    c->nodes = map_new();
    c->names = map_new();
    if (!schema)
        schema = &nothing;
    index_document(c, schema, S(""));
    for (size_t i = 0; i < n_remotes; i++)
        index_document(c, remotes[i].schema, remotes[i].uri);
    Err e = compile_all(c, schema, &s->root);
    map_free(c->uris, NULL);
    map_free(c->places, NULL);
    map_free(c->nodes, NULL);
    map_free(c->names, NULL);
    if (e != OK) {
        json_schema_free(s);
        return e;
    }
    *ret_schema = s;
    return OK;
}

void json_schema_free(struct json_schema *s)
{
    if (s)
        arena_free(s->a);
}
