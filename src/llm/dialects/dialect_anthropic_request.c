/* src/llm/dialects/dialect_anthropic_request.c - requests of Anthropic's messages, read. */
#include "llm/dialects/dialect_anthropic.h"

/* ---- blocks ---- */

static Err bad_block(Str type)
{
    return err_detail(E_BAD_INPUT,
                      "A block of the type \"%.*s\" cannot be translated for the provider of this "
                      "model.",
                      P(str_head(type, 64)));
}

static Err read_source(const struct json *v, struct llm_part *p)
{
    const struct json *source = json_at(v, "source");
    Str type = json_str_of(json_at(source, "type"), S(""));

    p->media = json_str_of(json_at(source, "media_type"), S(""));
    p->name = json_str_of(json_at(v, "title"), S(""));
    if (str_eq(type, S("base64")))
        p->data = json_str_of(json_at(source, "data"), S(""));
    else if (str_eq(type, S("url")))
        p->url = json_str_of(json_at(source, "url"), S(""));
    else if (str_eq(type, S("text")) && p->kind == LLM_DOCUMENT)
        p->text = json_str_of(json_at(source, "data"), S(""));
    else
        return llm_chat_refuse("source");
    if (!p->data.n && !p->url.n && !p->text.n)
        return err_detail(E_BAD_INPUT, "The \"source\" of an image or document is empty.");
    return OK;
}

static enum llm_part_kind kind_of(Str type, bool *ret_known)
{
    static const Str names[] = {
        [LLM_TEXT] = S_INIT("text"),
        [LLM_IMAGE] = S_INIT("image"),
        [LLM_DOCUMENT] = S_INIT("document"),
        [LLM_THINKING] = S_INIT("thinking"),
        [LLM_REDACTED] = S_INIT("redacted_thinking"),
        [LLM_TOOL_CALL] = S_INIT("tool_use"),
        [LLM_TOOL_RESULT] = S_INIT("tool_result"),
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(type, names[i])) {
            *ret_known = true;
            return (enum llm_part_kind)i;
        }
    *ret_known = false;
    return LLM_TEXT;
}

static Err read_content(struct llm_chat *c, const struct json *v, LlmParts *parts, bool in_result);

static Err read_result(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    size_t at = parts->n - 1;
    LlmParts result = {0};

    parts->at[at].id = json_str_of(json_at(v, "tool_use_id"), S(""));
    parts->at[at].is_error = json_bool_of(json_at(v, "is_error"), false);
    TRY(read_content(c, json_at(v, "content"), &result, true));
    parts->at[at].result = result;
    return OK;
}

static Err read_block(struct llm_chat *c, const struct json *v, LlmParts *parts, bool in_result)
{
    static const char *const known[] = {
        "type", "text",  "source",  "title",       "thinking", "data",          "signature", "id",
        "name", "input", "content", "tool_use_id", "is_error", "cache_control", NULL};
    Str type = json_str_of(json_at(v, "type"), S(""));
    bool is_known;
    enum llm_part_kind kind = kind_of(type, &is_known);

    if (!is_known || (in_result && kind > LLM_DOCUMENT))
        return bad_block(type);
    llm_chat_drop_others(c, v, S("messages."), known);
    struct llm_part *p = llm_chat_part(c, parts, kind);
    if (!p)
        return llm_chat_too_many();
    p->cache = json_at(v, "cache_control");
    p->text = json_str_of(json_get(v, kind == LLM_REDACTED ? S("data") : type), S(""));
    p->signature = json_str_of(json_at(v, "signature"), S(""));
    p->id = json_str_of(json_at(v, "id"), S(""));
    p->name = json_str_of(json_at(v, "name"), S(""));
    p->input = json_at(v, "input");
    if (kind == LLM_IMAGE || kind == LLM_DOCUMENT)
        return read_source(v, p);
    if (kind == LLM_TOOL_RESULT)
        return read_result(c, v, parts);
    if (kind == LLM_TOOL_CALL && !json_is(p->input, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "The \"input\" of a tool_use must be an object.");
    return OK;
}

static Err read_content(struct llm_chat *c, const struct json *v, LlmParts *parts, bool in_result)
{
    if (!parts)
        return llm_chat_too_many();
    if (json_is(v, JSON_STR)) {
        struct llm_part *p = llm_chat_part(c, parts, LLM_TEXT);
        if (p)
            p->text = json_str_of(v, S(""));
        return p ? OK : llm_chat_too_many();
    }
    if (!llm_is_none(v) && !json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"content\" must be a string or a list of blocks.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_block(c, json_item(v, i), parts, in_result));
    return OK;
}

/* ---- messages ---- */

static Err read_system(struct llm_chat *c, const struct json *v)
{
    return read_content(c, v, &c->system, true);
}

static Err read_message(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"role", "content", NULL};
    Str role = json_str_of(json_at(v, "role"), S(""));

    llm_chat_drop_others(c, v, S("messages."), known);
    if (str_eq(role, S("system")))
        return read_content(c, json_at(v, "content"), &c->system, true);
    if (str_eq(role, S("assistant")))
        return read_content(c, json_at(v, "content"), llm_chat_turn(c, LLM_ASSISTANT), false);
    if (str_eq(role, S("user")))
        return read_content(c, json_at(v, "content"), llm_chat_turn(c, LLM_USER), false);
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
    static const char *const known[] = {"type",   "name",          "description", "input_schema",
                                        "strict", "cache_control", NULL};
    Str type = json_str_of(json_at(v, "type"), S("custom"));

    if (!str_eq(type, S("custom")))
        return err_detail(E_BAD_INPUT,
                          "A tool of the type \"%.*s\" runs at Anthropic; it cannot be translated "
                          "for the provider of this model.",
                          P(str_head(type, 64)));
    llm_chat_drop_others(c, v, S("tools."), known);
    if (c->n_parts++ >= LLM_PARTS_MAX)
        return llm_chat_too_many();
    struct llm_tool *t = vec_add(c->a, &c->tools);
    t->name = json_str_of(json_at(v, "name"), S(""));
    t->description = json_str_of(json_at(v, "description"), S(""));
    t->schema = json_at(v, "input_schema");
    t->strict = json_bool_of(json_at(v, "strict"), false);
    t->cache = json_at(v, "cache_control");
    return json_is(t->schema, JSON_OBJ)
               ? OK
               : err_detail(E_BAD_INPUT, "\"input_schema\" of a tool must be an object.");
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
                                [LLM_CHOICE_ANY] = S_INIT("any"),
                                [LLM_CHOICE_NONE] = S_INIT("none"),
                                [LLM_CHOICE_TOOL] = S_INIT("tool")};
    Str type = json_str_of(json_at(v, "type"), S(""));

    for (size_t i = LLM_CHOICE_AUTO; i < ARRAY_LEN(names); i++)
        if (str_eq(type, names[i]))
            c->choice = (enum llm_choice)i;
    c->choice_name = json_str_of(json_at(v, "name"), S(""));
    c->one_call = json_bool_of(json_at(v, "disable_parallel_tool_use"), false);
    return c->choice != LLM_CHOICE_UNSET ? OK : llm_chat_refuse("tool_choice");
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

static Err read_max(struct llm_chat *c, const struct json *v)
{
    c->max_tokens = json_int_of(v, 0);
    return c->max_tokens >= 1
               ? OK
               : err_detail(E_BAD_INPUT, "\"max_tokens\" must be a whole number from 1 on.");
}

static Err read_stop(struct llm_chat *c, const struct json *v)
{
    for (size_t i = 0; i < json_len(v) && i < 64; i++)
        vec_push(c->a, &c->stop, json_str_of(json_item(v, i), S("")));
    return json_is(v, JSON_ARR) ? OK
                                : err_detail(E_BAD_INPUT, "\"stop_sequences\" must be a list.");
}

static Err read_metadata(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"user_id", NULL};

    llm_chat_drop_others(c, v, S("metadata."), known);
    c->user = json_str_of(json_at(v, "user_id"), S(""));
    return OK;
}

