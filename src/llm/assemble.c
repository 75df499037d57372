/* src/llm/assemble.c - the message that the events of a stream make together. */
#include "llm/assemble.h"

#include "net/sse.h"

enum { PARTS_MAX = 256, TEXT_MAX = 4 << 20, EVENT_ARENA = 32 << 20 };

enum part_kind { PART_TEXT, PART_REASONING, PART_REFUSAL, PART_CALL, PART_OTHER };

struct part {
    enum part_kind kind;
    int64_t choice, index;
    Str id, name;
    struct buf text;
    const struct json *begin; /* of Anthropic's: the block as it began */
};

struct assembly {
    struct arena *a;
    struct json *answer; /* what is said once */
    struct part parts[PARTS_MAX];
    size_t n;
    struct json *ends; /* by choice: its finish_reason */
    struct json *last; /* of responses: the last event that has all */
    bool any;
};

/* The part, made if it is new; NULL if there are too many. */
static struct part *part_of(struct assembly *s, enum part_kind kind, int64_t choice, int64_t index)
{
    for (size_t i = 0; i < s->n; i++) {
        struct part *p = &s->parts[i];
        if (p->kind == kind && p->choice == choice && p->index == index)
            return p;
    }
    if (s->n == PARTS_MAX)
        return NULL;
    struct part *p = &s->parts[s->n++];
    *p = (struct part){.kind = kind, .choice = choice, .index = index, .text = BUF(TEXT_MAX)};
    return p;
}

static void add_text(struct assembly *s, enum part_kind kind, int64_t choice, int64_t index,
                     const struct json *text)
{
    struct part *p = json_is(text, JSON_STR) ? part_of(s, kind, choice, index) : NULL;

    if (p)
        buf_add(&p->text, json_str_of(text, S("")));
}

/* What is said once, or last: kept in the answer. */
static void keep(struct assembly *s, const struct json *v, Str name)
{
    const struct json *value = json_get(v, name);

    if (value && !json_is(value, JSON_NULL))
        json_set(s->a, s->answer, name, json_dup(s->a, value));
}

/* ---- OpenAI's chunks ---- */

static void read_call(struct assembly *s, int64_t choice, const struct json *call, size_t at)
{
    const struct json *function = json_at(call, "function");
    Str id = json_str_of(json_at(call, "id"), S(""));
    Str name = json_str_of(json_at(function, "name"), S(""));
    struct part *p =
        part_of(s, PART_CALL, choice, json_int_of(json_at(call, "index"), (int64_t)at));

    if (!p)
        return;
    if (id.n)
        p->id = str_dup(s->a, id);
    if (name.n)
        p->name = str_dup(s->a, name);
    buf_add(&p->text, json_str_of(json_at(function, "arguments"), S("")));
}

static void read_choice(struct assembly *s, const struct json *v)
{
    const struct json *delta = json_at(v, "delta"), *calls = json_at(delta, "tool_calls");
    int64_t choice = json_int_of(json_at(v, "index"), 0);
    char key[32];

    add_text(s, PART_TEXT, choice, 0, json_at(delta, "content"));
    add_text(s, PART_TEXT, choice, 0, json_at(v, "text"));
    add_text(s, PART_REASONING, choice, 0, json_at(delta, "reasoning_content"));
    add_text(s, PART_REASONING, choice, 0, json_at(delta, "reasoning"));
    add_text(s, PART_REFUSAL, choice, 0, json_at(delta, "refusal"));
    for (size_t i = 0; i < json_len(calls); i++)
        read_call(s, choice, json_item(calls, i), i);
    if (json_is(json_at(v, "finish_reason"), JSON_STR)) {
        snprintf(key, sizeof key, "%lld", (long long)choice);
        json_set(s->a, s->ends, str_dup(s->a, str_c(key)),
                 json_dup(s->a, json_at(v, "finish_reason")));
    }
}

static void read_chunk(struct assembly *s, const struct json *v)
{
    static const Str names[] = {S_INIT("id"),    S_INIT("object"), S_INIT("created"),
                                S_INIT("model"), S_INIT("usage"),  S_INIT("error")};
    const struct json *choices = json_at(v, "choices");

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        keep(s, v, names[i]);
    for (size_t i = 0; i < json_len(choices); i++)
        read_choice(s, json_item(choices, i));
}

static struct json *calls_of(struct assembly *s, int64_t choice)
{
    struct arena *a = s->a;
    struct json *calls = json_arr(a);

    for (size_t i = 0; i < s->n; i++) {
        struct part *p = &s->parts[i];
        if (p->kind != PART_CALL || p->choice != choice)
            continue;
        json_push(a, calls,
                  json_obj(a, "id", json_str(a, p->id), "type", json_str_c(a, "function"),
                           "function",
                           json_obj(a, "name", json_str(a, p->name), "arguments",
                                    json_str(a, str_dup(a, buf_str(&p->text))), NULL),
                           NULL));
    }
    return json_len(calls) ? calls : NULL;
}

