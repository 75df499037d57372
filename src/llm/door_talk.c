/* src/llm/door_talk.c - responses that follow those that are kept here.
 *
 * A response whose provider has no responses of its own is kept, unless the client says otherwise:
 * what was asked for and what was answered, before the client has the end of it. A call that
 * follows it becomes one with the whole conversation, before anything else looks at it: so limits,
 * windows and records see what is sent, and any provider can go on.
 */
#include "llm/door_private.h"

#include "base/json.h"
#include "llm/dialects/dialect_responses.h"
#include "llm/talk.h"
#include "rt/work.h"
#include "store/pieces.h"
#include "store/store_model_response.h"

enum {
    ON_A_WORKER = 128 * 1024,
    TALK_MAX = 2 * LLM_BODY_MAX, /* bytes of turns that are read */
    TREE_MAX = 512 << 20,
    ROWS_MAX = 256 << 20,
    KEEP_MAX = 512 << 20,
    REFS_MAX = 256, /* responses whose items a call may refer to */
};

/* ---- a call begins ---- */

/* The items of a call, put together without the loop. */
struct gather_job {
    const ModelResponseRows *rows; /* the turns before */
    Str own;
    struct buf *list;
    /* of items that are named */
    struct arena *tree;
    struct json *items;
    Id refs[REFS_MAX];
    size_t n_refs;
    struct llm_talk_turn *turns;
    struct buf *out;
    Str gone;
};

static Err gather(void *arg)
{
    struct gather_job *job = arg;
    AUTO(arena) *work = arena_new(TREE_MAX);

    buf_add_char(job->list, '[');
    vec_each(job->rows, r)
        TRY(llm_talk_add(work, r->body, job->list));
    TRY(llm_talk_add_input(job->own, job->list));
    buf_add_char(job->list, ']');
    TRY(buf_ok(job->list));
    if (str_find(buf_str(job->list), S("item_reference")) == SIZE_MAX)
        return OK;
    if (json_parse(job->tree, buf_str(job->list), &job->items) != OK)
        return OK; /* whoever is sent it says so */
    llm_talk_refs(job->items, job->refs, REFS_MAX, &job->n_refs);
    return OK;
}

static Err resolve(void *arg)
{
    struct gather_job *job = arg;
    AUTO(arena) *work = arena_new(TREE_MAX);

    return llm_talk_resolve(work, job->items, job->turns, job->n_refs, job->out, &job->gone);
}

/* The responses that are referred to; one that is not there has no text. */
static Err load_refs(struct llm_call *c, struct arena *a, struct gather_job *job)
{
    int64_t bytes = 0;

    if (job->n_refs > REFS_MAX)
        return err_detail(E_TOO_LARGE, "\"input\" refers to items of more than %d responses.",
                          REFS_MAX);
    job->turns = arena_array(a, struct llm_talk_turn, job->n_refs);
    for (size_t i = 0; i < job->n_refs; i++) {
        struct model_response_row row;
        Err e = store_model_response_head(c->llm->db, a, c->req->who.tenant, c->req->who.actor,
                                          job->refs[i], &row);
        if (e == OK)
            e = store_model_response_body(c->llm->db, a, &row);
        if (e == E_NOT_FOUND)
            continue;
        TRY(e);
        bytes += (int64_t)row.body.n;
        if (bytes > TALK_MAX)
            return err_detail(E_TOO_LARGE, "The responses that \"input\" refers to pass %d MiB.",
                              TALK_MAX >> 20);
        job->turns[i] = (struct llm_talk_turn){row.id, row.body};
    }
    return OK;
}

