/* src/llm/dialects/dialect_gemini_request.c - requests of Gemini's generateContent, read: names and
 * contents. Settings and tools are in dialect_gemini_config.c.
 *
 * Calls often have no ids there: each gets one, and a result is of the first call of its function
 * that has none yet.
 */
#include "base/crypto.h"
#include "llm/dialects/dialect_gemini.h"

/* ---- names ---- */

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

bool llm_gemini_is(Str name, const char *camel)
{
    size_t at = 0;

    for (; *camel; camel++) {
        if (at < name.n && name.p[at] == *camel)
            at++;
        else if (is_upper(*camel) && at + 1 < name.n && name.p[at] == '_' &&
                 name.p[at + 1] == *camel + ('a' - 'A'))
            at += 2;
        else
            return false;
    }
    return at == name.n;
}

const struct json *llm_gemini_get(const struct json *v, const char *camel)
{
    const struct json *member = json_get(v, str_c(camel));
    char snake[64];
    size_t n = 0;

    if (member)
        return member;
    for (; *camel && n + 2 < sizeof snake; camel++) {
        if (is_upper(*camel))
            snake[n++] = '_';
        snake[n++] = is_upper(*camel) ? (char)(*camel + ('a' - 'A')) : *camel;
    }
    return json_get(v, str_from(snake, n));
}

int64_t llm_gemini_int(const struct json *v, int64_t otherwise)
{
    int64_t n;

    if (json_is(v, JSON_STR))
        return str_to_i64(json_str_of(v, S("")), &n) == OK ? n : otherwise;
    return json_int_of(v, otherwise);
}

static Str text_at(const struct json *v, const char *camel)
{
    return json_str_of(llm_gemini_get(v, camel), S(""));
}