/* NULL if nothing of it was said. */
static struct json *text_of(struct assembly *s, enum part_kind kind, int64_t choice)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->parts[i].kind == kind && s->parts[i].choice == choice)
            return json_str(s->a, str_dup(s->a, buf_str(&s->parts[i].text)));
    return NULL;
}

static struct json *message_of(struct assembly *s, int64_t choice)
{
    struct json *content = text_of(s, PART_TEXT, choice);

    return json_obj(s->a, "role", json_str_c(s->a, "assistant"), "content",
                    content ? content : json_null(s->a), "reasoning_content",
                    text_of(s, PART_REASONING, choice), "refusal", text_of(s, PART_REFUSAL, choice),
                    "tool_calls", calls_of(s, choice), NULL);
}

static int64_t choices_of(const struct assembly *s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->parts[i].choice >= n && s->parts[i].choice < PARTS_MAX)
            n = s->parts[i].choice + 1;
    return n;
}

static struct json *chunks_answer(struct assembly *s)
{
    bool plain = str_eq(json_str_of(json_at(s->answer, "object"), S("")), S("text_completion"));
    struct json *choices = json_arr(s->a);
    char key[32];

    for (int64_t i = 0; i < choices_of(s); i++) {
        snprintf(key, sizeof key, "%lld", (long long)i);
        const struct json *end = json_get(s->ends, str_c(key));
        json_push(s->a, choices,
                  json_obj(s->a, "index", json_int(s->a, i), plain ? "text" : "message",
                           plain ? text_of(s, PART_TEXT, i) : message_of(s, i), "finish_reason",
                           end ? end : json_null(s->a), NULL));
    }
    if (!plain && json_at(s->answer, "object"))
        json_set(s->a, s->answer, S("object"), json_str_c(s->a, "chat.completion"));
    json_set(s->a, s->answer, S("choices"), choices);
    return s->answer;
}

/* ---- Anthropic's events ---- */

static void read_block(struct assembly *s, const struct json *v, bool begins)
{
    const struct json *block = json_get(v, begins ? S("content_block") : S("delta"));
    struct part *p = part_of(s, PART_OTHER, 0, json_int_of(json_at(v, "index"), 0));
    static const Str texts[] = {S_INIT("text"), S_INIT("thinking"), S_INIT("partial_json")};

    if (!p)
        return;
    if (begins && json_is(block, JSON_OBJ))
        p->begin = json_dup(s->a, block);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        buf_add(&p->text, json_str_of(json_get(block, texts[i]), S("")));
}

/* The last value of each member counts. Each is copied once: the events may be many. */
static void read_usage(struct assembly *s, const struct json *usage)
{
    struct json *kept = json_get(s->answer, S("usage"));

    if (!json_is(usage, JSON_OBJ))
        return;
    if (!json_is(kept, JSON_OBJ)) {
        json_set(s->a, s->answer, S("usage"), json_obj(s->a, NULL));
        kept = json_get(s->answer, S("usage"));
    }
    for (size_t i = 0; i < json_len(usage); i++) {
        Str name = json_str_of(&usage->obj[i].key, S(""));
        const struct json *value = &usage->obj[i].val;
        if (!json_is(value, JSON_NULL))
            json_set(s->a, kept, str_dup(s->a, name), json_dup(s->a, value));
    }
}

static void read_message_event(struct assembly *s, const struct json *v)
{
    static const Str names[] = {S_INIT("id"), S_INIT("type"), S_INIT("role"), S_INIT("model"),
                                S_INIT("usage")};
    Str type = json_str_of(json_at(v, "type"), S(""));

    if (str_eq(type, S("message_start")))
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            keep(s, json_at(v, "message"), names[i]);
    if (str_eq(type, S("content_block_start")) || str_eq(type, S("content_block_delta")))
        read_block(s, v, str_ends(type, S("start")));
    if (str_eq(type, S("message_delta"))) {
        keep(s, json_at(v, "delta"), S("stop_reason"));
        read_usage(s, json_at(v, "usage"));
    }
    if (str_eq(type, S("error")))
        keep(s, v, S("error"));
}

static struct json *block_of(struct assembly *s, struct part *p)
{
    Str type = json_str_of(json_at(p->begin, "type"), S("text"));
    struct json *block =
        p->begin ? json_dup(s->a, p->begin) : json_obj(s->a, "type", json_str(s->a, type), NULL);
    Str text = str_dup(s->a, buf_str(&p->text));
    struct json *input;

    if (str_eq(type, S("tool_use"))) {
        if (text.n && json_parse(s->a, text, &input) == OK)
            json_set(s->a, block, S("input"), input);
        else if (text.n)
            json_set(s->a, block, S("input"), json_str(s->a, text));
        return block;
    }
    json_set(s->a, block, str_eq(type, S("thinking")) ? S("thinking") : S("text"),
             json_str(s->a, text));
    return block;
}

