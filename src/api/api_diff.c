/* src/api/api_diff.c - what is different between two versions of a workflow, or its draft. */
#include "api/api.h"
#include "base/json_diff.h"
#include "store/store_workflow.h"

enum { OF_NODE = 50, VALUE_BYTES = 256 };

struct diff {
    struct arena *a;
    bool whole;
};

/* "draft", "published" or a number. */
static Err read_version(struct req *req, struct workflow_row *row, const char *param, Str otherwise,
                        const struct json **ret_definition)
{
    AUTO(wf_def) *def = NULL;
    Str asked;
    int version;

    TRY(req_query(req, str_c(param), &asked));
    TRY(api_target_of(req, row, asked.n ? asked : otherwise, &def, &version));
    *ret_definition = api_definition(req, json_dup(req->a, def->json));
    return OK;
}

static struct json *shown(struct arena *a, const struct json *value)
{
    AUTO_BUF(text, VALUE_BYTES);

    if (!value)
        return NULL;
    json_write(&text, value);
    return buf_ok(&text) == OK ? json_dup(a, value) : NULL;
}

static struct json *differences(struct diff *d, const struct json *x, const struct json *y)
{
    JsonDifferences found = {0};
    struct json *list = json_arr(d->a);

    d->whole = json_diff(d->a, x, y, OF_NODE, &found) && d->whole;
    vec_each(&found, it) {
        const char *kind = !it->left ? "added" : !it->right ? "removed" : "changed";
        json_push(d->a, list,
                  json_obj(d->a, "path", json_str(d->a, it->path), "kind", json_str_c(d->a, kind),
                           "left", shown(d->a, it->left), "right", shown(d->a, it->right), NULL));
    }
    return list;
}

/* The elements of a list by their ids. */
static struct json *by_id(struct arena *a, const struct json *list)
{
    struct json *all = json_obj(a, NULL);

    for (size_t i = 0; i < json_len(list); i++)
        json_set(a, all, json_str_of(json_at(json_item(list, i), "id"), S("")), json_item(list, i));
    return all;
}

/* Where a node stands is its looks, not what it does. */
static const struct json *without_place(struct arena *a, const struct json *node)
{
    struct json *copy = node ? json_dup(a, node) : NULL;

    if (copy)
        (void)json_remove(copy, S("position"));
    return copy;
}

static void compare_one(struct diff *d, struct json *list, Str id, const struct json *x,
                        const struct json *y)
{
    const char *change = !x ? "added" : !y ? "removed" : "changed";
    struct json *found =
        x && y ? differences(d, without_place(d->a, x), without_place(d->a, y)) : json_arr(d->a);

    if (x && y && json_len(found) == 0)
        return;
    json_push(d->a, list,
              json_obj(d->a, "id", json_str(d->a, id), "type", json_at(y ? y : x, "type"), "change",
                       json_str_c(d->a, change), "differences", found, NULL));
}

static struct json *compare_lists(struct diff *d, const struct json *x, const struct json *y)
{
    struct json *left = by_id(d->a, x), *right = by_id(d->a, y), *list = json_arr(d->a);

    for (size_t i = 0; i < left->n; i++) {
        Str id = str_from(left->obj[i].key.s, left->obj[i].key.n);
        compare_one(d, list, id, &left->obj[i].val, json_get(right, id));
    }
    for (size_t i = 0; i < right->n; i++) {
        Str id = str_from(right->obj[i].key.s, right->obj[i].key.n);
        if (!json_get(left, id))
            compare_one(d, list, id, NULL, &right->obj[i].val);
    }
    return list;
}

/* What stands beside nodes, edges and the canvas' own. */
static const struct json *rest_of(struct arena *a, const struct json *definition)
{
    struct json *rest = json_obj(a, NULL);

    for (size_t i = 0; json_is(definition, JSON_OBJ) && i < definition->n; i++) {
        Str name = str_from(definition->obj[i].key.s, definition->obj[i].key.n);
        if (!str_eq(name, S("nodes")) && !str_eq(name, S("edges")) && !str_eq(name, S("viewport")))
            json_set(a, rest, name, &definition->obj[i].val);
    }
    return rest;
}

static Err get_diff(struct req *req, struct res *res)
{
    struct diff d = {req->a, true};
    struct workflow_row row;
    const struct json *x, *y;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, &row));
    TRY(read_version(req, &row, "from", S("published"), &x));
    TRY(read_version(req, &row, "to", S("draft"), &y));
    struct json *nodes = compare_lists(&d, json_at(x, "nodes"), json_at(y, "nodes"));
    struct json *edges = compare_lists(&d, json_at(x, "edges"), json_at(y, "edges"));
    struct json *rest = differences(&d, rest_of(req->a, x), rest_of(req->a, y));
    bool same = !json_len(nodes) && !json_len(edges) && !json_len(rest);
    return res_json(res, 200,
                    json_obj(req->a, "same", json_bool(req->a, same), "nodes", nodes, "edges",
                             edges, "workflow", rest, "whole", json_bool(req->a, d.whole), NULL));
}

const struct route api_diff_routes[] = {
    {HTTP_GET, "/api/workflows/:id/diff", get_diff, "workflow.read", .out_schema = "WorkflowDiff",
     .summary = "Compare two versions of a workflow", .query = "from:string to:string"},
    {0},
};
