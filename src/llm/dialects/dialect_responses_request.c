/* src/llm/dialects/dialect_responses_request.c - requests of OpenAI's responses, read. */
#include "llm/dialects/dialect_responses.h"

enum { PAIRS_MAX = 16, KEY_MAX = 64, VALUE_MAX = 512 };

/* ---- content ---- */

static Err no_place(const char *what, Str type)
{
    return err_detail(
        E_BAD_INPUT, "%s of the type \"%.*s\" cannot be translated for the provider of this model.",
        what, P(str_head(type, 64)));
}

static Err read_source(struct llm_part *p, Str url)
{
    if (llm_data_url(url, &p->media, &p->data))
        return OK;
    if (!str_starts_nocase(url, S("http://")) && !str_starts_nocase(url, S("https://")))
        return err_detail(E_BAD_INPUT, "An address in \"input\" is neither http(s) nor a data URL "
                                       "of base64.");
    p->url = url;
    return OK;
}

static Err read_image(struct llm_chat *c, const struct json *v, struct llm_part *p)
{
    static const char *const known[] = {"type", "image_url", "detail", NULL};

    if (!llm_is_none(json_at(v, "file_id")))
        return llm_chat_refuse("file_id");
    llm_chat_drop_others(c, v, S("input."), known);
    if (!str_eq(json_str_of(json_at(v, "detail"), S("auto")), S("auto")))
        llm_chat_drop(c, S("input.detail"));
    return read_source(p, json_str_of(json_at(v, "image_url"), S("")));
}

static Err read_file(struct llm_chat *c, const struct json *v, struct llm_part *p)
{
    static const char *const known[] = {"type", "file_data", "file_url", "filename", NULL};
    Str data = json_str_of(json_at(v, "file_data"), S(""));

    if (!llm_is_none(json_at(v, "file_id")))
        return llm_chat_refuse("file_id");
    llm_chat_drop_others(c, v, S("input."), known);
    p->kind = LLM_DOCUMENT;
    p->name = json_str_of(json_at(v, "filename"), S(""));
    return read_source(p, data.n ? data : json_str_of(json_at(v, "file_url"), S("")));
}

static Err read_text(struct llm_chat *c, Str text, LlmParts *parts)
{
    struct llm_part *p = text.n ? llm_chat_part(c, parts, LLM_TEXT) : NULL;

    if (p)
        p->text = text;
    return p || !text.n ? OK : llm_chat_too_many();
}

static Err read_part(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    static const char *const known[] = {"type", "text", "refusal", "annotations", "logprobs", NULL};
    Str type = json_str_of(json_at(v, "type"), S(""));
    bool refusal = str_eq(type, S("refusal"));

    if (refusal || str_eq(type, S("input_text")) || str_eq(type, S("output_text")) ||
        str_eq(type, S("text"))) {
        llm_chat_drop_others(c, v, S("input."), known);
        return read_text(
            c, json_str_of(refusal ? json_at(v, "refusal") : json_at(v, "text"), S("")), parts);
    }
    bool image = str_eq(type, S("input_image"));
    if (!image && !str_eq(type, S("input_file")))
        return no_place("A part of \"input\"", type);
    struct llm_part *p = llm_chat_part(c, parts, LLM_IMAGE);
    if (!p)
        return llm_chat_too_many();
    return image ? read_image(c, v, p) : read_file(c, v, p);
}

static Err read_content(struct llm_chat *c, const struct json *v, LlmParts *parts)
{
    if (!parts)
        return llm_chat_too_many();
    if (json_is(v, JSON_STR))
        return read_text(c, json_str_of(v, S("")), parts);
    if (!llm_is_none(v) && !json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"content\" of an item must be a string or a list.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_part(c, json_item(v, i), parts));
    return OK;
}

/* ---- items ---- */

static Err read_message(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"type", "id", "role", "content", "status", "phase", NULL};
    const struct json *content = json_at(v, "content");
    Str role = json_str_of(json_at(v, "role"), S(""));

    llm_chat_drop_others(c, v, S("input."), known);
    if (str_eq(role, S("assistant")))
        return read_content(c, content, llm_chat_turn(c, LLM_ASSISTANT));
    if (str_eq(role, S("system")) || str_eq(role, S("developer")))
        return read_content(c, content, &c->system);
    if (str_eq(role, S("user")))
        return read_content(c, content, llm_chat_turn(c, LLM_USER));
    return err_detail(E_BAD_INPUT, "A message has the role \"%.*s\", which is none.",
                      P(str_head(role, 64)));
}

