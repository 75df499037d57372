/* src/api/api_chat.c - /chat/:id: talking to a workflow. A message is a run; the conversation
 * before it is part of the run's input, as much of it as the trigger says.
 *
 * The message is stored by the transaction that makes its run accepted. The answer is what the run
 * gave; whoever looks at the conversation next writes it down, so that nothing is lost when the
 * visitor or the server goes away in between. A conversation is known by its id, which nobody
 * guesses.
 */
#include "api/chat.h"
#include "base/utf8.h"

static const Usec PATIENCE = 5 * USEC_MIN;
enum {
    MESSAGE_MAX = 32 << 10,
    HISTORY_BYTES = 256 << 10,
    ANSWER_MAX = 256 << 10,
    TURNS_SHOWN = 100
};

/* ---- who, and which conversation ---- */

static bool may_talk(const struct chat_visit *v)
{
    const struct wf_chat_cfg *cfg = v->cfg;

    if (str_eq(cfg->auth, S("basic")))
        return wf_hook_basic_matches(v->req->a, &v->req->headers, cfg->user, cfg->secret);
    if (str_eq(cfg->auth, S("bearer")))
        return wf_hook_bearer_matches(&v->req->headers, cfg->secret);
    return true;
}

Err api_chat_begin(struct chat_visit *v, struct res *res)
{
    struct api *api = api_of(v->req);
    Id id;

    TRY(req_id(v->req, "id", &id));
    TRY(workflow_cache_get(api->workflows, v->req->a, id, &v->row));
    TRY(api_target_of(v->req, &v->row, S("published"), &v->def, &v->version));
    if (!wf_chat_is_set(v->def))
        return err_detail(E_NOT_FOUND, "This workflow is not started by a chat.");
    v->cfg = &wf_trigger_cfg(v->def)->chat;
    bool tries = req_header(v->req, S("authorization")).n && !str_eq(v->cfg->auth, S("none"));
    if (tries) /* who has guessed too often learns nothing more */
        TRY(auth_rate_peek(v->req));
    if (may_talk(v))
        return OK;
    if (tries)
        TRY(auth_rate_take(v->req)); /* guesses are counted */
    res_header(res, S("WWW-Authenticate"),
               str_eq(v->cfg->auth, S("basic")) ? S("Basic realm=\"chat\", charset=\"UTF-8\"")
                                                : S("Bearer realm=\"chat\""));
    return err_detail(E_UNAUTHORIZED, "This chat is for those who have its %s.",
                      str_eq(v->cfg->auth, S("basic")) ? "user and password" : "token");
}

Err api_chat_find(struct chat_visit *v, Str conversation)
{
    Usec now = time_wall();
    Id id;

    if (!conversation.n) {
        v->chat = (struct chat_row){
            .id = id_new(), .tenant = v->row.tenant, .workflow = v->row.id, .created_at = now};
        return OK;
    }
    if (id_parse(conversation, &id) != OK)
        return err_detail(E_NOT_FOUND, "There is no such conversation, or no longer.");
    return store_chat_get(api_of(v->req)->db, v->req->a, v->row.id, id, now, &v->chat);
}

/* ---- answers ---- */

/* What a run gave as what is said. */
static Str spoken(struct arena *a, const struct json *output)
{
    static const char *const names[] = {"text", "answer", "message", "output"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_is(json_get(output, str_c(names[i])), JSON_STR)) {
            output = json_get(output, str_c(names[i]));
            break;
        }
    Str text = json_is(output, JSON_STR)        ? json_str_of(output, S(""))
               : json_type(output) == JSON_NULL ? S("")
                                                : json_text(a, output);
    text = str_head(text, str_find_char(text, 0)); /* no database takes it as text */
    return str_head(text, utf8_valid_prefix(str_head(text, ANSWER_MAX)));
}

/* Fill in the answer of @turn, if its run has ended. */
static Err look_for_answer(struct chat_visit *v, struct chat_turn *turn)
{
    struct arena *a = v->req->a;
    enum wf_run_state state;
    struct json *doc;

    if (turn->answered)
        return OK;
    Err e = wf_run_load(api_of(v->req)->engine, a, v->row.tenant, turn->run, &doc);
    if (e == E_NOT_FOUND) { /* its run was deleted before anybody asked */
        turn->answered = turn->failed = true;
    } else {
        TRY(e);
        if (!wf_run_state_parse(json_str_of(json_at(doc, "state"), S("")), &state) ||
            !wf_run_state_is_final(state))
            return OK;
        turn->answered = true;
        turn->failed = state != WF_RUN_SUCCEEDED;
        turn->answer = turn->failed ? S("") : spoken(a, json_at(doc, "output"));
    }
    return store_chat_answer(api_of(v->req)->db, a, v->chat.id, turn);
}

Err api_chat_turns(struct chat_visit *v, int limit)
{
    TRY(store_chat_turns(api_of(v->req)->db, v->req->a, v->row.id, v->chat.id, limit, &v->turns));
    vec_each(&v->turns, turn)
        TRY(look_for_answer(v, turn));
    return OK;
}

