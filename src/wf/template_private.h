/* src/wf/template_private.h - the inside of a compiled template: template.c, template_parse.c,
 * def_graph.c. */
#ifndef WF_TEMPLATE_PRIVATE_H
#define WF_TEMPLATE_PRIVATE_H

#include "wf/template.h"

enum { TMPL_EXPRS_MAX = 10000 };

/* One ".name", "[3]" or "[\"name\"]" of a path. */
struct tmpl_step {
    Str name;
    int64_t index; /* when @indexed */
    bool indexed;
    bool optional; /* written with "?." */
};

/* A literal, or a path: a first name and steps. */
struct tmpl_operand {
    const struct json *literal; /* NULL: a path */
    Str source;
    Str root;
    struct tmpl_step *steps;
    int n_steps;
};

/* Operands joined by "??", or the source of a script. */
struct tmpl_expr {
    Str source;
    struct tmpl_operand *operands;
    int n_operands;
    bool script;
};

struct tmpl_part {
    Str text;
    const struct tmpl_expr *expr; /* NULL: @text as it is */
};

struct wf_template {
    Str source;
    struct tmpl_part *parts;
    int n_parts;
    int n_exprs; /* at most TMPL_EXPRS_MAX */
};

/* Parse one expression natively. false: it is not one of the native forms; *ret_at tells where that
 * shows, and *ret_why what was expected there. */
bool tmpl_expr_parse(struct arena *a, Str source, struct tmpl_expr *ret_expr, size_t *ret_at,
                     const char **ret_why);
/* Whether text that is no native expression has the marks of JavaScript, so that it is no mere
 * slip. */
bool tmpl_looks_like_script(Str source);

/* Who is told of the templates of a value while it is compiled, with the JSON pointer of each
 * string. */
struct wf_value_watch {
    void (*found)(void *ctx, Str pointer, const struct wf_template *t);
    void (*wrong)(void *ctx, Str pointer, Err e); /* the error record has the detail */
    void *ctx;
};
/* wf_value_compile() that goes on after errors. */
Err wf_value_compile_watched(struct arena *a, const struct json *json,
                             const struct wf_value_watch *watch, struct wf_value **ret_value);

/* Call fn(ctx, root, first member) for each path; the member is empty with p == NULL if there is
 * none. */
void wf_template_paths(const struct wf_template *t, void (*fn)(void *ctx, Str root, Str member),
                       void *ctx);

#endif