static Err read_call(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"type",      "id",     "call_id", "name",
                                        "arguments", "status", NULL};
    LlmParts *parts = llm_chat_turn(c, LLM_ASSISTANT);
    struct llm_part *p = parts ? llm_chat_part(c, parts, LLM_TOOL_CALL) : NULL;

    if (!p)
        return llm_chat_too_many();
    llm_chat_drop_others(c, v, S("input."), known);
    p->id = json_str_of(json_at(v, "call_id"), S(""));
    p->name = json_str_of(json_at(v, "name"), S(""));
    p->signature = c->signature;
    c->signature = S("");
    if (!p->id.n || !p->name.n)
        return err_detail(E_BAD_INPUT, "A function_call has no \"call_id\" or no \"name\".");
    return llm_chat_arguments(c, json_str_of(json_at(v, "arguments"), S("")), &p->input);
}

static Err read_output(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"type", "id", "call_id", "output", "status", NULL};
    LlmParts *parts = llm_chat_turn(c, LLM_USER);
    struct llm_part *p = parts ? llm_chat_part(c, parts, LLM_TOOL_RESULT) : NULL;
    LlmParts result = {0};

    if (!p)
        return llm_chat_too_many();
    llm_chat_drop_others(c, v, S("input."), known);
    p->id = json_str_of(json_at(v, "call_id"), S(""));
    if (!p->id.n)
        return err_detail(E_BAD_INPUT, "A function_call_output has no \"call_id\".");
    TRY(read_content(c, json_at(v, "output"), &result));
    parts->at[parts->n - 1].result = result;
    return OK;
}

/* The parts of its summary as one text; it is one part if it is of an answer of ours. */
static Err summary_of(struct llm_chat *c, const struct json *v, Str *ret_text)
{
    const struct json *list = json_at(v, "summary");
    VEC(Str) texts = {0};

    *ret_text = json_str_of(json_at(json_item(list, 0), "text"), S(""));
    if (json_len(list) < 2)
        return OK;
    c->n_parts += json_len(list);
    if (c->n_parts > LLM_PARTS_MAX)
        return llm_chat_too_many();
    for (size_t i = 0; i < json_len(list); i++)
        vec_push(c->a, &texts, json_str_of(json_at(json_item(list, i), "text"), S("")));
    *ret_text = str_join(c->a, texts.at, texts.n, S("\n\n"));
    return OK;
}

/* What is not sealed by us, or for another dialect, is worth nothing to this provider. */
static Err read_reasoning(struct llm_chat *c, const struct json *v)
{
    static const Str mark = S_INIT(LLM_SEALED);
    Str sealed = json_str_of(json_at(v, "encrypted_content"), S("")), of, kind;
    bool ours = str_starts(sealed, mark);
    Str data = str_cut(str_cut(ours ? str_skip(sealed, mark.n) : S(""), '.', &of), '.', &kind);

    if (!ours || !data.p || kind.n != 1 || (c->to && !str_eq(of, str_c(c->to->name)))) {
        llm_chat_drop(c, S("input.reasoning"));
        return OK;
    }
    if (kind.p[0] == LLM_SEALED_CALL) {
        c->signature = data;
        return OK;
    }
    bool redacted = kind.p[0] == LLM_SEALED_REDACTED;
    LlmParts *parts = llm_chat_turn(c, LLM_ASSISTANT);
    struct llm_part *p =
        parts ? llm_chat_part(c, parts, redacted ? LLM_REDACTED : LLM_THINKING) : NULL;
    if (!p)
        return llm_chat_too_many();
    p->text = data;
    if (redacted)
        return OK;
    p->signature = data;
    return summary_of(c, v, &p->text);
}

static Err read_item(struct llm_chat *c, const struct json *v)
{
    static const struct {
        Str type;
        Err (*read)(struct llm_chat *c, const struct json *v);
    } rows[] = {{S_INIT("message"), read_message},
                {S_INIT("function_call"), read_call},
                {S_INIT("function_call_output"), read_output},
                {S_INIT("reasoning"), read_reasoning}};
    Str type = json_str_of(json_at(v, "type"), S("message"));

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "An item of \"input\" is no object.");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(type, rows[i].type))
            return rows[i].read(c, v);
    return no_place("An item of \"input\"", type);
}

static Err read_input(struct llm_chat *c, const struct json *v)
{
    if (json_is(v, JSON_STR))
        return read_content(c, v, llm_chat_turn(c, LLM_USER));
    if (!json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"input\" must be a string or a list of items.");
    if (json_len(v) > LLM_PARTS_MAX)
        return llm_chat_too_many();
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_item(c, json_item(v, i)));
    return OK;
}

