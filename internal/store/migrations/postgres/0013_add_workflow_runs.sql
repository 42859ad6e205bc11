-- +goose Up
-- Runs of workflows, one for each job of that type, with its id. status is the end of
-- the job, '' until then; rest is the state without nodes, outputs and maps, '' until
-- the first step. forgotten = 1 when the log of steps has been shortened.
CREATE TABLE workflow_runs (
  run_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant      TEXT COLLATE "C" NOT NULL,
  job_id      TEXT COLLATE "C" NOT NULL,
  workflow_id TEXT COLLATE "C" NOT NULL,
  version     BIGINT NOT NULL,
  hash        TEXT COLLATE "C" NOT NULL,
  retry_of    TEXT COLLATE "C" NOT NULL,
  status      TEXT COLLATE "C" NOT NULL,
  seq         BIGINT NOT NULL,
  epoch       BIGINT NOT NULL,
  paused_by   TEXT COLLATE "C" NOT NULL,
  created_ms  BIGINT NOT NULL,
  started_ms  BIGINT NOT NULL,
  ended_ms    BIGINT NOT NULL,
  updated_ms  BIGINT NOT NULL,
  rest        TEXT COLLATE "C" NOT NULL,
  forgotten   BIGINT NOT NULL
);
CREATE INDEX workflow_runs_newest ON workflow_runs (tenant, run_id);
CREATE INDEX workflow_runs_workflow ON workflow_runs (tenant, workflow_id, run_id);
CREATE INDEX workflow_runs_status ON workflow_runs (tenant, status, run_id);
CREATE INDEX workflow_runs_workflow_status ON workflow_runs (tenant, workflow_id, status, run_id);
CREATE INDEX workflow_runs_long ON workflow_runs (ended_ms) WHERE ended_ms > 0 AND forgotten = 0;

-- Nodes that were reached. out_seq is the step that set outputs, or took them away.
CREATE TABLE workflow_nodes (
  run_id  TEXT COLLATE "C" NOT NULL,
  node_id TEXT COLLATE "C" NOT NULL,
  state   TEXT COLLATE "C" NOT NULL,
  outputs TEXT COLLATE "C" NOT NULL,
  out_seq BIGINT NOT NULL,
  PRIMARY KEY (run_id, node_id)
);

CREATE TABLE workflow_maps (
  run_id  TEXT COLLATE "C" NOT NULL,
  node_id TEXT COLLATE "C" NOT NULL,
  state   TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, node_id)
);

-- What nodes wait for. woke_ms > 0: it is there, and data is what it brought.
CREATE TABLE workflow_waits (
  run_id   TEXT COLLATE "C" NOT NULL,
  node_id  TEXT COLLATE "C" NOT NULL,
  tenant   TEXT COLLATE "C" NOT NULL,
  kind     TEXT COLLATE "C" NOT NULL,
  ref      TEXT COLLATE "C" NOT NULL,
  event    TEXT COLLATE "C" NOT NULL,
  matches  TEXT COLLATE "C" NOT NULL,
  until_ms BIGINT NOT NULL,
  woke_ms  BIGINT NOT NULL,
  data     TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, node_id)
);
CREATE INDEX workflow_waits_ref ON workflow_waits (ref, kind) WHERE ref <> '';
CREATE INDEX workflow_waits_event ON workflow_waits (tenant, event, run_id, node_id) WHERE event <> '';

-- The log of steps. delta is what the step changed, without outputs. The step 0 is
-- what a run began with that another one left.
CREATE TABLE workflow_checkpoints (
  run_id        TEXT COLLATE "C" NOT NULL,
  seq           BIGINT NOT NULL,
  checkpoint_id TEXT COLLATE "C" NOT NULL,
  node_id       TEXT COLLATE "C" NOT NULL,
  item          BIGINT NOT NULL,
  epoch         BIGINT NOT NULL,
  at_ms         BIGINT NOT NULL,
  delta         TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, seq)
);
CREATE INDEX workflow_checkpoints_items ON workflow_checkpoints (run_id, node_id, seq) WHERE item = 1;

CREATE TABLE workflow_attempts (
  run_id     TEXT COLLATE "C" NOT NULL,
  node_id    TEXT COLLATE "C" NOT NULL,
  number     BIGINT NOT NULL,
  epoch      BIGINT NOT NULL,
  started_ms BIGINT NOT NULL,
  ended_ms   BIGINT NOT NULL,
  status     TEXT COLLATE "C" NOT NULL,
  outcome    TEXT COLLATE "C" NOT NULL,
  error      TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run_id, node_id, number)
);

-- Concurrency keys in use; a row is locked by whoever gives places under it away.
CREATE TABLE workflow_keys (
  tenant      TEXT COLLATE "C" NOT NULL,
  workflow_id TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  entries     BIGINT NOT NULL,
  PRIMARY KEY (tenant, workflow_id, name)
);

-- Who has a place under a key, and who waits for one. most is the limit that the run
-- came with; woke = 1: it got the place while it waited, and does not know it yet.
CREATE TABLE workflow_turns (
  run_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  job_id      TEXT COLLATE "C" NOT NULL,
  tenant      TEXT COLLATE "C" NOT NULL,
  workflow_id TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  holder      BIGINT NOT NULL,
  most        BIGINT NOT NULL,
  woke        BIGINT NOT NULL
);
CREATE INDEX workflow_turns_key ON workflow_turns (tenant, workflow_id, name, run_id);
