-- Routes that call a second target beside a slow one: when; and which calls had several targets under way at once.
ALTER TABLE model_route ADD COLUMN hedge {text} NOT NULL DEFAULT '';
ALTER TABLE model_call ADD COLUMN hedged {int} NOT NULL DEFAULT 0;
