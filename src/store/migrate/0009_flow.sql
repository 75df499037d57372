-- Flow control: a gate for each key that limits are kept by, and the runs that are before or in it.
CREATE TABLE flow_gate (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    concurrency {int} NOT NULL,
    throttle_gap {int} NOT NULL,
    throttle_slack {int} NOT NULL,
    throttle_at {int} NOT NULL,
    rate_at {int} NOT NULL,
    turn {int} NOT NULL,
    used_at {int} NOT NULL
) {clustered};
CREATE INDEX flow_gate_used ON flow_gate (used_at);
-- state 0: queued, 1: admitted, 2: waits for something else and holds no place.
CREATE TABLE flow_run (
    run_id {id} NOT NULL PRIMARY KEY,
    gate_id {id} NOT NULL,
    state {int} NOT NULL,
    turn {int} NOT NULL,
    rank {int} NOT NULL,
    fair {id} NOT NULL
) {clustered};
CREATE INDEX flow_run_gate ON flow_run (gate_id, state, turn, rank);
CREATE INDEX flow_run_fair ON flow_run (gate_id, fair, turn) WHERE state = 0;
CREATE INDEX flow_run_queued ON flow_run (gate_id) WHERE state = 0;
