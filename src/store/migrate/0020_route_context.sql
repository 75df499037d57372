-- What becomes of a request that is longer than a model can read: none, error, trim; empty: as the setting says.
ALTER TABLE model_route ADD COLUMN context {text} NOT NULL DEFAULT '';
