-- The version of a provider's API that is asked for; empty: the usual one.
ALTER TABLE provider ADD COLUMN api_version {text} NOT NULL DEFAULT '';
