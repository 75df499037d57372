/* src/wf/check.c - collecting the problems of a definition, and guessing what a misspelt name
 * meant. */
#include "wf/check.h"

#include <stdarg.h>

enum { PATH_SHOWN = 1000 };

__attribute__((format(printf, 5, 0))) static void add(struct checker *c, Str field, Str code,
                                                      bool warning, const char *fmt, va_list ap)
{
    char text[600];

    field = str_head(field, PATH_SHOWN);
    c->found++;
    c->errors += !warning;
    if (c->found > CHECK_PROBLEMS_MAX)
        return;
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    struct wf_problem p = {
        .path =
            field.n ? str_fmt(c->pa, "%.*s/%.*s", P(c->base), P(field)) : str_dup(c->pa, c->base),
        .node = c->node ? str_dup(c->pa, c->node->id) : S(""),
        .field = str_dup(c->pa, field),
        .code = str_dup(c->pa, code),
        .message = str_dup(c->pa, (Str){text, len}),
        .warning = warning,
    };
    vec_push(c->pa, c->problems, p);
}

void check_wrong(struct checker *c, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(c, field, code, false, fmt, ap);
    va_end(ap);
}

void check_warn(struct checker *c, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(c, field, code, true, fmt, ap);
    va_end(ap);
}

void wf_check_problem(struct wf_check *ck, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(ck->def_state, field, code, false, fmt, ap);
    va_end(ap);
}

void wf_check_warning(struct wf_check *ck, Str field, Str code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(ck->def_state, field, code, true, fmt, ap);
    va_end(ap);
}

struct json *wf_problems_json(struct arena *a, const WfProblems *problems)
{
    struct json *arr = json_arr(a);

    vec_each(problems, p)
        json_push(a, arr,
                  json_obj(a, "path", json_str(a, p->path), "node", json_str(a, p->node), "field",
                           json_str(a, p->field), "code", json_str(a, p->code), "message",
                           json_str(a, p->message), "warning", json_bool(a, p->warning), NULL));
    return arr;
}
