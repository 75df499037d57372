-- Which target of a provider made a response that lives there: calls that follow it go to it, on every server.
CREATE TABLE model_pin (
    tenant_id {id} NOT NULL,
    response {bytes} NOT NULL,
    provider_id {id} NOT NULL,
    model {bytes} NOT NULL,
    keep_until {int} NOT NULL,
    PRIMARY KEY (tenant_id, response)
);
CREATE INDEX model_pin_old ON model_pin (keep_until);
