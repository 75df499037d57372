/* src/llm/dialects/dialect_anthropic.c - requests of Anthropic's messages, written. */
#include "llm/dialects/dialect_anthropic.h"

enum { THINKING_LEAST = 1024 };

/* ---- blocks ---- */

static struct json *text_block(struct arena *a, Str text)
{
    return json_obj(a, "type", json_str_c(a, "text"), "text", json_str(a, text), NULL);
}

static struct json *source_of(struct arena *a, const struct llm_part *p)
{
    if (p->url.n)
        return json_obj(a, "type", json_str_c(a, "url"), "url", json_str(a, p->url), NULL);
    if (p->text.n)
        return json_obj(a, "type", json_str_c(a, "text"), "media_type", json_str_c(a, "text/plain"),
                        "data", json_str(a, p->text), NULL);
    return json_obj(a, "type", json_str_c(a, "base64"), "media_type", json_str(a, p->media), "data",
                    json_str(a, p->data), NULL);
}

static Err image_block(struct arena *a, const struct llm_part *p, struct json **ret_block)
{
    static const char *const known[] = {"image/jpeg", "image/png", "image/gif", "image/webp"};
    bool ok = p->url.n > 0;

    for (size_t i = 0; i < ARRAY_LEN(known) && !ok; i++)
        ok = str_eq_nocase(p->media, str_c(known[i]));
    if (!ok)
        return err_detail(E_BAD_INPUT,
                          "\"image_url\" is of the type \"%.*s\"; the provider of this model takes "
                          "jpeg, png, gif and webp.",
                          P(str_head(p->media, 64)));
    *ret_block = json_obj(a, "type", json_str_c(a, "image"), "source", source_of(a, p), NULL);
    return OK;
}

static Err document_block(struct arena *a, const struct llm_part *p, struct json **ret_block)
{
    if (p->data.n && !str_eq_nocase(p->media, S("application/pdf")))
        return err_detail(E_BAD_INPUT,
                          "\"file\" is of the type \"%.*s\"; the provider of this model takes PDF.",
                          P(str_head(p->media, 64)));
    *ret_block = json_obj(a, "type", json_str_c(a, "document"), "source", source_of(a, p), "title",
                          p->name.n ? json_str(a, p->name) : NULL, NULL);
    return OK;
}

static Err write_block(struct llm_chat *c, const struct llm_part *p, struct json **ret_block);

static Err result_block(struct llm_chat *c, const struct llm_part *p, struct json **ret_block)
{
    struct arena *a = c->a;
    struct json *content = NULL;

    if (p->result.n == 1 && p->result.at[0].kind == LLM_TEXT && !p->result.at[0].cache) {
        content = json_str(a, p->result.at[0].text);
    } else if (p->result.n) {
        content = json_arr(a);
        vec_each(&p->result, part) {
            struct json *block;
            TRY(write_block(c, part, &block)); /* a result has no results in it */
            json_push(a, content, block);
        }
    }
    *ret_block =
        json_obj(a, "type", json_str_c(a, "tool_result"), "tool_use_id", json_str(a, p->id),
                 "content", content, "is_error", p->is_error ? json_bool(a, true) : NULL, NULL);
    return OK;
}

static Err write_kind(struct llm_chat *c, const struct llm_part *p, struct json **ret_block)
{
    struct arena *a = c->a;

    switch (p->kind) {
    case LLM_TEXT:
        *ret_block = text_block(a, p->text);
        return OK;
    case LLM_IMAGE:
        return image_block(a, p, ret_block);
    case LLM_DOCUMENT:
        return document_block(a, p, ret_block);
    case LLM_THINKING:
        *ret_block = json_obj(a, "type", json_str_c(a, "thinking"), "thinking",
                              json_str(a, p->text), "signature", json_str(a, p->signature), NULL);
        return OK;
    case LLM_REDACTED:
        *ret_block = json_obj(a, "type", json_str_c(a, "redacted_thinking"), "data",
                              json_str(a, p->text), NULL);
        return OK;
    case LLM_TOOL_CALL:
        *ret_block = json_obj(a, "type", json_str_c(a, "tool_use"), "id", json_str(a, p->id),
                              "name", json_str(a, p->name), "input", p->input, NULL);
        return OK;
    case LLM_TOOL_RESULT:
        return result_block(c, p, ret_block);
    }
    return err_set(E_INTERNAL, "a part of kind %d", (int)p->kind);
}

static Err write_block(struct llm_chat *c, const struct llm_part *p, struct json **ret_block)
{
    TRY(write_kind(c, p, ret_block));
    if (!llm_is_none(p->cache))
        json_set(c->a, *ret_block, S("cache_control"), p->cache);
    return OK;
}

static Err write_parts(struct llm_chat *c, const LlmParts *parts, struct json **ret_list)
{
    struct json *list = json_arr(c->a), *block;

    vec_each(parts, p) {
        TRY(write_block(c, p, &block));
        json_push(c->a, list, block);
    }
    *ret_list = list;
    return OK;
}

/* ---- messages ---- */

