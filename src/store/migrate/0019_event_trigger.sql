-- Which events start the published version of a workflow.
CREATE TABLE event_trigger (
    workflow_id {id} NOT NULL,
    event {text} NOT NULL,
    tenant_id {id} NOT NULL,
    PRIMARY KEY (workflow_id, event)
) {clustered};
CREATE INDEX event_trigger_event ON event_trigger (tenant_id, event);
-- An event on its way to a workflow that it may start. state 0: on its way, 1: it cannot start it, error says why.
CREATE TABLE event_start (
    id {id} NOT NULL,
    workflow_id {id} NOT NULL,
    tenant_id {id} NOT NULL,
    event {text} NOT NULL,
    body {bytes} NOT NULL,
    cause {text} NOT NULL,
    state {int} NOT NULL,
    attempts {int} NOT NULL,
    next_at {int} NOT NULL,
    taken_by {id},
    error {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (id, workflow_id)
);
CREATE INDEX event_start_due ON event_start (next_at) WHERE state = 0;
CREATE INDEX event_start_of ON event_start (workflow_id, id);
CREATE INDEX event_start_refused ON event_start (created_at) WHERE state = 1;
