/* src/api/api_prices.c - what models cost: written by hand, or imported as LiteLLM publishes it. */
#include "api/api.h"

#include "llm/prices.h"

static Err price_json(struct arena *a, const struct model_price_row *row, struct json **ret_price)
{
    struct json *v;

    TRY(json_parse(a, row->prices, &v));
    *ret_price =
        json_obj(a, "id", json_id(a, row->id), "provider", json_str(a, row->provider), "model",
                 json_str(a, row->model), "origin", json_str_c(a, row->imported ? "import" : "own"),
                 "price", v, "updated_at", json_time(a, row->updated_at), NULL);
    return OK;
}

static Err list_prices(struct req *req, struct res *res)
{
    struct json *items = json_arr(req->a), *item;
    struct api_page page;
    Str provider, model;
    ModelPriceRows rows;

    TRY(api_page_of(req, &page));
    TRY(req_query(req, S("provider"), &provider));
    TRY(req_query(req, S("model"), &model));
    TRY(store_model_price_page(api_of(req)->db, req->a, req->who.tenant, provider, model,
                               page.before, page.limit, &rows));
    vec_each(&rows, row) {
        TRY(price_json(req->a, row, &item));
        json_push(req->a, items, item);
    }
    Id last = rows.n ? rows.at[rows.n - 1].id : ID_NONE;
    return res_json(res, 200, api_list(req->a, items, rows.n, page.limit, last));
}

static Err put_price(struct req *req, struct res *res)
{
    struct json *body;

    TRY(req_json(req, &body));
    TRY(llm_prices_put(api_of(req)->llm, req->a, req->who.tenant,
                       json_str_of(json_at(body, "provider"), S("")),
                       json_str_of(json_at(body, "model"), S("")), json_at(body, "price")));
    return res_empty(res, 204);
}

static Err delete_price(struct req *req, struct res *res)
{
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(llm_prices_delete(api_of(req)->llm, req->a, req->who.tenant, id));
    return res_empty(res, 204);
}

static Err post_import(struct req *req, struct res *res)
{
    struct llm_import done;
    Str text;

    TRY(req_json_text(req, &text));
    TRY(llm_prices_import(api_of(req)->llm, req->who.tenant, text, &done));
    return res_json(res, 200,
                    json_obj(req->a, "imported", json_int(req->a, done.imported), "skipped",
                             json_int(req->a, done.skipped), NULL));
}

const struct route api_prices_routes[] = {
    {HTTP_GET, "/api/prices", list_prices, "provider.read", .out_schema = "PriceList",
     .summary = "List what models cost",
     .query = "limit:integer cursor:string provider:string model:string"},
    {HTTP_PUT, "/api/prices", put_price, "provider.write", .in_schema = "NewPrice",
     .summary = "Set what a model costs"},
    {HTTP_DELETE, "/api/prices/:id", delete_price, "provider.write", .summary = "Delete a price"},
    {HTTP_POST, "/api/prices/import", post_import, "provider.write",
     .max_body = LLM_PRICES_TEXT_MAX, .out_schema = "PriceImport",
     .summary = "Import prices from LiteLLM's list"},
    {0},
};
