-- Mails to approvers that are on their way, or what became of them. They go with the approval.
-- state 0: on its way, 1: sent, 2: given up, 3: needed no more.
CREATE TABLE approval_mail (
    id {id} NOT NULL PRIMARY KEY,
    approval_id {id} NOT NULL,
    recipient {text} NOT NULL,
    state {int} NOT NULL,
    attempts {int} NOT NULL,
    next_at {int} NOT NULL,
    error {text} NOT NULL,
    created_at {int} NOT NULL,
    finished_at {int},
    taken_until {int} NOT NULL,
    taken_by {id}
) {clustered};
CREATE INDEX approval_mail_due ON approval_mail (next_at) WHERE state = 0;
CREATE INDEX approval_mail_of ON approval_mail (approval_id, id);
