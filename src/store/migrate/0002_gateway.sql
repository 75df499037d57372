-- Who answers model calls, at which address, with which credential (sealed by the master key).
CREATE TABLE provider (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    kind {text} NOT NULL,
    base_url {text} NOT NULL,
    credential {bytes},
    private_network {int} NOT NULL,
    enabled {int} NOT NULL,
    timeout {int} NOT NULL,
    revision {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE UNIQUE INDEX provider_name ON provider (tenant_id, name);
