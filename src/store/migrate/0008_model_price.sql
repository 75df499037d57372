-- What models cost: written by hand (origin own) or read from a list (import). Prices are JSON, see llm/price.h.
CREATE TABLE model_price (
    id {id} NOT NULL PRIMARY KEY,
    tenant_id {id} NOT NULL,
    provider {text} NOT NULL,
    model {text} NOT NULL,
    origin {text} NOT NULL,
    prices {text} NOT NULL,
    revision {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL
);
CREATE UNIQUE INDEX model_price_name ON model_price (tenant_id, origin, provider, model);
-- Micro-units of the currency; NULL: the price was not known.
ALTER TABLE model_call ADD COLUMN cost {int};
ALTER TABLE model_call ADD COLUMN hour {int} NOT NULL DEFAULT 0;
UPDATE model_call SET hour = day * 24;
