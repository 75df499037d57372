/* src/llm/dialects/dialect_gemini.c - requests of Gemini's generateContent, written.
 *
 * The model and whether it streams stand in the address. Calls have no ids there: a result goes
 * back by the name of its function, which is found in the conversation.
 */
#include "llm/dialects/dialect_gemini.h"

#include "base/map.h"

/* ---- parts ---- */

static struct json *text_part(struct arena *a, Str text)
{
    return json_obj(a, "text", json_str(a, text), NULL);
}

/* It takes bytes, and the addresses of files that were given to it before. */
static Err media_part(struct llm_chat *c, const struct llm_part *p, struct json **ret_part)
{
    struct arena *a = c->a;

    if (p->url.n && !str_starts(p->url, S("https://generativelanguage.googleapis.com/")))
        return err_detail(E_BAD_INPUT,
                          "\"%s\" is an address; the provider of this model does not fetch it: "
                          "send the bytes, as a data URL.",
                          p->kind == LLM_IMAGE ? "image_url" : "file");
    if (p->url.n)
        *ret_part = json_obj(a, "fileData",
                             json_obj(a, "fileUri", json_str(a, p->url), "mimeType",
                                      p->media.n ? json_str(a, p->media) : NULL, NULL),
                             NULL);
    else
        *ret_part = json_obj(
            a, "inlineData",
            json_obj(a, "mimeType", json_str(a, p->media), "data", json_str(a, p->data), NULL),
            NULL);
    return OK;
}

/* Newer models want back what they signed, or word that nobody has it. */
static bool wants_signature(Str model)
{
    return !str_starts(model, S("gemini-1")) && !str_starts(model, S("gemini-2"));
}

static struct json *call_part(struct arena *a, const struct llm_part *p, bool first, Str model)
{
    static const Str nobody = S_INIT(LLM_GEMINI_NOBODY);
    Str signature = p->signature;

    if (!signature.n && first && wants_signature(model))
        signature = nobody;
    return json_obj(a, "functionCall",
                    json_obj(a, "name", json_str(a, p->name), "args", p->input, NULL),
                    "thoughtSignature", signature.n ? json_str(a, signature) : NULL, NULL);
}

/* The name of the function that the call @id was of; empty if there was none before. */
static Str name_of_call(const struct llm_chat *c, Str id)
{
    const Str *name = map_get(c->calls, id);
    return name ? *name : S("");
}

static Err push_result(struct llm_chat *c, const struct llm_part *p, struct json *list)
{
    struct arena *a = c->a;
    Str name = name_of_call(c, p->id), text = llm_parts_text(a, &p->result);
    struct json *part = NULL;

    if (!name.n)
        name = p->name;
    if (!name.n)
        return err_detail(
            E_BAD_INPUT,
            "A result of a tool is of the call \"%.*s\", which is not in the conversation.",
            P(str_head(p->id, 128)));
    json_push(
        a, list,
        json_obj(a, "functionResponse",
                 json_obj(a, "name", json_str(a, name), "response",
                          json_obj(a, p->is_error ? "error" : "output", json_str(a, text), NULL),
                          NULL),
                 NULL));
    vec_each(&p->result, media) {
        if (media->kind == LLM_TEXT)
            continue;
        TRY(media_part(c, media, &part));
        json_push(a, list, part);
    }
    return OK;
}

static Err push_part(struct llm_chat *c, const struct llm_part *p, Str model, struct json *list)
{
    bool first = !json_len(list) || !json_at(json_item(list, json_len(list) - 1), "functionCall");
    struct json *part = NULL;

    if (!llm_is_none(p->cache))
        llm_chat_drop(c, S("cache_control"));
    switch (p->kind) {
    case LLM_THINKING:
    case LLM_REDACTED:
        llm_chat_drop(c, S("messages.thinking"));
        return OK;
    case LLM_TOOL_RESULT:
        return push_result(c, p, list);
    case LLM_TOOL_CALL:
        (void)map_put(c->calls, p->id, (void *)(uintptr_t)&p->name); /* the last one is meant */
        part = call_part(c->a, p, first, model);
        break;
    default:
        if (p->kind == LLM_TEXT || p->text.n)
            part = p->text.n ? text_part(c->a, p->text) : NULL;
        else
            TRY(media_part(c, p, &part));
    }
    if (part)
        json_push(c->a, list, part);
    return OK;
}

