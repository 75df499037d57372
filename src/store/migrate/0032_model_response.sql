-- Responses that the gateway keeps for calls that follow them. Each row has what its turn added; with the rows before it,
-- by previous_id, it is the whole conversation: bytes, of depth turns. body: JSON, packed as batches of journals are, with
-- its large values under run_payload by the response's id.
CREATE TABLE model_response (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    conversation_id {id} NOT NULL,
    previous_id {id},
    depth {int} NOT NULL,
    bytes {int} NOT NULL,
    body {bytes} NOT NULL,
    created_at {int} NOT NULL
);
CREATE INDEX model_response_conversation ON model_response (conversation_id);
-- A conversation is kept until some time after its last response.
CREATE TABLE model_conversation (
    id {id} NOT NULL PRIMARY KEY,
    keep_until {int} NOT NULL
);
CREATE INDEX model_conversation_old ON model_conversation (keep_until);
