/* src/llm/hooks/said.c - what is said in a request or an answer, in structured form. */
#include "llm/hooks/said.h"

enum { DEPTH_MAX = 40, WORD_MAX = 64 };

const Str llm_said_kinds[LLM_SAID_KINDS] = {
    S_INIT("text"),  S_INIT("thinking"), S_INIT("tool_call"), S_INIT("tool_result"),
    S_INIT("image"), S_INIT("file"),     S_INIT("other")};

/* Where the walk is. */
struct place {
    Str role, type, name;
    Str member;    /* the name under which the value stands; of items that of their list */
    int64_t group; /* -1: none yet */
    bool thinks;   /* inside of what the model thought */
    bool gives;    /* inside of what a tool gave */
    bool says;     /* inside of the conversation */
    bool image;    /* inside of a picture */
    size_t path_n; /* of walk.path */
    unsigned depth;
};

struct walk {
    struct llm_said *said;
    bool answer;
    char path[LLM_SAID_PATH_MAX];
};

/* Whether @s is one of the words, which have a space between them. */
static bool is_one_of(Str s, const char *words)
{
    Str rest = str_c(words), word;

    while (rest.n) {
        rest = str_cut(rest, ' ', &word);
        if (str_eq(s, word))
            return true;
    }
    return false;
}

/* A word that says nothing to a model but what it names. */
static bool is_word(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '.' || c == ':' || c == '/';
        if (!plain)
            return false;
    }
    return s.n <= WORD_MAX;
}

/* Members whose words are the dialect's. */
static bool is_of_dialect(Str member)
{
    return is_one_of(member,
                     "role type id model object status tool_call_id tool_use_id call_id item_id "
                     "name finish_reason stop_reason finishReason detail media_type mime_type "
                     "mimeType format system_fingerprint service_tier responseId modelVersion "
                     "response_id phase native_finish_reason provider");
}

/* Members that only their provider can read, or that repeat what stands beside them. */
static bool is_sealed(Str member, bool answer)
{
    if (is_one_of(member, "signature thoughtSignature thought_signature encrypted_content"))
        return true;
    return answer &&
           is_one_of(member,
                     "usage logprobs obfuscation usageMetadata x_groq created_at audio_data "
                     "b64_json partial_image_b64 embedding");
}

Err llm_said_add(struct llm_said *said, const struct llm_said_part *part)
{
    if (said->parts.n >= LLM_SAID_PARTS_MAX)
        return err_detail(E_TOO_LARGE, "It has more than %d parts that are to be looked at.",
                          LLM_SAID_PARTS_MAX);
    vec_push(said->a, &said->parts, *part);
    said->bytes += part->text.n;
    return OK;
}

/* ---- paths ---- */

static void add_char(struct walk *w, struct place *at, char c)
{
    if (at->path_n < sizeof w->path)
        w->path[at->path_n++] = c;
}

static void add_step(struct walk *w, struct place *at, Str step)
{
    add_char(w, at, '/');
    for (size_t i = 0; i < step.n && at->path_n < sizeof w->path; i++) {
        if (step.p[i] == '~' || step.p[i] == '/')
            add_char(w, at, '~');
        add_char(w, at, step.p[i] == '~' ? '0' : step.p[i] == '/' ? '1' : step.p[i]);
    }
}

static void add_number(struct walk *w, struct place *at, int64_t i)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)i);

    add_step(w, at, str_from(text, (size_t)n));
}

static Str path_of(struct walk *w, const struct place *at)
{
    if (at->path_n < sizeof w->path)
        return str_dup(w->said->a, str_from(w->path, at->path_n));
    return str_fmt(w->said->a, "%.*s...", (int)sizeof w->path - 3, w->path);
}

/* ---- parts ---- */

