-- Prompts that are called by name: what each is, its versions, which never change, and the names under which versions
-- are called (labels, JSON: {"published": 3}).
CREATE TABLE prompt (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    name {text} NOT NULL,
    description {text} NOT NULL,
    labels {text} NOT NULL,
    latest {int} NOT NULL,
    revision {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE UNIQUE INDEX prompt_name ON prompt (tenant_id, name);
CREATE TABLE prompt_version (
    prompt_id {id} NOT NULL,
    number {int} NOT NULL,
    body {text} NOT NULL,
    note {text} NOT NULL,
    created_by {text} NOT NULL,
    created_at {int} NOT NULL,
    PRIMARY KEY (prompt_id, number)
);
