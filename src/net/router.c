/* src/net/router.c - a tree of path segments.
 *
 * Fixed segments are sorted and searched by halves; a path is matched segment by segment, the fixed
 * branch first, then ":name", then "*name", going back where a branch leads nowhere. Depth is
 * bounded by the routes themselves. Segments are matched decoded, so that an escaped slash stays
 * within its segment.
 */
#include "net/router.h"

enum { SEGMENTS_MAX = 16, METHODS = 7 };

struct name_list {
    const char *at[SEGMENTS_MAX + 1];
};

struct leaf {
    const struct route *route[METHODS];
    const struct name_list *names[METHODS]; /* of each route's parameters, in order */
};

struct node {
    Str text;
    struct node **fixed; /* sorted by text */
    size_t n_fixed, cap_fixed;
    struct node *param, *rest;
    struct leaf *leaf; /* NULL: nothing ends here */
};

struct router {
    struct arena *a;
    struct node root;
    VEC(const struct route *) routes;
};

struct router *router_new(void)
{
    struct arena *a = arena_new(MIB(4));
    struct router *r = arena_new_of(a, struct router);
    r->a = a;
    return r;
}

void router_free(struct router *r)
{
    if (r)
        arena_free(r->a);
}

static int method_index(unsigned method)
{
    return __builtin_ctz(method);
}

