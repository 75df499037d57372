-- What a source of polls keeps between two looks. watch: another one when something else is looked at, so that what
-- was seen of the one counts for nothing of the other. cursor: how far it came, in words of its kind. failures: looks
-- in a row that went wrong.
ALTER TABLE poll ADD COLUMN watch {id};
ALTER TABLE poll ADD COLUMN cursor {text} NOT NULL DEFAULT '';
ALTER TABLE poll ADD COLUMN failures {int} NOT NULL DEFAULT 0;