/* ---- tools ---- */

static Err read_tool(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"type",       "name",   "description",
                                        "parameters", "strict", NULL};
    Str type = json_str_of(json_at(v, "type"), S(""));

    if (!str_eq(type, S("function")))
        return no_place("A tool in \"tools\"", type);
    if (c->n_parts++ >= LLM_PARTS_MAX)
        return llm_chat_too_many();
    llm_chat_drop_others(c, v, S("tools."), known);
    struct llm_tool *t = vec_add(c->a, &c->tools);
    t->name = json_str_of(json_at(v, "name"), S(""));
    t->description = json_str_of(json_at(v, "description"), S(""));
    t->schema = json_at(v, "parameters");
    t->strict = json_bool_of(json_at(v, "strict"), false);
    if (!t->name.n)
        return err_detail(E_BAD_INPUT, "A tool in \"tools\" has no \"name\".");
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
    Str text = json_str_of(v, S("")), type = json_str_of(json_at(v, "type"), S(""));

    c->choice_name = json_str_of(json_at(v, "name"), S(""));
    if (str_eq(type, S("function")) && c->choice_name.n) {
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

static Err read_instructions(struct llm_chat *c, const struct json *v)
{
    return json_is(v, JSON_ARR) ? read_input(c, v) : read_content(c, v, &c->system);
}

static Err read_temperature(struct llm_chat *c, const struct json *v)
{
    return llm_chat_number(v, "temperature", &c->temperature);
}

static Err read_top_p(struct llm_chat *c, const struct json *v)
{
    return llm_chat_number(v, "top_p", &c->top_p);
}

static Err read_max(struct llm_chat *c, const struct json *v)
{
    c->max_tokens = json_int_of(v, 0);
    return c->max_tokens >= 1
               ? OK
               : err_detail(E_BAD_INPUT, "\"max_output_tokens\" must be a whole number from 1 on.");
}

static Err read_text_settings(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"format", NULL};
    const struct json *format = json_at(v, "format");
    Str type = json_str_of(json_at(format, "type"), S("text"));

    llm_chat_drop_others(c, v, S("text."), known);
    if (str_eq(type, S("text")))
        return OK;
    c->format = str_eq(type, S("json_object")) ? LLM_FORMAT_JSON : LLM_FORMAT_SCHEMA;
    if (c->format == LLM_FORMAT_JSON)
        return OK;
    c->schema = json_at(format, "schema");
    c->schema_name = json_str_of(json_at(format, "name"), S(""));
    c->schema_strict = json_bool_of(json_at(format, "strict"), false);
    if (!str_eq(type, S("json_schema")) || !json_is(c->schema, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"text.format\" must be text, json_object, or json_schema "
                                       "with a schema.");
    return OK;
}

static Err read_reasoning_settings(struct llm_chat *c, const struct json *v)
{
    static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                          "high", "xhigh",   "max"};
    /* A summary is what the provider gives of its thinking, whichever was asked for. */
    static const char *const known[] = {"effort", "summary", "generate_summary", NULL};

    llm_chat_drop_others(c, v, S("reasoning."), known);
    c->effort = json_str_of(json_at(v, "effort"), S(""));
    for (size_t i = 0; i < ARRAY_LEN(efforts); i++)
        if (!c->effort.n || str_eq(c->effort, str_c(efforts[i])))
            return OK;
    return err_detail(E_BAD_INPUT, "\"reasoning.effort\" must be none, minimal, low, medium, high, "
                                   "xhigh or max.");
}

