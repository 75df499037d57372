/* src/llm/door_private.h - one call through the door, for the files of the door alone. */
#ifndef LLM_DOOR_PRIVATE_H
#define LLM_DOOR_PRIVATE_H

#include "llm/body.h"
#include "llm/dialects/stream.h"
#include "llm/door.h"
#include "llm/form.h"
#include "llm/limits.h"
#include "llm/llm_private.h"
#include "llm/prices.h"
#include "llm/relay.h"
#include "llm/upstream.h"
#include "net/http_client.h"

enum {
    MEMBER_MODEL,
    MEMBER_STREAM,
    MEMBER_STREAM_OPTIONS,
    MEMBER_ENCODING,
    MEMBER_PREVIOUS,
    MEMBER_N,
    MEMBER_MAX_TOKENS,
    MEMBER_MAX_COMPLETION_TOKENS,
    MEMBER_MAX_OUTPUT_TOKENS,
    MEMBER_TOOLS,
    MEMBER_USER,
    MEMBER_METADATA,
    MEMBERS_OF_TEXT,
    /* Of what passes through, for its price. */
    MEMBER_INPUT = MEMBERS_OF_TEXT,
    MEMBER_SIZE,
    MEMBER_QUALITY,
    MEMBERS
};

/* What a target of a route answered instead of a result, until it is known whether another one
 * answers. */
struct llm_refusal {
    int status;
    HttpHeaders headers;
    Str body;
};

/* What a call is for, as the client says. */
enum llm_label { LLM_LABEL_AGENT, LLM_LABEL_WORKFLOW, LLM_LABEL_STEP, LLM_LABEL_USER, LLM_LABELS };

struct llm_cache_use;
struct llm_call_hook;
struct llm_call_log;
struct llm_list;
struct llm_race;
struct model_response_row;

/* What is known of a response that may be kept here. */
struct llm_talk {
    Id id;
    struct llm_reply reply;
    Str input;                               /* that of this turn, as the client sent it */
    Str gone;                                /* an item it refers to is not there; empty: none */
    bool lost;                               /* it follows one of ours that is not there any more */
    bool unkept;                             /* it was to be stored, and nothing is */
    bool fleeting;                           /* the client says that it is not to be */
    bool truncates;                          /* what does not fit may be left out */
    const struct model_response_row *before; /* NULL: it begins a conversation */
};

/* A request as it came, while the target gets less of it. */
struct llm_untrimmed {
    Str body;
    struct llm_member members[MEMBERS];
};

struct llm_call {
    struct llm *llm;
    struct req *req;
    struct res *res;
    enum llm_op op;
    const struct llm_dialect *dialect; /* of the client */

    Str body;
    bool patched; /* it has the name of the last target instead of the client's */
    struct llm_member members[MEMBERS];
    Str model;             /* as the client names it, or as its prompt does */
    Str called;            /* the prompt, with its version; empty: it is none */
    Str follows;           /* the response before this one; empty: none */
    bool missed;           /* the target does not know that */
    bool translated;       /* this attempt: the target speaks another dialect than the client */
    bool lacking;          /* the target may have no responses: its chat is to be tried */
    struct llm_talk *talk; /* NULL: it makes no response */
    bool named;            /* in the path: the body's does not count */
    bool stream, wants_usage, wants_base64;
    struct llm_list *list;               /* its stream is to be one list; NULL: events */
    int64_t asked_output, asked_answers; /* in Gemini's dialect; 0: not said */
    Usec retry_after;                    /* as the upstream's error has it */
    struct llm_form *form; /* the body is one, and its members are texts; NULL: it is JSON */
    Str form_type;         /* its Content-Type */
    int64_t images, characters, file_bytes; /* of what passes through */
    Str size, quality;
    const struct json *stream_options; /* NULL: none, or null */

