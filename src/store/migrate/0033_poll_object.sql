-- What was seen in a bucket, by name, in whose order it is listed; otherwise as poll_item.
CREATE TABLE poll_object (
    watch {id} NOT NULL,
    name {text} NOT NULL,
    mark {text} NOT NULL,
    state {int} NOT NULL,
    PRIMARY KEY (watch, name)
) {clustered};
-- Watches that are over: what was seen in them is deleted piece by piece.
CREATE TABLE poll_over (
    watch {id} NOT NULL PRIMARY KEY
) {clustered};
