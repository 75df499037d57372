/* src/wf/approval.c - people decide about a step that waits for them: once each, by name, and not
 * after its end.
 *
 * Whoever decides is known by a name: that of an API key, "console" for whoever is signed in there,
 * or the approver's of a link. One name counts once. A link is the approval's id, the name, and a
 * signature of both with a secret of this approval alone: it can do nothing else.
 */
#include "base/crypto.h"
#include "net/http.h"
#include "wf/engine_private.h"

enum { SIGNATURE_BYTES = 24, COMMENT_MAX = 2000 };

static struct json *body_of(struct arena *a, const struct approval_row *row)
{
    struct json *body;

    return json_parse(a, row->body, &body) == OK ? body : json_obj(a, NULL);
}

static struct json *or_null(struct arena *a, struct json *v)
{
    return v ? v : json_null(a);
}

struct json *wf_approval_json(struct arena *a, const struct approval_row *row,
                              const Decisions *decisions)
{
    struct json *body = body_of(a, row), *list = json_arr(a);

    vec_each(decisions, text) {
        struct json *one;
        if (json_parse(a, *text, &one) == OK)
            json_push(a, list, one);
    }
    return json_obj(a, "id", json_id(a, row->id), "run_id", json_id(a, row->run), "workflow_id",
                    json_id(a, row->workflow), "workflow_name", json_str(a, row->workflow_name),
                    "node", or_null(a, json_at(body, "node")), "subject",
                    or_null(a, json_at(body, "subject")), "message",
                    or_null(a, json_at(body, "message")), "approvers",
                    or_null(a, json_at(body, "approvers")), "needed",
                    or_null(a, json_at(body, "needed")), "form", or_null(a, json_at(body, "form")),
                    "decisions", list, "created_at", json_time(a, row->created_at), "due_at",
                    json_time(a, row->due_at), "closed_at", json_time(a, row->closed_at), "outcome",
                    row->outcome.n ? json_str(a, row->outcome) : json_null(a), NULL);
}

/* ---- links ---- */

Str wf_approval_sign(struct arena *a, const struct approval_row *row, Str by)
{
    uint8_t mac[32];
    char id[ID_TEXT_SIZE];

    crypto_hmac_sha256(row->secret, str_fmt(a, "%.*s %.*s", P(id_text(row->id, id)), P(by)), mac);
    return crypto_base64url(a, str_from((char *)mac, SIGNATURE_BYTES));
}

bool wf_approval_signed(struct arena *a, const struct approval_row *row, Str by, Str signature)
{
    Str right = wf_approval_sign(a, row, by);
    const struct json *approvers = json_at(body_of(a, row), "approvers");

    if (right.n != signature.n || !crypto_same(right.p, signature.p, right.n))
        return false;
    for (size_t i = 0; i < json_len(approvers); i++)
        if (str_eq(json_str_of(json_item(approvers, i), S("")), by))
            return true;
    return false;
}

Str wf_approval_link(struct arena *a, Str base_url, const struct approval_row *row, Str by)
{
    char id[ID_TEXT_SIZE];

    return str_fmt(a, "%.*s/approve/%.*s?by=%.*s&signature=%.*s", P(base_url),
                   P(id_text(row->id, id)), P(url_encode(a, by)), P(wf_approval_sign(a, row, by)));
}

/* ---- deciding ---- */

static Err check_form(struct arena *a, const struct approval_row *row, const struct json *data,
                      JsonSchemaErrors *ret_errors)
{
    AUTO(json_schema) *schema = NULL;
    const struct json *form = json_at(body_of(a, row), "form");

    if (json_type(form) == JSON_NULL)
        return OK;
    TRY(json_schema_compile(form, NULL, 0, 0, &schema));
    Err e = json_schema_validate(schema, a, data ? data : json_null(a), 20, ret_errors);
    if (e == E_INVALID && ret_errors->n)
        e = err_detail(E_INVALID, "What was filled in does not meet the form: %.*s%s%.*s",
                       P(ret_errors->at[0].path), ret_errors->at[0].path.n ? ": " : "",
                       P(ret_errors->at[0].message));
    return e;
}

static Err already(struct wf_engine *e, struct arena *a, Id id, Str source, struct wf_decided *ret)
{
    struct approval_row row;
    struct json *json;
    Str text;

    TRY(store_approval_get(e->db, a, id, &row));
    ret->recorded = false;
    ret->outcome = row.outcome;
    Err err = store_decision_of(e->db, a, id, source, &text);
    if (err == E_NOT_FOUND)
        return OK;
    TRY(err);
    TRY(json_parse(a, text, &json));
    ret->decision = json_str_of(json_at(json, "decision"), S(""));
    return OK;
}

Err wf_approval_decide(struct wf_engine *e, struct arena *a, const struct wf_decide *d,
                       struct wf_decided *ret_decided)
{
    struct json *body;
    uint8_t hash[CRYPTO_HASH_SIZE];
    Str decision = d->approve ? S("approve") : S("reject");

    if (d->comment.n > COMMENT_MAX)
        return err_detail(E_INVALID, "A comment may have %d bytes at most.", COMMENT_MAX);
    crypto_blake2b(d->by, hash);
    Str source = str_dup(a, str_from((char *)hash, sizeof hash));
    *ret_decided = (struct wf_decided){0};
    if (d->row->closed_at)
        return already(e, a, d->row->id, source, ret_decided);
    if (d->approve)
        TRY(check_form(a, d->row, d->data, &ret_decided->errors));
    body = json_obj(a, "decision", json_str(a, decision), "by", json_str(a, d->by), "comment",
                    d->comment.n ? json_str(a, d->comment) : json_null(a), "data",
                    or_null(a, (struct json *)(uintptr_t)d->data), "at", json_time(a, time_wall()),
                    NULL);
    Err err = store_approval_decide(e->db, a, d->row, source, json_text(a, body), time_wall());
    if (err == E_EXISTS || err == E_CONFLICT)
        return already(e, a, d->row->id, source, ret_decided);
    TRY(err);
    ret_decided->recorded = true;
    ret_decided->decision = decision;
    engine_answered(e);
    return OK;
}
