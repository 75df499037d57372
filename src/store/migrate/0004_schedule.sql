-- When workflows with a schedule fire next, by their published version. next_at is the time on the schedule,
-- due_at the same with jitter; a row is written with the version that it follows, and moved on with the run
-- that it starts. moved_at is when it was written last, by the wall clock.
CREATE TABLE schedule (
    workflow_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    version {int} NOT NULL,
    hash {bytes} NOT NULL,
    spec {text} NOT NULL,
    anchor {int} NOT NULL,
    next_at {int} NOT NULL,
    due_at {int} NOT NULL,
    moved_at {int} NOT NULL,
    last_at {int},
    last_run {id}
);
CREATE INDEX schedule_due ON schedule (due_at);
