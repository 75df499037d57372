/* src/wf/def_text.c - the normalised form of a definition: what is stored, shown and hashed.
 *
 * Normalised means: React Flow's passing state (what is selected or dragged) is gone, and every
 * node has a position. Everything else stays as it was written, in its order.
 */
#include "base/crypto.h"
#include "wf/check.h"

enum {
    COLUMN = 280,
    ROW = 120,
    INSIDE_X = 24,
    INSIDE_Y = 112,
}; /* of nodes that came without a position: a node is about 240 x 80 */

static bool is_in(Str name, const char *const *names)
{
    for (; *names; names++)
        if (str_eq(name, str_c(*names)))
            return true;
    return false;
}

/* @from without the members in @dropped; shares their values. */
static struct json *without(struct arena *a, const struct json *from, const char *const *dropped)
{
    struct json *to = json_obj(a, NULL);

    for (size_t i = 0; i < json_len(from); i++) {
        Str key = json_str_of(&from->obj[i].key, S(""));
        if (!is_in(key, dropped))
            json_set(a, to, key, &from->obj[i].val);
    }
    return to;
}

static const char *const passing[] = {"selected", "dragging",         "measured",
                                      "resizing", "positionAbsolute", NULL};
static const char *const looks[] = {"position", "width",     "height",   "extent",
                                    "zIndex",   "style",     "label",    "className",
                                    "animated", "markerEnd", "viewport", NULL};
/* An edge's type and data are looks too; a node's are not. */
static const char *const edge_looks[] = {"type", "data", NULL};

/* Where a node without position goes: columns by how many nodes stand before it, one below the
 * other. */
static struct json *place(struct arena *a, int column, int *rows, bool inside)
{
    int x = column * COLUMN + (inside ? INSIDE_X : 0);
    int y = rows[column]++ * ROW + (inside ? INSIDE_Y : 0); /* below the head of what it is in */

    return json_obj(a, "x", json_int(a, x), "y", json_int(a, y), NULL);
}

static struct json *normal_nodes(struct checker *c, const struct json *nodes, const int *depth)
{
    struct json *to = json_arr(c->a);
    int *rows = arena_array(c->scratch, int, c->def->n_nodes + 1);

    for (int i = 0; i < c->def->n_nodes; i++) {
        struct json *node = without(c->a, json_item(nodes, (size_t)i), passing);
        if (json_type(json_at(node, "position")) == JSON_NULL)
            json_set(c->a, node, S("position"),
                     place(c->a, depth[i], rows, c->def->nodes[i].parent >= 0));
        json_push(c->a, to, node);
    }
    return to;
}

static struct json *normal_edges(struct checker *c, const struct json *edges)
{
    struct json *to = json_arr(c->a);

    for (int i = 0; i < c->def->n_edges; i++)
        json_push(c->a, to, without(c->a, json_item(edges, (size_t)i), passing));
    return to;
}

/* What makes a version: everything but looks. */
static Err hash(struct checker *c, const struct json *normal)
{
    AUTO_BUF(b, MIB(64));
    struct arena *a = c->scratch;
    struct json *bare = without(a, normal, looks), *nodes = json_arr(a), *edges = json_arr(a);

    for (int i = 0; i < c->def->n_nodes; i++)
        json_push(a, nodes, without(a, json_item(json_at(normal, "nodes"), (size_t)i), looks));
    for (int i = 0; i < c->def->n_edges; i++) {
        struct json *edge = without(a, json_item(json_at(normal, "edges"), (size_t)i), looks);
        json_push(a, edges, without(a, edge, edge_looks));
    }
    json_set(a, bare, S("nodes"), nodes);
    json_set(a, bare, S("edges"), edges);
    json_write_canonical(&b, bare);
    TRY(buf_ok(&b));
    crypto_blake2b(buf_str(&b), c->def->hash);
    return OK;
}

Err check_normalise(struct checker *c, const struct json *json, const int *depth)
{
    AUTO_BUF(b, MIB(64));
    struct json *to = without(c->a, json, (const char *const[]){NULL});

    json_set(c->a, to, S("nodes"), normal_nodes(c, json_at(json, "nodes"), depth));
    json_set(c->a, to, S("edges"), normal_edges(c, json_at(json, "edges")));
    TRY(hash(c, to));
    json_write(&b, to);
    TRY(buf_ok(&b));
    c->def->json = to;
    c->def->text = str_dup(c->a, buf_str(&b));
    crypto_blake2b(c->def->text, c->def->text_hash);
    return OK;
}
