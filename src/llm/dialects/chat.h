/* src/llm/dialects/chat.h - a conversation in no dialect: what stands between two of them.
 *
 * A call whose upstream speaks another dialect than its client is read into a struct llm_chat by
 * one dialect and written by the other; the answer comes back as a struct llm_answer or, streamed,
 * as deltas (stream.h). What the other side cannot say is refused with a detail that names the
 * field, or dropped and noted; nothing is left out in silence.
 *
 * Everything borrows from the JSON it was read from and lives as long as the arenas do.
 */
#ifndef LLM_CHAT_H
#define LLM_CHAT_H

#include "base/json.h"
#include "llm/usage.h"

enum {
    LLM_PARTS_MAX = 100000, /* of a conversation, tools included */
    LLM_NOTES_MAX = 32,
    LLM_CALLS_MAX = 128, /* of an answer */
};

enum llm_role { LLM_USER, LLM_ASSISTANT };

enum llm_part_kind {
    LLM_TEXT,        /* text */
    LLM_IMAGE,       /* url, or data with its media type */
    LLM_DOCUMENT,    /* likewise, and a name; or text */
    LLM_THINKING,    /* text, signature */
    LLM_REDACTED,    /* text: thinking that only its provider can read */
    LLM_TOOL_CALL,   /* id, name, input, signature */
    LLM_TOOL_RESULT, /* id, result, is_error */
};

struct llm_dialect;
struct llm_part;
typedef VEC(struct llm_part) LlmParts;

struct llm_part {
    enum llm_part_kind kind;
    bool is_error;
    Str text, signature;
    Str url, data, media; /* data is base64 */
    Str id, name;
    const struct json *input; /* an object */
    LlmParts result;          /* texts, images, documents */
    const struct json *cache; /* a mark of Anthropic's cache; NULL: none */
};

struct llm_message {
    enum llm_role role;
    LlmParts parts;
};

struct llm_tool {
    Str name, description;
    const struct json *schema; /* of the input; an object */
    const struct json *cache;
    bool strict;
    bool hidden; /* while it is read: the request forbids it */
};

enum llm_choice {
    LLM_CHOICE_UNSET,
    LLM_CHOICE_AUTO,
    LLM_CHOICE_ANY,
    LLM_CHOICE_NONE,
    LLM_CHOICE_TOOL
};
enum llm_format { LLM_FORMAT_TEXT, LLM_FORMAT_JSON, LLM_FORMAT_SCHEMA };

typedef VEC(Str) LlmNotes;

struct llm_chat {
    struct arena *a;    /* of what is made */
    struct arena *text; /* of what is parsed: may be filled by it without harm */

    LlmParts system;
    VEC(struct llm_message) messages; /* neighbours are of different roles */
    VEC(struct llm_tool) tools;
    size_t n_parts;

    enum llm_choice choice;
    Str choice_name;
    bool one_call; /* at most one tool call an answer */

    int64_t most_tokens;            /* that the model may say; 0: not known */
    int64_t max_tokens;             /* 0: not given */
    const struct json *temperature; /* numbers; NULL: not given */
    const struct json *top_p, *top_k, *seed, *presence_penalty, *frequency_penalty;
    int64_t answers; /* how many are asked for; 0: one */
    bool logprobs;
    VEC(Str) stop;

    enum llm_format format;
    Str schema_name;
    const struct json *schema;
    bool schema_strict;

    Str effort;              /* none, minimal, low, medium, high, xhigh, max; empty: not given */
    int64_t thinking_tokens; /* 0: not given */
    bool adaptive;           /* is to think as much as it sees fit */
    Str user;
    bool stream;
    bool ask_usage; /* the server knows stream_options */
    bool trims;     /* it was made to fit into the window, which is known */

    const struct llm_dialect *to; /* it is read for; NULL: any */
    Str signature;                /* of a reader: of the call that comes next */

    LlmNotes dropped, changed; /* names of fields */
    struct map *calls;         /* of a writer: the names of functions by the ids of calls */
};

enum { LLM_FRAME_MAX = 8 << 20 };

/* What an answer repeats of its request, in dialects whose answers do. */
struct llm_reply {
    Str id, previous; /* its own, and of the one that it follows */
    int64_t created;  /* seconds of the wall's clock */
    bool store;
    Str frame; /* members of the answer, each behind a comma; empty: not made yet */
};

enum llm_finish {
    LLM_FINISH_NONE,
    LLM_FINISH_STOP,
    LLM_FINISH_LENGTH,
    LLM_FINISH_CALLS,
    LLM_FINISH_FILTER,
};