/* ---- a message ---- */

static struct json *said(struct arena *a, const char *role, Str text)
{
    return json_obj(a, "role", json_str_c(a, role), "content", json_str(a, text), NULL);
}

/* The last messages before this one, in order: as many as are told and as fit. A turn counts as
 * two. */
static struct json *history_of(const struct chat_visit *v)
{
    struct json *list = json_arr(v->req->a);
    size_t first = v->turns.n, bytes = 0, most = (size_t)(v->cfg->history / 2);

    while (first > 0 && v->turns.n - first < most) {
        const struct chat_turn *t = &v->turns.at[first - 1];
        bytes += t->message.n + t->answer.n;
        if (bytes > HISTORY_BYTES)
            break;
        first--;
    }
    for (size_t i = first; i < v->turns.n; i++) {
        const struct chat_turn *t = &v->turns.at[i];
        json_push(v->req->a, list, said(v->req->a, "user", t->message));
        if (t->answered && !t->failed)
            json_push(v->req->a, list, said(v->req->a, "assistant", t->answer));
    }
    return list;
}

/* The same as text, for a prompt. */
static Str transcript_of(struct arena *a, const struct json *history)
{
    AUTO_BUF(b, HISTORY_BYTES * 2);

    for (size_t i = 0; i < json_len(history); i++) {
        const struct json *one = json_item(history, i);
        buf_add_fmt(&b, "%s%.*s: ", i ? "\n" : "", P(json_str_of(json_at(one, "role"), S(""))));
        buf_add(&b, json_str_of(json_at(one, "content"), S("")));
    }
    return str_dup(a, buf_str(&b));
}

static void write_turn(struct db_tx *tx, Id run, void *ctx)
{
    struct chat_visit *v = ctx;

    v->turn.run = run;
    store_chat_say(tx, &v->chat, &v->turn);
}

static Err check_message(Str message)
{
    if (!str_trim(message).n)
        return err_detail(E_BAD_INPUT, "\"message\" is empty.");
    if (message.n > MESSAGE_MAX)
        return err_detail(E_TOO_LARGE, "A message has at most %d KiB.", MESSAGE_MAX >> 10);
    if (str_find_char(message, 0) != SIZE_MAX)
        return err_detail(E_BAD_INPUT, "\"message\" has a NUL character.");
    return OK;
}

/* The run that this very message has started before. */
static Err find_repeat(struct chat_visit *v, Str key)
{
    Str fingerprint;

    TRY(store_run_by_key(api_of(v->req)->db, v->req->a, v->row.id, key, &v->turn.run,
                         &fingerprint));
    if (!str_eq(fingerprint, v->fingerprint))
        return err_detail(E_EXISTS, "This Idempotency-Key was used with another message.");
    TRY(api_chat_turns(v, TURNS_SHOWN));
    vec_each(&v->turns, t)
        if (id_eq(t->run, v->turn.run))
            v->turn = *t;
    v->repeated = true;
    return OK;
}

static Err start(struct chat_visit *v, Str key)
{
    struct req *req = v->req;
    struct arena *a = req->a;
    struct wf_hook_request in = {
        .method = S("POST"), .headers = &req->headers, .query = req->query};
    struct json *history = history_of(v);
    struct wf_start s = {.tenant = v->row.tenant,
                         .workflow = v->row.id,
                         .version = v->version,
                         .def = v->def,
                         .origin = S("chat"),
                         .input = json_obj(a, "message", json_str(a, v->turn.message),
                                           "conversation_id", json_id(a, v->chat.id), "turn",
                                           json_int(a, v->turn.n), "history", history, "transcript",
                                           json_str(a, transcript_of(a, history)), NULL),
                         .request = wf_hook_request_json(a, v->def, &in),
                         .key = key,
                         .fingerprint = v->fingerprint,
                         .also = write_turn,
                         .also_ctx = v,
                         .ret_watch = &v->watch};

    return wf_run_start(api_of(req)->engine, &s, &v->run);
}

Err api_chat_say(struct chat_visit *v, Str message, Str key)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    char id[ID_TEXT_SIZE];

    TRY(check_message(message));
    if (key.n > 200)
        return err_detail(E_BAD_INPUT, "Idempotency-Key may have 200 bytes at most.");
    if (key.n && !v->asked.n) /* anybody may come with the same one */
        return err_detail(E_BAD_INPUT, "An Idempotency-Key goes with a conversation_id.");
    crypto_blake2b(message, hash);
    v->fingerprint = str_dup(v->req->a, str_from((char *)hash, sizeof hash));
    if (key.n)
        key = str_fmt(v->req->a, "chat:%.*s:%.*s", P(id_text(v->chat.id, id)), P(key));
    TRY(api_chat_turns(v, TURNS_SHOWN));
    struct chat_turn *last = v->turns.n ? &v->turns.at[v->turns.n - 1] : NULL;
    v->turn =
        (struct chat_turn){.n = last ? last->n + 1 : 1, .message = message, .at = time_wall()};
    v->chat.used_at = v->turn.at;
    v->chat.keep_until = v->turn.at + v->cfg->keep;
    Err e = last && !last->answered ? E_CONFLICT : start(v, key);
    if (key.n && (e == E_EXISTS || e == E_CONFLICT)) {
        Err found = find_repeat(v, key);
        if (found != E_NOT_FOUND)
            return found;
    }
    if (e == E_EXISTS || e == E_CONFLICT)
        return err_detail(E_CONFLICT, "The message before this one is not answered yet.");
    TRY(e);
    v->turn.run = wf_run_id(v->run);
    return OK;
}

