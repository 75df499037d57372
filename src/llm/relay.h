/* src/llm/relay.h - an event stream on its way from an upstream to a client.
 *
 * Pieces are handed on as they came, cut behind the last whole event; only the part of an event
 * that has not come whole waits, and a long one not even that. On the way the relay sees what a
 * call needs to know: usage, the end, an error in the stream. It takes out the chunk of usage that
 * the client did not ask for, ends events where the server only ended their line, and puts calls of
 * tools right (repair.h).
 */
#ifndef LLM_RELAY_H
#define LLM_RELAY_H

#include "base/buf.h"
#include "llm/dialects/stream.h"
#include "llm/repair.h"
#include "llm/usage.h"

/* Of an event; a longer one is handed on in parts. The last one of a response has all of it. */
enum {
    LLM_HELD_MAX = 16 * 1024,
    LLM_HELD_RESPONSES_MAX = 2 << 20,
    LLM_HELD_CALL_MAX = 1 << 20, /* of a call that may have to be put right */
    LLM_RELAY_ID_MAX = 128,
    LLM_RELAY_TAIL = 1024
};

/* Whose events. */
enum llm_events {
    LLM_EVENTS_CHUNKS,
    LLM_EVENTS_MESSAGES,
    LLM_EVENTS_RESPONSES,
    LLM_EVENTS_GEMINI,
    LLM_EVENTS_PASSED /* of sound and images: they end with one that is "done" or "completed" */
};

struct llm_relay {
    bool hide_usage;
    enum llm_events events;
    bool mend;       /* the request has tools: put calls of them right */
    bool framed;     /* it is known how events end: */
    bool by_lines;   /* each with its line */
    bool mended;     /* @out_event stands for the event that was looked at */
    bool done;       /* [DONE], or its like, was seen */
    bool finished;   /* a choice has a finish_reason */
    bool failed;     /* the upstream sent an error */
    bool inside;     /* a part of a long event is out, its end is not */
    Err fault;       /* it cannot be translated any further */
    uint64_t chunks; /* with text */
    struct llm_usage usage;
    bool ending;               /* the long event is the last */
    char id[LLM_RELAY_ID_MAX]; /* of the response */
    size_t id_n;
    struct llm_repair repair;
    struct buf held, out, out_event;
    char tail[LLM_RELAY_TAIL]; /* of the long event that is the last: usage stands there */
    size_t tail_n;
    struct llm_stream *translation; /* into another dialect, freed with the relay; NULL: none */
};

void llm_relay_init(struct llm_relay *r, bool hide_usage);
void llm_relay_done(struct llm_relay *r);
/* What may go out now that @piece has come; empty: nothing yet. Valid until the next call, or as
 * long as @piece. */
Str llm_relay_feed(struct llm_relay *r, Str piece);
/* What an event of Gemini's says; the same of one that was too long, by its end. (relay_gemini.c)
 */
void llm_relay_gemini(struct llm_relay *r, Str data);
void llm_relay_gemini_tail(struct llm_relay *r, Str tail);
/* The upstream's stream is over: what is still to go out of an event without its empty line. */
Str llm_relay_rest(struct llm_relay *r);

#endif
