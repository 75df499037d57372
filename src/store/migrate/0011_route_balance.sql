-- In which order a route's targets are called, and the header whose value keeps a session at one of them.
ALTER TABLE model_route ADD COLUMN balance {text} NOT NULL DEFAULT 'order';
ALTER TABLE model_route ADD COLUMN sticky {text} NOT NULL DEFAULT '';