    const struct llm_route *route; /* NULL: the name is a provider's */
    struct llm_target target;
    struct llm_race *race; /* other attempts are under way beside this one; NULL: none can be */
    bool hedged;           /* there were such */
    struct llm_refusal refusal; /* of the last attempt; status 0: none */
    struct buf edited;
    bool untranslatable; /* the last attempt ended before it began: its dialect has no words for it
                          */
    struct llm_untrimmed *untrimmed; /* NULL: the body is whole */
    Str trimmed;                     /* what was left out of it; empty: nothing */
    Str dropped, changed;            /* fields of the request, on its way into another dialect */
    unsigned attempts;
    Usec heartbeat;     /* of a stream; 0: none */
    Usec ready_at;      /* the request was read */
    Usec first_sent_at; /* the first attempt began */
    Usec sent_at;       /* the last one */
    Usec first_at;      /* the first byte of its answer's body; 0: none came */

    struct llm_hold hold;
    bool counted;           /* as a request, before hold was reserved */
    struct llm_price price; /* of the target */
    bool priced;            /* it is known */
    struct llm_usage usage;
    uint64_t chunks;
    int status;                  /* that the client got */
    int said;                    /* that the upstream answered, if not 200; 0: none */
    bool told;                   /* a failure was told in the stream */
    struct llm_cache_use *cache; /* NULL: nothing is kept for it */
    struct llm_call_log *log;    /* NULL: what is said is not kept */
    struct llm_call_hook *hook;  /* NULL: nobody looks at what is said */
    Str labels[LLM_LABELS];
    Str end_user; /* the same as LLM_LABEL_USER, also if it is too long for a label */
};

/* A name that can be looked for and recorded. E_BAD_INPUT. (door_request.c) */
Err llm_model_check(Str model);
/* Read and check the client's request. */
Err llm_call_read(struct llm_call *c) YIELDS;
/* Find the wanted members of a body that was put in the place of the client's. (door_request.c) */
Err llm_call_scan(struct llm_call *c);
/* If the model is a prompt: c becomes a call of its model, with its messages. (door_prompt.c) */
Err llm_prompt_apply(struct llm_call *c) YIELDS;
/* Put a prompt into @body, a request of Gemini's. @a has room for many times their text.
 * (door_prompt_gemini.c) */
Err llm_prompt_merge_gemini(struct arena *a, struct json *body, const struct json *version,
                            const struct json *messages);
/* The body for the target. Borrowed until the next edit or the call's end. */
Err llm_call_body(struct llm_call *c, Str *ret_body);

/* A failure in the client's dialect. */
Str llm_error_text(const struct llm_call *c, int status, Str message, Str code);

/* ---- what an operation is ---- */

static inline bool llm_chats(enum llm_op op)
{
    return op == LLM_CHAT || op == LLM_MESSAGES || op == LLM_GENERATE;
}
static inline bool llm_embeds(enum llm_op op)
{
    return op == LLM_EMBEDDINGS || op == LLM_EMBED_CONTENT || op == LLM_EMBED_CONTENTS;
}
static inline bool llm_counts(enum llm_op op)
{
    return op == LLM_COUNT_TOKENS || op == LLM_GENERATE_TOKENS;
}

/* ---- Gemini's dialect (door_gemini.c) ---- */

/* A model's name without the folder that may stand before it. */
Str llm_gemini_name(Str name);
/* Whether the request is of a client of Google's, by its path or its key. */
bool llm_is_googles(const struct req *req);
/* What of the body counts here. */
Err llm_gemini_scan(struct llm_call *c);
/* The body for a provider of the dialect. */
Err llm_gemini_body(struct llm_call *c, Str *ret_body) YIELDS;
/* Answer with the whole result of such a provider. */
Err llm_gemini_answer(struct llm_call *c, const HttpHeaders *headers, Str body) YIELDS;
/* Put into an error when to try again. */
void llm_gemini_add_retry(struct arena *a, struct json *v, Usec after);

/* ---- embeddings (door_embed.c) ---- */

/* The body for the target, in c->edited; its answer as the client knows it, with c->usage. */
Err llm_embed_request(struct llm_call *c, Str *ret_body) YIELDS;
Err llm_embed_answer(struct llm_call *c, Str body, Str *ret_body) YIELDS;

/* ---- what goes out of a stream (door_out.c) ---- */

