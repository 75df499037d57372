-- How long runs that have ended are kept: of a workflow (owner_id) or of all of a tenant's. Ages in microseconds; 0: nothing
-- is said about it.
CREATE TABLE retention (
    owner_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    succeeded_age {int} NOT NULL,
    succeeded_count {int} NOT NULL,
    failed_age {int} NOT NULL,
    failed_count {int} NOT NULL,
    cancelled_age {int} NOT NULL,
    cancelled_count {int} NOT NULL
);
-- 1: somebody wants it kept, whatever its age.
ALTER TABLE run ADD COLUMN keep {int} NOT NULL DEFAULT 0;
-- Keys of starts go with their runs.
CREATE INDEX run_key_run ON run_key (run_id);
-- Lists of a workflow's runs in a state that few are in; succeeded ones (state 3) are found by run_workflow.
CREATE INDEX run_workflow_other ON run (workflow_id, state, id) WHERE state <> 3;
