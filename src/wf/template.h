/* src/wf/template.h - "{{ ... }}" in the settings of nodes.
 *
 * A template is text with expressions in double braces. If it is one expression and nothing else,
 * it gives that value with its type; otherwise text, into which strings go as they are and other
 * values as JSON. A JSON setting may hold templates in any of its strings (struct wf_value).
 *
 * An expression is answered natively when it is a path (node.body.items[0].name, node["a b"], a?.b
 * for "may be absent"), a literal, or one of these with `?? literal-or-path` behind it. Everything
 * else is JavaScript and goes to the engine behind wf_script, where there is one.
 *
 * The first name of a path is a node's id (its output), or: input (what the run was started with),
 * vars (the workflow's variables by name; a bare variable name works too), run (id, started_at,
 * trigger), workflow (id, name, version), request (method, headers, query; for webhook runs, else
 * null).
 */
#ifndef WF_TEMPLATE_H
#define WF_TEMPLATE_H

#include "base/json.h"
#include "rt/fiber.h"

struct wf_template;
struct wf_value;

enum { WF_TEMPLATE_MAX = 8 << 20 }; /* bytes of text that one evaluation may make */

/* Where names are looked up. @root gives the value of a first name, NULL if there is no such name.
 */
struct wf_scope {
    struct json *(*root)(void *ctx, Str name);
    void *ctx;
};

/* The seam for JavaScript: evaluate @source with the scope's names. NULL members: there is none. */
struct wf_script {
    Err (*eval)(struct arena *a, Str source, const struct wf_scope *scope, Usec deadline,
                struct json **ret_value);
    Err (*check)(struct arena *a, Str source); /* syntax only */
};
/* The engine in force for the process; NULL (the start) means none: E_UNSUPPORTED. */
void wf_script_set(const struct wf_script *script);

/* Compile; all memory in @a, @text is borrowed. E_SYNTAX with a detail that names the place,
 * E_UNSUPPORTED for an expression that needs a script engine when there is none. */
Err wf_template_compile(struct arena *a, Str text, struct wf_template **ret_template);
/* Compile every string of @json. */
Err wf_value_compile(struct arena *a, const struct json *json, struct wf_value **ret_value);

/* Evaluate. E_INVALID with a detail that names the expression when a path leads nowhere (without ?.
 * or ??), E_TOO_LARGE past WF_TEMPLATE_MAX bytes of text or when @a has no room. The result lives
 * in @a and may share the scope's values. */
Err wf_template_eval(struct arena *a, const struct wf_template *t, const struct wf_scope *scope,
                     Usec deadline, struct json **ret_value) YIELDS;
/* The same as text: a string as it is, null as "", anything else as JSON. */
Err wf_template_text(struct arena *a, const struct wf_template *t, const struct wf_scope *scope,
                     Usec deadline, Str *ret_text) YIELDS;
Err wf_value_eval(struct arena *a, const struct wf_value *v, const struct wf_scope *scope,
                  Usec deadline, struct json **ret_value) YIELDS;
/* The same, but a value that is one path which leads nowhere is NULL and no error. */
Err wf_value_find(struct arena *a, const struct wf_value *v, const struct wf_scope *scope,
                  Usec deadline, struct json **ret_value) YIELDS;

/* Whether there is no expression in it, so that its value is known before any run. */
bool wf_template_is_fixed(const struct wf_template *t);
bool wf_value_is_fixed(const struct wf_value *v);
Str wf_template_source(const struct wf_template *t);
/* Call fn(ctx, name) for the first name of each path in it. */
void wf_template_roots(const struct wf_template *t, void (*fn)(void *ctx, Str name), void *ctx);
void wf_value_roots(const struct wf_value *v, void (*fn)(void *ctx, Str name), void *ctx);

#endif
