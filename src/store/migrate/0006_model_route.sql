-- Names under which models are called, and who answers for them, in order (JSON).
CREATE TABLE model_route (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    targets {text} NOT NULL,
    attempts {int} NOT NULL,
    timeout {int} NOT NULL,
    revision {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE UNIQUE INDEX model_route_name ON model_route (tenant_id, name);
