-- +goose Up
-- Instructions and permissions for work with language models. Versions are
-- immutable and stay: runs name them.
CREATE TABLE directives (
  directive_id TEXT NOT NULL PRIMARY KEY,
  tenant       TEXT NOT NULL REFERENCES tenants,
  name         TEXT NOT NULL,
  name_folded  TEXT NOT NULL,
  version      INT NOT NULL,
  archived     INT NOT NULL CHECK (archived IN (0, 1)),
  body         TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_ms   INT NOT NULL,
  updated_ms   INT NOT NULL,
  deleted_ms   INT NOT NULL
) STRICT;
CREATE UNIQUE INDEX directives_name ON directives (tenant, name) WHERE deleted_ms = 0;

CREATE TABLE directive_versions (
  directive_id TEXT NOT NULL REFERENCES directives,
  version      INT NOT NULL,
  name         TEXT NOT NULL,
  body         TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_ms   INT NOT NULL,
  PRIMARY KEY (directive_id, version)
) STRICT;

-- The version that a job was bound to when it was added: {"id","name","version"}, or ''.
ALTER TABLE jobs ADD COLUMN directive TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN directive TEXT NOT NULL DEFAULT '';
ALTER TABLE direct_requests ADD COLUMN directive TEXT NOT NULL DEFAULT '';

-- One question to a language model: what it cost, never what was said. NULL is
-- unknown.
CREATE TABLE llm_calls (
  run_id      TEXT NOT NULL REFERENCES runs,
  seq         INT NOT NULL,
  tenant      TEXT NOT NULL,
  server      TEXT NOT NULL,
  model       TEXT NOT NULL,
  stage       TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  prompt      INT,
  completion  INT,
  started_ms  INT NOT NULL,
  load_ms     INT NOT NULL,
  reading_ms  INT NOT NULL,
  writing_ms  INT NOT NULL,
  total_ms    INT NOT NULL,
  PRIMARY KEY (run_id, seq)
) STRICT;

-- Sums of calls by UTC day, which outlive the runs. unknown counts the calls of
-- which a count is not known.
CREATE TABLE llm_usage (
  tenant      TEXT NOT NULL,
  day         TEXT NOT NULL,
  template_id TEXT NOT NULL,
  job_type    TEXT NOT NULL,
  model       TEXT NOT NULL,
  calls       INT NOT NULL,
  prompt      INT NOT NULL,
  completion  INT NOT NULL,
  unknown     INT NOT NULL,
  total_ms    INT NOT NULL,
  PRIMARY KEY (tenant, day, template_id, job_type, model)
) STRICT;

-- How many tokens may be used on a UTC day. template_id '' is the whole tenant.
CREATE TABLE llm_budgets (
  tenant      TEXT NOT NULL REFERENCES tenants,
  template_id TEXT NOT NULL,
  tokens      INT NOT NULL,
  updated_by  TEXT NOT NULL,
  updated_ms  INT NOT NULL,
  PRIMARY KEY (tenant, template_id)
) STRICT;

-- The secret by which requests are recognised whose bodies are not stored, the
-- same for all servers of the installation. At most one row.
CREATE TABLE body_key (
  id     INT NOT NULL PRIMARY KEY CHECK (id = 1),
  secret TEXT NOT NULL
) STRICT;