/* A whole answer. */
struct llm_answer {
    Str id, model;
    LlmParts parts; /* texts, thinking, calls */
    enum llm_finish finish;
    Str stop_sequence; /* that ended it; p == NULL: none, or not known */
    struct llm_usage usage;
    const struct llm_dialect *from; /* NULL: nobody else's */
    const struct llm_reply *reply;  /* NULL: it repeats nothing */
};

/* ---- reading ---- */

/* A new part; NULL if there are too many. */
struct llm_part *llm_chat_part(struct llm_chat *c, LlmParts *parts, enum llm_part_kind kind);
/* Where parts of @role go: the last message if it is of that role, else a new one. */
LlmParts *llm_chat_turn(struct llm_chat *c, enum llm_role role);
Err llm_chat_too_many(void);
/* Note a field that was left out, or was given another value. */
void llm_chat_drop(struct llm_chat *c, Str name);
void llm_chat_change(struct llm_chat *c, Str name);
/* Note the members of @v that are not in @known (ended by NULL), as @where + name. Values that are
 * null, or empty lists, say nothing. */
void llm_chat_drop_others(struct llm_chat *c, const struct json *v, Str where,
                          const char *const *known);
/* Whether @v is null, or not there. */
static inline bool llm_is_none(const struct json *v)
{
    return !v || json_is(v, JSON_NULL);
}
/* "data:image/png;base64,AAAA" into its parts; false if @url is none of that form. */
bool llm_data_url(Str url, Str *ret_media, Str *ret_data);
/* The text of a call's arguments as an object; empty text is {}. E_BAD_INPUT. */
Err llm_chat_arguments(struct llm_chat *c, Str text, const struct json **ret_input);
/* @v, if it is a number; E_BAD_INPUT names the field. */
Err llm_chat_number(const struct json *v, const char *name, const struct json **ret_number);
/* A field of the outermost object: who reads it. */
struct llm_field {
    const char *name;
    Err (*read)(struct llm_chat *c, const struct json *v);
};
/* Read the members of @body by @fields (ended by {0}); those without a row are dropped. */
Err llm_chat_fields(struct llm_chat *c, const struct json *body, const struct llm_field *fields);
/* E_BAD_INPUT with a detail that names the field. */
Err llm_chat_refuse(const char *field);

/* ---- writing ---- */

/* The texts among @parts, joined by empty lines if there are several. */
Str llm_parts_text(struct arena *a, const LlmParts *parts);
bool llm_parts_have(const LlmParts *parts, enum llm_part_kind kind);
bool llm_answer_calls(const struct llm_answer *answer);

/* ---- dialects ---- */

struct llm_stream;
struct llm_delta;

struct llm_dialect {
    const char *name;
    /* How its clients call a field that a writer notes by another's name; NULL: so, too. */
    Str (*field_name)(Str name);
    /* Make reply->frame of a request's body, in c->a; NULL: answers repeat nothing. E_TOO_LARGE. */
    Err (*write_frame)(struct llm_chat *c, const struct json *body, struct llm_reply *reply);
    /* A request's body into @c, whose arenas are set. E_BAD_INPUT with a detail. */
    Err (*read_request)(struct llm_chat *c, const struct json *body);
    /* The body for @model; notes what it drops. @full: the server is the dialect's own, else one
     * that took it over. NULL *ret_body with an error: E_BAD_INPUT with a detail. */
    Err (*write_request)(struct llm_chat *c, Str model, bool full, struct json **ret_body);
    /* A whole answer. E_UPSTREAM, with a private text, for what is none. */
    Err (*read_answer)(struct llm_chat *c, const struct json *v, struct llm_answer *ret_answer);
    struct json *(*write_answer)(struct arena *a, const struct llm_answer *answer);
    /* One event of a stream, as deltas to s->to. @v is its data; NULL: it is no JSON. */
    void (*read_event)(struct llm_stream *s, Str data, const struct json *v);
    /* The upstream's stream is over. */
    void (*read_end)(struct llm_stream *s);
    void (*write_delta)(struct llm_stream *s, const struct llm_delta *d);
    /* An error, as its clients know it. */
    struct json *(*write_error)(struct arena *a, int status, Str message, Str code);
    /* Usage members of whole answers and events. */
    void (*read_usage)(const struct json *v, struct llm_usage *usage);
    Str stream_end;   /* the event that ends a stream in order */
    Str keep_alive;   /* what says nothing, and shows that a stream is alive */
    Str error_before; /* what an error in a stream has before its data */
};

extern const struct llm_dialect llm_dialect_openai, llm_dialect_anthropic, llm_dialect_gemini,
    llm_dialect_responses;

#endif