static struct json *message_answer(struct assembly *s)
{
    struct json *content = json_arr(s->a);

    for (size_t i = 0; i < s->n; i++)
        json_push(s->a, content, block_of(s, &s->parts[i]));
    json_set(s->a, s->answer, S("content"), content);
    return s->answer;
}

/* ---- events of responses ---- */

static void read_response_event(struct assembly *s, const struct json *v)
{
    const struct json *response = json_at(v, "response");

    if (response)
        s->last = json_dup(s->a, response);
    if (str_eq(json_str_of(json_at(v, "type"), S("")), S("response.output_text.delta")))
        add_text(s, PART_TEXT, 0, 0, json_at(v, "delta"));
    keep(s, v, S("error"));
}

static struct json *response_answer(struct assembly *s)
{
    if (s->last && json_len(json_at(s->last, "output")))
        return s->last;
    json_set(s->a, s->answer, S("response"), s->last);
    json_set(s->a, s->answer, S("output_text"), text_of(s, PART_TEXT, 0));
    return s->answer;
}

/* ---- Gemini's answers ---- */

static void read_gemini_part(struct assembly *s, const struct json *v)
{
    const struct json *text = json_at(v, "text");
    bool thought = json_bool_of(json_at(v, "thought"), false);
    struct part *p;

    if (json_is(text, JSON_STR)) {
        add_text(s, thought ? PART_REASONING : PART_TEXT, 0, 0, text);
        return;
    }
    p = part_of(s, PART_OTHER, 0, (int64_t)s->n);
    if (p)
        p->begin = json_dup(s->a, v);
}

static void read_gemini_event(struct assembly *s, const struct json *v)
{
    static const Str names[] = {S_INIT("promptFeedback"), S_INIT("usageMetadata"),
                                S_INIT("modelVersion"), S_INIT("responseId"), S_INIT("error")};
    const struct json *candidate = json_item(json_at(v, "candidates"), 0);
    const struct json *parts = json_at(json_at(candidate, "content"), "parts");

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        keep(s, v, names[i]);
    for (size_t i = 0; i < json_len(parts); i++)
        read_gemini_part(s, json_item(parts, i));
    if (json_is(json_at(candidate, "finishReason"), JSON_STR))
        json_set(s->a, s->ends, S("finishReason"),
                 json_dup(s->a, json_at(candidate, "finishReason")));
}

static struct json *gemini_answer(struct assembly *s)
{
    struct arena *a = s->a;
    struct json *parts = json_arr(a), *candidates = json_arr(a);

    for (size_t i = 0; i < s->n; i++) {
        struct part *p = &s->parts[i];
        bool thought = p->kind == PART_REASONING;
        json_push(a, parts,
                  p->begin ? p->begin
                           : json_obj(a, "text", json_str(a, str_dup(a, buf_str(&p->text))),
                                      "thought", thought ? json_bool(a, true) : NULL, NULL));
    }
    if (!json_len(parts))
        return s->answer;
    json_push(a, candidates,
              json_obj(a, "content",
                       json_obj(a, "role", json_str_c(a, "model"), "parts", parts, NULL),
                       "finishReason", json_at(s->ends, "finishReason"), NULL));
    json_set(a, s->answer, S("candidates"), candidates);
    return s->answer;
}

/* ---- */

static void read_event(struct assembly *s, enum llm_events kind, Str data)
{
    AUTO(arena) *own = arena_new(EVENT_ARENA);
    struct json *v;

    if (json_parse(own, data, &v) != OK || !json_is(v, JSON_OBJ))
        return; /* [DONE], or what no client understands either */
    s->any = true;
    if (kind == LLM_EVENTS_MESSAGES)
        read_message_event(s, v);
    else if (kind == LLM_EVENTS_GEMINI)
        read_gemini_event(s, v);
    else if (kind == LLM_EVENTS_RESPONSES)
        read_response_event(s, v);
    else
        read_chunk(s, v);
}

struct json *llm_assemble(struct arena *a, enum llm_events kind, Str events)
{
    AUTO(sse_parser) *parser = sse_parser_new(TEXT_MAX);
    struct assembly *s = arena_new_of(a, struct assembly);
    struct sse_event event;
    bool complete = true;

    s->a = a;
    s->answer = json_obj(a, NULL);
    s->ends = json_obj(a, NULL);
    while (events.n && sse_parser_feed(parser, &events, &event, &complete) == OK)
        if (complete)
            read_event(s, kind, event.data);
    struct json *answer = NULL;
    if (s->any && kind == LLM_EVENTS_MESSAGES)
        answer = message_answer(s);
    else if (s->any && kind == LLM_EVENTS_GEMINI)
        answer = gemini_answer(s);
    else if (s->any)
        answer = kind == LLM_EVENTS_RESPONSES ? response_answer(s) : chunks_answer(s);
    for (size_t i = 0; i < s->n; i++)
        buf_done(&s->parts[i].text);
    return answer;
}
