-- Where the published version of a workflow looks for something new, and when it looks next. is_first: nothing
-- was seen yet.
CREATE TABLE poll (
    workflow_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    kind {text} NOT NULL,
    version {int} NOT NULL,
    hash {bytes} NOT NULL,
    spec {text} NOT NULL,
    is_first {int} NOT NULL,
    next_at {int} NOT NULL,
    taken_by {id},
    looked_at {int} NOT NULL,
    error {text} NOT NULL
) {clustered};
CREATE INDEX poll_due ON poll (next_at);
-- What was seen there, by a hash of its name. state 0: new, 1: done, 2: changed since it was done. mark: what it
-- looked like at since.
CREATE TABLE poll_item (
    workflow_id {id} NOT NULL,
    item {id} NOT NULL,
    mark {text} NOT NULL,
    state {int} NOT NULL,
    since {int} NOT NULL,
    PRIMARY KEY (workflow_id, item)
) {clustered};
