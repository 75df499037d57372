/* src/wf/def_body.c - bodies: which nodes a container (an iteration, a loop) runs again and again.
 *
 * A node is in the body of the container that its "parentId" names, as React Flow draws it. No edge
 * crosses the border of a body: what is inside begins with the nodes to which no edge leads.
 */
#include "wf/check.h"

enum { ID_SHOWN = 64 };

static bool is_container(const struct wf_node *node)
{
    return node->type && node->type->cycle;
}

/* The container that node @i is in; -1, and what is wrong with it reported. */
static int parent_of(struct checker *c, int i)
{
    Str id = c->parents[i];
    int parent = id.n ? wf_def_node(c->def, id) : -1;

    if (!id.n)
        return -1;
    if (parent < 0)
        check_wrong(c, S("parentId"), S("unknown_node"), "There is no node \"%.*s\".",
                    P(str_head(id, ID_SHOWN)));
    else if (!is_container(&c->def->nodes[parent]))
        check_wrong(c, S("parentId"), S("bad_parent"),
                    "\"%.*s\" has no inside: only an iteration or a loop has.",
                    P(str_head(id, ID_SHOWN)));
    else if (i == c->def->trigger)
        check_wrong(c, S("parentId"), S("bad_parent"), "The trigger cannot be inside of a node.");
    else
        return parent;
    return -1;
}

static void read_parents(struct checker *c)
{
    struct wf_def *def = c->def;

    for (int i = 0; i < def->n_nodes; i++) {
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = &def->nodes[i];
        def->nodes[i].parent = parent_of(c, i);
    }
}

/* How many containers are around each node. What is inside itself, or too deep, is taken out. */
static void measure_depths(struct checker *c)
{
    struct wf_def *def = c->def;

    for (int i = 0; i < def->n_nodes; i++) {
        struct wf_node *node = &def->nodes[i];
        int depth = 0;
        for (int at = node->parent; at >= 0 && depth <= WF_DEPTH_MAX; at = def->nodes[at].parent)
            depth++;
        node->depth = depth;
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = node;
        if (depth > WF_DEPTH_MAX)
            check_wrong(c, S("parentId"), S("too_deep"),
                        "\"%.*s\" is inside of itself, or of more than %d nodes.", P(node->id),
                        WF_DEPTH_MAX);
    }
    for (int i = 0; i < def->n_nodes; i++)
        if (def->nodes[i].depth > WF_DEPTH_MAX)
            def->nodes[i].parent = -1;
}

static void fill_bodies(struct checker *c)
{
    struct wf_def *def = c->def;
    struct wf_body **bodies = arena_array(c->scratch, struct wf_body *, def->n_nodes);

    for (int i = 0; i < def->n_nodes; i++)
        if (def->nodes[i].parent >= 0 && !bodies[def->nodes[i].parent])
            bodies[def->nodes[i].parent] = arena_new_of(c->a, struct wf_body);
    for (int i = 0; i < def->n_nodes; i++)
        if (def->nodes[i].parent >= 0)
            bodies[def->nodes[i].parent]->n++;
    for (int i = 0; i < def->n_nodes; i++) {
        if (!bodies[i])
            continue;
        bodies[i]->nodes = arena_array(c->a, int, bodies[i]->n);
        bodies[i]->starts = arena_array(c->a, int, bodies[i]->n);
        bodies[i]->n = 0;
        def->nodes[i].body = bodies[i];
    }
    for (int i = 0; i < def->n_nodes; i++) {
        struct wf_node *node = &def->nodes[i];
        if (node->parent < 0)
            continue;
        node->place = bodies[node->parent]->n++;
        bodies[node->parent]->nodes[node->place] = i;
    }
}

void check_bodies(struct checker *c)
{
    struct wf_def *def = c->def;

    read_parents(c);
    measure_depths(c);
    fill_bodies(c);
    for (int i = 0; i < def->n_nodes; i++) {
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = &def->nodes[i];
        if (is_container(c->node) && !c->node->body)
            check_wrong(c, S(""), S("empty_body"),
                        "There is nothing inside \"%.*s\": put its nodes there by their "
                        "\"parentId\".",
                        P(c->node->id));
    }
    c->base = S("");
    c->node = NULL;
}

bool check_same_body(struct checker *c, const struct wf_edge *edge)
{
    const struct wf_def *def = c->def;

    if (edge->from < 0 || edge->to < 0 ||
        def->nodes[edge->from].parent == def->nodes[edge->to].parent)
        return true;
    check_wrong(c, S("target"), S("crosses_body"),
                "\"%.*s\" and \"%.*s\" are not inside the same node: no edge leads across.",
                P(def->nodes[edge->from].id), P(def->nodes[edge->to].id));
    return false;
}

int check_lift(const struct wf_def *def, int from, int to)
{
    while (to >= 0 && def->nodes[to].parent != def->nodes[from].parent && to != from)
        to = def->nodes[to].parent;
    return to;
}

void check_starts(struct checker *c)
{
    for (int i = 0; i < c->def->n_nodes; i++) {
        struct wf_body *body = (struct wf_body *)(uintptr_t)c->def->nodes[i].body;
        for (int k = 0; body && k < body->n; k++)
            if (c->def->nodes[body->nodes[k]].n_in == 0)
                body->starts[body->n_starts++] = body->nodes[k];
    }
}
