-- +goose Up
-- Runs of workflows, one for each job of that type, with its id. status is the end of
-- the job, '' until then; rest is the state without nodes, outputs and maps, '' until
-- the first step. forgotten = 1 when the log of steps has been shortened.
CREATE TABLE workflow_runs (
  run_id      TEXT NOT NULL PRIMARY KEY,
  tenant      TEXT NOT NULL,
  job_id      TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  version     INT NOT NULL,
  hash        TEXT NOT NULL,
  retry_of    TEXT NOT NULL,
  status      TEXT NOT NULL,
  seq         INT NOT NULL,
  epoch       INT NOT NULL,
  paused_by   TEXT NOT NULL,
  created_ms  INT NOT NULL,
  started_ms  INT NOT NULL,
  ended_ms    INT NOT NULL,
  updated_ms  INT NOT NULL,
  rest        TEXT NOT NULL,
  forgotten   INT NOT NULL
) STRICT;
CREATE INDEX workflow_runs_newest ON workflow_runs (tenant, run_id);
CREATE INDEX workflow_runs_workflow ON workflow_runs (tenant, workflow_id, run_id);
CREATE INDEX workflow_runs_status ON workflow_runs (tenant, status, run_id);
CREATE INDEX workflow_runs_workflow_status ON workflow_runs (tenant, workflow_id, status, run_id);
CREATE INDEX workflow_runs_long ON workflow_runs (ended_ms) WHERE ended_ms > 0 AND forgotten = 0;

-- Nodes that were reached. out_seq is the step that set outputs, or took them away.
CREATE TABLE workflow_nodes (
  run_id  TEXT NOT NULL,
  node_id TEXT NOT NULL,
  state   TEXT NOT NULL,
  outputs TEXT NOT NULL,
  out_seq INT NOT NULL,
  PRIMARY KEY (run_id, node_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow_maps (
  run_id  TEXT NOT NULL,
  node_id TEXT NOT NULL,
  state   TEXT NOT NULL,
  PRIMARY KEY (run_id, node_id)
) STRICT, WITHOUT ROWID;

-- What nodes wait for. woke_ms > 0: it is there, and data is what it brought.
CREATE TABLE workflow_waits (
  run_id   TEXT NOT NULL,
  node_id  TEXT NOT NULL,
  tenant   TEXT NOT NULL,
  kind     TEXT NOT NULL,
  ref      TEXT NOT NULL,
  event    TEXT NOT NULL,
  matches  TEXT NOT NULL,
  until_ms INT NOT NULL,
  woke_ms  INT NOT NULL,
  data     TEXT NOT NULL,
  PRIMARY KEY (run_id, node_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_waits_ref ON workflow_waits (ref, kind) WHERE ref <> '';
CREATE INDEX workflow_waits_event ON workflow_waits (tenant, event, run_id, node_id) WHERE event <> '';

-- The log of steps. delta is what the step changed, without outputs. The step 0 is
-- what a run began with that another one left.
CREATE TABLE workflow_checkpoints (
  run_id        TEXT NOT NULL,
  seq           INT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  node_id       TEXT NOT NULL,
  item          INT NOT NULL,
  epoch         INT NOT NULL,
  at_ms         INT NOT NULL,
  delta         TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_checkpoints_items ON workflow_checkpoints (run_id, node_id, seq) WHERE item = 1;

CREATE TABLE workflow_attempts (
  run_id     TEXT NOT NULL,
  node_id    TEXT NOT NULL,
  number     INT NOT NULL,
  epoch      INT NOT NULL,
  started_ms INT NOT NULL,
  ended_ms   INT NOT NULL,
  status     TEXT NOT NULL,
  outcome    TEXT NOT NULL,
  error      TEXT NOT NULL,
  PRIMARY KEY (run_id, node_id, number)
) STRICT, WITHOUT ROWID;

-- Concurrency keys in use; a row is locked by whoever gives places under it away.
CREATE TABLE workflow_keys (
  tenant      TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  name        TEXT NOT NULL,
  entries     INT NOT NULL,
  PRIMARY KEY (tenant, workflow_id, name)
) STRICT, WITHOUT ROWID;

-- Who has a place under a key, and who waits for one. most is the limit that the run
-- came with; woke = 1: it got the place while it waited, and does not know it yet.
CREATE TABLE workflow_turns (
  run_id      TEXT NOT NULL PRIMARY KEY,
  job_id      TEXT NOT NULL,
  tenant      TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  name        TEXT NOT NULL,
  holder      INT NOT NULL,
  most        INT NOT NULL,
  woke        INT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX workflow_turns_key ON workflow_turns (tenant, workflow_id, name, run_id);