static Err write_messages(struct llm_chat *c, struct json *body)
{
    struct json *list = json_arr(c->a), *content;
    struct arena *a = c->a;

    if (c->system.n) {
        TRY(write_parts(c, &c->system, &content));
        json_set(a, body, S("system"), content);
    }
    vec_each(&c->messages, m) {
        if (!m->parts.n)
            continue; /* it said nothing, and may not be sent so */
        TRY(write_parts(c, &m->parts, &content));
        json_push(a, list,
                  json_obj(a, "role", json_str_c(a, m->role == LLM_USER ? "user" : "assistant"),
                           "content", content, NULL));
    }
    if (!json_len(list))
        return err_detail(E_BAD_INPUT, "\"messages\" has none of a user or an assistant; the "
                                       "provider of this model needs one.");
    json_set(a, body, S("messages"), list);
    return OK;
}

/* ---- tools ---- */

static void write_tools(struct llm_chat *c, struct json *body)
{
    struct arena *a = c->a;
    struct json *list = json_arr(a);

    if (!c->tools.n)
        return;
    vec_each(&c->tools, t) {
        const struct json *schema = t->schema;
        if (llm_is_none(schema))
            schema =
                json_obj(a, "type", json_str_c(a, "object"), "properties", json_obj(a, NULL), NULL);
        json_push(a, list,
                  json_obj(a, "name", json_str(a, t->name), "description",
                           t->description.n ? json_str(a, t->description) : NULL, "input_schema",
                           schema, "strict", t->strict ? json_bool(a, true) : NULL, "cache_control",
                           llm_is_none(t->cache) ? NULL : t->cache, NULL));
    }
    json_set(a, body, S("tools"), list);
}

static void write_choice(struct llm_chat *c, struct json *body)
{
    static const char *const names[] = {[LLM_CHOICE_UNSET] = "auto",
                                        [LLM_CHOICE_AUTO] = "auto",
                                        [LLM_CHOICE_ANY] = "any",
                                        [LLM_CHOICE_NONE] = "none",
                                        [LLM_CHOICE_TOOL] = "tool"};
    struct arena *a = c->a;
    bool one = c->one_call && c->choice != LLM_CHOICE_NONE;

    if (!c->tools.n || (c->choice == LLM_CHOICE_UNSET && !one))
        return;
    json_set(a, body, S("tool_choice"),
             json_obj(a, "type", json_str_c(a, names[c->choice]), "name",
                      c->choice == LLM_CHOICE_TOOL ? json_str(a, c->choice_name) : NULL,
                      "disable_parallel_tool_use", one ? json_bool(a, true) : NULL, NULL));
}

/* ---- models ---- */

/* How much a model may say at most, where it must be told and neither the client nor the price
 * table does: of names that begin so; the first that fits. */
static const struct {
    const char *begin;
    int64_t most;
} limits[] = {
    {"claude-3-5", 8192},
    {"claude-3-7", 64000},
    {"claude-3", 4096},
    {"claude-2", 4096},
    {"claude-instant", 4096},
    {"claude-opus-4-5", 64000},
    {"claude-opus-4-1", 32000},
    {"claude-opus-4-0", 32000},
    {"claude-opus-4-2025", 32000},
    {"claude-", 64000},
    {"", 8192},
};

static int64_t most_tokens(Str model)
{
    size_t i = 0;

    while (!str_starts(model, str_c(limits[i].begin)))
        i++;
    return limits[i].most;
}

/* Models that are told how many tokens to think, up to 4.5; later ones are told how hard. */
static bool thinks_by_tokens(Str model)
{
    static const char *const marks[] = {"claude-3", "-4-0", "-4-1", "-4-5", "-4-2025"};

    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (str_find(model, str_c(marks[i])) != SIZE_MAX)
            return true;
    return false;
}

/* ---- thinking ---- */

/* A model that is to think must find the thinking that led to its last calls; a client that has
 * lost it can go on without. */
static bool lost_thinking(const struct llm_chat *c)
{
    const struct llm_message *last = NULL;

    vec_each(&c->messages, m)
        if (m->role == LLM_ASSISTANT)
            last = m;
    if (!last || !llm_parts_have(&last->parts, LLM_TOOL_CALL))
        return false;
    return !llm_parts_have(&last->parts, LLM_THINKING) &&
           !llm_parts_have(&last->parts, LLM_REDACTED);
}

static int64_t tokens_of(const struct llm_chat *c)
{
    if (c->thinking_tokens)
        return c->thinking_tokens;
    if (str_eq(c->effort, S("minimal")) || str_eq(c->effort, S("low")))
        return THINKING_LEAST;
    return str_eq(c->effort, S("medium")) ? 8192 : 24576;
}

static bool forces_call(const struct llm_chat *c)
{
    return c->tools.n && (c->choice == LLM_CHOICE_ANY || c->choice == LLM_CHOICE_TOOL);
}

