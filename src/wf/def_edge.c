/* src/wf/def_edge.c - the edges of a definition: both ends there, the handle one that the source
 * has. */
#include "wf/check.h"

enum { ID_MAX = 64, GUESSES = 10 };

struct edge_outer {
    Str id, source, target, source_handle, target_handle;
    const struct json *looks;
};
#define LOOK(name_)                                                                                \
    {                                                                                              \
        .name = (name_), .kind = F_JSON, .offset = offsetof(struct edge_outer, looks)              \
    }
static const struct field edge_fields[] = {
    {"id", F_STR, offsetof(struct edge_outer, id), .required = true, .min = 1, .max = 200},
    {"source", F_STR, offsetof(struct edge_outer, source), .required = true},
    {"target", F_STR, offsetof(struct edge_outer, target), .required = true},
    {"sourceHandle", F_STR, offsetof(struct edge_outer, source_handle)},
    {"targetHandle", F_STR, offsetof(struct edge_outer, target_handle)},
    LOOK("type"),
    LOOK("label"),
    LOOK("animated"),
    LOOK("style"),
    LOOK("markerEnd"),
    LOOK("data"),
    LOOK("zIndex"),
    LOOK("selected"),
    {0},
};

/* The node that @field names. */
static int end_of(struct checker *c, Str field, Str id)
{
    struct guess g = guess_begin(id);
    int at = wf_def_node(c->def, id);

    if (at >= 0 || str_is_empty(id))
        return at;
    for (int i = 0; c->guesses > 0 && i < c->def->n_nodes; i++)
        guess_try(&g, c->def->nodes[i].id);
    c->guesses--;
    check_wrong(c, field, S("unknown_node"), "There is no node \"%.*s\".%.*s",
                P(str_head(id, ID_MAX)), P(guess_text(c->scratch, &g)));
    return -1;
}

static bool in_words(const char *words, Str word)
{
    Str rest = str_c(words), head;

    while (rest.p) {
        rest = str_cut(rest, ' ', &head);
        if (str_eq(head, word))
            return true;
    }
    return false;
}

bool wf_node_has_handle(const struct wf_node *node, Str handle)
{
    const struct wf_node_type *type = node->type;

    if (str_eq(handle, S("error")))
        return node->on_error == WF_ERROR_BRANCH;
    if (type->takes_all && str_eq(handle, S(WF_ALL_HANDLES)))
        return true;
    return type->has_handle ? type->has_handle(node->settings, handle)
                            : in_words(type->handles ? type->handles : "out", handle);
}

static void check_handle(struct checker *c, const struct wf_node *from, Str handle)
{
    const struct wf_node_type *type = from->type;
    bool known;

    if (!type || !from->settings)
        return; /* its own problems come first */
    if (str_eq(handle, S("error"))) {
        if (from->on_error != WF_ERROR_BRANCH)
            check_wrong(c, S("sourceHandle"), S("unknown_handle"),
                        "\"%.*s\" has no handle \"error\": set its on_error to {\"strategy\": "
                        "\"branch\"}.",
                        P(from->id));
        return;
    }
    known = wf_node_has_handle(from, handle) && !str_eq(handle, S(WF_ALL_HANDLES));
    if (!known && type->handles && !*type->handles && !type->has_handle)
        check_wrong(c, S("sourceHandle"), S("unknown_handle"),
                    "\"%.*s\" is an end: no edge leads on from it.", P(from->id));
    else if (!known)
        check_wrong(c, S("sourceHandle"), S("unknown_handle"),
                    "\"%.*s\" (%s) has no handle \"%.*s\".", P(from->id), type->name,
                    P(str_head(handle, ID_MAX)));
}

static void check_edge(struct checker *c, const struct json *json, struct wf_edge *edge)
{
    const struct field *tables[] = {edge_fields};
    struct wf_check ck = check_of(c, json);
    struct edge_outer in = {0};

    edge->from = edge->to = -1;
    if (!json_is(json, JSON_OBJ)) {
        check_wrong(c, S(""), S("type"), "An edge must be an object, not %s.",
                    json_type_name(json));
        return;
    }
    field_read(&ck, S(""), edge_fields, json, &in);
    field_unknown(&ck, S(""), tables, 1, json);
    edge->id = in.id;
    edge->handle = in.source_handle.n ? in.source_handle : S("out");
    edge->from = end_of(c, S("source"), in.source);
    edge->to = end_of(c, S("target"), in.target);
    if (in.target_handle.n && !str_eq(in.target_handle, S("in")))
        check_wrong(c, S("targetHandle"), S("unknown_handle"), "The only target handle is \"in\".");
    if (edge->from >= 0)
        check_handle(c, &c->def->nodes[edge->from], edge->handle);
    if (!check_same_body(c, edge))
        edge->to = -1;
    if (edge->to >= 0 && edge->to == c->def->trigger)
        check_wrong(c, S("target"), S("into_trigger"), "No edge leads to the trigger.");
}

/* The same id twice, or the same two handles joined twice. */
static void check_duplicates(struct checker *c, const struct wf_edge *edge, struct map *ids,
                             struct map *pairs)
{
    if (edge->id.n && map_put(ids, edge->id, (void *)edge))
        check_wrong(c, S("id"), S("duplicate_id"), "There are two edges with the id \"%.*s\".",
                    P(str_head(edge->id, ID_MAX)));
    if (edge->from < 0 || edge->to < 0)
        return;
    Str pair = str_fmt(c->scratch, "%d %d %.*s", edge->from, edge->to, P(edge->handle));
    if (map_put(pairs, pair, (void *)edge))
        check_wrong(c, S(""), S("duplicate_edge"),
                    "Another edge leads from the same handle of \"%.*s\" to \"%.*s\".",
                    P(c->def->nodes[edge->from].id), P(c->def->nodes[edge->to].id));
}

void check_edges(struct checker *c, const struct json *edges)
{
    struct wf_def *def = c->def;

    if (json_len(edges) > WF_EDGES_MAX) {
        check_wrong(c, S("edges"), S("too_many"), "There are %zu edges; a workflow has at most %d.",
                    json_len(edges), WF_EDGES_MAX);
        return;
    }
    struct map *ids = map_new(), *pairs = map_new();
    c->guesses = GUESSES;
    def->n_edges = (int)json_len(edges);
    def->edges = arena_array(c->a, struct wf_edge, def->n_edges);
    for (int i = 0; i < def->n_edges; i++) {
        c->base = str_fmt(c->scratch, "/edges/%d", i);
        check_edge(c, json_item(edges, (size_t)i), &def->edges[i]);
        check_duplicates(c, &def->edges[i], ids, pairs);
    }
    c->base = S("");
    map_free(ids, NULL);
    map_free(pairs, NULL);
}
