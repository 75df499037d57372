/* src/llm/tokens/request.c - how many tokens a request is. */
#include "llm/tokens/request.h"

enum {
    TOKENS_A_MESSAGE = 4, /* its role, its beginning and end */
    TOKENS_OF_ANSWER = 3, /* the beginning of the answer */
    TOKENS_OF_NAME = 1,
    TOKENS_A_PICTURE = 1600,
    BYTES_A_TOKEN_OF_FILE = 25, /* of base64 */
    DEPTH_MAX = 16,
};

static bool is_one_of(Str s, const char *const *names)
{
    for (; *names; names++)
        if (str_eq(s, str_c(*names)))
            return true;
    return false;
}

/* Parts that are no text. */
static bool add_other(struct llm_tally *t, struct arena *a, const struct json *part)
{
    static const char *const pictures[] = {"image", "image_url", "input_image", NULL};
    static const char *const files[] = {"document", "file", "input_file", "input_audio", NULL};
    Str type = json_str_of(json_at(part, "type"), S(""));
    const struct json *bytes = json_at(part, "inlineData"); /* Gemini's */

    bytes = bytes ? bytes : json_at(part, "inline_data");
    if (str_starts(json_str_of(json_at(bytes, "mimeType"),
                               json_str_of(json_at(bytes, "mime_type"), S(""))),
                   S("image/")))
        type = S("image");
    else if (bytes || json_at(part, "fileData") || json_at(part, "file_data"))
        type = S("file");
    if (is_one_of(type, pictures))
        t->fixed += TOKENS_A_PICTURE;
    else if (is_one_of(type, files))
        t->fixed += (int64_t)(json_text(a, part).n / BYTES_A_TOKEN_OF_FILE);
    else
        return false;
    t->guessed = true;
    return true;
}

static void add_value(struct llm_tally *t, struct arena *a, const struct json *v, int depth);

static void add_members(struct llm_tally *t, struct arena *a, const struct json *v, int depth)
{
    /* What the model does not read. */
    static const char *const silent[] = {"type",
                                         "id",
                                         "role",
                                         "tool_call_id",
                                         "tool_use_id",
                                         "call_id",
                                         "index",
                                         "signature",
                                         "data",
                                         "media_type",
                                         "encrypted_content",
                                         "status",
                                         "phase",
                                         "thoughtSignature",
                                         "thought_signature",
                                         NULL};
    /* What it reads as JSON. */
    static const char *const written[] = {"input", "parameters", "input_schema",
                                          "args",  "response",   NULL};

    for (size_t i = 0; i < json_len(v); i++) {
        Str key = json_str_of(&v->obj[i].key, S(""));
        const struct json *value = &v->obj[i].val;
        if (is_one_of(key, silent) || str_eq(key, S("cache_control")))
            continue;
        if (is_one_of(key, written) && json_is(value, JSON_OBJ))
            llm_tally_add(t, json_text(a, value));
        else
            add_value(t, a, value, depth + 1);
    }
}

static void add_value(struct llm_tally *t, struct arena *a, const struct json *v, int depth)
{
    if (json_is(v, JSON_STR)) {
        llm_tally_add(t, json_str_of(v, S("")));
    } else if (depth > DEPTH_MAX) {
        llm_tally_add(t, json_text(a, v));
    } else if (json_is(v, JSON_ARR)) {
        for (size_t i = 0; i < json_len(v); i++)
            add_value(t, a, json_item(v, i), depth + 1);
    } else if (json_is(v, JSON_OBJ) && !add_other(t, a, v)) {
        add_members(t, a, v, depth);
    }
}

void llm_tally_message(struct llm_tally *t, struct arena *a, const struct json *message)
{
    t->fixed += TOKENS_A_MESSAGE;
    if (json_at(message, "name"))
        t->fixed += TOKENS_OF_NAME;
    /* How calls are written for the model is not known. */
    t->guessed |= json_at(message, "tool_calls") || json_is(json_at(message, "content"), JSON_ARR);
    add_value(t, a, message, 0);
}

static void add_messages(struct llm_tally *t, struct arena *a, const struct json *list)
{
    if (!json_is(list, JSON_ARR)) {
        add_value(t, a, list, 0);
        return;
    }
    for (size_t i = 0; i < json_len(list); i++)
        if (json_is(json_item(list, i), JSON_OBJ))
            llm_tally_message(t, a, json_item(list, i));
        else
            add_value(t, a, json_item(list, i), 0); /* texts of embeddings and completions */
}

void llm_tally_request(struct llm_tally *t, struct arena *a, const struct json *body)
{
    static const char *const lists[] = {"messages", "input", "prompt", "contents", NULL};
    static const char *const texts[] = {"system", "instructions", "systemInstruction",
                                        "system_instruction", NULL};
    static const char *const schemas[] = {"tools", "functions", "response_format", "text", NULL};

    const struct json *inner =
        json_at(body, "generateContentRequest"); /* Gemini's, to be counted */
    if (json_is(inner, JSON_OBJ))
        body = inner;
    for (size_t i = 0; i < json_len(body) && json_is(body, JSON_OBJ); i++) {
        Str key = json_str_of(&body->obj[i].key, S(""));
        const struct json *v = &body->obj[i].val;
        if (is_one_of(key, lists)) {
            add_messages(t, a, v);
        } else if (is_one_of(key, texts)) {
            add_value(t, a, v, 0);
        } else if (is_one_of(key, schemas) && (json_is(v, JSON_ARR) || json_is(v, JSON_OBJ))) {
            llm_tally_add(t, json_text(a, v));
            t->guessed = true;
        }
    }
    if (json_at(body, "messages") || json_at(body, "contents"))
        t->fixed += TOKENS_OF_ANSWER;
}
