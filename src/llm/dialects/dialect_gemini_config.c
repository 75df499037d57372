/* src/llm/dialects/dialect_gemini_config.c - requests of Gemini's generateContent, read: settings
 * and tools. */
#include "llm/dialects/dialect_gemini.h"

/* ---- generationConfig ---- */

static Err refuse(const char *name)
{
    char field[64];

    snprintf(field, sizeof field, "generationConfig.%s", name);
    return llm_chat_refuse(field);
}

#define NUMBER(field, name)                                                                        \
    static Err read_##field(struct llm_chat *c, const struct json *v)                              \
    {                                                                                              \
        return llm_chat_number(v, "generationConfig." name, &c->field);                            \
    }
NUMBER(temperature, "temperature")
NUMBER(top_p, "topP")
NUMBER(top_k, "topK")
NUMBER(seed, "seed")
NUMBER(presence_penalty, "presencePenalty")
NUMBER(frequency_penalty, "frequencyPenalty")

static Err read_max(struct llm_chat *c, const struct json *v)
{
    c->max_tokens = llm_gemini_int(v, 0);
    return c->max_tokens >= 1 ? OK
                              : err_detail(E_BAD_INPUT, "\"generationConfig.maxOutputTokens\" must "
                                                        "be a whole number from 1 on.");
}

static Err read_stop(struct llm_chat *c, const struct json *v)
{
    for (size_t i = 0; i < json_len(v) && i < 64; i++)
        vec_push(c->a, &c->stop, json_str_of(json_item(v, i), S("")));
    return json_is(v, JSON_ARR)
               ? OK
               : err_detail(E_BAD_INPUT, "\"generationConfig.stopSequences\" must be a list.");
}

/* The form in between has one answer. */
static Err read_candidates(struct llm_chat *c, const struct json *v)
{
    (void)c;
    return llm_gemini_int(v, 2) == 1 ? OK : refuse("candidateCount");
}

static Err read_logprobs(struct llm_chat *c, const struct json *v)
{
    (void)c;
    return json_bool_of(v, true) ? refuse("responseLogprobs") : OK;
}

static Err read_mime_type(struct llm_chat *c, const struct json *v)
{
    Str type = json_str_of(v, S("?"));

    if (!type.n || str_eq(type, S("text/plain")))
        return OK;
    if (!str_eq(type, S("application/json")))
        return refuse("responseMimeType");
    if (c->format == LLM_FORMAT_TEXT)
        c->format = LLM_FORMAT_JSON;
    return OK;
}

static Err read_json_schema(struct llm_chat *c, const struct json *v)
{
    c->format = LLM_FORMAT_SCHEMA;
    c->schema = v;
    c->schema_strict = llm_schema_is_strict(v);
    return json_is(v, JSON_OBJ)
               ? OK
               : err_detail(E_BAD_INPUT, "\"generationConfig.responseJsonSchema\" must be an "
                                         "object.");
}

static Err read_schema(struct llm_chat *c, const struct json *v)
{
    struct json *schema = NULL;

    TRY(llm_gemini_schema(c, v, "generationConfig.responseSchema", &schema));
    return read_json_schema(c, schema);
}

static Err read_modalities(struct llm_chat *c, const struct json *v)
{
    (void)c;
    for (size_t i = 0; i < json_len(v); i++)
        if (!str_eq_nocase(json_str_of(json_item(v, i), S("")), S("TEXT")))
            return refuse("responseModalities");
    return OK;
}

/* How many tokens it may think, as one of the words of others. */
static Str effort_of(int64_t tokens)
{
    return tokens <= 0       ? S("none")
           : tokens <= 4096  ? S("low")
           : tokens <= 16384 ? S("medium")
                             : S("high");
}

static Err read_thinking(struct llm_chat *c, const struct json *v)
{
    static const char *const levels[] = {"minimal", "low", "medium", "high"};
    static const char *const known[] = {"includeThoughts", "thinkingBudget", "thinkingLevel", NULL};
    static const Str where = S_INIT("generationConfig.thinkingConfig.");
    const struct json *budget = llm_gemini_get(v, "thinkingBudget");
    Str level = json_str_of(llm_gemini_get(v, "thinkingLevel"), S(""));

    llm_gemini_drop_others(c, v, where, known);
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (str_eq_nocase(level, str_c(levels[i])))
            c->effort = str_c(levels[i]);
    int64_t tokens = llm_gemini_int(budget, -1); /* -1: as it sees fit */
    if (tokens >= 0 && !c->effort.n) {
        c->effort = effort_of(tokens);
        c->thinking_tokens = tokens;
    }
    bool shown = json_bool_of(llm_gemini_get(v, "includeThoughts"), false);
    if (shown && !c->effort.n)
        llm_chat_drop(c, S("generationConfig.thinkingConfig.includeThoughts"));
    return OK;
}

