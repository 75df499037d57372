/* src/llm/door_request.c - what a client asks for, and the body that goes to the upstream. */
#include "llm/door_private.h"

#include "base/json.h"
#include "base/utf8.h"

enum { SMALL_MEMBER = 4096, PREFIX_MAX = 4096 };

/* The value of a small member; NULL if it is not there. */
static Err member_json(struct llm_call *c, int which, struct json **ret_value)
{
    const struct llm_member *m = &c->members[which];
    Str text = llm_member_text(c->body, m);

    *ret_value = NULL;
    if (!m->to)
        return OK;
    if (text.n > SMALL_MEMBER)
        return err_detail(E_BAD_INPUT, "\"%.*s\" is longer than %d bytes.", P(m->name),
                          SMALL_MEMBER);
    if (json_parse(c->req->a, text, ret_value) != OK)
        return err_detail(E_BAD_INPUT, "\"%.*s\" is not valid JSON.", P(m->name));
    return OK;
}

Err llm_model_check(Str model)
{
    if (model.n > LLM_MODEL_MAX)
        return err_detail(E_BAD_INPUT, "\"model\" is longer than %d bytes.", LLM_MODEL_MAX);
    if (!utf8_valid(model) || utf8_control_free(model) < model.n)
        return err_detail(E_BAD_INPUT, "\"model\" must be UTF-8 without control characters.");
    return OK;
}

static Err read_model(struct llm_call *c)
{
    struct json *v;

    if (c->dialect == &llm_dialect_gemini)
        return llm_model_check(c->model);
    if (c->named && c->model.n > 0 && c->model.n <= LLM_MODEL_MAX)
        return llm_model_check(c->model);
    TRY(member_json(c, MEMBER_MODEL, &v));
    if (!v && c->op == LLM_MODERATIONS) { /* OpenAI's has no need of one */
        c->model = S("omni-moderation-latest");
        return OK;
    }
    c->model = str_dup(c->req->a, json_str_of(v, S(""))); /* its place in the body may change */
    if (!c->model.n)
        return err_detail(E_BAD_INPUT, "You must provide a model parameter, a string.");
    return llm_model_check(c->model);
}