/* ---- contents ---- */

static Err write_system(struct llm_chat *c, struct json *body)
{
    struct arena *a = c->a;
    struct json *list = json_arr(a);

    vec_each(&c->system, p)
        TRY(push_part(c, p, S(""), list));
    if (json_len(list))
        json_set(a, body, S("systemInstruction"), json_obj(a, "parts", list, NULL));
    return OK;
}

static Err write_contents(struct llm_chat *c, Str model, struct json *body)
{
    struct arena *a = c->a;
    struct json *contents = json_arr(a);

    vec_each(&c->messages, m) {
        struct json *list = json_arr(a);
        vec_each(&m->parts, p)
            TRY(push_part(c, p, model, list));
        if (json_len(list))
            json_push(a, contents,
                      json_obj(a, "role", json_str_c(a, m->role == LLM_USER ? "user" : "model"),
                               "parts", list, NULL));
    }
    if (!json_len(contents))
        return err_detail(E_BAD_INPUT, "\"messages\" has none of a user or an assistant; the "
                                       "provider of this model needs one.");
    json_set(a, body, S("contents"), contents);
    return OK;
}

/* ---- tools ---- */

static void write_tools(struct llm_chat *c, struct json *body)
{
    struct arena *a = c->a;
    struct json *list = json_arr(a), *tools = json_arr(a);

    if (!c->tools.n)
        return;
    vec_each(&c->tools, t) {
        if (!llm_is_none(t->cache))
            llm_chat_drop(c, S("cache_control"));
        if (t->strict)
            llm_chat_drop(c, S("tools.strict"));
        json_push(a, list,
                  json_obj(a, "name", json_str(a, t->name), "description",
                           t->description.n ? json_str(a, t->description) : NULL,
                           "parametersJsonSchema", llm_is_none(t->schema) ? NULL : t->schema,
                           NULL));
    }
    json_push(a, tools, json_obj(a, "functionDeclarations", list, NULL));
    json_set(a, body, S("tools"), tools);
    if (c->one_call)
        llm_chat_drop(c, S("parallel_tool_calls"));
}

static void write_choice(struct llm_chat *c, struct json *body)
{
    static const char *const modes[] = {[LLM_CHOICE_AUTO] = "AUTO",
                                        [LLM_CHOICE_ANY] = "ANY",
                                        [LLM_CHOICE_NONE] = "NONE",
                                        [LLM_CHOICE_TOOL] = "ANY"};
    struct arena *a = c->a;
    struct json *names = NULL;

    if (!c->tools.n || c->choice == LLM_CHOICE_UNSET)
        return;
    if (c->choice == LLM_CHOICE_TOOL) {
        names = json_arr(a);
        json_push(a, names, json_str(a, c->choice_name));
    }
    json_set(a, body, S("toolConfig"),
             json_obj(a, "functionCallingConfig",
                      json_obj(a, "mode", json_str_c(a, modes[c->choice]), "allowedFunctionNames",
                               names, NULL),
                      NULL));
}

/* ---- settings ---- */

static bool is_effort(const struct llm_chat *c, const char *name)
{
    return str_eq(c->effort, str_c(name));
}

static int64_t budget_of(const struct llm_chat *c)
{
    if (c->thinking_tokens)
        return c->thinking_tokens;
    if (is_effort(c, "none"))
        return 0;
    if (is_effort(c, "minimal") || is_effort(c, "low"))
        return 1024;
    return is_effort(c, "medium") ? 8192 : 24576;
}

static const char *level_of(struct llm_chat *c)
{
    if (is_effort(c, "none"))
        llm_chat_change(c, S("reasoning_effort")); /* it cannot be switched off there */
    if (is_effort(c, "none") || is_effort(c, "minimal") || is_effort(c, "low"))
        return "low";
    return is_effort(c, "medium") ? "medium" : "high";
}

