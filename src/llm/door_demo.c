/* src/llm/door_demo.c - calls of the demo provider: answered here, by no model.
 *
 * They go through all that other calls go through (keys, limits, routes, records) and cost nothing.
 * Every answer has X-Heddle-Demo and says in its text what it is.
 */
#include "llm/door_private.h"

#include "base/crypto.h"
#include "llm/demo/demo.h"
#include "rt/work.h"

enum {
    ON_A_WORKER = 16 * 1024, /* larger bodies are read and answered there */
    TREE_MAX = 512 << 20,
    INPUTS_MAX = 2048,
    PIECE = 8, /* bytes of a text that are streamed together, and the rest of their word */
};

/* What is made of a body without the loop; @c is only read. */
struct demo_job {
    const struct llm_call *c;
    struct arena *tree;
    struct buf *out; /* embeddings */
    Str text;        /* the request, in OpenAI's form if it is for embeddings */
    struct json *body;
    struct llm_answer answer; /* of a chat */
    struct llm_usage usage;
};

/* Counts as an attempt that was answered at once. */
static void begin(struct llm_call *c, const struct llm_usage *usage)
{
    c->attempts++;
    c->sent_at = c->first_at = time_mono();
    if (!c->first_sent_at)
        c->first_sent_at = c->sent_at;
    c->usage = *usage;
    c->status = 200;
    llm_answer_headers(c, &(HttpHeaders){0});
    res_header(c->res, S("X-Heddle-Demo"), S("true"));
}

/* Where the next piece of @text ends. */
static size_t piece_of(Str text)
{
    size_t n = text.n < PIECE ? text.n : PIECE;

    while (n < text.n && text.p[n] != ' ')
        n++;
    return n;
}

static Err write_out(struct llm_call *c, Str piece)
{
    if (c->hook)
        TRY(llm_hook_pass(c, &piece));
    if (c->log)
        llm_log_note(c, piece);
    return piece.n ? llm_out(c, piece) : OK;
}

static Err end_out(struct llm_call *c)
{
    Str rest = S("");

    if (c->hook)
        TRY(llm_hook_finish(c, &rest));
    if (rest.n && c->log)
        llm_log_note(c, rest);
    if (rest.n)
        TRY(llm_out(c, rest));
    return llm_out_end(c);
}

static Err send_whole(struct llm_call *c, Str body)
{
    if (c->hook)
        TRY(llm_hook_answer(c, &body));
    if (c->log)
        llm_log_note(c, body);
    return res_send(c->res, 200, S("application/json"), body);
}

static Err put(struct llm_call *c, struct llm_stream *s, const struct llm_delta *d)
{
    buf_reset(&s->out);
    llm_stream_put(s, d);
    TRY(s->fault);
    return s->out.n ? write_out(c, buf_str(&s->out)) : OK;
}

static Err begin_stream(struct llm_call *c, const struct llm_usage *usage)
{
    begin(c, usage);
    return llm_out_begin(c);
}

static Err stream_parts(struct llm_call *c, struct llm_stream *s, const struct llm_answer *answer)
{
    vec_each(&answer->parts, p) {
        if (p->kind == LLM_TOOL_CALL) {
            Str arguments = json_text(c->req->a, p->input);
            TRY(put(c, s, &(struct llm_delta){.kind = LLM_D_CALL, .id = p->id, .name = p->name}));
            TRY(put(c, s, &(struct llm_delta){.kind = LLM_D_ARGUMENTS, .text = arguments}));
            continue;
        }
        for (Str rest = p->text; rest.n;) {
            Str piece = str_head(rest, piece_of(rest));
            TRY(put(c, s, &(struct llm_delta){.kind = LLM_D_TEXT, .text = piece}));
            rest = str_skip(rest, piece.n);
        }
    }
    return OK;
}

static Err stream_chat(struct llm_call *c, const struct llm_answer *answer)
{
    AUTO(llm_stream) *s = llm_stream_new(c->dialect, c->dialect, c->target.model, c->wants_usage);

    s->reply = c->talk ? &c->talk->reply : NULL;
    TRY(begin_stream(c, &answer->usage));
    TRY(stream_parts(c, s, answer));
    buf_reset(&s->out);
    s->usage = answer->usage;
    llm_stream_finish(s, answer->finish, (Str){0});
    llm_stream_put(s, &(struct llm_delta){.kind = LLM_D_END});
    c->chunks = s->chunks;
    TRY(s->fault);
    if (s->answer_n)
        TRY(llm_talk_keep(c, str_from(s->out.p + s->answer_at, s->answer_n)));
    TRY(write_out(c, buf_str(&s->out)));
    return end_out(c);
}

