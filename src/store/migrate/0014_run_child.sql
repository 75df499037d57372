-- Runs that a step of another run has started. wait_id: the wait that the run answers with its end; none: nobody waits.
CREATE TABLE run_child (
    run_id {id} NOT NULL PRIMARY KEY,
    parent_id {id} NOT NULL,
    node {text} NOT NULL,
    wait_id {id}
) {clustered};
CREATE INDEX run_child_parent ON run_child (parent_id, run_id);
CREATE INDEX workflow_name ON workflow (tenant_id, name);