/* Put the whole conversation in the place of what is said now. */
static Err put_input(struct llm_call *c, Str list)
{
    struct llm_member m[] = {{S_INIT("input"), 0, 0}, {S_INIT("previous_response_id"), 0, 0}};
    AUTO_BUF(out, LLM_BODY_MAX);

    TRY(llm_scan_text(c->body, m, ARRAY_LEN(m)));
    struct llm_edit input = {m[0].from, m[0].to, list}, previous = {m[1].from, m[1].to, S("null")};
    bool first = !m[1].to || input.from < previous.from;
    struct llm_edit edits[] = {first ? input : previous, first ? previous : input};
    llm_body_edit(c->body, edits, m[1].to ? 2 : 1, &out);
    char *to = out.failed ? NULL : arena_try(c->req->a, out.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The conversation passes %d MiB.", LLM_BODY_MAX >> 20);
    c->body = str_from(memcpy(to, out.p, out.n), out.n);
    return llm_call_scan(c);
}

static Err run(Err (*fn)(void *job), struct gather_job *job, size_t bytes)
{
    Err e = bytes > ON_A_WORKER ? work_run(fn, job) : fn(job);

    return e == E_TOO_LARGE ? err_detail(e, "The conversation passes %d MiB.", LLM_BODY_MAX >> 20)
                            : e;
}

/* Make the input of the call from @rows, what the client says and what that refers to. */
static Err make_input(struct llm_call *c, struct arena *a, const ModelResponseRows *rows,
                      size_t bytes)
{
    AUTO(arena) *tree = arena_new(TREE_MAX);
    AUTO_BUF(list, LLM_BODY_MAX);
    AUTO_BUF(out, LLM_BODY_MAX);
    struct gather_job *job = arena_new_of(a, struct gather_job);

    *job = (struct gather_job){
        .rows = rows, .own = c->talk->input, .list = &list, .tree = tree, .out = &out};
    bytes += c->talk->input.n;
    TRY(run(gather, job, bytes));
    if (!job->n_refs)
        return rows->n ? put_input(c, buf_str(&list)) : OK;
    TRY(load_refs(c, a, job));
    Err e = run(resolve, job, bytes + arena_used(a));
    if (job->gone.n) {
        c->talk->gone = str_dup(c->req->a, job->gone);
        return OK;
    }
    TRY(e);
    return put_input(c, buf_str(&out));
}

static Err go_on(struct llm_call *c, struct arena *a, Id id)
{
    struct model_response_row *head = arena_new_of(c->req->a, struct model_response_row);
    ModelResponseRows rows;

    TRY(store_model_response_head(c->llm->db, a, c->req->who.tenant, c->req->who.actor, id, head));
    TRY(store_model_response_chain(c->llm->db, a, head, TALK_MAX, &rows));
    TRY(make_input(c, a, &rows, (size_t)head->bytes));
    c->talk->before = head;
    c->talk->reply.previous = c->follows;
    c->follows = S("");
    return OK;
}

static Err read_settings(struct llm_call *c, Str store, Str truncation)
{
    struct llm_talk *talk = c->talk;
    bool said = store.n && !str_eq(store, S("null"));

    if (said && !str_eq(store, S("true")) && !str_eq(store, S("false")))
        return err_detail(E_BAD_INPUT, "\"store\" must be true or false.");
    talk->fleeting = str_eq(store, S("false"));
    talk->reply.store = !talk->fleeting && c->llm->responses_kept > 0;
    talk->unkept = str_eq(store, S("true")) && !talk->reply.store;
    talk->truncates = str_eq(truncation, S("\"auto\""));
    return OK;
}

/* The input is kept until the end; the body may be patched in its place meanwhile. */
static Err keep_input(struct llm_call *c, Str input)
{
    char *to = arena_try(c->req->a, input.n);

    if (!to)
        return err_detail(E_TOO_LARGE, "\"input\" is too large.");
    c->talk->input = str_from(memcpy(to, input.n ? input.p : "", input.n), input.n);
    return OK;
}

Err llm_talk_begin(struct llm_call *c)
{
    enum { INPUT, STORE, TRUNCATION, N };
    struct llm_member m[N] = {[INPUT] = {S_INIT("input"), 0, 0},
                              [STORE] = {S_INIT("store"), 0, 0},
                              [TRUNCATION] = {S_INIT("truncation"), 0, 0}};
    static const ModelResponseRows none = {0};
    AUTO(arena) *a = NULL;
    Id id;

    if (c->op != LLM_RESPONSES)
        return OK;
    TRY(llm_scan_text(c->body, m, N));
    c->talk = arena_new_of(c->req->a, struct llm_talk);
    c->talk->id = id_new();
    c->talk->reply.id = llm_response_id(c->req->a, c->talk->id);
    c->talk->reply.created = time_wall() / USEC_S;
    TRY(read_settings(c, llm_member_text(c->body, &m[STORE]),
                      llm_member_text(c->body, &m[TRUNCATION])));
    Str input = llm_member_text(c->body, &m[INPUT]);
    bool ours = c->follows.n && llm_response_id_parse(c->follows, &id);
    bool refers = str_find(input, S("item_reference")) != SIZE_MAX;
    c->talk->input = input;
    if (c->talk->reply.store || ours || refers)
        TRY(keep_input(c, input));
    if (!ours && !refers)
        return OK;
    if (!input.n)
        return err_detail(E_BAD_INPUT, "\"input\" is needed.");
    a = arena_new(ROWS_MAX);
    if (!ours)
        return make_input(c, a, &none, 0);
    Err e = go_on(c, a, id);
    if (e != E_NOT_FOUND)
        return e;
    c->talk->lost = true;
    return OK;
}

Err llm_talk_lost(struct llm_call *c)
{
    Str text = c->talk->gone;

    if (!text.n) {
        c->status = 400;
        return res_send(c->res, 400, S("application/json"), llm_talk_missing(c));
    }
    c->status = 404;
    text = str_fmt(c->req->a, "Item with id '%.*s' not found.", P(str_head(text, 64)));
    return res_send(c->res, 404, S("application/json"),
                    llm_error_text(c, 404, text, S("item_not_found")));
}

void llm_talk_attempt(struct llm_call *c)
{
    struct llm_talk *own;

    if (!c->talk)
        return;
    own = arena_new_of(c->req->a, struct llm_talk);
    *own = *c->talk;
    own->reply.frame = S("");
    c->talk = own;
}

Str llm_talk_missing(const struct llm_call *c)
{
    Str text = str_fmt(c->req->a, "Previous response with id '%.*s' not found.",
                       P(str_head(c->follows, LLM_PIN_ID_MAX)));

    return llm_error_text(c, 400, text, S("previous_response_not_found"));
}

/* ---- its answer ---- */

Err llm_talk_frame(struct llm_talk *talk, struct arena *a, struct llm_chat *chat,
                   const struct json *body)
{
    if (!talk)
        return OK;
    TRY(llm_dialect_responses.write_frame(chat, body, &talk->reply));
    char *to = arena_try(a, talk->reply.frame.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "\"instructions\" and \"tools\" are too large.");
    memcpy(to, talk->reply.frame.p, talk->reply.frame.n);
    talk->reply.frame.p = to;
    return OK;
}

static Err not_kept(Err e)
{
    if (e == E_CANCELLED)
        return e;
    (void)err_add(e, "a response was not kept"); /* for the log */
    return err_detail(E_UNAVAILABLE, "The response was made, but could not be stored; with "
                                     "\"store\": false it would not have to be.");
}

Err llm_talk_keep(struct llm_call *c, Str response)
{
    AUTO(arena) *a = NULL;
    AUTO_BUF(body, PIECES_TEXT_MAX);
    const struct llm_talk *talk = c->talk;
    const struct model_response_row *before = talk ? talk->before : NULL;

    if (!talk || !talk->reply.store)
        return OK;
    buf_add_c(&body, "{\"input\":");
    buf_add(&body, talk->input.n ? talk->input : S("[]"));
    buf_add_c(&body, ",\"response\":");
    buf_add(&body, response);
    buf_add_c(&body, "}");
    if (body.failed)
        return not_kept(buf_ok(&body));
    a = arena_new(KEEP_MAX);
    struct model_response_row row = {
        .id = talk->id,
        .tenant = c->req->who.tenant,
        .key = c->req->who.actor,
        .conversation = before ? before->conversation : talk->id,
        .previous = before ? before->id : ID_NONE,
        .depth = before ? before->depth + 1 : 1,
        .bytes = (before ? before->bytes : 0) + (int64_t)body.n,
        .body = buf_str(&body),
        .created_at = time_wall(),
    };
    Err e = store_model_response_add(c->llm->db, a, &row, row.created_at + c->llm->responses_kept);
    return e == OK ? OK : not_kept(e);
}

/* ---- what was kept ---- */

static Err no_response(struct req *req, struct res *res, Str id)
{
    Str text =
        str_fmt(req->a, "Response with id '%.*s' not found.", P(str_head(id, LLM_PIN_ID_MAX)));

    return res_json(res, 404,
                    llm_dialect_openai.write_error(req->a, 404, text, S("response_not_found")));
}

/* What is made of what was kept, without the loop. */
struct show_job {
    ModelResponseRows rows;
    struct llm_talk_range range;
    bool items; /* a page of them; else the response */
    struct buf *out;
};

static Err make_shown(void *arg)
{
    struct show_job *job = arg;
    AUTO(arena) *work = arena_new(TREE_MAX), *a = arena_new(MIB(1));
    struct llm_talk_turn *turns = arena_array(a, struct llm_talk_turn, job->rows.n);
    struct json *v;

    for (size_t i = 0; i < job->rows.n; i++)
        turns[i] = (struct llm_talk_turn){job->rows.at[i].id, job->rows.at[i].body};
    if (job->items)
        return llm_talk_page(work, turns, job->rows.n, &job->range, job->out);
    if (json_parse(work, turns[0].text, &v) != OK)
        return err_set(E_CORRUPT, "a response that was kept is no JSON");
    json_write(job->out, json_at(v, "response"));
    return buf_ok(job->out);
}

static Err read_range(struct req *req, struct llm_talk_range *range)
{
    uint64_t most = 20;
    Str limit, order;

    TRY(req_query(req, S("limit"), &limit));
    TRY(req_query(req, S("order"), &order));
    TRY(req_query(req, S("after"), &range->after));
    if (limit.n && (str_to_u64(limit, &most) != OK || most < 1 || most > LLM_TALK_PAGE_MAX))
        return err_detail(E_BAD_INPUT, "\"limit\" must be from 1 to %d.", LLM_TALK_PAGE_MAX);
    range->limit = (size_t)most;
    range->newest_first = !str_eq(order, S("asc"));
    if (order.n && range->newest_first && !str_eq(order, S("desc")))
        return err_detail(E_BAD_INPUT, "\"order\" must be asc or desc.");
    return OK;
}

/* @items: all that the response was made of, the turns before it and what it was asked. */
static Err show(struct llm_call *c, struct model_response_row *row, bool items)
{
    struct llm *llm = c->llm;
    struct req *req = c->req;
    AUTO(arena) *a = arena_new(ROWS_MAX);
    AUTO_BUF(out, PIECES_TEXT_MAX);
    struct show_job job = {.items = items, .out = &out};

    if (items) {
        TRY(read_range(req, &job.range));
        TRY(store_model_response_chain(llm->db, a, row, TALK_MAX, &job.rows));
    } else {
        TRY(store_model_response_body(llm->db, a, row));
        vec_push(a, &job.rows, *row);
    }
    int64_t bytes = items ? row->bytes : (int64_t)row->body.n;
    TRY(bytes > ON_A_WORKER ? work_run(make_shown, &job) : make_shown(&job));
    char *to = arena_try(req->a, out.n);
    if (!to)
        return err_detail(E_TOO_LARGE, "The response is too large to be shown.");
    Str text = str_from(memcpy(to, out.p, out.n), out.n);
    if (c->hook) /* it was kept as it was made */
        TRY(llm_hook_answer(c, &text));
    return res_send(c->res, 200, S("application/json"), text);
}

static Err forget(struct llm *llm, struct req *req, struct res *res, Str id,
                  const struct model_response_row *row)
{
    struct arena *a = req->a;

    TRY(store_model_response_delete(llm->db, a, row->tenant, row->key, row->id));
    return res_json(res, 200,
                    json_obj(a, "id", json_str(a, id), "object", json_str_c(a, "response"),
                             "deleted", json_bool(a, true), NULL));
}

static Err serve(struct llm_call *c, Str id, Str rest, Id which)
{
    struct req *req = c->req;
    struct model_response_row row;

    TRY(store_model_response_head(c->llm->db, req->a, req->who.tenant, req->who.actor, which,
                                  &row));
    if (str_eq(rest, S("/cancel")))
        return err_detail(E_BAD_INPUT, "Only responses with \"background\" can be cancelled; this "
                                       "one is made.");
    if (req->method == HTTP_DELETE)
        return forget(c->llm, req, c->res, id, &row);
    return show(c, &row, rest.n > 0);
}

Err llm_talk_serve(struct llm_call *c, Str id, Str rest, bool *ret_ours)
{
    Id which;

    *ret_ours = llm_response_id_parse(id, &which);
    if (!*ret_ours)
        return OK;
    Err e = serve(c, id, rest, which);
    return e == E_NOT_FOUND ? no_response(c->req, c->res, id) : e;
}