static Err make_answer(struct demo_job *job)
{
    struct llm_chat *chat = arena_new_of(job->tree, struct llm_chat);

    chat->a = chat->text = job->tree;
    TRY(job->c->dialect->read_request(chat, job->body));
    TRY(llm_talk_frame(job->c->talk, job->c->req->a, chat, job->body));
    llm_demo_answer(chat, job->c->target.model, &job->answer);
    job->answer.reply = job->c->talk ? &job->c->talk->reply : NULL;
    return OK;
}

static Err send_answer(struct llm_call *c, const struct demo_job *job)
{
    if (c->stream)
        return stream_chat(c, &job->answer);
    Str text = json_text(c->req->a, c->dialect->write_answer(job->tree, &job->answer));
    TRY(llm_talk_keep(c, text));
    begin(c, &job->answer.usage);
    return send_whole(c, text);
}

/* ---- completions ---- */

static struct json *completion(struct llm_call *c, Str text, bool last)
{
    struct arena *a = c->req->a;
    struct json *choice =
        json_obj(a, "index", json_int(a, 0), "text", json_str(a, text), "logprobs", json_null(a),
                 "finish_reason", last ? json_str_c(a, "stop") : json_null(a), NULL);
    struct json *choices = json_arr(a);

    json_push(a, choices, choice);
    return json_obj(a, "id", json_str_c(a, "cmpl-demo"), "object", json_str_c(a, "text_completion"),
                    "created", json_int(a, time_wall() / USEC_S), "model",
                    json_str(a, c->target.model), "choices", choices, NULL);
}

static struct json *usage_json(struct arena *a, const struct llm_usage *u)
{
    return json_obj(a, "prompt_tokens", json_int(a, u->prompt), "completion_tokens",
                    json_int(a, u->completion), "total_tokens",
                    json_int(a, u->prompt + u->completion), NULL);
}

static Err write_chunk(struct llm_call *c, struct json *v)
{
    return write_out(c, str_fmt(c->req->a, "data: %.*s\n\n", P(json_text(c->req->a, v))));
}

static Err answer_completion(struct llm_call *c, const struct json *body)
{
    struct arena *a = c->req->a;
    Str prompt = json_str_of(json_at(body, "prompt"), S(""));
    Str text = str_fmt(a, " %s", LLM_DEMO_SAYS);
    struct llm_usage usage = {
        .known = true, .prompt = (int64_t)prompt.n / 4 + 1, .completion = (int64_t)text.n / 4 + 1};

    if (!c->stream) {
        struct json *v = completion(c, text, true);
        begin(c, &usage);
        json_set(a, v, S("usage"), usage_json(a, &usage));
        return send_whole(c, json_text(a, v));
    }
    TRY(begin_stream(c, &usage));
    while (text.n) {
        Str piece = str_head(text, piece_of(text));
        text = str_skip(text, piece.n);
        c->chunks++;
        TRY(write_chunk(c, completion(c, piece, !text.n)));
    }
    if (c->wants_usage) {
        struct json *v = completion(c, S(""), true);
        json_set(a, v, S("choices"), json_arr(a));
        json_set(a, v, S("usage"), usage_json(a, &usage));
        TRY(write_chunk(c, v));
    }
    TRY(write_out(c, S("data: [DONE]\n\n")));
    return end_out(c);
}

/* ---- embeddings ---- */

static Err embedding(const struct llm_call *c, struct arena *item, const struct json *input,
                     size_t index, size_t n, struct buf *out)
{
    AUTO_BUF(tokens, LLM_BODY_MAX);
    float *numbers = arena_array(item, float, n);

    if (!json_is(input, JSON_STR))
        json_write(&tokens, input);
    TRY(buf_ok(&tokens));
    llm_demo_embed(json_str_of(input, buf_str(&tokens)), numbers, n);
    buf_add_fmt(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", index ? "," : "",
                index);
    if (c->wants_base64) {
        Str bytes = str_from((const char *)numbers, n * sizeof *numbers);
        buf_add_fmt(out, "\"%.*s\"}", P(crypto_base64(item, bytes)));
        return buf_ok(out);
    }
    for (size_t i = 0; i < n; i++)
        buf_add_fmt(out, "%c%.9g", i ? ',' : '[', (double)numbers[i]);
    buf_add_c(out, "]}");
    return buf_ok(out);
}

