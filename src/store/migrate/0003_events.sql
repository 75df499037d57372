-- Steps that wait for an event, answers on their way to steps that wait, and the events of late.
CREATE TABLE event_wait (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    topic {bytes} NOT NULL,
    run_id {id} NOT NULL,
    created_at {int} NOT NULL
) {clustered};
CREATE INDEX event_wait_topic ON event_wait (tenant_id, topic, id);
CREATE INDEX event_wait_run ON event_wait (run_id);
-- One answer of each source to a wait: an event's id, or who decided.
CREATE TABLE answer (
    wait_id {id} NOT NULL,
    source {bytes} NOT NULL,
    run_id {id} NOT NULL,
    body {bytes} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (wait_id, source)
) {clustered};
CREATE INDEX answer_run ON answer (run_id);
CREATE TABLE event (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    topic {bytes} NOT NULL,
    body {bytes} NOT NULL,
    delivered {int}
) {clustered};
CREATE INDEX event_undelivered ON event (id) WHERE delivered IS NULL;
CREATE INDEX event_topic ON event (tenant_id, topic, id);
CREATE TABLE event_key (
    tenant_id {id} NOT NULL,
    key {bytes} NOT NULL,
    fingerprint {bytes} NOT NULL,
    event_id {id} NOT NULL,
    PRIMARY KEY (tenant_id, key)
) {clustered};
CREATE INDEX event_key_event ON event_key (event_id);
-- Answers that the run has not looked at: more than zero.
ALTER TABLE run ADD COLUMN mail {int} NOT NULL DEFAULT 0;
CREATE INDEX run_mail ON run (lease_node) WHERE mail > 0 AND finished_at IS NULL;