static Err add(struct walk *w, const struct place *at, enum llm_said_kind kind, struct json *v)
{
    bool whole = json_is(v, JSON_OBJ) || json_is(v, JSON_ARR);
    Str text = json_str_of(v, S(""));

    if (whole) {
        AUTO_BUF(b, MIB(64));
        json_write(&b, v);
        char *to = b.failed || w->said->copied + b.n > LLM_SAID_COPIED_MAX
                       ? NULL
                       : arena_try(w->said->a, b.n);
        if (!to)
            return err_detail(E_TOO_LARGE, "It is too large to be looked at.");
        text = str_from(memcpy(to, b.p, b.n), b.n);
        w->said->copied += b.n;
    }
    struct llm_said_part part = {.kind = kind,
                                 .role = at->role,
                                 .path = path_of(w, at),
                                 .name = at->name,
                                 .text = text,
                                 .place = v,
                                 .whole = whole,
                                 .group = at->group};
    return llm_said_add(w->said, &part);
}

static enum llm_said_kind kind_of_text(const struct walk *w, const struct place *at)
{
    if (is_one_of(at->member,
                  "url image_url data file_data file_url fileUri file_id b64_json file_uri"))
        return at->image || str_eq(at->member, S("b64_json")) ? LLM_SAID_IMAGE : LLM_SAID_FILE;
    if (is_one_of(at->member, "arguments partial_json"))
        return LLM_SAID_CALL;
    if (at->thinks || is_one_of(at->member, "thinking reasoning reasoning_content"))
        return LLM_SAID_THINKING;
    if (at->gives && at->says)
        return LLM_SAID_RESULT;
    bool text = is_one_of(at->member, "text content input output prompt refusal delta system "
                                      "instructions parts query documents suffix transcript");
    return at->says && (text || w->answer) ? LLM_SAID_TEXT : LLM_SAID_OTHER;
}

static Err look(struct walk *w, struct json *v, const struct place *above);

static Err look_at_text(struct walk *w, struct json *v, const struct place *at)
{
    Str text = json_str_of(v, S(""));

    if (!text.n || is_sealed(at->member, w->answer) || (is_of_dialect(at->member) && is_word(text)))
        return OK;
    return add(w, at, kind_of_text(w, at), v);
}

static Err look_at_list(struct walk *w, struct json *v, const struct place *at)
{
    for (size_t i = 0; i < v->n; i++)
        if (json_is_number(&v->arr[i])) /* a text as tokens */
            return add(w, at, LLM_SAID_OTHER, v);
    for (size_t i = 0; i < v->n; i++) {
        struct place item = *at;
        int64_t index = json_int_of(json_at(&v->arr[i], "index"), (int64_t)i);
        add_number(w, &item, index);
        if (is_one_of(at->member, "choices candidates"))
            item.group = index;
        TRY(look(w, &v->arr[i], &item));
    }
    return OK;
}

static Str text_at(const struct json *v, Str name, Str otherwise)
{
    Str text = json_str_of(json_get(v, name), S(""));

    return text.n && is_word(text) ? text : otherwise;
}

/* What an object says of all that is in it. */
static void take_over(struct place *at, const struct json *v)
{
    at->type = text_at(v, S("type"), S(""));
    at->role = text_at(v, S("role"), at->role);
    at->name = text_at(v, S("name"), text_at(json_at(v, "function"), S("name"), at->name));
    at->thinks |= is_one_of(at->type, "thinking reasoning thinking_delta") ||
                  json_bool_of(json_at(v, "thought"), false) ||
                  str_starts(at->type, S("response.reasoning"));
    if (is_one_of(at->type, "function_call custom_tool_call"))
        at->role = S("assistant");
    if (is_one_of(at->type, "tool_result function_call_output") ||
        is_one_of(at->role, "tool function")) {
        at->gives = true;
        at->role = S("tool");
    }
    at->image |= str_find(at->type, S("image")) != SIZE_MAX ||
                 str_starts(text_at(v, S("media_type"), S("")), S("image/")) ||
                 str_starts(text_at(v, S("mimeType"), S("")), S("image/"));
}

/* The arguments of a call, where they are no text. */
static bool is_input(const struct place *at, Str member)
{
    return (str_eq(member, S("input")) && str_ends(at->type, S("tool_use"))) ||
           (str_eq(member, S("args")) && at->says) || (str_eq(member, S("arguments")) && at->says);
}

