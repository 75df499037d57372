-- The folder that the published version of a workflow reads mails from. taken_by holds it until next_at; epoch
-- counts takings and publications: who writes says which one it belongs to. last_uid: all messages up to it have
-- had their run, or get none; pending_uid: has had its run, and is still to be marked, moved or deleted.
-- arrived: the latest that was looked at came then; after: those that came no later are passed over.
CREATE TABLE mailbox (
    workflow_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    version {int} NOT NULL,
    hash {bytes} NOT NULL,
    spec {text} NOT NULL,
    epoch {int} NOT NULL,
    uidvalidity {int} NOT NULL,
    last_uid {int} NOT NULL,
    pending_uid {int} NOT NULL,
    arrived {int} NOT NULL,
    after {int} NOT NULL,
    next_at {int} NOT NULL,
    taken_by {id},
    connected_at {int} NOT NULL,
    looked_at {int} NOT NULL,
    mail_at {int} NOT NULL,
    started {int} NOT NULL,
    tries {int} NOT NULL,
    error {text} NOT NULL
) {clustered};
CREATE INDEX mailbox_due ON mailbox (next_at);
