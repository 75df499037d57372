/* src/llm/dialects/dialect_openai.c - requests of OpenAI's chat completions. */
#include "llm/dialects/dialect_openai.h"

/* ---- content ---- */

static Err bad_part(Str type)
{
    return err_detail(E_BAD_INPUT,
                      "A part of the type \"%.*s\" in \"messages\" cannot be translated for the "
                      "provider of this model.",
                      P(str_head(type, 64)));
}

static Err set_source(struct llm_part *p, Str url)
{
    if (llm_data_url(url, &p->media, &p->data))
        return OK;
    if (!str_starts_nocase(url, S("http://")) && !str_starts_nocase(url, S("https://")))
        return err_detail(E_BAD_INPUT, "An address in \"messages\" is neither http(s) nor a data "
                                       "URL of base64.");
    p->url = url;
    return OK;
}

static bool is_pdf(const struct llm_part *p)
{
    return str_eq_nocase(p->media, S("application/pdf")) || str_ends(p->url, S(".pdf"));
}

static Err read_image(struct llm_chat *c, const struct json *v, struct llm_part *p)
{
    static const char *const known[] = {"url", "detail", NULL};
    const struct json *image = json_at(v, "image_url");
    Str detail = json_str_of(json_at(image, "detail"), S("auto"));

    llm_chat_drop_others(c, image, S("image_url."), known);
    if (!str_eq(detail, S("auto")))
        llm_chat_drop(c, S("image_url.detail"));
    TRY(set_source(p, json_str_of(json_at(image, "url"), json_str_of(image, S("")))));
    p->kind = is_pdf(p) ? LLM_DOCUMENT : LLM_IMAGE;
    return OK;
}

static Err read_file(struct llm_chat *c, const struct json *v, struct llm_part *p)
{
    static const char *const known[] = {"file_data", "filename", NULL};
    const struct json *file = json_at(v, "file");

    if (!llm_is_none(json_at(file, "file_id")))
        return llm_chat_refuse("file_id");
    llm_chat_drop_others(c, file, S("file."), known);
    p->kind = LLM_DOCUMENT;
    p->name = json_str_of(json_at(file, "filename"), S(""));
    return set_source(p, json_str_of(json_at(file, "file_data"), S("")));
}

static Err read_part(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    static const char *const known[] = {"type",    "text",          "image_url", "file",
                                        "refusal", "cache_control", NULL};
    Str type = json_str_of(json_at(v, "type"), S(""));
    bool refusal = str_eq(type, S("refusal"));

    if (refusal || str_eq(type, S("text"))) {
        Str text = json_str_of(refusal ? json_at(v, "refusal") : json_at(v, "text"), S(""));
        if (!text.n)
            return OK;
        struct llm_part *p = llm_chat_part(c, parts, LLM_TEXT);
        if (!p)
            return llm_chat_too_many();
        p->text = text;
        p->cache = json_at(v, "cache_control");
        llm_chat_drop_others(c, v, S("messages."), known);
        return OK;
    }
    struct llm_part *p = llm_chat_part(c, parts, LLM_IMAGE);
    if (!p)
        return llm_chat_too_many();
    p->cache = json_at(v, "cache_control");
    llm_chat_drop_others(c, v, S("messages."), known);
    if (str_eq(type, S("image_url")))
        return read_image(c, v, p);
    if (str_eq(type, S("file")))
        return read_file(c, v, p);
    return bad_part(type);
}

