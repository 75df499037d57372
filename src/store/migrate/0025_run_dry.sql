-- 1: a dry run, whose steps call nothing.
ALTER TABLE run ADD COLUMN dry_run {int} NOT NULL DEFAULT 0;
