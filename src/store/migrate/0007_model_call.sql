-- One row for each call of a model that reached a provider. The id tells the time.
CREATE TABLE model_call (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    key_id {id} NOT NULL,
    model {text} NOT NULL,
    provider {text} NOT NULL,
    upstream_model {text} NOT NULL,
    operation {text} NOT NULL,
    streamed {int} NOT NULL,
    outcome {text} NOT NULL,
    status {int} NOT NULL,
    attempts {int} NOT NULL,
    prompt_tokens {int} NOT NULL,
    cached_tokens {int} NOT NULL,
    completion_tokens {int} NOT NULL,
    reasoning_tokens {int} NOT NULL,
    estimated {int} NOT NULL,
    overhead_us {int} NOT NULL,
    first_byte_us {int},
    total_us {int} NOT NULL,
    day {int} NOT NULL
) {clustered};