static Err read_metadata(struct llm_chat *c, const struct json *v)
{
    (void)c;
    bool ok = json_is(v, JSON_OBJ) && json_len(v) <= PAIRS_MAX;
    for (size_t i = 0; ok && i < json_len(v); i++)
        ok = json_is(&v->obj[i].val, JSON_STR) && v->obj[i].val.n <= VALUE_MAX &&
             v->obj[i].key.n <= KEY_MAX;
    return ok ? OK
              : err_detail(E_BAD_INPUT,
                           "\"metadata\" must be an object of at most %d texts of at most %d "
                           "bytes, with names of at most %d.",
                           PAIRS_MAX, VALUE_MAX, KEY_MAX);
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

static Err read_include(struct llm_chat *c, const struct json *v)
{
    for (size_t i = 0; i < json_len(v); i++)
        if (!str_eq(json_str_of(json_item(v, i), S("")), S("reasoning.encrypted_content")))
            llm_chat_drop(c, S("include"));
    return json_is(v, JSON_ARR) ? OK : err_detail(E_BAD_INPUT, "\"include\" must be a list.");
}

static Err read_logprobs(struct llm_chat *c, const struct json *v)
{
    if (json_int_of(v, 0) > 0)
        llm_chat_drop(c, S("top_logprobs"));
    return OK;
}

static Err read_tier(struct llm_chat *c, const struct json *v)
{
    Str tier = json_str_of(v, S(""));

    if (!str_eq(tier, S("auto")) && !str_eq(tier, S("default")))
        llm_chat_drop(c, S("service_tier"));
    return OK;
}

static Err read_truncation(struct llm_chat *c, const struct json *v)
{
    Str text = json_str_of(v, S(""));

    if (str_eq(text, S("auto")) && !c->trims)
        llm_chat_drop(c, S("truncation"));
    return str_eq(text, S("auto")) || str_eq(text, S("disabled")) ? OK
                                                                  : llm_chat_refuse("truncation");
}

static Err read_background(struct llm_chat *c, const struct json *v)
{
    (void)c;
    return json_bool_of(v, true) ? llm_chat_refuse("background") : OK;
}

#define REFUSE(field)                                                                              \
    static Err refuse_##field(struct llm_chat *c, const struct json *v)                            \
    {                                                                                              \
        (void)c;                                                                                   \
        return json_len(v) || !json_is(v, JSON_ARR) ? llm_chat_refuse(#field) : OK;                \
    }
REFUSE(conversation)
REFUSE(prompt)
REFUSE(context_management)
REFUSE(previous_response_id)

/* A row without a function: the door has read it, or it says nothing to another dialect. */
static const struct llm_field fields[] = {
    {"model", NULL},
    {"store", NULL},
    {"stream_options", NULL},
    {"instructions", read_instructions},
    {"input", read_input},
    {"tools", read_tools},
    {"tool_choice", read_choice},
    {"parallel_tool_calls", read_parallel},
    {"temperature", read_temperature},
    {"top_p", read_top_p},
    {"max_output_tokens", read_max},
    {"text", read_text_settings},
    {"reasoning", read_reasoning_settings},
    {"metadata", read_metadata},
    {"user", read_user},
    {"safety_identifier", read_user},
    {"stream", read_stream},
    {"include", read_include},
    {"top_logprobs", read_logprobs},
    {"service_tier", read_tier},
    {"truncation", read_truncation},
    {"background", read_background},
    {"conversation", refuse_conversation},
    {"prompt", refuse_prompt},
    {"context_management", refuse_context_management},
    {"previous_response_id", refuse_previous_response_id},
    {0},
};

Err llm_responses_read_request(struct llm_chat *c, const struct json *body)
{
    TRY(llm_chat_fields(c, body, fields));
    return c->messages.n || c->system.n
               ? OK
               : err_detail(E_BAD_INPUT, "\"input\" must be a text or a list that is not empty.");
}

/* ---- what a response repeats ---- */

static void put_member(struct buf *b, const struct json *body, const char *name,
                       const char *otherwise)
{
    const struct json *v = json_get(body, str_c(name));

    buf_add_fmt(b, ",\"%s\":", name);
    if (llm_is_none(v))
        buf_add_c(b, otherwise);
    else
        json_write(b, v);
}

Err llm_responses_frame(struct llm_chat *c, const struct json *body, struct llm_reply *reply)
{
    static const struct {
        const char *name, *otherwise;
    } members[] = {
        {"instructions", "null"},
        {"max_output_tokens", "null"},
        {"metadata", "{}"},
        {"parallel_tool_calls", "true"},
        {"reasoning", "null"},
        {"temperature", "null"},
        {"text", "{\"format\":{\"type\":\"text\"}}"},
        {"tool_choice", "\"auto\""},
        {"tools", "[]"},
        {"top_p", "null"},
        {"truncation", "\"disabled\""},
        {"user", "null"},
    };
    AUTO_BUF(b, LLM_FRAME_MAX);

    buf_add_c(&b, ",\"previous_response_id\":");
    if (reply->previous.n)
        json_write_str(&b, reply->previous);
    else
        buf_add_c(&b, "null");
    buf_add_fmt(&b, ",\"background\":false,\"store\":%s", reply->store ? "true" : "false");
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        put_member(&b, body, members[i].name, members[i].otherwise);
    if (b.failed)
        return err_detail(E_TOO_LARGE, "\"instructions\" and \"tools\" pass %d MiB.",
                          LLM_FRAME_MAX >> 20);
    reply->frame = str_dup(c->a, buf_str(&b));
    return OK;
}
