-- Answers of models that are kept: for how long, by route; how often a tenant's were thrown away, so that every process
-- hears of it; and which calls were answered by what was kept, and what that saved.
ALTER TABLE model_route ADD COLUMN cache {text} NOT NULL DEFAULT '';
CREATE TABLE model_cache_purge (
    tenant_id {id} NOT NULL PRIMARY KEY,
    purges {int} NOT NULL
);
ALTER TABLE model_call ADD COLUMN from_cache {int} NOT NULL DEFAULT 0;
ALTER TABLE model_call ADD COLUMN saved {int} NOT NULL DEFAULT 0;
