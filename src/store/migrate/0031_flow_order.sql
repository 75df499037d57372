-- Each look at a gate, and each run that comes to it, reads a handful of rows however many wait: who is next stands in
-- the index in that order whole, and the last turn of a key is found among those before and in the gate at once.
DROP INDEX flow_run_gate;
DROP INDEX flow_run_fair;
DROP INDEX flow_run_queued;
CREATE INDEX flow_run_gate ON flow_run (gate_id, state, turn, rank, run_id);
CREATE INDEX flow_run_fair ON flow_run (fair, gate_id, turn) WHERE state <> 2;
