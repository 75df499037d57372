-- Who listens to what comes to a workflow's draft from outside, until when, and what came.
CREATE TABLE listen (
    workflow_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    until_at {int} NOT NULL
) {clustered};
CREATE TABLE listen_call (
    workflow_id {id} NOT NULL,
    id {id} NOT NULL,
    at {int} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (workflow_id, id)
) {clustered};
CREATE INDEX listen_call_old ON listen_call (at);
