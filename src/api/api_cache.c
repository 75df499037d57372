/* src/api/api_cache.c - answers of models that are kept: how many, and throwing them away. */
#include "api/api.h"

#include "llm/cache_purge.h"

static Err get_cache(struct req *req, struct res *res)
{
    struct llm_cache_stats s = llm_cache_stats_of(llm_cache_of(api_of(req)->llm), req->who.tenant);
    struct arena *a = req->a;

    return res_json(res, 200,
                    json_obj(a, "answers", json_int(a, (int64_t)s.answers), "bytes",
                             json_int(a, (int64_t)s.bytes), "max_bytes",
                             json_int(a, (int64_t)s.most), NULL));
}

static Err delete_cache(struct req *req, struct res *res)
{
    Str model, key;
    Id id = ID_NONE;
    size_t n = 0;

    TRY(req_query(req, S("model"), &model));
    TRY(req_query(req, S("key"), &key));
    if (key.n && id_parse(key, &id) != OK)
        return err_detail(E_BAD_INPUT, "key must be the id of a key.");
    TRY(llm_cache_purge_everywhere(api_of(req)->llm, req->a, req->who.tenant, id, model, &n));
    return res_json(res, 200, json_obj(req->a, "purged", json_int(req->a, (int64_t)n), NULL));
}

const struct route api_cache_routes[] = {
    {HTTP_GET, "/api/cache", get_cache, "provider.read", .out_schema = "ModelCache",
     .summary = "How many answers of models this server keeps"},
    {HTTP_DELETE, "/api/cache", delete_cache, "provider.write", .out_schema = "ModelCachePurge",
     .summary = "Throw kept answers away, on every server", .query = "model:string key:string"},
    {0},
};
