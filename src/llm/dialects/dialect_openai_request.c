/* src/llm/dialects/dialect_openai_request.c - requests of OpenAI's chat completions, written. */
#include "llm/dialects/dialect_openai.h"

/* ---- content ---- */

static Str data_url(struct arena *a, const struct llm_part *p)
{
    return str_join(a, (Str[]){S("data:"), p->media, S(";base64,"), p->data}, 4, S(""));
}

static struct json *image_json(struct arena *a, const struct llm_part *p)
{
    Str url = p->url.n ? p->url : data_url(a, p);

    return json_obj(a, "type", json_str_c(a, "image_url"), "image_url",
                    json_obj(a, "url", json_str(a, url), NULL), NULL);
}

static Err document_json(struct arena *a, const struct llm_part *p, struct json **ret_part)
{
    if (p->url.n)
        return err_detail(E_BAD_INPUT, "A document by its address cannot be translated for the "
                                       "provider of this model; send its bytes.");
    *ret_part =
        json_obj(a, "type", json_str_c(a, "file"), "file",
                 json_obj(a, "filename", json_str(a, p->name.n ? p->name : S("document.pdf")),
                          "file_data", json_str(a, data_url(a, p)), NULL),
                 NULL);
    return OK;
}

static struct json *text_json(struct arena *a, Str text)
{
    return json_obj(a, "type", json_str_c(a, "text"), "text", json_str(a, text), NULL);
}

static Err part_json(struct llm_chat *c, const struct llm_part *p, struct json **ret_part)
{
    if (!llm_is_none(p->cache))
        llm_chat_drop(c, S("cache_control"));
    if (p->kind == LLM_IMAGE)
        *ret_part = image_json(c->a, p);
    else if (p->kind == LLM_DOCUMENT && !p->text.n)
        return document_json(c->a, p, ret_part);
    else
        *ret_part = text_json(c->a, p->text);
    return OK;
}

static bool is_said(const struct llm_part *p)
{
    return (p->kind == LLM_TEXT && p->text.n) || p->kind == LLM_IMAGE || p->kind == LLM_DOCUMENT;
}

/* What is said among @parts: one text as a string, else a list; NULL: nothing. */
static Err content_json(struct llm_chat *c, const LlmParts *parts, struct json **ret_content)
{
    struct json *list = json_arr(c->a), *part = NULL;
    const struct llm_part *first = NULL;

    vec_each(parts, p) {
        if (!is_said(p))
            continue;
        TRY(part_json(c, p, &part));
        json_push(c->a, list, part);
        first = first ? first : p;
    }
    *ret_content = json_len(list) ? list : NULL;
    if (json_len(list) == 1 && first && first->kind == LLM_TEXT)
        *ret_content = json_str(c->a, first->text);
    return OK;
}

/* ---- messages ---- */

static void push_message(struct llm_chat *c, struct json *list, const char *role,
                         const struct json *content)
{
    if (content)
        json_push(c->a, list,
                  json_obj(c->a, "role", json_str_c(c->a, role), "content", content, NULL));
}

/* Images that a tool gave come as the user's, behind the results: few servers take them there. */
static Err push_result(struct llm_chat *c, struct json *list, const struct llm_part *p,
                       LlmParts *more)
{
    struct arena *a = c->a;
    Str text = llm_parts_text(a, &p->result);

    if (p->is_error)
        llm_chat_drop(c, S("messages.is_error"));
    if (!llm_is_none(p->cache))
        llm_chat_drop(c, S("cache_control"));
    vec_each(&p->result, part) {
        if (part->kind != LLM_TEXT)
            vec_push(a, more, *part);
        if (!llm_is_none(part->cache))
            llm_chat_drop(c, S("cache_control"));
    }
    json_push(a, list,
              json_obj(a, "role", json_str_c(a, "tool"), "tool_call_id", json_str(a, p->id),
                       "content", json_str(a, text), NULL));
    return OK;
}

static Err push_user(struct llm_chat *c, struct json *list, const LlmParts *parts)
{
    struct json *content;
    LlmParts said = {0};

    vec_each(parts, p) {
        if (p->kind == LLM_TOOL_RESULT)
            TRY(push_result(c, list, p, &said));
        else
            vec_push(c->a, &said, *p);
    }
    TRY(content_json(c, &said, &content));
    push_message(c, list, "user", content);
    return OK;
}

static struct json *call_json(struct arena *a, const struct llm_part *p)
{
    return json_obj(a, "id", json_str(a, p->id), "type", json_str_c(a, "function"), "function",
                    json_obj(a, "name", json_str(a, p->name), "arguments",
                             json_str(a, json_text(a, p->input)), NULL),
                    NULL);
}

static Err push_assistant(struct llm_chat *c, struct json *list, const LlmParts *parts)
{
    struct arena *a = c->a;
    struct json *calls = json_arr(a), *content;

    vec_each(parts, p) {
        if (p->kind == LLM_TOOL_CALL)
            json_push(a, calls, call_json(a, p));
        if (p->kind == LLM_THINKING || p->kind == LLM_REDACTED)
            llm_chat_drop(c, S("messages.thinking"));
        if (p->kind == LLM_TOOL_CALL && !llm_is_none(p->cache))
            llm_chat_drop(c, S("cache_control"));
    }
    TRY(content_json(c, parts, &content));
    if (!content && !json_len(calls))
        return OK;
    json_push(a, list,
              json_obj(a, "role", json_str_c(a, "assistant"), "content",
                       content ? content : json_null(a), "tool_calls",
                       json_len(calls) ? calls : NULL, NULL));
    return OK;
}

