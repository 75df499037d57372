-- 1: nothing new is begun in the run until somebody lets it go on.
ALTER TABLE run ADD COLUMN pause {int} NOT NULL DEFAULT 0;
CREATE INDEX run_pause ON run (lease_node) WHERE pause = 1 AND finished_at IS NULL;
