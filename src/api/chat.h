/* src/api/chat.h - one visit to a chat: which workflow, which conversation, what was said. */
#ifndef API_CHAT_H
#define API_CHAT_H

#include "api/hook.h"
#include "base/crypto.h"
#include "store/store_chat.h"
#include "wf/nodes/node_trigger.h"

struct chat_visit {
    struct req *req;
    struct workflow_row row;
    struct wf_def *def; /* owned */
    int version;
    const struct wf_chat_cfg *cfg;
    Str asked; /* the conversation that was named; empty: a new one */
    struct chat_row chat;
    ChatTurns turns; /* before this one */
    struct chat_turn turn;
    Str fingerprint;
    bool repeated;          /* this very message came before */
    struct wf_run *run;     /* owned; NULL */
    struct wf_watch *watch; /* owned; NULL */
};

/* Which chat, and whether the visitor may talk: E_NOT_FOUND, E_UNAUTHORIZED. */
Err api_chat_begin(struct chat_visit *v, struct res *res) YIELDS;
/* The conversation of that id; empty: a new one. E_NOT_FOUND. */
Err api_chat_find(struct chat_visit *v, Str conversation) YIELDS;
/* Read the last @limit turns, with the answers that came meanwhile. */
Err api_chat_turns(struct chat_visit *v, int limit) YIELDS;
/* Take @message and start its run: v->turn. @key: the same message sent again; empty: none.
 * E_CONFLICT while the one before is not answered. */
Err api_chat_say(struct chat_visit *v, Str message, Str key) YIELDS;
/* Until v->turn is answered. E_TIMEOUT. */
Err api_chat_await(struct chat_visit *v) YIELDS;
void api_chat_done(struct chat_visit *v);
/* A message that the page of the chat sends, answered by the page (api_chat_page.c). */
Err api_chat_page_take(struct req *req, struct res *res) YIELDS;

#define AUTO_CHAT(v, r) __attribute__((cleanup(api_chat_done))) struct chat_visit v = {.req = (r)}

#endif