static Err read_stream(struct llm_call *c)
{
    struct json *v, *options;

    TRY(member_json(c, MEMBER_STREAM, &v));
    if (v && !json_is_bool(v) && !json_is(v, JSON_NULL))
        return err_detail(E_BAD_INPUT, "\"stream\" must be true or false.");
    c->stream = json_bool_of(v, false);
    TRY(member_json(c, MEMBER_STREAM_OPTIONS, &options));
    if (json_is(options, JSON_NULL))
        options = NULL;
    if (options && !json_is(options, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"stream_options\" must be an object.");
    if (options && !c->stream)
        return err_detail(E_BAD_INPUT, "The \"stream_options\" parameter is only allowed when "
                                       "\"stream\" is true.");
    c->stream_options = options;
    c->wants_usage = json_bool_of(json_at(options, "include_usage"), false);
    return OK;
}

static Err read_previous(struct llm_call *c)
{
    struct json *v;

    if (c->op != LLM_RESPONSES)
        return OK;
    TRY(member_json(c, MEMBER_PREVIOUS, &v));
    if (v && !json_is(v, JSON_STR) && !json_is(v, JSON_NULL))
        return err_detail(E_BAD_INPUT, "\"previous_response_id\" must be a string.");
    c->follows = str_dup(c->req->a, json_str_of(v, S(""))); /* its place in the body may change */
    return OK;
}

static Err read_encoding(struct llm_call *c)
{
    struct json *v;

    TRY(member_json(c, MEMBER_ENCODING, &v));
    if (c->op != LLM_EMBEDDINGS || !v || json_is(v, JSON_NULL))
        return OK;
    Str name = json_str_of(v, S(""));
    c->wants_base64 = str_eq(name, S("base64"));
    if (!c->wants_base64 && !str_eq(name, S("float")))
        return err_detail(E_BAD_INPUT, "\"encoding_format\" must be \"float\" or \"base64\".");
    return OK;
}

static const struct llm_member wanted[MEMBERS] = {
    [MEMBER_MODEL] = {S_INIT("model"), 0, 0},
    [MEMBER_STREAM] = {S_INIT("stream"), 0, 0},
    [MEMBER_STREAM_OPTIONS] = {S_INIT("stream_options"), 0, 0},
    [MEMBER_ENCODING] = {S_INIT("encoding_format"), 0, 0},
    [MEMBER_PREVIOUS] = {S_INIT("previous_response_id"), 0, 0},
    [MEMBER_N] = {S_INIT("n"), 0, 0},
    [MEMBER_MAX_TOKENS] = {S_INIT("max_tokens"), 0, 0},
    [MEMBER_MAX_COMPLETION_TOKENS] = {S_INIT("max_completion_tokens"), 0, 0},
    [MEMBER_MAX_OUTPUT_TOKENS] = {S_INIT("max_output_tokens"), 0, 0},
    [MEMBER_TOOLS] = {S_INIT("tools"), 0, 0},
    [MEMBER_USER] = {S_INIT("user"), 0, 0},
    [MEMBER_METADATA] = {S_INIT("metadata"), 0, 0},
    [MEMBER_INPUT] = {S_INIT("input"), 0, 0},
    [MEMBER_SIZE] = {S_INIT("size"), 0, 0},
    [MEMBER_QUALITY] = {S_INIT("quality"), 0, 0},
};

Err llm_call_scan(struct llm_call *c)
{
    memcpy(c->members, wanted, sizeof wanted);
    if (c->dialect == &llm_dialect_gemini)
        return llm_gemini_scan(c);
    return llm_scan_text(c->body, c->members, llm_passes(c->op) ? MEMBERS : MEMBERS_OF_TEXT);
}

Err llm_call_read(struct llm_call *c)
{
    memcpy(c->members, wanted, sizeof wanted);
    TRY(llm_passes(c->op) ? llm_pass_begin(c) : req_body_limit(c->req, LLM_BODY_MAX));
    TRY(req_body(c->req, &c->body));
    c->ready_at = time_mono();
    if (c->form) {
        TRY(llm_pass_form(c));
        return llm_labels_read(c);
    }
    TRY(llm_call_scan(c));
    TRY(read_model(c));
    if (c->dialect == &llm_dialect_gemini) /* the path says the rest */
        return llm_labels_read(c);
    TRY(read_stream(c));
    TRY(read_previous(c));
    TRY(llm_labels_read(c));
    if (c->stream && c->op == LLM_EMBEDDINGS)
        return err_detail(E_BAD_INPUT, "Embeddings are not streamed.");
    if (llm_passes(c->op))
        return llm_pass_measure(c);
    return read_encoding(c);
}

/* ---- the body for the upstream ---- */

/* Usage is always asked for: what the client's options say otherwise stays. */
static void write_options(const struct llm_call *c, struct buf *b)
{
    struct arena *a = c->req->a;
    struct json *options = json_obj(a, NULL);

    for (size_t i = 0; c->stream_options && i < json_len(c->stream_options); i++)
        json_set(a, options, json_str_of(&c->stream_options->obj[i].key, S("")),
                 &c->stream_options->obj[i].val);
    json_set(a, options, S("include_usage"), json_bool(a, true));
    json_write(b, options);
}

/* Where the model's name goes in a body that has none: behind the brace. Writes what stands before
 * it. */
static struct llm_member place_of_model(const struct llm_call *c, struct buf *b)
{
    struct llm_member m = c->members[MEMBER_MODEL];

    if (!m.to) {
        m.from = m.to = str_find_char(c->body, '{') + 1;
        buf_add_c(b, "\"model\":");
    }
    return m;
}

/* What follows the name there. */
static void end_of_model(const struct llm_call *c, struct buf *b, size_t at)
{
    if (!c->members[MEMBER_MODEL].to && !str_starts(str_trim(str_skip(c->body, at)), S("}")))
        buf_add_char(b, ',');
}

/* Put @value in the place of the model's name without a copy of the body: what stands before it,
 * which is little, moves up to it. False if it has no room there, or another attempt reads the
 * body, too. (Of a stream the options that were read stand in the body, too.) */
static bool patch_in_place(struct llm_call *c, Str value)
{
    struct llm_member *model = &c->members[MEMBER_MODEL];
    char *body = (char *)(uintptr_t)c->body.p; /* it is ours until the call ends */
    size_t spare = model->to - model->from - value.n;

    if (c->race || c->stream || value.n > model->to - model->from || model->from > PREFIX_MAX)
        return false;
    memmove(body + spare, body, model->from);
    memcpy(body + spare + model->from, value.p, value.n);
    c->body = str_skip(c->body, spare);
    c->patched = true;
    model->to -= spare;
    for (int i = 0; i < MEMBERS; i++) {
        if (c->members[i].from <= model->from)
            continue;
        c->members[i].from -= spare;
        c->members[i].to -= spare;
    }
    return true;
}

Err llm_call_body(struct llm_call *c, Str *ret_body)
{
    const struct llm_member *options = &c->members[MEMBER_STREAM_OPTIONS];
    bool ask = c->stream && !c->wants_usage && c->dialect == &llm_dialect_openai &&
               !llm_passes(c->op) && !c->target.provider->kind->no_stream_options;
    AUTO_BUF(name, KIB(16));
    AUTO_BUF(more, KIB(16));
    struct llm_edit edits[2];
    size_t n = 1;

    if (c->translated)
        return llm_embeds(c->op) ? llm_embed_request(c, ret_body)
                                 : llm_translate_request(c, ret_body);
    if (c->dialect == &llm_dialect_gemini)
        return llm_gemini_body(c, ret_body);
    if (!ask && !c->named && !c->patched && str_eq(c->model, c->target.model)) {
        *ret_body = c->body;
        return OK;
    }
    struct llm_member model = place_of_model(c, &name);
    json_write_str(&name, c->target.model);
    if (patch_in_place(c, buf_str(&name))) {
        *ret_body = c->body;
        return OK;
    }
    if (ask && !options->to) {
        buf_add_c(&name, ",\"stream_options\":");
        write_options(c, &name);
    }
    end_of_model(c, &name, model.to);
    edits[0] = (struct llm_edit){model.from, model.to, buf_str(&name)};
    if (ask && options->to) {
        write_options(c, &more);
        edits[n++] = (struct llm_edit){options->from, options->to, buf_str(&more)};
        if (options->from < model.from) {
            struct llm_edit first = edits[0];
            edits[0] = edits[1];
            edits[1] = first;
        }
    }
    TRY(buf_ok(&name));
    TRY(buf_ok(&more));
    buf_reset(&c->edited);
    c->edited.max = LLM_BODY_MAX + KIB(64);
    llm_body_edit(c->body, edits, n, &c->edited);
    *ret_body = buf_str(&c->edited);
    return buf_ok(&c->edited);
}
