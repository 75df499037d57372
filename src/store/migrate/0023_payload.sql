-- Large values of journals, each once in a tenant, by their content (docs/formats/journal.md).
CREATE TABLE payload (
    tenant_id {id} NOT NULL,
    hash {bytes} NOT NULL,
    size {int} NOT NULL,
    body {bytes} NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
-- The values that a run has, by the numbers that its journal gives them. The key keeps the value of every row here.
CREATE TABLE run_payload (
    run_id {id} NOT NULL,
    n {int} NOT NULL,
    tenant_id {id} NOT NULL,
    hash {bytes} NOT NULL,
    PRIMARY KEY (run_id, n),
    FOREIGN KEY (tenant_id, hash) REFERENCES payload (tenant_id, hash)
) {clustered};
CREATE INDEX run_payload_value ON run_payload (tenant_id, hash);