static Err read_content(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    if (!parts)
        return llm_chat_too_many();
    if (json_is(v, JSON_STR)) {
        Str text = json_str_of(v, S(""));
        struct llm_part *p = text.n ? llm_chat_part(c, parts, LLM_TEXT) : NULL;
        if (p)
            p->text = text;
        return p || !text.n ? OK : llm_chat_too_many();
    }
    if (!llm_is_none(v) && !json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"content\" of a message must be a string or a list.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_part(c, json_item(v, i), parts));
    return OK;
}

/* ---- messages ---- */

static Err read_call(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    const struct json *function = json_at(v, "function");
    struct llm_part *p = llm_chat_part(c, parts, LLM_TOOL_CALL);

    if (!p)
        return llm_chat_too_many();
    if (!json_is(function, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "An entry of \"tool_calls\" is no call of a function.");
    p->id = json_str_of(json_at(v, "id"), S(""));
    p->name = json_str_of(json_at(function, "name"), S(""));
    p->signature = json_str_of(
        json_at(json_at(json_at(v, "extra_content"), "google"), "thought_signature"), S(""));
    return llm_chat_arguments(c, json_str_of(json_at(function, "arguments"), S("")), &p->input);
}

/* What an answer of ours had beside its text, given back as it was. */
static Err read_thinking(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    for (size_t i = 0; i < json_len(v); i++) {
        const struct json *block = json_item(v, i);
        Str type = json_str_of(json_at(block, "type"), S(""));
        bool redacted = str_eq(type, S("redacted_thinking"));
        if (!redacted && !str_eq(type, S("thinking")))
            return err_detail(E_BAD_INPUT, "An entry of \"thinking_blocks\" is of no known type.");
        struct llm_part *p = llm_chat_part(c, parts, redacted ? LLM_REDACTED : LLM_THINKING);
        if (!p)
            return llm_chat_too_many();
        p->text =
            json_str_of(redacted ? json_at(block, "data") : json_at(block, "thinking"), S(""));
        p->signature = json_str_of(json_at(block, "signature"), S(""));
    }
    return OK;
}

static Err read_assistant(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"role",       "content",         "refusal",
                                        "tool_calls", "thinking_blocks", "reasoning_content",
                                        "reasoning",  "cache_control",   NULL};
    LlmParts *parts = llm_chat_turn(c, LLM_ASSISTANT);
    const struct json *blocks = json_at(v, "thinking_blocks"), *calls = json_at(v, "tool_calls");

    if (!parts)
        return llm_chat_too_many();
    if (!llm_is_none(json_at(v, "audio")))
        return llm_chat_refuse("audio");
    if (!llm_is_none(json_at(v, "function_call")))
        return llm_chat_refuse("function_call");
    llm_chat_drop_others(c, v, S("messages."), known);
    TRY(read_thinking(c, blocks, parts));
    if (!json_len(blocks) && json_str_of(json_at(v, "reasoning_content"), S("")).n)
        llm_chat_drop(
            c, S("messages.reasoning_content")); /* without a signature it is worth nothing */
    TRY(read_content(c, json_at(v, "content"), parts));
    TRY(read_content(c, json_at(v, "refusal"), parts));
    for (size_t i = 0; i < json_len(calls); i++)
        TRY(read_call(c, json_item(calls, i), parts));
    return OK;
}

static Err read_tool_message(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"role", "content",       "tool_call_id",
                                        "name", "cache_control", NULL};
    LlmParts *parts = llm_chat_turn(c, LLM_USER);
    struct llm_part *p = parts ? llm_chat_part(c, parts, LLM_TOOL_RESULT) : NULL;
    LlmParts result = {0};

    if (!p)
        return llm_chat_too_many();
    llm_chat_drop_others(c, v, S("messages."), known);
    p->id = json_str_of(json_at(v, "tool_call_id"), S(""));
    p->name = json_str_of(json_at(v, "name"), S(""));
    p->cache = json_at(v, "cache_control");
    if (!p->id.n)
        return err_detail(E_BAD_INPUT, "A message of the role \"tool\" has no \"tool_call_id\".");
    TRY(read_content(c, json_at(v, "content"), &result));
    parts->at[parts->n - 1].result = result;
    return OK;
}

static Err read_message(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"role", "content", "cache_control", NULL};
    Str role = json_str_of(json_at(v, "role"), S(""));

    if (str_eq(role, S("assistant")))
        return read_assistant(c, v);
    if (str_eq(role, S("tool")))
        return read_tool_message(c, v);
    llm_chat_drop_others(c, v, S("messages."), known);
    if (str_eq(role, S("system")) || str_eq(role, S("developer")))
        return read_content(c, json_at(v, "content"), &c->system);
    if (str_eq(role, S("user")))
        return read_content(c, json_at(v, "content"), llm_chat_turn(c, LLM_USER));
    return err_detail(E_BAD_INPUT, "A message has the role \"%.*s\", which is none.",
                      P(str_head(role, 64)));
}

