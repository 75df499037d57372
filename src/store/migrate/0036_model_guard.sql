-- Who looks at what is said to models and by them.
CREATE TABLE model_guard (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    url {text} NOT NULL,
    events {text} NOT NULL,
    routes {text} NOT NULL,
    keys {text} NOT NULL,
    except_keys {text} NOT NULL,
    on_error {text} NOT NULL,
    secret {bytes} NOT NULL,
    timeout {int} NOT NULL,
    window_bytes {int} NOT NULL,
    back_bytes {int} NOT NULL,
    private_network {int} NOT NULL,
    enabled {int} NOT NULL,
    revision {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE UNIQUE INDEX model_guard_name ON model_guard (tenant_id, name);
-- Which guard had something to say of a call: its name, what it did, and why.
ALTER TABLE model_call ADD COLUMN guard {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN verdict {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN guard_reason {text} NOT NULL DEFAULT '';
