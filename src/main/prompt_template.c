/* src/main/prompt_template.c - the house's templates, for the model gateway's prompts.
 *
 * The gateway stands below workflows, where templates are; they meet here.
 */
#include "main/prompt_template.h"

#include "wf/template.h"

static const Usec PATIENCE = 5 * USEC_S;

static Err names(struct arena *a, const struct json *value, void (*fn)(void *ctx, Str name),
                 void *ctx)
{
    struct wf_value *compiled;

    TRY(wf_value_compile(a, value, &compiled));
    wf_value_roots(compiled, fn, ctx);
    return OK;
}

static struct json *root(void *ctx, Str name)
{
    return json_get(ctx, name);
}

static Err fill(struct arena *a, const struct json *value, struct json *values,
                struct json **ret_value)
{
    struct wf_scope scope = {root, values};
    struct wf_value *compiled;

    TRY(wf_value_compile(a, value, &compiled));
    return wf_value_eval(a, compiled, &scope, usec_in(PATIENCE), ret_value);
}

const struct llm_templates prompt_templates = {names, fill};
