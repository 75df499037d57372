-- What a key or a tenant (the subject) may use of models, as JSON.
CREATE TABLE model_limit (
    subject_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    policy {text} NOT NULL,
    updated_at {int} NOT NULL
);
-- What processes have taken of a limit in a window of time; last_grant is what the last one took.
CREATE TABLE model_counter (
    subject_id {id} NOT NULL,
    slot {int} NOT NULL,
    window_from {int} NOT NULL,
    window_to {int} NOT NULL,
    taken {int} NOT NULL,
    last_grant {int} NOT NULL,
    PRIMARY KEY (subject_id, slot, window_from)
) {clustered};
CREATE INDEX model_counter_end ON model_counter (window_to);
