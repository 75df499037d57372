/* src/wf/def_graph.c - a definition as a graph: lists of edges, order, cycles, what the trigger
 * leads to, and whether the names in templates are known where they stand.
 *
 * Everything is linear in nodes and edges, but for the question "does this node come before that
 * one": that is answered for all pairs at once by one bitset for each node, filled in topological
 * order. With 5,000 nodes and 20,000 edges that is 3 MB and 1.6 million words of "or", about a
 * millisecond.
 */
#include "wf/check.h"

#include <stdlib.h>

enum { CYCLE_SHOWN = 12, GUESSES = 10, NAME_SHOWN = 64 };

struct graph {
    struct checker *c;
    struct wf_def *def;
    int *order;  /* node indexes, each behind all that lead to it */
    int n_order; /* less than n_nodes: there are cycles */
    int *depth;
    uint64_t *before; /* n_nodes rows of @words: bit j of row i: node j comes before node i */
    size_t words;
};

static bool is_whole(const struct wf_edge *e)
{
    return e->from >= 0 && e->to >= 0;
}

/* Give each node the lists of its edges, as slices of two arrays. */
static void link_edges(struct wf_def *def)
{
    int *in = arena_array(def->a, int, def->n_edges), *out = arena_array(def->a, int, def->n_edges);
    int at_in = 0, at_out = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < def->n_edges; i++) {
            const struct wf_edge *e = &def->edges[i];
            if (!is_whole(e))
                continue;
            struct wf_node *from = &def->nodes[e->from], *to = &def->nodes[e->to];
            if (pass) {
                from->out[from->n_out] = i;
                to->in[to->n_in] = i;
            }
            from->n_out++;
            to->n_in++;
        }
        for (int i = 0; pass == 0 && i < def->n_nodes; i++) {
            struct wf_node *node = &def->nodes[i];
            node->in = in + at_in;
            node->out = out + at_out;
            at_in += node->n_in;
            at_out += node->n_out;
            node->n_in = node->n_out = 0;
        }
    }
}

/* Kahn's algorithm. */
static void sort(struct graph *g)
{
    struct wf_def *def = g->def;
    int *open = arena_array(g->c->scratch, int, def->n_nodes);
    int head = 0;

    for (int i = 0; i < def->n_nodes; i++) {
        open[i] = def->nodes[i].n_in;
        if (open[i] == 0)
            g->order[g->n_order++] = i;
    }
    while (head < g->n_order) {
        const struct wf_node *node = &def->nodes[g->order[head++]];
        for (int k = 0; k < node->n_out; k++) {
            int to = def->edges[node->out[k]].to;
            if (g->depth[to] < g->depth[node->index] + 1)
                g->depth[to] = g->depth[node->index] + 1;
            if (--open[to] == 0)
                g->order[g->n_order++] = to;
        }
    }
}

/* ---- cycles ---- */

/* Some node that leads to @i and is left over too; every left-over node has one. */
static int left_before(const struct graph *g, const bool *sorted, int i)
{
    const struct wf_node *node = &g->def->nodes[i];

    for (int k = 0; k < node->n_in; k++) {
        int from = g->def->edges[node->in[k]].from;
        if (!sorted[from])
            return from;
    }
    return -1;
}

/* Report the cycle that @start lies on; @before leads against its edges. */
static void report_cycle(struct graph *g, const int *before, int start)
{
    AUTO_BUF(b, KIB(8));
    int length = 0, at = start, ids[CYCLE_SHOWN];

    do {
        if (length < CYCLE_SHOWN)
            ids[length] = at;
        length++;
        at = before[at];
    } while (at != start);
    buf_add(&b, g->def->nodes[start].id);
    if (length > CYCLE_SHOWN)
        buf_add_fmt(&b, " -> ... (%d more)", length - CYCLE_SHOWN);
    for (int i = (length < CYCLE_SHOWN ? length : CYCLE_SHOWN) - 1; i >= 0; i--) {
        buf_add_c(&b, " -> ");
        buf_add(&b, g->def->nodes[ids[i]].id);
    }
    g->c->base = str_fmt(g->c->scratch, "/nodes/%d", start);
    g->c->node = &g->def->nodes[start];
    check_wrong(g->c, S(""), S("cycle"), "These nodes lead in a circle: %.*s.", P(buf_str(&b)));
    g->c->base = S("");
    g->c->node = NULL;
}

