-- Providers that are asked from time to time if they are there: how; empty: never.
ALTER TABLE provider ADD COLUMN probe {text} NOT NULL DEFAULT '';
-- What the server that asked last saw, for who looks at the database: changes at once, else once a minute.
CREATE TABLE provider_state (
    provider_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    state {text} NOT NULL,
    since {int} NOT NULL,
    asked_at {int} NOT NULL,
    took {int} NOT NULL,
    error {text} NOT NULL
) {clustered};
