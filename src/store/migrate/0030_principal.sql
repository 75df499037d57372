-- Teams (kind 1) and users (kind 2) of a tenant. A user may be of a team, a key of a user and of a team.
CREATE TABLE principal (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    kind {int} NOT NULL,
    name {text} NOT NULL,
    team_id {id},
    created_at {int} NOT NULL
);
CREATE UNIQUE INDEX principal_name ON principal (tenant_id, kind, name);
CREATE INDEX principal_team ON principal (team_id) WHERE team_id IS NOT NULL;
ALTER TABLE api_key ADD COLUMN user_id {id};
ALTER TABLE api_key ADD COLUMN team_id {id};
CREATE INDEX api_key_user ON api_key (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX api_key_team ON api_key (team_id) WHERE team_id IS NOT NULL;
ALTER TABLE model_call ADD COLUMN user_id {id};
ALTER TABLE model_call ADD COLUMN team_id {id};
-- End-users, as requests name them, of whom counters are kept: no more than so many of a tenant.
CREATE TABLE model_end_user (
    subject_id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    seen_at {int} NOT NULL
);
CREATE INDEX model_end_user_seen ON model_end_user (tenant_id, seen_at);