/* Walk back from each left-over node until a node comes again: each walk ends in a cycle, and those
 * that were met before are not told twice. */
static void find_cycles(struct graph *g)
{
    int n = g->def->n_nodes;
    bool *sorted = arena_array(g->c->scratch, bool, n);
    int *before = arena_array(g->c->scratch, int, n), *walk = arena_array(g->c->scratch, int, n);

    for (int i = 0; i < g->n_order; i++)
        sorted[g->order[i]] = true;
    for (int i = 0; i < n; i++)
        before[i] = sorted[i] ? -1 : left_before(g, sorted, i);
    for (int i = 0; i < n; i++) {
        int at = i;
        while (!sorted[at] && !walk[at]) {
            walk[at] = i + 1;
            at = before[at];
        }
        if (!sorted[at] && walk[at] == i + 1)
            report_cycle(g, before, at);
    }
}

/* ---- reach ---- */

/* Why @to cannot undo @node; NULL: it can. */
static const char *undo_fault(const struct wf_node *node, const struct wf_node *to)
{
    if (node->parent >= 0 || to->parent >= 0)
        return "neither may be in the body of an iteration or a loop";
    if (to == node)
        return "a node cannot undo itself";
    if (to->n_in || to->n_out)
        return "it must stand beside the graph, without edges: it runs only to undo";
    if (!to->type || !to->type->run || str_eq(str_c(to->type->name), S("trigger")) ||
        str_eq(str_c(to->type->name), S("output")))
        return "nodes of its type cannot undo";
    if (to->undoes >= 0)
        return "it undoes another node already";
    return to->compensate.n ? "what undoes is not undone itself" : NULL;
}

static void link_undos(struct checker *c)
{
    struct wf_def *def = c->def;

    for (int i = 0; i < def->n_nodes; i++)
        def->nodes[i].undo = def->nodes[i].undoes = -1;
    for (int i = 0; i < def->n_nodes; i++) {
        struct wf_node *node = &def->nodes[i];
        if (!node->compensate.n)
            continue;
        int at = wf_def_node(def, node->compensate);
        const char *fault = at < 0 ? "there is no such node" : undo_fault(node, &def->nodes[at]);
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = node;
        if (fault) {
            check_wrong(c, S("data/compensate"), at < 0 ? S("unknown_node") : S("bad_undo"),
                        "\"%.*s\" cannot undo \"%.*s\": %s.", P(node->compensate), P(node->id),
                        fault);
            continue;
        }
        node->undo = at;
        def->nodes[at].undoes = i;
        def->undoes = true;
    }
    c->base = S("");
    c->node = NULL;
}

static void reach(struct graph *g)
{
    struct wf_def *def = g->def;
    int *queue = arena_array(g->c->scratch, int, def->n_nodes);
    int head = 0, n = 0;

    if (def->trigger >= 0) {
        def->nodes[def->trigger].reachable = true;
        queue[n++] = def->trigger;
    }
    while (head < n) {
        const struct wf_node *node = &def->nodes[queue[head++]];
        for (int k = 0; k < node->n_out; k++) {
            int to = def->edges[node->out[k]].to;
            if (!def->nodes[to].reachable)
                queue[n++] = to;
            def->nodes[to].reachable = true;
        }
        for (int k = 0; node->body && k < node->body->n_starts; k++) {
            queue[n++] = node->body->starts[k];
            def->nodes[node->body->starts[k]].reachable = true;
        }
    }
}

