-- Starts that are gathered into one run (debounce, batch): the run is there as a row that nobody holds,
-- and has no journal yet. kind 0: the last input counts, 1: the first, 2: all of them. While is_open
-- others join; there is one such of each gate.
CREATE TABLE gather (
    run_id {id} NOT NULL PRIMARY KEY,
    gate_id {id} NOT NULL,
    tenant_id {id} NOT NULL,
    workflow_id {id} NOT NULL,
    name {text} NOT NULL,
    kind {int} NOT NULL,
    is_open {int} NOT NULL,
    n {int} NOT NULL,
    bytes {int} NOT NULL,
    first_at {int} NOT NULL,
    due_at {int} NOT NULL
) {clustered};
CREATE UNIQUE INDEX gather_open ON gather (gate_id) WHERE is_open = 1;
CREATE INDEX gather_due ON gather (due_at) WHERE is_open = 1;
CREATE TABLE gather_input (
    run_id {id} NOT NULL,
    seq {int} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (run_id, seq)
);