static Err read_messages(struct llm_chat *c, const struct json *v)
{
    if (!json_is(v, JSON_ARR) || !json_len(v))
        return err_detail(E_BAD_INPUT, "\"messages\" must be a list that is not empty.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_message(c, json_item(v, i)));
    return OK;
}

/* ---- tools ---- */

static Err read_tool(struct llm_chat *c, const struct json *v)
{
    const struct json *f = json_at(v, "function");

    if (!str_eq(json_str_of(json_at(v, "type"), S("")), S("function")) || !json_is(f, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"tools\" has one that is no function: it cannot be "
                                       "translated for the provider of this model.");
    if (c->n_parts++ >= LLM_PARTS_MAX)
        return llm_chat_too_many();
    struct llm_tool *t = vec_add(c->a, &c->tools);
    t->name = json_str_of(json_at(f, "name"), S(""));
    t->description = json_str_of(json_at(f, "description"), S(""));
    t->schema = json_at(f, "parameters");
    t->strict = json_bool_of(json_at(f, "strict"), false);
    t->cache = json_at(v, "cache_control");
    if (!t->cache)
        t->cache = json_at(f, "cache_control");
    if (!llm_is_none(t->schema) && !json_is(t->schema, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"parameters\" of a tool must be an object.");
    return OK;
}

static Err read_tools(struct llm_chat *c, const struct json *v)
{
    if (!json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"tools\" must be a list.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_tool(c, json_item(v, i)));
    return OK;
}

static Err read_choice(struct llm_chat *c, const struct json *v)
{
    static const Str names[] = {[LLM_CHOICE_AUTO] = S_INIT("auto"),
                                [LLM_CHOICE_ANY] = S_INIT("required"),
                                [LLM_CHOICE_NONE] = S_INIT("none")};
    Str text = json_str_of(v, S(""));

    c->choice_name = json_str_of(json_at(json_at(v, "function"), "name"), S(""));
    if (c->choice_name.n) {
        c->choice = LLM_CHOICE_TOOL;
        return OK;
    }
    for (size_t i = LLM_CHOICE_AUTO; i < ARRAY_LEN(names); i++)
        if (str_eq(text, names[i]))
            c->choice = (enum llm_choice)i;
    return c->choice != LLM_CHOICE_UNSET ? OK : llm_chat_refuse("tool_choice");
}

static Err read_parallel(struct llm_chat *c, const struct json *v)
{
    if (!json_is_bool(v))
        return err_detail(E_BAD_INPUT, "\"parallel_tool_calls\" must be true or false.");
    c->one_call = !json_bool_of(v, true);
    return OK;
}

/* ---- settings ---- */

#define NUMBER(field)                                                                              \
    static Err read_##field(struct llm_chat *c, const struct json *v)                              \
    {                                                                                              \
        return llm_chat_number(v, #field, &c->field);                                              \
    }
NUMBER(temperature)
NUMBER(top_p)
NUMBER(top_k)
NUMBER(seed)
NUMBER(presence_penalty)
NUMBER(frequency_penalty)

static Err read_max(struct llm_chat *c, const struct json *v)
{
    int64_t n = json_int_of(v, 0);

    if (n < 1)
        return err_detail(E_BAD_INPUT, "\"max_tokens\" must be a whole number from 1 on.");
    c->max_tokens = n;
    return OK;
}

static Err read_max_old(struct llm_chat *c, const struct json *v)
{
    return c->max_tokens ? OK : read_max(c, v); /* max_completion_tokens wins */
}

static Err read_stop(struct llm_chat *c, const struct json *v)
{
    if (json_is(v, JSON_STR)) {
        vec_push(c->a, &c->stop, json_str_of(v, S("")));
        return OK;
    }
    for (size_t i = 0; i < json_len(v) && i < 64; i++)
        vec_push(c->a, &c->stop, json_str_of(json_item(v, i), S("")));
    return json_is(v, JSON_ARR) ? OK
                                : err_detail(E_BAD_INPUT, "\"stop\" must be a string or a list.");
}

static Err read_n(struct llm_chat *c, const struct json *v)
{
    c->answers = json_int_of(v, -1);
    return c->answers >= 1 ? OK
                           : err_detail(E_BAD_INPUT, "\"n\" must be a whole number from 1 on.");
}

static Err read_logprobs(struct llm_chat *c, const struct json *v)
{
    c->logprobs |= json_bool_of(v, true);
    return OK;
}

static Err read_format(struct llm_chat *c, const struct json *v)
{
    Str type = json_str_of(json_at(v, "type"), S(""));
    const struct json *s = json_at(v, "json_schema");

    if (str_eq(type, S("text")))
        return OK;
    c->format = str_eq(type, S("json_object")) ? LLM_FORMAT_JSON : LLM_FORMAT_SCHEMA;
    if (c->format == LLM_FORMAT_JSON)
        return OK;
    c->schema = json_at(s, "schema");
    c->schema_name = json_str_of(json_at(s, "name"), S(""));
    c->schema_strict = json_bool_of(json_at(s, "strict"), false);
    if (!str_eq(type, S("json_schema")) || !json_is(c->schema, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"response_format\" must be text, json_object, or "
                                       "json_schema with a schema.");
    return OK;
}

static Err read_effort(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};

    c->effort = json_str_of(v, S(""));
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(c->effort, str_c(known[i])))
            return OK;
    return err_detail(E_BAD_INPUT, "\"reasoning_effort\" must be none, minimal, low, medium, high, "
                                   "xhigh or max.");
}

static Err read_user(struct llm_chat *c, const struct json *v)
{
    c->user = json_str_of(v, S(""));
    return OK;
}

static Err read_stream(struct llm_chat *c, const struct json *v)
{
    c->stream = json_bool_of(v, false);
    return OK;
}

/* Nothing is lost if it says what is so anyway. */
static Err read_store(struct llm_chat *c, const struct json *v)
{
    if (json_bool_of(v, true))
        llm_chat_drop(c, S("store"));
    return OK;
}

static Err read_modalities(struct llm_chat *c, const struct json *v)
{
    (void)c;
    for (size_t i = 0; i < json_len(v); i++)
        if (!str_eq(json_str_of(json_item(v, i), S("")), S("text")))
            return llm_chat_refuse("modalities");
    return OK;
}

#define REFUSE(field)                                                                              \
    static Err refuse_##field(struct llm_chat *c, const struct json *v)                            \
    {                                                                                              \
        (void)c;                                                                                   \
        return json_len(v) || !json_is(v, JSON_ARR) ? llm_chat_refuse(#field) : OK;                \
    }
REFUSE(audio)
REFUSE(functions)
REFUSE(function_call)
REFUSE(web_search_options)

/* A row without a function: the door has read it, or it says nothing to another dialect. */
static const struct llm_field fields[] = {
    {"model", NULL},
    {"stream_options", NULL},
    {"messages", read_messages},
    {"tools", read_tools},
    {"tool_choice", read_choice},
    {"parallel_tool_calls", read_parallel},
    {"temperature", read_temperature},
    {"top_p", read_top_p},
    {"top_k", read_top_k},
    {"seed", read_seed},
    {"presence_penalty", read_presence_penalty},
    {"frequency_penalty", read_frequency_penalty},
    {"max_completion_tokens", read_max},
    {"max_tokens", read_max_old},
    {"stop", read_stop},
    {"n", read_n},
    {"logprobs", read_logprobs},
    {"response_format", read_format},
    {"reasoning_effort", read_effort},
    {"user", read_user},
    {"safety_identifier", read_user},
    {"stream", read_stream},
    {"store", read_store},
    {"modalities", read_modalities},
    {"audio", refuse_audio},
    {"functions", refuse_functions},
    {"function_call", refuse_function_call},
    {"web_search_options", refuse_web_search_options},
    {0},
};

Err llm_openai_read_request(struct llm_chat *c, const struct json *body)
{
    TRY(llm_chat_fields(c, body, fields));
    return c->messages.n || c->system.n
               ? OK
               : err_detail(E_BAD_INPUT, "\"messages\" must be a list that is not empty.");
}

const struct llm_dialect llm_dialect_openai = {
    .name = "openai",
    .read_request = llm_openai_read_request,
    .write_request = llm_openai_write_request,
    .read_answer = llm_openai_read_answer,
    .write_answer = llm_openai_write_answer,
    .read_event = llm_openai_read_event,
    .read_end = llm_openai_read_end,
    .write_delta = llm_openai_write_delta,
    .write_error = llm_openai_write_error,
    .read_usage = llm_usage_read,
    .keep_alive = S_INIT(":\n\n"),
    .stream_end = S_INIT("data: [DONE]\n\n"),
    .error_before = S_INIT(""),
};