/* Whether it is told to think, so that other settings must give way. */
static bool write_thinking(struct llm_chat *c, Str model, int64_t most, struct json *body)
{
    struct arena *a = c->a;
    bool by_tokens = thinks_by_tokens(model);
    int64_t tokens = tokens_of(c);

    if (tokens >= most)
        tokens = most - 1;
    if ((!c->effort.n && !c->thinking_tokens) || str_eq(c->effort, S("none")))
        return false;
    if (lost_thinking(c) || forces_call(c) || (by_tokens && tokens < THINKING_LEAST)) {
        llm_chat_drop(c, S("reasoning_effort"));
        return false;
    }
    json_set(a, body, S("thinking"),
             by_tokens ? json_obj(a, "type", json_str_c(a, "enabled"), "budget_tokens",
                                  json_int(a, tokens), NULL)
                       : json_obj(a, "type", json_str_c(a, "adaptive"), NULL));
    return true;
}

/* ---- settings ---- */

static void write_output(struct llm_chat *c, bool effort, struct json *body)
{
    struct arena *a = c->a;
    struct json *config = json_obj(a, NULL);

    if (c->format == LLM_FORMAT_SCHEMA)
        json_set(a, config, S("format"),
                 json_obj(a, "type", json_str_c(a, "json_schema"), "schema", c->schema, NULL));
    if (c->format == LLM_FORMAT_JSON)
        llm_chat_drop(c, S("response_format"));
    if (effort)
        json_set(a, config, S("effort"),
                 json_str(a, str_eq(c->effort, S("minimal")) ? S("low") : c->effort));
    if (json_len(config))
        json_set(a, body, S("output_config"), config);
}

/* From 0 to 1 here, to 2 there. */
static const struct json *temperature_of(struct llm_chat *c)
{
    if (!c->temperature || json_double_of(c->temperature, 0) <= 1.0)
        return c->temperature;
    llm_chat_change(c, S("temperature"));
    return json_int(c->a, 1);
}

static void write_sampling(struct llm_chat *c, bool thinks, struct json *body)
{
    struct arena *a = c->a;
    struct json *stop = json_arr(a);

    if (thinks && c->temperature)
        llm_chat_drop(c, S("temperature"));
    if (thinks && c->top_k)
        llm_chat_drop(c, S("top_k"));
    if (!thinks) {
        json_set(a, body, S("temperature"), temperature_of(c));
        json_set(a, body, S("top_k"), c->top_k);
    }
    json_set(a, body, S("top_p"), c->top_p);
    vec_each(&c->stop, s)
        json_push(a, stop, json_str(a, *s));
    if (json_len(stop))
        json_set(a, body, S("stop_sequences"), stop);
    if (c->user.n)
        json_set(a, body, S("metadata"), json_obj(a, "user_id", json_str(a, c->user), NULL));
}

/* Zero is what is so anyway. */
static void drop_number(struct llm_chat *c, const struct json *v, Str name)
{
    if (v && json_double_of(v, 1) != 0.0)
        llm_chat_drop(c, name);
}

static Err refuse_what_is_not_there(struct llm_chat *c)
{
    if (c->answers > 1)
        return llm_chat_refuse("n");
    if (c->logprobs)
        return llm_chat_refuse("logprobs");
    drop_number(c, c->presence_penalty, S("presence_penalty"));
    drop_number(c, c->frequency_penalty, S("frequency_penalty"));
    if (c->seed)
        llm_chat_drop(c, S("seed"));
    return OK;
}

Err llm_anthropic_write_request(struct llm_chat *c, Str model, bool full, struct json **ret_body)
{
    struct arena *a = c->a;
    int64_t most = c->max_tokens    ? c->max_tokens
                   : c->most_tokens ? c->most_tokens
                                    : most_tokens(model);
    struct json *body =
        json_obj(a, "model", json_str(a, model), "max_tokens", json_int(a, most), NULL);

    (void)full;
    TRY(refuse_what_is_not_there(c));
    TRY(write_messages(c, body));
    write_tools(c, body);
    write_choice(c, body);
    bool thinks = write_thinking(c, model, most, body);
    write_output(c, thinks && c->effort.n && !thinks_by_tokens(model), body);
    write_sampling(c, thinks, body);
    if (c->stream)
        json_set(a, body, S("stream"), json_bool(a, true));
    *ret_body = body;
    return OK;
}

static Str field_name(Str name)
{
    static const struct {
        const char *noted, *own;
    } names[] = {
        {"user", "metadata.user_id"},
        {"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"},
        {"reasoning_effort", "thinking"},
        {"response_format", "output_config.format"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, str_c(names[i].noted)))
            return str_c(names[i].own);
    return name;
}

const struct llm_dialect llm_dialect_anthropic = {
    .name = "anthropic",
    .field_name = field_name,
    .read_request = llm_anthropic_read_request,
    .write_request = llm_anthropic_write_request,
    .read_answer = llm_anthropic_read_answer,
    .write_answer = llm_anthropic_write_answer,
    .read_event = llm_anthropic_read_event,
    .read_end = llm_anthropic_read_end,
    .write_delta = llm_anthropic_write_delta,
    .write_error = llm_anthropic_write_error,
    .read_usage = llm_anthropic_read_usage,
    .keep_alive = S_INIT("event: ping\ndata: {\"type\": \"ping\"}\n\n"),
    .stream_end = S_INIT("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    .error_before = S_INIT("event: error\n"),
};