static Err look_at_member(struct walk *w, struct json_member *m, const struct place *above)
{
    Str name = json_str_of(&m->key, S(""));
    bool deep = json_is(&m->val, JSON_OBJ) || json_is(&m->val, JSON_ARR);
    struct place at = *above;

    if (!is_word(name)) {
        struct llm_said_part part = {
            .kind = LLM_SAID_OTHER, .path = path_of(w, &at), .text = name, .group = at.group};
        TRY(llm_said_add(w->said, &part));
    }
    add_step(w, &at, name);
    at.member = name;
    if (is_sealed(name, w->answer))
        return OK;
    if (deep && is_input(&at, name))
        return m->val.n ? add(w, &at, LLM_SAID_CALL, &m->val) : OK;
    if (deep && is_one_of(name, "functionResponse function_response")) {
        at.gives = true;
        at.role = S("tool");
    }
    at.image |= str_find(name, S("image")) != SIZE_MAX;
    return look(w, &m->val, &at);
}

static Err look(struct walk *w, struct json *v, const struct place *above)
{
    struct place at = *above;

    if (++at.depth > DEPTH_MAX)
        return err_detail(E_TOO_LARGE, "It is nested too deep to be looked at.");
    if (json_is(v, JSON_STR))
        return look_at_text(w, v, &at);
    if (json_is(v, JSON_ARR))
        return look_at_list(w, v, &at);
    if (!json_is(v, JSON_OBJ))
        return OK;
    take_over(&at, v);
    for (size_t i = 0; i < v->n; i++)
        TRY(look_at_member(w, &v->obj[i], &at));
    return OK;
}

/* ---- whole texts ---- */

/* Members of a request in which somebody speaks. */
static bool is_said(Str name)
{
    return is_one_of(
        name,
        "messages input instructions system prompt contents content requests systemInstruction "
        "system_instruction query documents suffix");
}

static Err look_at_field(struct walk *w, struct json_member *m)
{
    Str name = json_str_of(&m->key, S(""));
    struct place at = {.group = -1, .member = name, .role = S("user"), .says = true};
    bool deep = json_is(&m->val, JSON_OBJ) || json_is(&m->val, JSON_ARR);

    if (is_said(name)) {
        if (is_one_of(name, "system instructions systemInstruction system_instruction"))
            at.role = S("system");
        add_step(w, &at, name);
        return look(w, &m->val, &at);
    }
    at.says = false;
    at.role = S("");
    if (!deep)
        return look_at_member(w, m, &at);
    add_step(w, &at, name);
    return m->val.n ? add(w, &at, LLM_SAID_OTHER, &m->val) : OK;
}

Err llm_said_request(struct llm_said *said, struct json *body)
{
    struct walk w = {.said = said};

    for (size_t i = 0; json_is(body, JSON_OBJ) && i < body->n; i++)
        TRY(look_at_field(&w, &body->obj[i]));
    return OK;
}

Err llm_said_answer(struct llm_said *said, struct json *answer)
{
    struct walk w = {.said = said, .answer = true};
    struct place at = {.group = -1, .role = S("assistant"), .says = true};

    return look(&w, answer, &at);
}

/* ---- other texts ---- */

static Err put(struct arena *a, struct llm_said_part *part)
{
    struct json *v;

    if (!part->place)
        return err_detail(E_INVALID, "The part %.*s cannot be replaced.", P(part->path));
    if (!part->whole) {
        *part->place = *json_str(a, part->with);
        return OK;
    }
    if (json_parse(a, part->with, &v) != OK || json_type(v) != json_type(part->place))
        return err_detail(E_INVALID, "The part %.*s must be JSON of the kind that it was.",
                          P(part->path));
    *part->place = *v;
    return OK;
}

Err llm_said_apply(struct llm_said *said, struct arena *a, bool *ret_changed)
{
    *ret_changed = false;
    vec_each(&said->parts, part) {
        if (!part->with.p)
            continue;
        TRY(put(a, part));
        part->text = part->with;
        part->with = (Str){0};
        *ret_changed = true;
    }
    return OK;
}
