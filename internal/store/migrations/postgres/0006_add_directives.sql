-- +goose Up
-- Instructions and permissions for work with language models. Versions are
-- immutable and stay: runs name them.
CREATE TABLE directives (
  directive_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  name         TEXT COLLATE "C" NOT NULL,
  name_folded  TEXT COLLATE "C" NOT NULL,
  version      BIGINT NOT NULL,
  archived     BIGINT NOT NULL CHECK (archived IN (0, 1)),
  body         TEXT COLLATE "C" NOT NULL,
  created_by   TEXT COLLATE "C" NOT NULL,
  created_ms   BIGINT NOT NULL,
  updated_ms   BIGINT NOT NULL,
  deleted_ms   BIGINT NOT NULL
);
CREATE UNIQUE INDEX directives_name ON directives (tenant, name) WHERE deleted_ms = 0;

CREATE TABLE directive_versions (
  directive_id TEXT COLLATE "C" NOT NULL REFERENCES directives,
  version      BIGINT NOT NULL,
  name         TEXT COLLATE "C" NOT NULL,
  body         TEXT COLLATE "C" NOT NULL,
  created_by   TEXT COLLATE "C" NOT NULL,
  created_ms   BIGINT NOT NULL,
  PRIMARY KEY (directive_id, version)
);

-- The version that a job was bound to when it was added: {"id","name","version"}, or ''.
ALTER TABLE jobs ADD COLUMN directive TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN directive TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE direct_requests ADD COLUMN directive TEXT COLLATE "C" NOT NULL DEFAULT '';

-- One question to a language model: what it cost, never what was said. NULL is
-- unknown.
CREATE TABLE llm_calls (
  run_id      TEXT COLLATE "C" NOT NULL REFERENCES runs,
  seq         BIGINT NOT NULL,
  tenant      TEXT COLLATE "C" NOT NULL,
  server      TEXT COLLATE "C" NOT NULL,
  model       TEXT COLLATE "C" NOT NULL,
  stage       TEXT COLLATE "C" NOT NULL,
  outcome     TEXT COLLATE "C" NOT NULL,
  prompt      BIGINT,
  completion  BIGINT,
  started_ms  BIGINT NOT NULL,
  load_ms     BIGINT NOT NULL,
  reading_ms  BIGINT NOT NULL,
  writing_ms  BIGINT NOT NULL,
  total_ms    BIGINT NOT NULL,
  PRIMARY KEY (run_id, seq)
);

-- Sums of calls by UTC day, which outlive the runs. unknown counts the calls of
-- which a count is not known.
CREATE TABLE llm_usage (
  tenant      TEXT COLLATE "C" NOT NULL,
  day         TEXT COLLATE "C" NOT NULL,
  template_id TEXT COLLATE "C" NOT NULL,
  job_type    TEXT COLLATE "C" NOT NULL,
  model       TEXT COLLATE "C" NOT NULL,
  calls       BIGINT NOT NULL,
  prompt      BIGINT NOT NULL,
  completion  BIGINT NOT NULL,
  unknown     BIGINT NOT NULL,
  total_ms    BIGINT NOT NULL,
  PRIMARY KEY (tenant, day, template_id, job_type, model)
);

-- How many tokens may be used on a UTC day. template_id '' is the whole tenant.
CREATE TABLE llm_budgets (
  tenant      TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  template_id TEXT COLLATE "C" NOT NULL,
  tokens      BIGINT NOT NULL,
  updated_by  TEXT COLLATE "C" NOT NULL,
  updated_ms  BIGINT NOT NULL,
  PRIMARY KEY (tenant, template_id)
);

-- The secret by which requests are recognised whose bodies are not stored, the
-- same for all servers of the installation. At most one row.
CREATE TABLE body_key (
  id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  secret TEXT COLLATE "C" NOT NULL
);
