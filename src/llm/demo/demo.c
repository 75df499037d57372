/* src/llm/demo/demo.c - answers without any model. */
#include "llm/demo/demo.h"

#include "base/arena.h"
#include "base/crypto.h"
#include "base/utf8.h"

#include <math.h>

enum {
    DEPTH_MAX = 8,
    MEMBERS_MAX = 64,
    VALUE_MAX = 64 * 1024, /* by a schema: bytes of its texts, and VALUE_COST for each in it */
    VALUE_COST = 64,
    QUOTE_MAX = 500,
    RESULTS_MAX = 64 * 1024,
    WORD_MAX = 64,
    BYTES_A_TOKEN = 4,
};

/* ---- values by schema ---- */

struct making {
    struct arena *a;
    Str text;    /* for strings */
    size_t left; /* of VALUE_MAX */
};

/* Whether there is room for @n bytes more, which are taken. */
static bool take(struct making *m, size_t n)
{
    bool fits = n <= m->left;

    m->left -= fits ? n : m->left;
    return fits;
}

static struct json *value_at(struct making *m, const struct json *schema, int depth);

static struct json *object_at(struct making *m, const struct json *schema, int depth)
{
    const struct json *members = json_at(schema, "properties");
    const struct json *required = json_at(schema, "required");
    struct json *v = json_obj(m->a, NULL);

    for (size_t i = 0; json_is(required, JSON_ARR) && i < json_len(required) && i < MEMBERS_MAX;
         i++) {
        Str name = json_str_of(json_item(required, i), S(""));
        if (!take(m, VALUE_COST + name.n))
            break;
        json_set(m->a, v, name, value_at(m, json_get(members, name), depth + 1));
    }
    return v;
}

static struct json *array_at(struct making *m, const struct json *schema, int depth)
{
    struct json *v = json_arr(m->a);
    int64_t least = json_int_of(json_at(schema, "minItems"), 0);

    for (int64_t i = 0; i < least && i < MEMBERS_MAX && take(m, VALUE_COST); i++)
        json_push(m->a, v, value_at(m, json_at(schema, "items"), depth + 1));
    return v;
}

/* A value that the schema names. */
static struct json *given(struct making *m, const struct json *v)
{
    AUTO_BUF(b, m->left);

    json_write(&b, v);
    return take(m, b.failed ? SIZE_MAX : b.n) ? json_dup(m->a, v) : json_null(m->a);
}

/* The first of several types. */
static Str type_of(const struct json *schema)
{
    const struct json *type = json_at(schema, "type");

    if (json_is(type, JSON_ARR))
        type = json_item(type, 0);
    return json_str_of(type, json_at(schema, "properties") ? S("object") : S(""));
}

static struct json *value_at(struct making *m, const struct json *schema, int depth)
{
    const struct json *choice = json_at(schema, "enum"), *any = json_at(schema, "anyOf");
    Str type = type_of(schema);

    if (json_at(schema, "const"))
        return given(m, json_at(schema, "const"));
    if (json_is(choice, JSON_ARR) && json_len(choice))
        return given(m, json_item(choice, 0));
    if (json_is(any, JSON_ARR) && json_len(any) && depth < DEPTH_MAX)
        return value_at(m, json_item(any, 0), depth + 1);
    if (depth >= DEPTH_MAX || str_eq(type, S("null")))
        return json_null(m->a);
    if (str_eq(type, S("object")))
        return object_at(m, schema, depth);
    if (str_eq(type, S("array")))
        return array_at(m, schema, depth);
    if (str_eq(type, S("boolean")))
        return json_bool(m->a, true);
    if (str_eq(type, S("integer")) || str_eq(type, S("number")))
        return json_int(m->a, json_int_of(json_at(schema, "minimum"), 1));
    return json_str(m->a, take(m, m->text.n) ? m->text : S(""));
}

struct json *llm_demo_value(struct arena *a, const struct json *schema, Str text)
{
    struct making m = {a, text, VALUE_MAX};

    return value_at(&m, schema, 0);
}

/* ---- answers ---- */

/* At most @most bytes, and whole characters. */
static Str quote(Str text, size_t most)
{
    text = str_head(text, most);
    return str_head(text, utf8_valid_prefix(text));
}

static const struct llm_message *last_message(const struct llm_chat *chat)
{
    return chat->messages.n ? &chat->messages.at[chat->messages.n - 1] : NULL;
}

/* What the user said last. */
static Str last_text(const struct llm_chat *chat)
{
    for (size_t i = chat->messages.n; i-- > 0;)
        if (chat->messages.at[i].role == LLM_USER &&
            llm_parts_have(&chat->messages.at[i].parts, LLM_TEXT))
            return quote(llm_parts_text(chat->a, &chat->messages.at[i].parts), QUOTE_MAX);
    return S("");
}

/* The tool that is to be called; NULL: none. One that the user names is called, or one that must
 * be, unless its result is there. */