Err llm_out_begin(struct llm_call *c) YIELDS;
Err llm_out(struct llm_call *c, Str piece) YIELDS;
/* Show that the stream is alive, between events. */
Err llm_out_alive(struct llm_call *c) YIELDS;
Err llm_out_end(struct llm_call *c) YIELDS;

/* Serve a call that has its operation, dialect and, if the path names it, model; count and record
 * it. (door.c) */
Err llm_call_serve(struct llm_call *c) YIELDS;

/* Calls that pass through as they are: forms with files, and answers that may be anything.
 * (door_pass.c) */
static inline bool llm_passes(enum llm_op op)
{
    return op >= LLM_RERANK;
}
/* How the body is to be read: how much of it, and whether as a form. */
Err llm_pass_begin(struct llm_call *c);
/* The form that was read as body. */
Err llm_pass_form(struct llm_call *c);
/* What its price goes by. */
Err llm_pass_measure(struct llm_call *c);
/* The body for the target, in parts. */
Err llm_pass_body(struct llm_call *c, struct http_call *call);
Err llm_pass_call(struct llm_call *c, const struct http_call *call) YIELDS;
/* What a whole answer of JSON says it used: c->usage is set. @usage, @duration: its members. */
void llm_pass_usage(struct llm_call *c, Str usage, Str duration);
/* The price of a target: for images by their size, where there is one. False if it is not known. */
bool llm_pass_price(const struct llm_call *c, const struct llm_target *target,
                    struct llm_price *ret_price);
/* What the call may use at most; what it did use. */
struct llm_usage llm_pass_most(const struct llm_call *c);
struct llm_usage llm_pass_used(const struct llm_call *c);
/* A whole answer's list of what was made: more of it than was asked for is paid, too. */
void llm_pass_data(struct llm_call *c, Str data);
/* Whether the price says what a call of @op costs, however much it uses. */
bool llm_pass_covers(enum llm_op op, const struct llm_price *price);
/* Whether the price says what @usage costs. */
bool llm_pass_priced(const struct llm_price *price, const struct llm_usage *usage);

/* The response @id is of c->target: those that follow it go there. Empty: it is not known. */
void llm_pin(const struct llm_call *c, Str id);
/* Who made the response @id: from memory, or the store. E_NOT_FOUND. */
Err llm_pin_find(struct llm *llm, Id tenant, Str id, struct llm_pin *ret_pin) YIELDS;
/* Whether a refusal says that the response before is not known. */
bool llm_is_missing(int status, Str body);

/* Whether the target speaks another dialect than the client, as far as is known. */
bool llm_is_foreign(const struct llm_call *c);
/* The body for such a target, in c->edited. */
Err llm_translate_request(struct llm_call *c, Str *ret_body) YIELDS;
/* Of responses (door_talk.c). A call that follows what is kept here becomes one with the whole
 * conversation, and c->follows empty. */
Err llm_talk_begin(struct llm_call *c) YIELDS;
/* An attempt begins: what it learns is its own. */
void llm_talk_attempt(struct llm_call *c);
/* Answer that what the call builds on is not there. */
Err llm_talk_lost(struct llm_call *c) YIELDS;
/* The body that says that c->follows is not known. */
Str llm_talk_missing(const struct llm_call *c);
/* What answers repeat of the request @body, into @a. */
Err llm_talk_frame(struct llm_talk *talk, struct arena *a, struct llm_chat *chat,
                   const struct json *body);
/* Keep the @response that was made, if it is to be. */
Err llm_talk_keep(struct llm_call *c, Str response) YIELDS;
/* Answer for a response that is kept here; *ret_ours: it could be one. */
Err llm_talk_serve(struct llm_call *c, Str id, Str rest, bool *ret_ours) YIELDS;
/* Answer with an estimate how many tokens the request has, for a target that cannot count. */
Err llm_count_tokens(struct llm_call *c) YIELDS;
/* The answer of such a target, whole; c->usage is set. */
Err llm_translate_answer(struct llm_call *c, Str body, Str *ret_body) YIELDS;

/* Whether the key may call this, and limits: reserve what the call may use at most, before it is
 * sent to c->route's targets or c->target; settle what it used, at its end. (door_limit.c) */
