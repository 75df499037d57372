-- Conversations with workflows that are started by chat. state 0: not answered yet, 1: answered, 2: no answer came.
CREATE TABLE chat (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    workflow_id {id} NOT NULL,
    created_at {int} NOT NULL,
    used_at {int} NOT NULL,
    keep_until {int} NOT NULL
) {clustered};
CREATE INDEX chat_old ON chat (keep_until);
CREATE TABLE chat_turn (
    chat_id {id} NOT NULL,
    n {int} NOT NULL,
    run_id {id} NOT NULL,
    message {text} NOT NULL,
    answer {text} NOT NULL,
    state {int} NOT NULL,
    at {int} NOT NULL,
    PRIMARY KEY (chat_id, n)
) {clustered};