static void warn_nodes(struct graph *g)
{
    struct checker *c = g->c;

    for (int i = 0; i < g->def->n_nodes; i++) {
        struct wf_node *node = &g->def->nodes[i];
        bool error_edge = false;
        c->base = str_fmt(c->scratch, "/nodes/%d", i);
        c->node = node;
        if (!node->reachable && node->undoes < 0 && g->def->trigger >= 0)
            check_warn(c, S(""), S("unreachable"),
                       "Nothing leads from the trigger to \"%.*s\": it never runs.", P(node->id));
        for (int k = 0; k < node->n_out; k++)
            error_edge |= str_eq(g->def->edges[node->out[k]].handle, S("error"));
        if (node->on_error == WF_ERROR_BRANCH && !error_edge)
            check_warn(
                c, S("data/on_error"), S("no_error_edge"),
                "\"%.*s\" branches on errors, but no edge leads on from its handle \"error\".",
                P(node->id));
    }
    c->base = S("");
    c->node = NULL;
}

/* ---- names in templates ---- */

static void fill_before(struct graph *g)
{
    struct wf_def *def = g->def;

    g->words = ((size_t)def->n_nodes + 63) / 64;
    g->before = calloc((size_t)def->n_nodes * g->words, sizeof *g->before);
    if (!g->before)
        DIE("out of memory");
    for (int i = 0; i < g->n_order; i++) {
        int at = g->order[i];
        uint64_t *row = g->before + (size_t)at * g->words;
        for (int k = 0; k < def->nodes[at].n_in; k++) {
            int from = def->edges[def->nodes[at].in[k]].from;
            const uint64_t *other = g->before + (size_t)from * g->words;
            for (size_t w = 0; w < g->words; w++)
                row[w] |= other[w];
            row[from / 64] |= (uint64_t)1 << (from % 64);
        }
    }
}

static bool comes_before(const struct graph *g, int first, int then)
{
    return g->before[(size_t)then * g->words + (size_t)first / 64] >> (first % 64) & 1;
}

/* Names with a meaning of their own, and the members of those whose members are fixed. */
static const struct {
    Str name;
    const char *members; /* NULL: any */
} roots[] = {{S_INIT("input"), NULL},
             {S_INIT("vars"), NULL},
             {S_INIT("run"), "id started_at trigger"},
             {S_INIT("workflow"), "id name version"},
             {S_INIT("request"), "method headers query"}};

bool check_is_reserved(Str name)
{
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if (str_eq(roots[i].name, name))
            return true;
    return false;
}

struct naming {
    struct graph *g;
    const struct check_use *use;
    struct map *variables;
};

static void wrong_name(struct naming *n, const char *code, const char *what, Str name,
                       struct guess *guess)
{
    struct checker *c = n->g->c;

    check_wrong(c, n->use->field, str_c(code), "{{ %.*s }}: %s \"%.*s\".%.*s",
                P(str_head(str_trim(name), NAME_SHOWN)), what, P(str_head(name, NAME_SHOWN)),
                P(guess_text(c->scratch, guess)));
}

static void unknown_name(struct naming *n, Str name)
{
    struct wf_def *def = n->g->def;
    struct guess guess = guess_begin(name);

    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        guess_try(&guess, roots[i].name);
    for (int i = 0; n->g->c->guesses > 0 && i < def->n_variables; i++)
        guess_try(&guess, def->variables[i].name);
    for (int i = 0; n->g->c->guesses > 0 && i < def->n_nodes; i++)
        guess_try(&guess, def->nodes[i].id);
    n->g->c->guesses--;
    wrong_name(n, "unknown_name", "there is no node and no variable", name, &guess);
}

static void check_member(struct naming *n, size_t root, Str member)
{
    struct wf_def *def = n->g->def;
    struct guess guess = guess_begin(member);
    Str rest = str_c(roots[root].members), word;

    if (str_eq(roots[root].name, S("vars"))) {
        if (map_get(n->variables, member))
            return;
        for (int i = 0; n->g->c->guesses > 0 && i < def->n_variables; i++)
            guess_try(&guess, def->variables[i].name);
        n->g->c->guesses--;
        wrong_name(n, "unknown_variable", "there is no variable", member, &guess);
        return;
    }
    while (roots[root].members && rest.p) {
        rest = str_cut(rest, ' ', &word);
        if (str_eq(word, member))
            return;
        guess_try(&guess, word);
    }
    if (roots[root].members)
        check_wrong(n->g->c, n->use->field, S("unknown_name"),
                    "{{ %.*s.%.*s }}: \"%.*s\" has %s only.%.*s", P(roots[root].name),
                    P(str_head(member, NAME_SHOWN)), P(roots[root].name), roots[root].members,
                    P(guess_text(n->g->c->scratch, &guess)));
}