/* What says nothing is not noted. */
static void drop(struct llm_chat *c, Str where, Str name, const struct json *v)
{
    char text[128];

    if (llm_is_none(v) || (!json_len(v) && (json_is(v, JSON_ARR) || json_is(v, JSON_OBJ))))
        return;
    int n = snprintf(text, sizeof text, "%.*s%.*s", P(where), P(str_head(name, 64)));
    llm_chat_drop(c, str_from(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

void llm_gemini_drop_others(struct llm_chat *c, const struct json *v, Str where,
                            const char *const *known)
{
    for (size_t i = 0; json_is(v, JSON_OBJ) && i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        bool is_known = false;
        for (const char *const *k = known; !is_known && *k; k++)
            is_known = llm_gemini_is(name, *k);
        if (!is_known)
            drop(c, where, name, &v->obj[i].val);
    }
}

Err llm_gemini_fields(struct llm_chat *c, const struct json *v, Str where,
                      const struct llm_gemini_field *fields)
{
    if (!json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "%.*s must be an object.",
                          P(where.n ? str_head(where, where.n - 1) : S("The body")));
    for (size_t i = 0; i < json_len(v); i++) {
        Str name = json_str_of(&v->obj[i].key, S(""));
        const struct llm_gemini_field *f = fields;
        while (f->name && !llm_gemini_is(name, f->name))
            f++;
        if (!f->name)
            drop(c, where, name, &v->obj[i].val);
        else if (f->read && !llm_is_none(&v->obj[i].val))
            TRY(f->read(c, &v->obj[i].val));
    }
    return OK;
}

/* ---- contents ---- */

struct call {
    Str id, name;
    bool answered;
};

struct reading {
    struct llm_chat *c;
    enum llm_role role;
    struct call calls[LLM_CALLS_MAX]; /* of the last turn that had some */
    unsigned n_calls, made;
    bool answering;    /* a result of theirs has come */
    VEC(Str) thoughts; /* pieces whose signature has not come */
};

static LlmParts *turn(const struct reading *r, enum llm_role role)
{
    return llm_chat_turn(r->c, role);
}

/* NULL if there are too many. */
static struct llm_part *add_part(const struct reading *r, enum llm_role role,
                                 enum llm_part_kind kind)
{
    LlmParts *parts = turn(r, role);

    return parts ? llm_chat_part(r->c, parts, kind) : NULL;
}

/* Streams are kept by clients as their pieces; the signature is of all that was thought before. */
static Err end_thinking(struct reading *r, Str signature)
{
    struct llm_part *p;

    if (!signature.n && r->thoughts.n)
        llm_chat_drop(r->c, S("contents.thought")); /* without one it is worth nothing */
    if (signature.n) {
        Str text = str_join(r->c->a, r->thoughts.at, r->thoughts.n, S(""));
        p = add_part(r, LLM_ASSISTANT, text.n ? LLM_THINKING : LLM_REDACTED);
        if (!p)
            return llm_chat_too_many();
        p->text = text.n ? text : signature;
        p->signature = text.n ? signature : S("");
    }
    r->thoughts.n = 0;
    return OK;
}

static Err read_thought(struct reading *r, const struct json *v)
{
    Str text = text_at(v, "text"), signature = text_at(v, "thoughtSignature");

    if (text.n)
        vec_push(r->c->a, &r->thoughts, text);
    return signature.n ? end_thinking(r, signature) : OK;
}

/* One that is no text that stands alone goes nowhere else. */
static void drop_signature(struct reading *r, const struct json *v)
{
    Str signature = text_at(v, "thoughtSignature");

    if (signature.n && !str_eq(signature, S(LLM_GEMINI_NOBODY)))
        llm_chat_drop(r->c, S("contents.thoughtSignature"));
}

static Err read_call(struct reading *r, const struct json *v, const struct json *call)
{
    static const char *const known[] = {"id", "name", "args", NULL};
    const struct json *args = llm_gemini_get(call, "args");
    struct llm_part *p;

    if (r->answering)
        r->n_calls = 0; /* a new round */
    r->answering = false;
    if (r->n_calls == LLM_CALLS_MAX)
        return err_detail(E_TOO_LARGE, "A turn has more than %d calls of functions.",
                          LLM_CALLS_MAX);
    if (!llm_is_none(args) && !json_is(args, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"functionCall.args\" must be an object.");
    llm_gemini_drop_others(r->c, call, S("contents.functionCall."), known);
    p = add_part(r, LLM_ASSISTANT, LLM_TOOL_CALL);
    if (!p)
        return llm_chat_too_many();
    p->id = text_at(call, "id");
    if (!p->id.n)
        p->id = str_fmt(r->c->a, "call_%u", r->made);
    r->made++;
    p->name = text_at(call, "name");
    p->input = llm_is_none(args) ? json_obj(r->c->a, NULL) : args;
    p->signature = text_at(v, "thoughtSignature");
    drop_signature(r, v);
    r->calls[r->n_calls++] = (struct call){p->id, p->name, false};
    return OK;
}

/* The call that a result is of: by its id, else the first of the name without a result. */
static struct call *call_of(struct reading *r, Str id, Str name)
{
    for (unsigned i = 0; id.n && i < r->n_calls; i++)
        if (str_eq(r->calls[i].id, id))
            return &r->calls[i];
    for (unsigned i = 0; i < r->n_calls; i++)
        if (!r->calls[i].answered && str_eq(r->calls[i].name, name))
            return &r->calls[i];
    return NULL;
}

static Err read_media(struct reading *r, const struct json *v, LlmParts *parts);

/* What a function gave: {"output": TEXT} and {"error": TEXT} are what they say, all else is told as
 * JSON. */
static Err read_result_text(struct reading *r, const struct json *response, LlmParts *parts,
                            bool *ret_error)
{
    const struct json *output = json_at(response, "output"), *error = json_at(response, "error");
    bool alone = json_len(response) == 1;

    if (!llm_is_none(response) && !json_is(response, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "\"functionResponse.response\" must be an object.");
    *ret_error = alone && error;
    struct llm_part *p = llm_chat_part(r->c, parts, LLM_TEXT);
    if (!p)
        return llm_chat_too_many();
    if (alone && json_is(output ? output : error, JSON_STR))
        p->text = json_str_of(output ? output : error, S(""));
    else if (json_len(response))
        p->text = json_text(r->c->a, alone && error ? error : response);
    return OK;
}

static Err read_result(struct reading *r, const struct json *v)
{
    static const char *const known[] = {"id", "name", "response", "parts", NULL};
    const struct json *media = llm_gemini_get(v, "parts");
    Str name = text_at(v, "name");
    struct call *call = call_of(r, text_at(v, "id"), name);
    LlmParts result = {0};
    struct llm_part *p;
    bool is_error = false;

    if (!call)
        return err_detail(E_BAD_INPUT,
                          "A \"functionResponse\" of \"%.*s\" answers no \"functionCall\" of the "
                          "turn before it.",
                          P(str_head(name, 64)));
    llm_gemini_drop_others(r->c, v, S("contents.functionResponse."), known);
    r->answering = call->answered = true;
    TRY(read_result_text(r, llm_gemini_get(v, "response"), &result, &is_error));
    for (size_t i = 0; i < json_len(media); i++)
        TRY(read_media(r, json_item(media, i), &result));
    p = add_part(r, LLM_USER, LLM_TOOL_RESULT);
    if (!p)
        return llm_chat_too_many();
    p->id = call->id;
    p->name = call->name;
    p->is_error = is_error;
    p->result = result;
    return OK;
}

/* ---- files ---- */

static Err bad_media(Str type, const char *where)
{
    return err_detail(E_BAD_INPUT,
                      "\"%s\" of the type \"%.*s\" cannot be translated for the provider of this "
                      "model.",
                      where, P(str_head(type, 64)));
}

static Err read_inline(struct reading *r, const struct json *v, struct llm_part *p)
{
    static const char *const known[] = {"mimeType", "data", "displayName", NULL};
    Str bytes;

    llm_gemini_drop_others(r->c, v, S("contents.inlineData."), known);
    p->media = text_at(v, "mimeType");
    p->data = text_at(v, "data");
    p->name = text_at(v, "displayName");
    if (!p->data.n)
        return err_detail(E_BAD_INPUT, "\"inlineData.data\" is empty.");
    if (str_starts_nocase(p->media, S("image/")))
        return OK;
    p->kind = LLM_DOCUMENT;
    if (str_eq_nocase(p->media, S("application/pdf")))
        return OK;
    if (!str_starts_nocase(p->media, S("text/")))
        return bad_media(p->media, "inlineData.mimeType");
    if (crypto_unbase64(r->c->a, p->data, &bytes) != OK)
        return err_detail(E_BAD_INPUT, "\"inlineData.data\" is no base64.");
    p->text = bytes;
    p->data = S("");
    return OK;
}

/* By its address; what lies with Google nobody else can fetch. */
static Err read_file(struct reading *r, const struct json *v, struct llm_part *p)
{
    static const char *const known[] = {"mimeType", "fileUri", "displayName", NULL};

    llm_gemini_drop_others(r->c, v, S("contents.fileData."), known);
    p->media = text_at(v, "mimeType");
    p->url = text_at(v, "fileUri");
    p->name = text_at(v, "displayName");
    if (!str_starts_nocase(p->url, S("https://")) ||
        str_find(p->url, S(".googleapis.com/")) != SIZE_MAX ||
        str_find(p->url, S("youtube.com/")) != SIZE_MAX)
        return llm_chat_refuse("contents.fileData.fileUri");
    if (str_eq_nocase(p->media, S("application/pdf")))
        p->kind = LLM_DOCUMENT;
    else if (!str_starts_nocase(p->media, S("image/")))
        return bad_media(p->media, "fileData.mimeType");
    return OK;
}

static Err read_media(struct reading *r, const struct json *v, LlmParts *parts)
{
    const struct json *bytes = llm_gemini_get(v, "inlineData");
    const struct json *file = llm_gemini_get(v, "fileData");
    struct llm_part *p = parts ? llm_chat_part(r->c, parts, LLM_IMAGE) : NULL;

    if (!p)
        return llm_chat_too_many();
    if (json_is(bytes, JSON_OBJ))
        return read_inline(r, bytes, p);
    return json_is(file, JSON_OBJ) ? read_file(r, file, p) : llm_chat_refuse("contents.parts");
}

/* ---- parts ---- */

static Err read_text(struct reading *r, const struct json *v, Str text)
{
    struct llm_part *p;

    drop_signature(r, v);
    if (!text.n)
        return OK; /* that of the last event of a stream */
    p = add_part(r, r->role, LLM_TEXT);
    if (!p)
        return llm_chat_too_many();
    p->text = text;
    return OK;
}

static Err read_part(struct reading *r, const struct json *v)
{
    static const char *const known[] = {
        "text",    "inlineData",       "fileData", "functionCall", "functionResponse",
        "thought", "thoughtSignature", NULL};
    static const char *const refused[] = {"executableCode", "codeExecutionResult", "toolCall",
                                          "toolResponse", NULL};
    const struct json *text = llm_gemini_get(v, "text");
    const struct json *call = llm_gemini_get(v, "functionCall");
    const struct json *result = llm_gemini_get(v, "functionResponse");

    if (!json_is(v, JSON_OBJ))
        return err_detail(E_BAD_INPUT, "An entry of \"contents.parts\" must be an object.");
    for (const char *const *k = refused; *k; k++)
        if (!llm_is_none(llm_gemini_get(v, *k)))
            return llm_chat_refuse(*k);
    llm_gemini_drop_others(r->c, v, S("contents."), known);
    if (json_bool_of(llm_gemini_get(v, "thought"), false) && !json_is(call, JSON_OBJ))
        return read_thought(r, v);
    TRY(end_thinking(r, S("")));
    if (json_is(call, JSON_OBJ))
        return read_call(r, v, call);
    if (json_is(result, JSON_OBJ))
        return read_result(r, result);
    if (json_is(text, JSON_STR))
        return read_text(r, v, json_str_of(text, S("")));
    drop_signature(r, v);
    return read_media(r, v, turn(r, r->role));
}

static Err read_content(struct reading *r, const struct json *v)
{
    static const char *const known[] = {"role", "parts", NULL};
    Str role = json_str_of(json_at(v, "role"), S("user"));
    const struct json *parts = json_at(v, "parts");

    if (!json_is(v, JSON_OBJ) || (!llm_is_none(parts) && !json_is(parts, JSON_ARR)))
        return err_detail(E_BAD_INPUT, "An entry of \"contents\" must be an object with a list of "
                                       "\"parts\".");
    if (!str_eq(role, S("user")) && !str_eq(role, S("model")) && !str_eq(role, S("function")))
        return err_detail(E_BAD_INPUT,
                          "An entry of \"contents\" has the role \"%.*s\", which is "
                          "none.",
                          P(str_head(role, 64)));
    llm_gemini_drop_others(r->c, v, S("contents."), known);
    r->role = str_eq(role, S("model")) ? LLM_ASSISTANT : LLM_USER;
    if (r->role == LLM_USER)
        TRY(end_thinking(r, S("")));
    for (size_t i = 0; i < json_len(parts); i++)
        TRY(read_part(r, json_item(parts, i)));
    return OK;
}

static Err read_contents(struct llm_chat *c, const struct json *v)
{
    struct reading *r = arena_new_of(c->a, struct reading);

    if (!json_is(v, JSON_ARR))
        return err_detail(E_BAD_INPUT, "\"contents\" must be a list.");
    r->c = c;
    for (size_t i = 0; i < json_len(v); i++)
        TRY(read_content(r, json_item(v, i)));
    return end_thinking(r, S(""));
}

/* ---- the rest ---- */

static Err read_system(struct llm_chat *c, const struct json *v)
{
    static const char *const known[] = {"role", "parts", NULL};
    static const char *const text_alone[] = {"text", NULL};
    const struct json *parts = json_at(v, "parts");

    if (!json_is(v, JSON_OBJ) || (!llm_is_none(parts) && !json_is(parts, JSON_ARR)))
        return err_detail(E_BAD_INPUT, "\"systemInstruction\" must be an object with a list of "
                                       "\"parts\".");
    llm_gemini_drop_others(c, v, S("systemInstruction."), known);
    for (size_t i = 0; i < json_len(parts); i++) {
        const struct json *part = json_item(parts, i), *text = json_at(part, "text");
        if (!json_is(text, JSON_STR))
            return llm_chat_refuse("systemInstruction.parts");
        llm_gemini_drop_others(c, part, S("systemInstruction.parts."), text_alone);
        struct llm_part *p = llm_chat_part(c, &c->system, LLM_TEXT);
        if (!p)
            return llm_chat_too_many();
        p->text = json_str_of(text, S(""));
    }
    return OK;
}

static Err refuse_cached(struct llm_chat *c, const struct json *v)
{
    (void)c;
    return json_str_of(v, S("x")).n ? llm_chat_refuse("cachedContent") : OK;
}

static const struct llm_gemini_field fields[] = {
    {"model", NULL},
    {"contents", read_contents},
    {"systemInstruction", read_system},
    {"tools", llm_gemini_read_tools},
    {"toolConfig", llm_gemini_read_tool_config},
    {"generationConfig", llm_gemini_read_config},
    {"cachedContent", refuse_cached},
    {0},
};

/* Only some of the functions may be called: others are not told. */
static void keep_allowed(struct llm_chat *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->tools.n; i++)
        if (!c->tools.at[i].hidden)
            c->tools.at[n++] = c->tools.at[i];
    c->tools.n = n;
}

Err llm_gemini_read_request(struct llm_chat *c, const struct json *body)
{
    const struct json *choice = llm_gemini_get(body, "toolConfig");

    TRY(llm_gemini_fields(c, body, S(""), fields));
    if (choice && c->tools.n) /* it may have come before the tools that it names */
        TRY(llm_gemini_read_tool_config(c, choice));
    keep_allowed(c);
    return c->messages.n
               ? OK
               : err_detail(E_BAD_INPUT, "\"contents\" must be a list that is not empty.");
}