static Err write_messages(struct llm_chat *c, struct json *body)
{
    struct json *list = json_arr(c->a), *content;

    TRY(content_json(c, &c->system, &content));
    push_message(c, list, "system", content);
    vec_each(&c->messages, m)
        TRY(m->role == LLM_USER ? push_user(c, list, &m->parts)
                                : push_assistant(c, list, &m->parts));
    json_set(c->a, body, S("messages"), list);
    return OK;
}

/* ---- tools ---- */

static void write_tools(struct llm_chat *c, struct json *body)
{
    struct arena *a = c->a;
    struct json *list = json_arr(a);

    vec_each(&c->tools, t) {
        if (!llm_is_none(t->cache))
            llm_chat_drop(c, S("cache_control"));
        json_push(a, list,
                  json_obj(a, "type", json_str_c(a, "function"), "function",
                           json_obj(a, "name", json_str(a, t->name), "description",
                                    t->description.n ? json_str(a, t->description) : NULL,
                                    "parameters", llm_is_none(t->schema) ? NULL : t->schema,
                                    "strict", t->strict ? json_bool(a, true) : NULL, NULL),
                           NULL));
    }
    if (json_len(list))
        json_set(a, body, S("tools"), list);
}

static void write_choice(struct llm_chat *c, struct json *body)
{
    static const char *const names[] = {
        [LLM_CHOICE_AUTO] = "auto", [LLM_CHOICE_ANY] = "required", [LLM_CHOICE_NONE] = "none"};
    struct arena *a = c->a;

    if (!c->tools.n)
        return;
    if (c->choice == LLM_CHOICE_TOOL)
        json_set(a, body, S("tool_choice"),
                 json_obj(a, "type", json_str_c(a, "function"), "function",
                          json_obj(a, "name", json_str(a, c->choice_name), NULL), NULL));
    else if (c->choice != LLM_CHOICE_UNSET)
        json_set(a, body, S("tool_choice"), json_str_c(a, names[c->choice]));
    if (c->one_call)
        json_set(a, body, S("parallel_tool_calls"), json_bool(a, false));
}

/* ---- settings ---- */

/* Those that know reasoning_effort; others refuse it. */
static bool is_reasoner(Str model)
{
    static const char *const begins[] = {"o1", "o3", "o4", "gpt-5", "gpt-6", "gpt-oss"};
    Str name = model, head;

    for (Str rest = str_cut(model, '/', &head); rest.p; rest = str_cut(rest, '/', &head))
        name = rest;
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        if (str_starts(name, str_c(begins[i])))
            return true;
    return false;
}

static void write_effort(struct llm_chat *c, Str model, struct json *body)
{
    if (!c->effort.n)
        return;
    if (!is_reasoner(model)) {
        llm_chat_drop(c, S("thinking"));
        return;
    }
    bool too_much = str_eq(c->effort, S("max"));
    if (too_much)
        llm_chat_change(c, S("output_config.effort"));
    json_set(c->a, body, S("reasoning_effort"), json_str(c->a, too_much ? S("xhigh") : c->effort));
}

static void write_format(struct llm_chat *c, struct json *body)
{
    struct arena *a = c->a;

    if (c->format == LLM_FORMAT_JSON)
        json_set(a, body, S("response_format"),
                 json_obj(a, "type", json_str_c(a, "json_object"), NULL));
    if (c->format == LLM_FORMAT_SCHEMA)
        json_set(
            a, body, S("response_format"),
            json_obj(a, "type", json_str_c(a, "json_schema"), "json_schema",
                     json_obj(a, "name",
                              json_str(a, c->schema_name.n ? c->schema_name : S("answer")),
                              "schema", c->schema, "strict", json_bool(a, c->schema_strict), NULL),
                     NULL));
}

static void write_settings(struct llm_chat *c, bool full, struct json *body)
{
    struct arena *a = c->a;
    struct json *stop = json_arr(a);

    if (c->max_tokens)
        json_set(a, body, full ? S("max_completion_tokens") : S("max_tokens"),
                 json_int(a, c->max_tokens));
    json_set(a, body, S("temperature"), c->temperature);
    json_set(a, body, S("top_p"), c->top_p);
    json_set(a, body, S("seed"), c->seed);
    json_set(a, body, S("presence_penalty"), c->presence_penalty);
    json_set(a, body, S("frequency_penalty"), c->frequency_penalty);
    if (c->top_k && full)
        llm_chat_drop(c, S("top_k"));
    else
        json_set(a, body, S("top_k"), c->top_k);
    vec_each(&c->stop, s)
        json_push(a, stop, json_str(a, *s));
    if (json_len(stop))
        json_set(a, body, S("stop"), stop);
    if (c->user.n)
        json_set(a, body, S("user"), json_str(a, c->user));
}

Err llm_openai_write_request(struct llm_chat *c, Str model, bool full, struct json **ret_body)
{
    struct arena *a = c->a;
    struct json *body = json_obj(a, "model", json_str(a, model), NULL);

    TRY(write_messages(c, body));
    write_tools(c, body);
    write_choice(c, body);
    write_effort(c, model, body);
    write_format(c, body);
    write_settings(c, full, body);
    if (c->stream)
        json_set(a, body, S("stream"), json_bool(a, true));
    if (c->stream && c->ask_usage)
        json_set(a, body, S("stream_options"),
                 json_obj(a, "include_usage", json_bool(a, true), NULL));
    *ret_body = body;
    return OK;
}