/* Whether the output of node @at, or what a container gives its body, is there where @use stands.
 */
static bool is_known(const struct graph *g, const struct check_use *use, int at)
{
    int undoes = g->def->nodes[use->node].undoes;

    if (use->in_body && (at == use->node || g->def->nodes[at].parent == use->node))
        return true;
    if (undoes >= 0) /* it runs when that one has */
        return at == undoes || comes_before(g, at, undoes);
    int sees = check_lift(g->def, at, use->node);
    if (sees < 0)
        return false;
    return sees == at ? at != use->node : comes_before(g, at, sees);
}

/* "item" and "index" mean something inside of an iteration, where nothing else is called so. */
static bool is_of_item(const struct naming *n, Str name)
{
    const struct wf_def *def = n->g->def;

    if (!str_eq(name, S("item")) && !str_eq(name, S("index")))
        return false;
    for (int at = def->nodes[n->use->node].parent; at >= 0; at = def->nodes[at].parent)
        if (!def->nodes[at].cycle.rounds)
            return true;
    return false;
}

static void check_name(void *ctx, Str name, Str member)
{
    struct naming *n = ctx;
    struct graph *g = n->g;

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        if (!str_eq(roots[i].name, name))
            continue;
        if (member.p)
            check_member(n, i, member);
        return;
    }
    int at = wf_def_node(g->def, name);
    if (at < 0) {
        if (!map_get(n->variables, name) && !is_of_item(n, name))
            unknown_name(n, name);
        return;
    }
    if (n->use->node < 0) {
        check_wrong(g->c, n->use->field, S("not_before"),
                    "{{ %.*s }}: this is found out before the first step. Use input, request or a "
                    "variable.",
                    P(name));
        return;
    }
    if (g->n_order < g->def->n_nodes || is_known(g, n->use, at))
        return; /* with cycles there is no before, and the cycle has been told */
    int sees = check_lift(g->def, at, n->use->node);
    if (sees < 0)
        check_wrong(g->c, n->use->field, S("not_before"),
                    "{{ %.*s }}: \"%.*s\" is inside \"%.*s\", which alone can be asked from "
                    "outside.",
                    P(name), P(name), P(g->def->nodes[g->def->nodes[at].parent].id));
    else if (at == n->use->node)
        check_wrong(g->c, n->use->field, S("not_before"),
                    "{{ %.*s }}: a node cannot use its own output.", P(name));
    else
        check_wrong(
            g->c, n->use->field, S("not_before"),
            "{{ %.*s }}: no path leads from \"%.*s\" to here, so its output is not there yet.",
            P(name), P(name));
}

static void check_names(struct graph *g)
{
    struct checker *c = g->c;
    struct map *variables = map_new();

    for (int i = 0; i < g->def->n_variables; i++)
        map_put(variables, g->def->variables[i].name, &g->def->variables[i]);
    c->guesses = GUESSES;
    vec_each(&c->uses, use) {
        struct naming n = {g, use, variables};
        c->node = use->node < 0 ? NULL : &g->def->nodes[use->node];
        c->base = c->node ? str_fmt(c->scratch, "/nodes/%d/data", use->node) : S("");
        wf_template_paths(use->t, check_name, &n);
    }
    c->node = NULL;
    c->base = S("");
    map_free(variables, NULL);
}

void check_graph(struct checker *c, int *ret_depth)
{
    struct graph g = {.c = c, .def = c->def, .depth = ret_depth};

    g.order = arena_array(c->scratch, int, c->def->n_nodes);
    link_edges(c->def);
    link_undos(c);
    check_starts(c);
    sort(&g);
    if (g.n_order < c->def->n_nodes)
        find_cycles(&g);
    else if (c->uses.n)
        fill_before(&g);
    check_names(&g);
    reach(&g);
    warn_nodes(&g);
    free(g.before);
}
