-- Steps that wait for people, and what each of them decided. Kept as long as the run.
CREATE TABLE approval (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    workflow_id {id} NOT NULL,
    run_id {id} NOT NULL,
    body {bytes} NOT NULL,
    secret {bytes} NOT NULL,
    decisions {int} NOT NULL,
    created_at {int} NOT NULL,
    due_at {int},
    closed_at {int},
    outcome {text} NOT NULL
) {clustered};
CREATE INDEX approval_open ON approval (tenant_id, id) WHERE closed_at IS NULL;
CREATE INDEX approval_run ON approval (run_id);
CREATE TABLE decision (
    approval_id {id} NOT NULL,
    source {bytes} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (approval_id, source)
) {clustered};
