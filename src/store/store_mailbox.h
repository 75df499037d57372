/* src/store/store_mailbox.h - folders of mails that start workflows, and how far they are read.
 *
 * Whoever reads a folder has taken its row for a while, and says with each write by which taking:
 * E_CONFLICT tells that it is somebody else's by now, or that another version was published. How
 * far it is read changes in the transaction that starts the run: whatever crashes, each message
 * starts one.
 */
#ifndef STORE_STORE_MAILBOX_H
#define STORE_STORE_MAILBOX_H

#include "store/db.h"

struct mailbox_row {
    Id workflow, tenant;
    int version;
    Str hash; /* of the definition, 32 bytes */
    Str spec; /* which folder it is: as long as that is the same, it is read on from where it was */
    int64_t epoch;
    int64_t uidvalidity;           /* 0: it was not looked at yet */
    int64_t last_uid, pending_uid; /* pending 0: none */
    Usec arrived, after;
    Usec next_at;
    Id taken_by;
    Usec connected_at; /* 0: it is not */
    Usec looked_at, mail_at;
    int64_t started; /* runs */
    int tries;       /* failures in a row */
    Str error;
};
typedef VEC(struct mailbox_row) MailboxRows;

/* Queue what the published version of @workflow reads; NULL: nothing. */
void store_mailbox_put(struct db_tx *tx, Id workflow, const struct mailbox_row *row);
/* E_NOT_FOUND. */
Err store_mailbox_get(struct db *db, struct arena *a, Id tenant, Id workflow,
                      struct mailbox_row *ret_row) YIELDS;
Err store_mailbox_is_due(struct db *db, struct arena *a, Usec now, bool *ret_is) YIELDS;
/* Of one tenant, over all nodes, so many are read at once. */
enum { STORE_MAILBOX_TENANT_MAX = 500 };
/* Take up to @limit that nobody has at @now for @node, until @until. */
Err store_mailbox_take(struct db *db, struct arena *a, Id node, Usec now, Usec until, int limit,
                       MailboxRows *ret_rows) YIELDS;
/* Give back what @node had taken, which is gone; none: what anybody had. */
Err store_mailbox_free(struct db *db, struct arena *a, Id node) YIELDS;
/* Queue all of @row that changes while it is read. */
void store_mailbox_keep(struct db_tx *tx, const struct mailbox_row *row);
/* Give it up until @row->next_at. */
Err store_mailbox_leave(struct db *db, struct arena *a, const struct mailbox_row *row) YIELDS;
/* Queue that message @uid has started a run at @now, and waits for what is done with it. */
void store_mailbox_started(struct db_tx *tx, const struct mailbox_row *row, int64_t uid,
                           bool pending, Usec now);

#endif