/* A text, a list of tokens, or a list of either. */
static Err make_embeddings(struct demo_job *job)
{
    AUTO(arena) *item = arena_new(MIB(1));
    struct buf *out = job->out;
    const struct json *body = job->body, *input = json_at(body, "input");
    bool list = json_is(input, JSON_ARR) && json_len(input) && !json_is_number(json_item(input, 0));
    size_t n = list ? json_len(input) : 1;
    int64_t dimensions = json_int_of(json_at(body, "dimensions"), LLM_DEMO_DIMENSIONS);

    job->usage = (struct llm_usage){.known = true, .prompt = (int64_t)job->c->body.n / 4 + 1};
    if (!input || json_is(input, JSON_NULL))
        return err_detail(E_BAD_INPUT, "\"input\" is needed.");
    if (n > INPUTS_MAX)
        return err_detail(E_BAD_INPUT, "\"input\" has more than %d texts.", INPUTS_MAX);
    if (dimensions < 1 || dimensions > LLM_DEMO_DIMENSIONS_MAX)
        return err_detail(E_BAD_INPUT, "\"dimensions\" must be from 1 to %d.",
                          LLM_DEMO_DIMENSIONS_MAX);
    buf_add_c(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < n; i++) {
        TRY(embedding(job->c, item, list ? json_item(input, i) : input, i, (size_t)dimensions,
                      out));
        arena_reset(item);
    }
    buf_add_c(out, "],\"model\":");
    json_write_str(out, job->c->target.model);
    buf_add_fmt(out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
                (long long)job->usage.prompt, (long long)job->usage.prompt);
    return buf_ok(out);
}

static Err compute(void *arg)
{
    struct demo_job *job = arg;

    TRY(json_parse(job->tree, job->text, &job->body));
    if (llm_chats(job->c->op) || job->c->op == LLM_RESPONSES)
        return make_answer(job);
    return llm_embeds(job->c->op) ? make_embeddings(job) : OK;
}

static bool is_answered(enum llm_op op)
{
    return op == LLM_COMPLETIONS || op == LLM_EMBEDDINGS || op == LLM_EMBED_CONTENT ||
           op == LLM_EMBED_CONTENTS || op == LLM_CHAT || op == LLM_MESSAGES ||
           op == LLM_RESPONSES || op == LLM_GENERATE;
}

static Err answer(struct llm_call *c)
{
    AUTO(arena) *tree = arena_new(TREE_MAX);
    AUTO_BUF(out, MIB(192));
    struct demo_job job = {.c = c, .tree = tree, .out = &out, .text = c->body};
    bool gemini = c->dialect == &llm_dialect_gemini;

    TRY(llm_usable(c->target.provider));
    if (gemini && llm_embeds(c->op))
        TRY(llm_embed_request(c, &job.text));
    /* A few bytes of input may ask for many numbers. */
    if (llm_embeds(c->op) || c->body.n > ON_A_WORKER)
        TRY(work_run(compute, &job));
    else
        TRY(compute(&job));
    if (is_answered(c->op))
        TRY(llm_claim(c));
    switch (c->op) {
    case LLM_CHAT:
    case LLM_MESSAGES:
    case LLM_RESPONSES:
    case LLM_GENERATE:
        return send_answer(c, &job);
    case LLM_COMPLETIONS:
        return answer_completion(c, job.body);
    case LLM_EMBEDDINGS:
    case LLM_EMBED_CONTENT:
    case LLM_EMBED_CONTENTS:
        job.text = buf_str(&out);
        if (gemini)
            TRY(llm_embed_answer(c, job.text, &job.text));
        begin(c, &job.usage);
        return send_whole(c, job.text);
    default:
        c->untranslatable = true;
        return err_detail(E_BAD_INPUT, "The provider \"%.*s\" is a demo, which has no %.*s.",
                          P(c->target.provider->name), P(llm_operation_name(c->op)));
    }
}

Err llm_demo_call(struct llm_call *c)
{
    Err e = answer(c);

    return llm_hook_failure(c) != OK && res_started(c->res) ? llm_tell_in_stream(c, NULL, e) : e;
}
