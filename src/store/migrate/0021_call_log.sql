-- Who and what a call of a model was for, how it failed, and, where that is wanted, what was said.
ALTER TABLE model_call ADD COLUMN agent {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN workflow {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN step {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN end_user {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN error {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN request_id {text} NOT NULL DEFAULT '';
CREATE TABLE model_call_body (
    call_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    request {text} NOT NULL,
    answer {text} NOT NULL
);