/* How many tokens it may think, as one of the words of others. */
static Str effort_of(int64_t tokens)
{
    return tokens <= 4096 ? S("low") : tokens <= 16384 ? S("medium") : S("high");
}

static Err read_thinking(struct llm_chat *c, const struct json *v)
{
    Str type = json_str_of(json_at(v, "type"), S(""));

    c->thinking_tokens = json_int_of(json_at(v, "budget_tokens"), 0);
    if (str_eq(type, S("enabled")) && !c->effort.n)
        c->effort = effort_of(c->thinking_tokens);
    c->adaptive = str_eq(type, S("adaptive"));
    return OK;
}

static Err read_output(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"effort", "format", NULL};
    const struct json *format = json_at(v, "format");

    llm_chat_drop_others(c, v, S("output_config."), known);
    c->effort = json_str_of(json_at(v, "effort"), c->effort);
    if (llm_is_none(format))
        return OK;
    c->format = LLM_FORMAT_SCHEMA;
    c->schema = json_at(format, "schema");
    c->schema_strict = true;
    return json_is(c->schema, JSON_OBJ) ? OK : llm_chat_refuse("output_config.format");
}

static Err read_stream(struct llm_chat *c, const struct json *v)
{
    c->stream = json_bool_of(v, false);
    return OK;
}

#define REFUSE(field)                                                                              \
    static Err refuse_##field(struct llm_chat *c, const struct json *v)                            \
    {                                                                                              \
        (void)c;                                                                                   \
        return json_len(v) || !json_is(v, JSON_ARR) ? llm_chat_refuse(#field) : OK;                \
    }
REFUSE(mcp_servers)
REFUSE(container)

static const struct llm_field fields[] = {
    {"model", NULL},
    {"messages", read_messages},
    {"system", read_system},
    {"tools", read_tools},
    {"tool_choice", read_choice},
    {"max_tokens", read_max},
    {"temperature", read_temperature},
    {"top_p", read_top_p},
    {"top_k", read_top_k},
    {"stop_sequences", read_stop},
    {"metadata", read_metadata},
    {"thinking", read_thinking},
    {"output_config", read_output},
    {"stream", read_stream},
    {"mcp_servers", refuse_mcp_servers},
    {"container", refuse_container},
    {0},
};

Err llm_anthropic_read_request(struct llm_chat *c, const struct json *body)
{
    TRY(llm_chat_fields(c, body, fields));
    if (c->adaptive && !c->effort.n)
        llm_chat_drop(c, S("thinking"));
    return c->messages.n
               ? OK
               : err_detail(E_BAD_INPUT, "\"messages\" must be a list that is not empty.");
}