static const struct llm_tool *tool_for(const struct llm_chat *chat, Str said)
{
    const struct llm_message *last = last_message(chat);
    bool answered = last && llm_parts_have(&last->parts, LLM_TOOL_RESULT);

    if (!chat->tools.n || chat->choice == LLM_CHOICE_NONE || answered)
        return NULL;
    vec_each(&chat->tools, t) {
        if (chat->choice == LLM_CHOICE_TOOL && str_eq(t->name, chat->choice_name))
            return t;
        if (chat->choice != LLM_CHOICE_TOOL && str_find(said, t->name) != SIZE_MAX)
            return t;
    }
    return chat->choice == LLM_CHOICE_ANY ? &chat->tools.at[0] : NULL;
}

static void call_tool(struct llm_chat *chat, const struct llm_tool *t, Str said,
                      struct llm_answer *answer)
{
    struct llm_part part = {.kind = LLM_TOOL_CALL,
                            .id = S("call_demo"),
                            .name = t->name,
                            .input = llm_demo_value(chat->a, t->schema, said)};

    if (!json_is(part.input, JSON_OBJ))
        part.input = json_obj(chat->a, NULL);
    vec_push(chat->a, &answer->parts, part);
    answer->finish = LLM_FINISH_CALLS;
}

/* The texts of the results that came last, as many as there is room for. */
static Str results_text(const struct llm_chat *chat)
{
    const struct llm_message *last = last_message(chat);
    AUTO_BUF(b, RESULTS_MAX);

    if (!last)
        return S("");
    vec_each(&last->parts, p)
        if (p->kind == LLM_TOOL_RESULT && !b.failed)
            buf_add_fmt(&b, " The tool answered: %.*s",
                        P(quote(llm_parts_text(chat->a, &p->result), QUOTE_MAX)));
    return str_dup(chat->a, buf_str(&b));
}

static Str words(struct llm_chat *chat, Str said)
{
    static const Str says = S_INIT(LLM_DEMO_SAYS);
    struct arena *a = chat->a;

    if (chat->format == LLM_FORMAT_SCHEMA)
        return json_text(a, llm_demo_value(a, chat->schema, says));
    if (chat->format == LLM_FORMAT_JSON)
        return json_text(
            a, json_obj(a, "demo", json_str(a, says), "you_said", json_str(a, said), NULL));
    return str_fmt(a, "%.*s%.*s%s%.*s%s", P(says), P(results_text(chat)),
                   said.n ? " You said: \"" : "", P(said), said.n ? "\"" : "");
}

static int64_t tokens_of(const LlmParts *parts)
{
    size_t n = 0;

    vec_each(parts, p)
        n += p->text.n + p->name.n;
    return (int64_t)(n + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN;
}

void llm_demo_answer(struct llm_chat *chat, Str model, struct llm_answer *ret_answer)
{
    struct llm_answer answer = {
        .id = S("demo"), .model = model, .finish = LLM_FINISH_STOP, .usage = {.known = true}};
    Str said = last_text(chat);
    const struct llm_tool *tool = tool_for(chat, said);

    if (tool)
        call_tool(chat, tool, said, &answer);
    else
        vec_push(chat->a, &answer.parts,
                 ((struct llm_part){.kind = LLM_TEXT, .text = words(chat, said)}));
    answer.usage.prompt = tokens_of(&chat->system);
    vec_each(&chat->messages, m)
        answer.usage.prompt += tokens_of(&m->parts);
    answer.usage.completion = tokens_of(&answer.parts);
    *ret_answer = answer;
}

/* ---- embeddings ---- */

/* Each word moves the text in a direction of its own. */
static void add_word(Str word, float *out, size_t n)
{
    uint8_t hash[CRYPTO_HASH_SIZE];
    uint64_t at;

    crypto_blake2b(word, hash);
    for (int k = 0; k < 4; k++) {
        memcpy(&at, hash + 8 * k, sizeof at);
        out[at % n] += at >> 63 ? 1.0F : -1.0F;
    }
}

void llm_demo_embed(Str text, float *out, size_t n)
{
    double sum = 0;
    size_t from = 0;

    memset(out, 0, n * sizeof *out);
    out[0] = 0.01F; /* so that a text without words has a direction, too */
    for (size_t i = 0; i <= text.n; i++) {
        unsigned char c = i < text.n ? (unsigned char)text.p[i] : ' ';
        bool letter =
            c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (letter)
            continue;
        if (i > from) {
            char lower[WORD_MAX];
            size_t len = i - from < WORD_MAX ? i - from : WORD_MAX;
            for (size_t k = 0; k < len; k++) {
                char l = text.p[from + k];
                lower[k] = l >= 'A' && l <= 'Z' ? (char)(l + 32) : l;
            }
            add_word(str_from(lower, len), out, n);
        }
        from = i + 1;
    }
    for (size_t i = 0; i < n; i++)
        sum += (double)out[i] * (double)out[i];
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((double)out[i] / sqrt(sum));
}
