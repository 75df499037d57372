/* src/store/store_approval_mail.h - mails that are on their way to approvers.
 *
 * One is written by the transaction that makes the approval, for each approver who gets the link by
 * mail. Whoever sends it takes it for the time of an attempt: if that process dies, it is due
 * again. What it says is made when it is sent; the rows go with the approval.
 */
#ifndef STORE_STORE_APPROVAL_MAIL_H
#define STORE_STORE_APPROVAL_MAIL_H

#include "store/db.h"

enum approval_mail_state {
    APPROVAL_MAIL_PENDING,
    APPROVAL_MAIL_SENT,
    APPROVAL_MAIL_DEAD,
    APPROVAL_MAIL_NEEDLESS
};

struct approval_mail {
    Id id, approval;
    Str to;
    enum approval_mail_state state;
    int attempts;
    Usec next_at;
    Str error; /* of the last attempt */
    Usec created_at, finished_at;
    Usec taken_until; /* somebody sends it until then; 0: nobody */
};
typedef VEC(struct approval_mail) ApprovalMails;

/* Queue it: pending, due at its created_at. */
void store_approval_mail_put(struct db_tx *tx, const struct approval_mail *row);
/* What is due at @now and taken by nobody, the oldest first. */
Err store_approval_mail_due(struct db *db, struct arena *a, Usec now, int limit,
                            ApprovalMails *ret_rows) YIELDS;
/* Take it for @node until @until. E_CONFLICT: somebody else has. */
Err store_approval_mail_take(struct db *db, struct arena *a, const struct approval_mail *row,
                             Id node, Usec until) YIELDS;
/* What became of the attempt that was taken until @taken: state, attempts, next_at, error,
 * finished_at of @row. Nothing happens when it was taken by somebody else meanwhile. */
Err store_approval_mail_tried(struct db *db, struct arena *a, const struct approval_mail *row,
                              Usec taken) YIELDS;
/* Give back what @node had taken, which is gone; none: what anybody had. */
Err store_approval_mail_free(struct db *db, struct arena *a, Id node) YIELDS;
/* Those of an approval, in order. */
Err store_approval_mail_of(struct db *db, struct arena *a, Id approval, ApprovalMails *ret_rows)
    YIELDS;

#endif
