/* src/wf/check.h - checking a definition: where problems go, and settings read by tables (private
 * to def*.c, field.c).
 */
#ifndef WF_CHECK_H
#define WF_CHECK_H

#include "base/guess.h"
#include "base/map.h"
#include "wf/node.h"
#include "wf/template_private.h"

enum {
    CHECK_PROBLEMS_MAX = 100,
    CHECK_EXPRS_MAX = 100000, /* bounds what a definition of 4 MiB compiles to */
};

/* A template of a node's settings, to have its names checked when the graph is known. */
struct check_use {
    int node;
    Str field;
    const struct wf_template *t;
    bool in_body; /* of the node, a container */
};

struct checker {
    struct arena *a;       /* of the definition */
    struct arena *pa;      /* of the problems */
    struct arena *scratch; /* until the definition is parsed */
    struct wf_def *def;
    WfProblems *problems;
    int found, errors;
    int guesses;          /* how often names may still be guessed among all nodes */
    Str base;             /* JSON pointer of what is being read: "/nodes/2/data" */
    struct wf_node *node; /* whose it is; NULL: of no node */
    VEC(struct check_use) uses;
    bool in_body; /* what is read is answered in the body of the node */
    Str *parents; /* of each node, as it was written */
    int exprs;    /* in the templates seen */
};

/* Whether as many problems were found as are shown: more are counted, and nothing is spent on their
 * texts. */
static inline bool check_is_full(const struct checker *c)
{
    return c->found >= CHECK_PROBLEMS_MAX;
}

/* A problem at check->base + "/" + @field. */
void check_wrong(struct checker *c, Str field, Str code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void check_warn(struct checker *c, Str field, Str code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- settings by tables (field.c) ---- */

/* "a/b" from @prefix "a" and @name "b", the name escaped as JSON Pointer wants it. */
Str field_path(struct arena *a, Str prefix, Str name);
/* Read what @table describes from @object into @ret_settings, which is zeroed. Every problem is
 * reported at
 * @prefix. */
void field_read(struct wf_check *ck, Str prefix, const struct field *table,
                const struct json *object, void *ret_settings);
/* Report the members of @object that stand in none of the @n tables. */
void field_unknown(struct wf_check *ck, Str prefix, const struct field *const *tables, size_t n,
                   const struct json *object);
/* A table as JSON. */
struct json *field_json(struct arena *a, const struct field *table);

/* ---- parts of wf_def_parse ---- */

/* Whether @name has a meaning of its own in templates: input, vars, run, workflow, request. */
bool check_is_reserved(Str name);
/* The settings that every type has, ends with {0} (def_node.c). */
const struct field *wf_common_fields(void);
/* A wf_check for @json, to read what stands at c->base. */
struct wf_check check_of(struct checker *c, const struct json *json);
/* All nodes, with their settings (def_node.c). */
void check_nodes(struct checker *c, const struct json *nodes);
/* Which node is in the body of which (def_body.c). */
void check_bodies(struct checker *c);
/* Whether both ends of @edge are in the same body; else that is reported. */
bool check_same_body(struct checker *c, const struct wf_edge *edge);
/* The node by which @to, in some body, is seen from @from's: @to itself, or a container around it
 * that is in the same body as @from; -1: none is. */
int check_lift(const struct wf_def *def, int from, int to);
/* What starts each body, when the edges are known. */
void check_starts(struct checker *c);
/* All edges (def_edge.c). */
void check_edges(struct checker *c, const struct json *edges);
/* Lists of edges by node, order, cycles, reachability, and the names in templates (def_graph.c).
 * @ret_depth, of n_nodes, is how many nodes stand before each. */
void check_graph(struct checker *c, int *ret_depth);
/* What the trigger's webhook says of the workflow as a whole (def_hook.c). */
void check_hook(struct checker *c);
/* The normalised JSON, its text and the hash (def_text.c). E_TOO_LARGE. */
Err check_normalise(struct checker *c, const struct json *json, const int *depth);

#endif
