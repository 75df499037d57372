/* src/llm/door_prompt_gemini.c - a prompt in a call of Gemini's dialect: what it says and its
 * parameters, which stand in the store as OpenAI's, before and beside those of the client. */
#include "llm/dialects/dialect_gemini.h"
#include "llm/door_private.h"

/* @v's member in the form that it has there; else @camel. */
static Str key_of(const struct json *v, const char *camel)
{
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        if (llm_gemini_is(name, camel))
            return name;
    }
    return str_c(camel);
}

/* The prompt alone, as a request of the dialect. */
static Err translate(struct arena *a, const struct json *version, const struct json *messages,
                     struct json **ret_made)
{
    const struct json *parameters = json_at(version, "parameters");
    struct llm_chat *chat = arena_new_of(a, struct llm_chat);
    struct json *request = json_obj(a, "messages", messages, NULL);
    Str model = json_str_of(json_at(version, "model"), S("")), first;

    for (size_t i = 0; i < json_len(parameters); i++)
        json_set(a, request, json_str_of(&parameters->obj[i].key, S("")), &parameters->obj[i].val);
    chat->a = chat->text = a;
    chat->to = &llm_dialect_gemini;
    TRY(llm_dialect_openai.read_request(chat, request));
    bool silent = !chat->messages.n; /* the system's words alone are none there */
    LlmParts *parts = silent ? llm_chat_turn(chat, LLM_USER) : NULL;
    struct llm_part *p = parts ? llm_chat_part(chat, parts, LLM_TEXT) : NULL;
    if (p)
        p->text = S("-");
    for (Str rest = str_cut(model, '/', &first); rest.p; rest = str_cut(rest, '/', &first))
        model = rest;
    TRY(llm_dialect_gemini.write_request(chat, model, true, ret_made));
    if (silent)
        (void)json_remove(*ret_made, S("contents")); /* it is there */
    if (!chat->dropped.n)
        return OK;
    return err_detail(E_BAD_INPUT, "\"%.*s\" of the prompt has no word in Gemini's dialect.",
                      P(chat->dropped.at[0]));
}

/* The elements of both lists, ours first; NULL if there are none. */
static struct json *joined(struct arena *a, const struct json *ours, const struct json *theirs)
{
    struct json *all = json_arr(a);

    for (size_t i = 0; json_is(ours, JSON_ARR) && i < json_len(ours); i++)
        json_push(a, all, json_item(ours, i));
    for (size_t i = 0; json_is(theirs, JSON_ARR) && i < json_len(theirs); i++)
        json_push(a, all, json_item(theirs, i));
    return json_len(all) ? all : NULL;
}

static void put_system(struct arena *a, struct json *body, const struct json *made)
{
    const struct json *theirs = llm_gemini_get(body, "systemInstruction");
    const struct json *ours = json_at(json_at(made, "systemInstruction"), "parts");
    struct json *parts = joined(a, ours, json_at(theirs, "parts"));

    if (parts && ours)
        json_set(a, body, key_of(body, "systemInstruction"), json_obj(a, "parts", parts, NULL));
}

/* What the client says wins. */
static void put_config(struct arena *a, struct json *body, const struct json *made)
{
    const struct json *theirs = llm_gemini_get(body, "generationConfig");
    const struct json *ours = json_at(made, "generationConfig");
    struct json *config = json_obj(a, NULL);

    for (size_t i = 0; json_is(theirs, JSON_OBJ) && i < json_len(theirs); i++)
        json_set(a, config, json_str_of(&theirs->obj[i].key, S("")), &theirs->obj[i].val);
    for (size_t i = 0; i < json_len(ours); i++) {
        Str name = json_str_of(&ours->obj[i].key, S(""));
        if (!json_get(config, key_of(config, str_dup_c(a, name))))
            json_set(a, config, name, &ours->obj[i].val);
    }
    if (ours)
        json_set(a, body, key_of(body, "generationConfig"), config);
}

Err llm_prompt_merge_gemini(struct arena *a, struct json *body, const struct json *version,
                            const struct json *messages)
{
    static const char *const whole[] = {"tools", "toolConfig"};
    const struct json *theirs = json_at(body, "contents");
    struct json *made = NULL;

    if (theirs && !json_is(theirs, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"contents\" must be a list.");
    TRY(translate(a, version, messages, &made));
    struct json *contents = joined(a, json_at(made, "contents"), theirs);
    json_set(a, body, S("contents"), contents);
    put_system(a, body, made);
    put_config(a, body, made);
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (!llm_gemini_get(body, whole[i]))
            json_set(a, body, str_c(whole[i]), json_get(made, str_c(whole[i])));
    (void)json_remove(body, S("model")); /* if it is there: the path says it */
    return OK;
}