Err llm_call_open(struct llm_call *c) YIELDS;
Err llm_call_reserve(struct llm_call *c, const struct llm_view *view) YIELDS;
/* In micro-units; -1: it is not known. What used nothing costs nothing at any price. (door.c) */
int64_t llm_call_cost(const struct llm_call *c, const struct llm_usage *usage);
void llm_call_settle(struct llm_call *c, const struct llm_usage *usage, int64_t cost);

/* Reserve for a call that reaches nobody: a request. */
Err llm_call_reserve_kept(struct llm_call *c) YIELDS;
/* Before the model @name is asked on the way for at most @tokens at @cost: the call counts as a
 * request from here on. E_FORBIDDEN: the key may not call that model. *ret_hold is for
 * llm_call_settle_aside(). */
Err llm_call_reserve_aside(struct llm_call *c, Str name, int64_t tokens, int64_t cost,
                           struct llm_hold *ret_hold) YIELDS;
/* What that used. */
void llm_call_settle_aside(struct llm_call *c, struct llm_hold *hold, int64_t tokens, int64_t cost);

/* What the call is for, from its headers and body. E_BAD_INPUT. (door_log.c, as what follows.) */
Err llm_labels_read(struct llm_call *c);
/* Begin to keep what is said, if it is wanted of this call. */
void llm_log_begin(struct llm_call *c);
/* @piece of the answer goes out to the client, if c->log. */
void llm_log_note(struct llm_call *c, Str piece);
/* The request that is kept is the one that goes on: something was taken out of it. */
void llm_log_request(struct llm_call *c);
/* The call is over: what was said goes into @row, if it is kept. */
void llm_log_end(struct llm_call *c, struct model_call_row *row) YIELDS;
/* Whose events the client gets in a stream. (door.c) */
enum llm_events llm_events_of(const struct llm_call *c);

/* Answer with what is kept, or begin to keep what will be answered. *ret_served: it was answered.
 * (door_cache.c, as all of this.) */
Err llm_cache_begin(struct llm_call *c, const struct llm_view *view, bool *ret_served) YIELDS;
/* @piece of the answer goes out to the client, if c->cache. @last: with it the answer is whole, and
 * kept before anybody has it; @usage is what it used. */
void llm_cache_note(struct llm_call *c, Str piece, bool last, const struct llm_usage *usage);
/* What the call was answered with; NULL: it was not by what is kept. */
const struct llm_kept *llm_cache_hit(const struct llm_call *c);
/* Take out of the request what the target's kind refuses. (door_quirks.c) */
Err llm_quirks(struct llm_call *c);
/* Answer for the demo provider. (door_demo.c) */
Err llm_demo_call(struct llm_call *c) YIELDS;

/* Hooks (hooks/hook.h). Find those that want the call, if any, as c->hook. @any_route: it is not
 * known under which name its model is called. (door_hook.c, as all of this. What fails fails the
 * call; E_BLOCKED: it was refused.) */
void llm_hook_find(struct llm_call *c, const struct llm_view *view, bool any_route);
/* Find them, and show them the request. @asked: the model as the client calls it. */
Err llm_hook_request(struct llm_call *c, const struct llm_view *view, Str asked) YIELDS;
/* For calls with c->hook. Show a whole answer of JSON in the client's dialect, or one that is a
 * text; *body becomes what goes out. */
Err llm_hook_answer(struct llm_call *c, Str *body) YIELDS;
Err llm_hook_text(struct llm_call *c, Str *text) YIELDS;
/* Whether answers are looked at. Of a stream *piece of it becomes what may go out now, which is
 * always whole events; *ret_rest is what is left at its end. Of both, valid until the next call. */
bool llm_hook_holds(const struct llm_call *c);
Err llm_hook_pass(struct llm_call *c, Str *piece) YIELDS;
Err llm_hook_finish(struct llm_call *c, Str *ret_rest) YIELDS;
/* An answer that was kept, a stream or not. */
Err llm_hook_kept(struct llm_call *c, Str *body) YIELDS;
Str llm_hook_given(const struct llm_call *c); /* what became of it */
/* For any call: what hooks ended it with, or OK; whether its provider had answered then. */
Err llm_hook_failure(const struct llm_call *c);
/* Whether that, or what they answered, is to be recorded though nobody else was called. */
bool llm_hook_spoke(const struct llm_call *c);
bool llm_hook_answered(const struct llm_call *c);
void llm_hook_record(const struct llm_call *c, struct model_call_row *row);
/* Answer a question of what texts are where no provider does. E_NOT_FOUND: no hook does either.
 * (door_moderate.c) */