/* Until it is answered. E_TIMEOUT. */
Err api_chat_await(struct chat_visit *v)
{
    TRY(api_await(v->req, v->row.tenant, v->turn.run, usec_in(PATIENCE)));
    return look_for_answer(v, &v->turn);
}

/* ---- as JSON ---- */

static struct json *turn_json(struct chat_visit *v, const struct chat_turn *t)
{
    struct arena *a = v->req->a;

    return json_obj(a, "turn", json_int(a, t->n), "run_id", json_id(a, t->run), "at",
                    json_time(a, t->at), "message", json_str(a, t->message), "state",
                    json_str_c(a, !t->answered ? "running"
                                  : t->failed  ? "failed"
                                               : "answered"),
                    "answer", t->answered && !t->failed ? json_str(a, t->answer) : json_null(a),
                    NULL);
}

static Err send_turn(struct chat_visit *v, struct res *res, int status)
{
    struct json *doc = turn_json(v, &v->turn);

    json_set(v->req->a, doc, S("conversation_id"), json_id(v->req->a, v->chat.id));
    return res_json(res, status, doc);
}

static Err stream(struct chat_visit *v, struct res *res)
{
    struct arena *a = v->req->a;
    struct api_hook h = {.row = v->row,
                         .def = v->def,
                         .version = v->version,
                         .run = v->turn.run,
                         .repeated = v->repeated,
                         .watch = &v->watch,
                         .said = json_obj(a, "conversation_id", json_id(a, v->chat.id), "turn",
                                          json_int(a, v->turn.n), NULL)};

    Err e = api_hook_stream(v->req, res, &h);
    if (e == OK)
        e = look_for_answer(v, &v->turn);
    return e;
}

static Err say(struct req *req, struct res *res)
{
    AUTO_CHAT(v, req);
    struct json *body;

    if (str_starts_nocase(req_header(req, S("content-type")),
                          S("application/x-www-form-urlencoded")))
        return api_chat_page_take(req, res);
    TRY(api_chat_begin(&v, res));
    TRY(req_json(req, &body));
    v.asked = json_str_of(json_at(body, "conversation_id"), S(""));
    TRY(api_chat_find(&v, v.asked));
    TRY(api_chat_say(&v, json_str_of(json_at(body, "message"), S("")),
                     req_header(req, S("idempotency-key"))));
    if (!str_eq(json_str_of(json_at(body, "mode"), S("stream")), S("wait")))
        return stream(&v, res);
    Err e = api_chat_await(&v);
    if (e == E_TIMEOUT || e == E_SHUTDOWN)
        return send_turn(&v, res, 202);
    TRY(e);
    return send_turn(&v, res, 200);
}

static Err see(struct req *req, struct res *res)
{
    AUTO_CHAT(v, req);
    struct json *list = json_arr(req->a);

    TRY(api_chat_begin(&v, res));
    TRY(api_chat_find(&v, req_param(req, "conversation")));
    TRY(api_chat_turns(&v, TURNS_SHOWN));
    vec_each(&v.turns, t)
        json_push(req->a, list, turn_json(&v, t));
    return res_json(res, 200,
                    json_obj(req->a, "conversation_id", json_id(req->a, v.chat.id), "created_at",
                             json_time(req->a, v.chat.created_at), "keep_until",
                             json_time(req->a, v.chat.keep_until), "turns", list, NULL));
}

static Err forget(struct req *req, struct res *res)
{
    AUTO_CHAT(v, req);

    TRY(api_chat_begin(&v, res));
    TRY(api_chat_find(&v, req_param(req, "conversation")));
    TRY(store_chat_delete(api_of(req)->db, req->a, v.row.id, v.chat.id));
    return res_empty(res, 204);
}

void api_chat_done(struct chat_visit *v)
{
    wf_watch_free(v->watch);
    wf_run_unref(v->run);
    wf_def_unref(v->def);
}

const struct route api_chat_routes[] = {
    {HTTP_POST, "/chat/:id", say, NULL, .kind = ROUTE_STREAM, .rate = RATE_RUN,
     .max_body = KIB(256), .in_schema = "ChatMessage", .headers = "Idempotency-Key",
     .summary = "Say something to a workflow that is started by chat"},
    {HTTP_GET, "/chat/:id/:conversation", see, NULL, .rate = RATE_API, .out_schema = "Conversation",
     .summary = "A conversation, its last hundred turns"},
    {HTTP_DELETE, "/chat/:id/:conversation", forget, NULL, .rate = RATE_API,
     .summary = "Forget a conversation"},
    {0},
};