static const struct llm_gemini_field settings[] = {
    {"temperature", read_temperature},
    {"topP", read_top_p},
    {"topK", read_top_k},
    {"seed", read_seed},
    {"presencePenalty", read_presence_penalty},
    {"frequencyPenalty", read_frequency_penalty},
    {"maxOutputTokens", read_max},
    {"stopSequences", read_stop},
    {"candidateCount", read_candidates},
    {"responseLogprobs", read_logprobs},
    {"responseMimeType", read_mime_type},
    {"responseSchema", read_schema},
    {"responseJsonSchema", read_json_schema},
    {"_responseJsonSchema", read_json_schema},
    {"responseModalities", read_modalities},
    {"thinkingConfig", read_thinking},
    {0},
};

Err llm_gemini_read_config(struct llm_chat *c, const struct json *v)
{
    return llm_gemini_fields(c, v, S("generationConfig."), settings);
}

/* ---- tools ---- */

static Err read_function(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"name", "description", "parameters", "parametersJsonSchema",
                                        NULL};
    const struct json *own = llm_gemini_get(v, "parameters");
    const struct json *schema = llm_gemini_get(v, "parametersJsonSchema");
    struct json *converted = NULL;

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "An entry of \"tools.functionDeclarations\" must be an "
                                       "object.");
    if (c->n_parts++ >= LLM_PARTS_MAX)
        return llm_chat_too_many();
    llm_gemini_drop_others(c, v, S("tools.functionDeclarations."), known);
    if (llm_is_none(schema) && !llm_is_none(own)) {
        TRY(llm_gemini_schema(c, own, "tools.functionDeclarations.parameters", &converted));
        schema = converted;
    }
    struct llm_tool *t = vec_add(c->a, &c->tools);
    t->name = json_str_of(json_at(v, "name"), S(""));
    t->description = json_str_of(json_at(v, "description"), S(""));
    t->schema = llm_is_none(schema) ? NULL : schema;
    return !t->schema || json_is(t->schema, JSON_OBJ)
               ? OK
               : err_detail(E_BAD_INPUT, "\"parametersJsonSchema\" must be an object.");
}

/* All but functions run at Google. */
static Err read_tool(struct llm_chat *c, const struct json *v)
{
    char field[96];

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "An entry of \"tools\" must be an object.");
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        const struct json *list = &v->obj[i].val;
        if (llm_is_none(list))
            continue;
        if (!llm_gemini_is(name, "functionDeclarations")) {
            snprintf(field, sizeof field, "tools.%.*s", P(str_head(name, 64)));
            return llm_chat_refuse(field);
        }
        if (!json_is(list, JSON_ARR))
            return err_detail(E_BAD_INPUT, "\"tools.functionDeclarations\" must be a list.");
        for (size_t k = 0; k < json_len(list); k++)
            TRY(read_function(c, json_item(list, k)));
    }
    return OK;
}

Err llm_gemini_read_tools(struct llm_chat *c, const struct json *v)
{
    if (!json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"tools\" must be a list.");
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_tool(c, json_item(v, i)));
    return OK;
}

/* ---- which of them are called ---- */

static Err allow(struct llm_chat *c, const struct json *names)
{
    enum { NAMES_MAX = 128 };

    if (!json_is(names, JSON_ARR) || json_len(names) > NAMES_MAX)
        return err_detail(E_BAD_INPUT,
                          "\"allowedFunctionNames\" must be a list of at most %d "
                          "names.",
                          NAMES_MAX);
    if (json_len(names) == 1) {
        c->choice = LLM_CHOICE_TOOL;
        c->choice_name = json_str_of(json_item(names, 0), S(""));
        return OK;
    }
    vec_each(&c->tools, t) {
        t->hidden = json_len(names) > 0;
        for (size_t i = 0; i < json_len(names); i++)
            t->hidden &= !str_eq(t->name, json_str_of(json_item(names, i), S("")));
    }
    return OK;
}

Err llm_gemini_read_tool_config(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"functionCallingConfig", NULL};
    static const char *const parts[] = {"mode", "allowedFunctionNames", NULL};
    static const Str where = S_INIT("toolConfig.functionCallingConfig.");
    const struct json *calling = llm_gemini_get(v, "functionCallingConfig");
    const struct json *names = llm_gemini_get(calling, "allowedFunctionNames");
    Str mode = json_str_of(json_at(calling, "mode"), S(""));

    llm_gemini_drop_others(c, v, S("toolConfig."), known);
    llm_gemini_drop_others(c, calling, where, parts);
    bool validated = str_eq_nocase(mode, S("VALIDATED"));
    if (validated)
        llm_chat_change(c, S("toolConfig.functionCallingConfig.mode"));
    if (validated || str_eq_nocase(mode, S("AUTO")))
        c->choice = LLM_CHOICE_AUTO;
    else if (str_eq_nocase(mode, S("ANY")))
        c->choice = LLM_CHOICE_ANY;
    else if (str_eq_nocase(mode, S("NONE")))
        c->choice = LLM_CHOICE_NONE;
    else if (mode.n && !str_eq_nocase(mode, S("MODE_UNSPECIFIED")))
        return llm_chat_refuse("toolConfig.functionCallingConfig.mode");
    return c->choice == LLM_CHOICE_ANY && !llm_is_none(names) ? allow(c, names) : OK;
}