Err llm_hook_moderate(struct llm_call *c, const struct llm_view *view, Str asked) YIELDS;
/* Whether a hook of the call answers such questions; what it says of @said, in its arena. */
bool llm_hook_moderates(const struct llm_call *c);
Err llm_hook_results(struct llm_call *c, struct llm_said *said, const struct json **ret_results)
    YIELDS;
/* Say @code in the stream, and end it. @relay: NULL, it is written here. (door.c) */
Err llm_tell_in_stream(struct llm_call *c, const struct llm_relay *relay, Err code) YIELDS;

/* Make the request fit into the target's window, as the route says: E_CONTEXT if it does not. */
Err llm_context_fit(struct llm_call *c) YIELDS;
/* The tokens that the client wants at most; 0: it does not say. */
int64_t llm_output_asked(const struct llm_call *c);

/* The status is not 200: keep the refusal, or answer with it. */
Err llm_refused(struct llm_call *c, int status, const HttpHeaders *headers, Str body) YIELDS;
/* The body of such an answer. */
Err llm_read_error_body(struct llm_call *c, struct http_stream *up, Str *ret_body) YIELDS;
/* Answer with the events of @up. */
Err llm_answer_stream(struct llm_call *c, struct http_stream *up) YIELDS;
/* One attempt at c->target: answers, or fails, or leaves a refusal. */
Err llm_attempt(struct llm_call *c) YIELDS;
/* Attempts at the targets of c->route until one answers. */
Err llm_route_call(struct llm_call *c, const struct llm_view *view) YIELDS;
/* The answer begins with what comes now, or is the refusal at hand: the other attempts of the race,
 * if there is one, end. Before anything is written to the client. E_CANCELLED: another was first.
 * (door_hedge.c) */
Err llm_claim(struct llm_call *c);
bool llm_is_claimed(const struct llm_call *c);
/* Reserve once more what @c has reserved, without waiting for others. (door_limit.c) */
Err llm_call_reserve_again(struct llm_call *c, struct llm_hold *ret_hold) YIELDS;
/* An attempt that was under way when another one answered: settle and record what it may have
 * used. (door.c) */
void llm_call_lost(struct llm_call *c, struct llm_hold *hold);
/* Count an attempt that ended with @e by @outcome. */
void llm_count_attempt(const struct llm_call *c, const char *outcome);

/* What a refusal says in its body and not, as others do, in its status and headers: Gemini's. */
void llm_refusal_read(struct llm_call *c, struct llm_refusal *r);
/* Answer with what the upstream answered instead of a result. */
Err llm_answer_error(struct llm_call *c, int status, const HttpHeaders *headers, Str body) YIELDS;
/* The same for an error that came with status 200. */
Err llm_answer_hidden_error(struct llm_call *c, const HttpHeaders *headers, Str body) YIELDS;
/* Answer with a result that was looked at. */
Err llm_answer_send(struct llm_call *c, const HttpHeaders *headers, Str body) YIELDS;
/* What clients know a failure by; tell them not to try again where that is of no use. */
Str llm_error_code(int status, Err code);
void llm_hint_retry(struct res *res, Err code);
/* Answer with a whole result, checked and, where it must be, converted. */
Err llm_answer_whole(struct llm_call *c, const HttpHeaders *headers, Str body) YIELDS;
/* Headers of every answer that came from an upstream. */
void llm_answer_headers(struct llm_call *c, const HttpHeaders *headers);

/* @body with its embeddings as base64 or as numbers, as @base64 says; @body itself if they are so
 * already. */
Err llm_embeddings_convert(struct arena *a, Str body, bool base64, Str *ret_body) YIELDS;

#endif