static void write_thinking(struct llm_chat *c, Str model, struct json *config)
{
    struct arena *a = c->a;
    bool counts = str_starts(model, S("gemini-2.5"));

    if (!c->effort.n)
        return;
    if (!counts && !wants_signature(model)) {
        if (!is_effort(c, "none"))
            llm_chat_drop(c, S("reasoning_effort"));
        return;
    }
    json_set(a, config, S("thinkingConfig"),
             json_obj(a, "thinkingBudget", counts ? json_int(a, budget_of(c)) : NULL,
                      "thinkingLevel", counts ? NULL : json_str_c(a, level_of(c)),
                      "includeThoughts", json_bool(a, !is_effort(c, "none")), NULL));
}

static void write_format(struct llm_chat *c, struct json *config)
{
    struct arena *a = c->a;

    if (c->format == LLM_FORMAT_TEXT)
        return;
    json_set(a, config, S("responseMimeType"), json_str_c(a, "application/json"));
    if (c->format == LLM_FORMAT_SCHEMA)
        json_set(a, config, S("responseJsonSchema"), c->schema);
}

static void write_settings(struct llm_chat *c, Str model, struct json *body)
{
    struct arena *a = c->a;
    struct json *config = json_obj(a, NULL), *stop = json_arr(a);

    json_set(a, config, S("temperature"), c->temperature);
    json_set(a, config, S("topP"), c->top_p);
    json_set(a, config, S("topK"), c->top_k);
    json_set(a, config, S("seed"), c->seed);
    json_set(a, config, S("presencePenalty"), c->presence_penalty);
    json_set(a, config, S("frequencyPenalty"), c->frequency_penalty);
    if (c->max_tokens)
        json_set(a, config, S("maxOutputTokens"), json_int(a, c->max_tokens));
    vec_each(&c->stop, s)
        json_push(a, stop, json_str(a, *s));
    if (json_len(stop))
        json_set(a, config, S("stopSequences"), stop);
    write_format(c, config);
    write_thinking(c, model, config);
    if (json_len(config))
        json_set(a, body, S("generationConfig"), config);
    if (c->user.n)
        llm_chat_drop(c, S("user"));
}

static Err write_all(struct llm_chat *c, Str model, struct json *body)
{
    if (c->answers > 1)
        return llm_chat_refuse("n");
    if (c->logprobs)
        return llm_chat_refuse("logprobs");
    TRY(write_system(c, body));
    TRY(write_contents(c, model, body));
    write_tools(c, body);
    write_choice(c, body);
    write_settings(c, model, body);
    return OK;
}

Err llm_gemini_write_request(struct llm_chat *c, Str model, bool full, struct json **ret_body)
{
    struct json *body = json_obj(c->a, NULL);

    (void)full;
    c->calls = map_new();
    Err e = write_all(c, model, body);
    map_free(c->calls, NULL);
    c->calls = NULL;
    if (e == OK)
        *ret_body = body;
    return e;
}

static Str field_name(Str name)
{
    static const struct {
        const char *noted, *own;
    } names[] = {
        {"temperature", "generationConfig.temperature"},
        {"top_k", "generationConfig.topK"},
        {"seed", "generationConfig.seed"},
        {"presence_penalty", "generationConfig.presencePenalty"},
        {"frequency_penalty", "generationConfig.frequencyPenalty"},
        {"response_format", "generationConfig.responseMimeType"},
        {"thinking", "generationConfig.thinkingConfig"},
        {"reasoning_effort", "generationConfig.thinkingConfig"},
        {"output_config.effort", "generationConfig.thinkingConfig"},
        {"messages.thinking", "contents.thought"},
        {"messages.is_error", "contents.functionResponse.response.error"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, str_c(names[i].noted)))
            return str_c(names[i].own);
    return name;
}

const struct llm_dialect llm_dialect_gemini = {
    .name = "gemini",
    .field_name = field_name,
    .read_request = llm_gemini_read_request,
    .write_request = llm_gemini_write_request,
    .read_answer = llm_gemini_read_answer,
    .write_answer = llm_gemini_write_answer,
    .read_event = llm_gemini_read_event,
    .read_end = llm_gemini_read_end,
    .write_delta = llm_gemini_write_delta,
    .write_error = llm_gemini_write_error,
    .read_usage = llm_gemini_read_usage,
    .keep_alive = S_INIT(":\n\n"),
    .stream_end = S_INIT(""), /* the end of the connection */
    .error_before = S_INIT(""),
};
