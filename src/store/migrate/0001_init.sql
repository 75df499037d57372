-- Tenants, keys and sessions.
CREATE TABLE tenant (
    id {id} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    created_at {int} NOT NULL
);
CREATE TABLE api_key (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    prefix {text} NOT NULL,
    hash {bytes} NOT NULL,
    capabilities {text} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int},
    revoked_at {int}
);
CREATE UNIQUE INDEX api_key_hash ON api_key (hash);
CREATE TABLE session (
    hash {bytes} NOT NULL PRIMARY KEY,
    id {id} NOT NULL,
    tenant_id {id} NOT NULL,
    kind {text} NOT NULL,
    capabilities {text} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);
-- A definition is stored once by its content; versions and runs name it by hash.
CREATE TABLE definition (
    hash {bytes} NOT NULL PRIMARY KEY,
    body {bytes} NOT NULL
) {clustered};
CREATE TABLE workflow (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    description {text} NOT NULL,
    draft {bytes} NOT NULL,
    revision {int} NOT NULL,
    published_version {int} NOT NULL,
    published {bytes},
    latest_version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    deleted_at {int}
);
CREATE INDEX workflow_list ON workflow (tenant_id, id);
CREATE TABLE workflow_version (
    workflow_id {id} NOT NULL,
    version {int} NOT NULL,
    hash {bytes} NOT NULL,
    created_at {int} NOT NULL,
    created_by {text} NOT NULL,
    PRIMARY KEY (workflow_id, version)
) {clustered};
-- Runs and their journals. A journal row is the batch of events of one commit, its seq that of the first.
CREATE TABLE run (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    workflow_id {id} NOT NULL,
    version {int} NOT NULL,
    hash {bytes} NOT NULL,
    origin {text} NOT NULL,
    state {int} NOT NULL,
    created_at {int} NOT NULL,
    finished_at {int},
    wake_at {int},
    cancel_requested {int} NOT NULL,
    lease_node {id},
    lease_epoch {int} NOT NULL,
    crashes {int} NOT NULL
) {clustered};
CREATE INDEX run_open ON run (lease_node) WHERE finished_at IS NULL;
CREATE INDEX run_wake ON run (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX run_cancel ON run (lease_node) WHERE cancel_requested = 1 AND finished_at IS NULL;
CREATE INDEX run_workflow ON run (workflow_id, id);
-- Succeeded runs (state 3) are most and found by their id; the few others are found here.
CREATE INDEX run_other ON run (state, id) WHERE state <> 3;
CREATE TABLE journal (
    run_id {id} NOT NULL,
    seq {int} NOT NULL,
    events {bytes} NOT NULL,
    PRIMARY KEY (run_id, seq)
) {clustered};
CREATE TABLE run_key (
    workflow_id {id} NOT NULL,
    key {bytes} NOT NULL,
    fingerprint {bytes} NOT NULL,
    run_id {id} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (workflow_id, key)
) {clustered};
-- Processes that hold leases.
CREATE TABLE node (
    id {id} NOT NULL PRIMARY KEY,
    name {text} NOT NULL,
    started_at {int} NOT NULL,
    seen_at {int} NOT NULL
);