/* Where @text stands, or would have to, among the fixed children. */
static size_t fixed_place(const struct node *n, Str text, bool *ret_found)
{
    size_t low = 0, high = n->n_fixed;

    *ret_found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = str_cmp(n->fixed[mid]->text, text);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct node *fixed_child(struct router *r, struct node *n, Str text)
{
    bool found;
    size_t at = fixed_place(n, text, &found);

    if (found)
        return n->fixed[at];
    if (n->n_fixed == n->cap_fixed) {
        size_t cap = n->cap_fixed ? n->cap_fixed * 2 : 4;
        struct node **bigger = arena_array(r->a, struct node *, cap);
        if (n->n_fixed)
            memcpy(bigger, n->fixed, n->n_fixed * sizeof(struct node *));
        n->fixed = bigger;
        n->cap_fixed = cap;
    }
    memmove(n->fixed + at + 1, n->fixed + at, (n->n_fixed - at) * sizeof(struct node *));
    n->n_fixed++;
    n->fixed[at] = arena_new_of(r->a, struct node);
    n->fixed[at]->text = text;
    return n->fixed[at];
}

static struct node *wild_child(struct router *r, struct node **slot)
{
    if (!*slot)
        *slot = arena_new_of(r->a, struct node);
    return *slot;
}

static void check_route(const struct route *route)
{
    Str path = str_c(route->path);
    if (path.n == 0 || path.p[0] != '/' || !route->fn || !route->method ||
        route->method & ~HTTP_ANY_METHOD)
        DIE("route \"%s\" is malformed", route->path);
}

/* The node at which @route ends, made if need be; its parameter names in @ret_names. */
static struct node *node_of(struct router *r, const struct route *route,
                            struct name_list *ret_names)
{
    struct node *n = &r->root;
    size_t n_names = 0, n_segments = 0;
    Str rest = str_skip(str_c(route->path), 1), segment;

    while (rest.p) {
        rest = str_cut(rest, '/', &segment);
        bool wild = segment.n && (segment.p[0] == ':' || segment.p[0] == '*');
        if (++n_segments > SEGMENTS_MAX || (wild && segment.n == 1))
            DIE("route \"%s\" is malformed", route->path);
        if (!wild) {
            n = fixed_child(r, n, segment);
            continue;
        }
        if (n_names == ARRAY_LEN(((struct req *)0)->params))
            DIE("route \"%s\" has too many parameters", route->path);
        ret_names->at[n_names++] = str_dup_c(r->a, str_skip(segment, 1));
        if (segment.p[0] == '*' && rest.p)
            DIE("route \"%s\" goes on behind its rest", route->path);
        n = wild_child(r, segment.p[0] == ':' ? &n->param : &n->rest);
    }
    return n;
}

static void add_route(struct router *r, const struct route *route)
{
    struct name_list *names = arena_new_of(r->a, struct name_list);

    check_route(route);
    struct node *n = node_of(r, route, names);
    if (!n->leaf)
        n->leaf = arena_new_of(r->a, struct leaf);
    for (unsigned bits = route->method; bits; bits &= bits - 1) {
        int i = method_index(bits);
        if (n->leaf->route[i])
            DIE("route \"%s\" is there twice", route->path);
        n->leaf->route[i] = route;
        n->leaf->names[i] = names;
    }
    vec_push(r->a, &r->routes, route);
}

void router_add(struct router *r, const struct route *table)
{
    for (; table->path; table++)
        add_route(r, table);
}

bool router_next(const struct router *r, size_t *at, const struct route **ret_route)
{
    if (*at >= r->routes.n)
        return false;
    *ret_route = r->routes.at[(*at)++];
    return true;
}

/* ---- finding ---- */

struct search {
    struct req *req;
    unsigned method;
    unsigned allowed;
    Str raw[SEGMENTS_MAX];  /* the path's segments as sent */
    Str text[SEGMENTS_MAX]; /* and decoded */
    Str rest[SEGMENTS_MAX]; /* the raw path from each segment on */
    size_t n;
    bool bad;
};

/* Cut the path into segments. One longer than any route is cut at the last place: only a "*name"
 * route can take it, by rest[]. */
static Err split(struct search *s, Str path)
{
    Str rest = str_skip(path, 1);

    while (rest.p && s->n < SEGMENTS_MAX) {
        Str segment;
        s->rest[s->n] = rest;
        rest = str_cut(rest, '/', &segment);
        s->raw[s->n] = segment;
        s->text[s->n] = segment;
        if (str_find_char(segment, '%') != SIZE_MAX)
            TRY(url_decode(s->req->a, segment, false, &s->text[s->n]));
        s->n++;
    }
    s->bad = rest.p != NULL;
    return OK;
}

/* Whether the route for the method ends at @n; collects the methods of a path that matches. */
static bool take_leaf(struct search *s, const struct node *n, size_t n_params)
{
    if (!n->leaf)
        return false;
    int m = method_index(s->method);
    if (!n->leaf->route[m] && s->method == HTTP_HEAD)
        m = method_index(HTTP_GET);
    if (n->leaf->route[m]) {
        s->req->route = n->leaf->route[m];
        for (size_t i = 0; i < n_params; i++)
            s->req->param_names[i] = n->leaf->names[m]->at[i];
        return true;
    }
    for (int i = 0; i < METHODS; i++)
        if (n->leaf->route[i])
            s->allowed |= 1u << i;
    return false;
}

/* Recursion is as deep as the deepest route has segments. */
static bool match(struct search *s, const struct node *n, size_t at, size_t n_params)
{
    bool found;

    if (at == s->n)
        return !s->bad && take_leaf(s, n, n_params);
    size_t place = fixed_place(n, s->text[at], &found);
    if (found && match(s, n->fixed[place], at + 1, n_params))
        return true;
    if (n->param && s->text[at].n) {
        s->req->params[n_params] = s->text[at];
        if (match(s, n->param, at + 1, n_params + 1))
            return true;
    }
    if (n->rest && s->rest[at].n) {
        Str decoded;
        if (url_decode(s->req->a, s->rest[at], false, &decoded) != OK)
            return false;
        s->req->params[n_params] = decoded;
        return take_leaf(s, n->rest, n_params + 1);
    }
    return false;
}

Err router_find(const struct router *r, struct req *req, unsigned *ret_allowed)
{
    struct search s;

    s.req = req;
    s.method = req->method ? req->method : HTTP_OPTIONS;
    s.allowed = 0;
    s.n = 0;
    Str path = req->raw_path.p ? req->raw_path : req->path;
    if (path.n == 0 || path.p[0] != '/')
        return err_set(E_NOT_FOUND, "no route for %.*s", P(path));
    TRY(split(&s, path));
    if (req->method && match(&s, &r->root, 0, 0))
        return OK;
    if (!req->method)
        (void)match(&s, &r->root, 0, 0); /* for the list of methods alone */
    if (!s.allowed)
        return E_NOT_FOUND;
    *ret_allowed = s.allowed | (s.allowed & HTTP_GET ? HTTP_HEAD : 0) | HTTP_OPTIONS;
    return E_METHOD;
}

/* ---- capabilities ---- */

bool who_may(const struct who *who, const char *capability)
{
    Str rest = who->capabilities, one;

    if (!capability || !capability[0]) /* "": whoever is known */
        return true;
    while (rest.p) {
        rest = str_cut(rest, ' ', &one);
        if (str_eq(one, S("*")) || (one.n && str_eq(one, str_c(capability))))
            return true;
    }
    return false;
}
