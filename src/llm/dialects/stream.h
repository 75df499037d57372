/* src/llm/dialects/stream.h - a stream of one dialect on its way into another.
 *
 * Events are read as they come whole; each becomes deltas, which are written at once in the other
 * dialect. What one piece of the upstream gave goes out together: nothing waits but the part of an
 * event that has not come whole, and what the other dialect has no place for yet (arguments of a
 * second tool call while a first is open). All of it is bounded.
 */
#ifndef LLM_STREAM_H
#define LLM_STREAM_H

#include "llm/dialects/chat.h"

enum {
    LLM_EVENT_MAX = 4 << 20,
    LLM_WAITING_MAX = 4 << 20, /* of calls that wait for their turn */
};

enum llm_delta_kind {
    LLM_D_BEGIN,     /* id, name: the model */
    LLM_D_TEXT,      /* text */
    LLM_D_THINKING,  /* text */
    LLM_D_SIGNATURE, /* text: of the thinking before it */
    LLM_D_REDACTED,  /* text */
    LLM_D_CALL,      /* index, id, name, signature */
    LLM_D_ARGUMENTS, /* index, text */
    LLM_D_PING,
    LLM_D_FINISH, /* finish, text: the stop sequence */
    LLM_D_END,    /* all is said, s->usage among it */
    LLM_D_ERROR,  /* status, text, name: the kind of error */
};

struct llm_delta {
    enum llm_delta_kind kind;
    unsigned index; /* of the calls of the answer */
    int status;
    enum llm_finish finish;
    Str id, name, text, signature;
};

/* A call of the answer, for a writer that writes one after the other. */
struct llm_call_state {
    bool begun, open, closed;
    char id[128], name[128];
    size_t id_n, name_n;
    struct buf waiting;   /* of its arguments */
    struct buf signature; /* Gemini's */
};

struct llm_stream {
    const struct llm_dialect *from, *to;
    bool show_usage;
    Str model;                     /* as it is called, if the upstream does not say */
    int64_t created;               /* seconds of the wall's clock */
    uint64_t nonce;                /* for ids of calls that have none */
    const struct llm_reply *reply; /* what the answer repeats; NULL: nothing */

    bool done;     /* the end was written */
    bool finished; /* the upstream said how its answer ended */
    bool failed;   /* an error was written */
    Err fault;     /* the upstream sent what cannot be translated; it is over */
    uint64_t chunks;
    struct llm_usage usage;

    struct arena *a; /* of one event */
    struct sse_parser *parser;
    struct buf out;

    /* of the reader */
    bool begun;
    int64_t block; /* the open block of Anthropic's; -1: none */
    int block_kind;
    bool has_arguments; /* the open block */
    unsigned n_calls;
    enum llm_finish finish;
    int64_t indexes[LLM_CALLS_MAX]; /* OpenAI's index of each call */

    /* of the writer */
    struct buf head;     /* what begins every chunk */
    struct buf thinking; /* as much of it as its signature is for */
    unsigned blocks;     /* opened */
    int open;            /* kind of the open block; -1: none */
    unsigned open_call;
    bool any_call, broken_call;
    struct llm_call_state *calls; /* LLM_CALLS_MAX of them; NULL: none yet */
    size_t waiting;
    size_t answer_at, answer_n; /* the whole answer in out, of a writer that says it; 0: not yet */
    void *writer;               /* of one that needs more; freed by: */
    void (*writer_free)(void *writer);
};

/* Texts are borrowed for the stream's life. */
struct llm_stream *llm_stream_new(const struct llm_dialect *from, const struct llm_dialect *to,
                                  Str model, bool show_usage);
void llm_stream_free(struct llm_stream *s);
DEFINE_AUTO(llm_stream, llm_stream_free)
/* What goes out now that @piece has come. Valid until the next call. */
Str llm_stream_feed(struct llm_stream *s, Str piece);
/* The upstream's stream is over, in order: what is still to go out. s->done tells whether the
 * answer is whole. */
Str llm_stream_end(struct llm_stream *s);

/* ---- for the dialects ---- */

/* Write one delta; the first is preceded by LLM_D_BEGIN. */
void llm_stream_put(struct llm_stream *s, const struct llm_delta *d);
void llm_stream_begin(struct llm_stream *s, Str id, Str model);
void llm_stream_text(struct llm_stream *s, enum llm_delta_kind kind, Str text);
/* How the answer ended, once. */
void llm_stream_finish(struct llm_stream *s, enum llm_finish finish, Str stop_sequence);
void llm_stream_fault(struct llm_stream *s, const char *why);

#endif
