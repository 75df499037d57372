/* src/api/api_tokens.c - how many tokens something is, before anybody is called. */
#include "api/api.h"

#include "llm/door.h"

static struct json *known(struct arena *a, int64_t n)
{
    return n ? json_int(a, n) : json_null(a);
}

static Err post_tokens(struct req *req, struct res *res)
{
    struct arena *a = req->a;
    struct llm_tokens_for found;
    struct json *body;
    Str text;

    TRY(req_json(req, &body));
    struct json *alone = json_at(body, "text");
    bool is_text = json_is(alone, JSON_STR);
    if (is_text && json_len(body) > 2)
        return err_detail(E_INVALID, "Either \"text\" is counted, or the members of a call.");
    TRY(req_json_text(req, &text));
    TRY(llm_tokens_for(api_of(req)->llm, a, req->who.tenant,
                       json_str_of(json_at(body, "model"), S("")),
                       is_text ? json_text(a, alone) : text, &found));
    return res_json(res, 200,
                    json_obj(a, "tokens", json_int(a, found.tokens.n), "exact",
                             json_bool(a, found.tokens.exact), "method",
                             json_str_c(a, found.tokens.method), "provider",
                             json_str(a, found.provider), "model", json_str(a, found.model),
                             "context_window", known(a, found.context_window), "max_output",
                             known(a, found.max_output), NULL));
}

const struct route api_tokens_routes[] = {
    {HTTP_POST, "/api/tokens", post_tokens, "model.call", .max_body = LLM_BODY_MAX,
     .in_schema = "TokenCountRequest", .out_schema = "TokenCount",
     .summary = "Count the tokens of a text or of a call"},
    {0},
};
