/* src/wf/mocks.c - results that are given to a run in place of running its steps, to try it out.
 *
 * They stand in the run's first event like the results of a run that is run again (rerun.c), and a
 * step takes its one where the run comes to it.
 */
#include "wf/engine_private.h"

static Err check_mock(const struct json *mock, Str id)
{
    if (!json_is(mock, JSON_OBJ) || !json_at(mock, "output"))
        return err_detail(E_INVALID, "mocks.%.*s must be an object with an \"output\".",
                          P(str_head(id, 100)));
    for (size_t i = 0; i < mock->n; i++) {
        Str name = str_from(mock->obj[i].key.s, mock->obj[i].key.n);
        if (!str_eq(name, S("output")) && !str_eq(name, S("handle")))
            return err_detail(E_INVALID, "mocks.%.*s has \"output\" and \"handle\", not \"%.*s\".",
                              P(str_head(id, 100)), P(str_head(name, 100)));
    }
    return OK;
}

static Err find_step(const struct wf_def *def, Str id, bool inside, const struct wf_node **ret_node)
{
    int node = wf_def_node(def, id);

    if (node < 0)
        return err_detail(E_INVALID, "The workflow has no step \"%.*s\".", P(str_head(id, 100)));
    if (node == def->trigger)
        return err_detail(E_INVALID, "The result of the trigger is the input of the run.");
    if (def->nodes[node].parent >= 0 && !inside)
        return err_detail(E_INVALID, "Step \"%.*s\" is inside of \"%.*s\": mock that as a whole.",
                          P(id), P(def->nodes[def->nodes[node].parent].id));
    *ret_node = &def->nodes[node];
    return OK;
}

/* The way that @node takes with @mock. */
static Err way_of(const struct wf_node *node, const struct json *mock, Str *ret_handle)
{
    const struct json *asked = json_at(mock, "handle");
    Str handle = json_str_of(asked, S("out"));

    if (asked && !json_is(asked, JSON_STR))
        return err_detail(E_INVALID, "mocks.%.*s.handle must be a text.", P(node->id));
    if ((asked || node->n_out) && !wf_node_has_handle(node, handle))
        return err_detail(E_INVALID, "Step \"%.*s\" has no handle \"%.*s\": say one it has.",
                          P(node->id), P(str_head(handle, 100)));
    *ret_handle = handle;
    return OK;
}

Err wf_mock_read(const struct wf_def *def, Str id, const struct json *mock, bool inside,
                 const struct wf_node **ret_node, Str *ret_handle)
{
    TRY(find_step(def, id, inside, ret_node));
    TRY(check_mock(mock, id));
    return way_of(*ret_node, mock, ret_handle);
}

Err wf_mocks_prepare(struct arena *a, const struct json *mocks, struct wf_start *start)
{
    struct json *kept = json_obj(a, NULL);

    for (size_t i = 0; json_is(mocks, JSON_OBJ) && i < mocks->n; i++) {
        const struct json *mock = &mocks->obj[i].val;
        Str id = str_from(mocks->obj[i].key.s, mocks->obj[i].key.n), handle = S("");
        const struct wf_node *node = NULL;
        TRY(wf_mock_read(start->def, id, mock, false, &node, &handle));
        json_set(a, kept, node->id,
                 json_obj(a, "output", json_at(mock, "output"), "handle", json_str(a, handle), "by",
                          json_str(a, S("mock")), NULL));
    }
    start->kept = json_len(kept) ? kept : NULL;
    return OK;
}
