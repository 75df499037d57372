/* src/wf/mail.h - workflows that begin when a mail comes.
 *
 * A row for each of them says how far its folder is read (store_mailbox.h); of all nodes one takes
 * it, for a while at a time, and keeps a connection to the mail server, which tells of what comes.
 * A message starts a run in the transaction in which its number is noted: each starts one, whatever
 * crashes. A connection that fails gives the row up until a time that goes by how often it failed.
 */
#ifndef WF_MAIL_H
#define WF_MAIL_H

#include "net/imap.h"
#include "store/store_mailbox.h"
#include "wf/engine_private.h"
#include "wf/nodes/node_trigger.h"

struct mails;

Err mails_new(struct wf_engine *e, struct mails **ret_mails) YIELDS;
void mails_stop(struct mails *m);
bool mails_stopped(struct mails *m);
void mails_free(struct mails *m);

/* ---- mail_box.c: one folder, as long as it is ours ---- */

struct mailbox {
    struct wf_engine *engine;
    struct arena *a; /* of the row */
    struct mailbox_row row;
    struct wf_def *def;
    const struct wf_email_cfg *cfg;
    struct imap *im; /* while it is connected; poked from the same shard */
    Usec connected;  /* monotonic */
    Usec keep_at;    /* monotonic: the row has to be kept by then */
    Usec retry_at;   /* monotonic: flow control lets nothing in before; 0: it does */
    bool lost;       /* it is somebody else's, or its row is not known: it is written no more */
    char error[ERR_DETAIL_MAX]; /* what was wrong with a message of the present look */
};
/* So long a row is taken; it is kept in a third of that. */
static const Usec MAIL_TAKEN = 90 * USEC_S;

/* Connect, and read until it fails, is stopped or not ours any more; then give it up. */
void mailbox_read(struct mailbox *box) YIELDS;
/* On its shard: look whether it is still ours. */
void mailbox_poke(struct mailbox *box);

/* A connection as @cfg says, to its folder. */
struct mail_target {
    Id tenant;
    const struct wf_email_cfg *cfg;
};
Err mail_connect(struct wf_engine *e, const struct mail_target *t, struct imap **ret_imap,
                 struct imap_folder *ret_folder) YIELDS;

/* ---- mail_input.c ---- */

struct mail_source {
    const struct wf_email_cfg *cfg;
    int64_t uidvalidity;
    const struct imap_message *message; /* with its body */
    bool cut;                           /* the body is not all of it */
    size_t max_output;                  /* as JSON; contents of attachments keep below it */
};
/* What a run gets of a message. E_TOO_LARGE. */
Err mail_input(struct arena *a, const struct mail_source *source, struct json **ret_input) YIELDS;
/* Whether the head of a message fits what @cfg asks for. */
bool mail_fits(const struct wf_email_cfg *cfg, Str head);

/* What the password of a trigger opens for (seal.h). */
Str mail_seal_use(struct arena *a, const struct mail_target *t);

#endif
