-- Who is told of what happens: subscriptions, and what is on its way to them.
CREATE TABLE subscription (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    url {text} NOT NULL,
    description {text} NOT NULL,
    events {text} NOT NULL,
    workflow_id {id},
    secret {bytes} NOT NULL,
    max_attempts {int} NOT NULL,
    enabled {int} NOT NULL,
    disabled_why {text} NOT NULL,
    revision {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE INDEX subscription_list ON subscription (tenant_id, id);
-- state 0: on its way, 1: delivered, 2: given up.
CREATE TABLE delivery (
    subscription_id {id} NOT NULL,
    id {id} NOT NULL,
    event {text} NOT NULL,
    run_id {id},
    body {bytes} NOT NULL,
    state {int} NOT NULL,
    attempts {int} NOT NULL,
    next_at {int} NOT NULL,
    status {int} NOT NULL,
    error {text} NOT NULL,
    created_at {int} NOT NULL,
    finished_at {int},
    taken_until {int} NOT NULL,
    taken_by {id},
    PRIMARY KEY (subscription_id, id)
) {clustered};
CREATE INDEX delivery_due ON delivery (subscription_id, next_at) WHERE state = 0;
CREATE INDEX delivery_old ON delivery (finished_at) WHERE finished_at IS NOT NULL;
