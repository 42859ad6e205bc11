-- +goose Up
-- Workflows, known by the slug that their author gave them. name, description and
-- labels are those of the active version. active = 0: no version is.
CREATE TABLE workflows (
  tenant      TEXT COLLATE "C" NOT NULL REFERENCES tenants,
  workflow_id TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  name_folded TEXT COLLATE "C" NOT NULL,
  description TEXT COLLATE "C" NOT NULL,
  labels      TEXT COLLATE "C" NOT NULL,
  newest      BIGINT NOT NULL,
  newest_hash TEXT COLLATE "C" NOT NULL,
  active      BIGINT NOT NULL,
  active_hash TEXT COLLATE "C" NOT NULL,
  revision    BIGINT NOT NULL,
  created_by  TEXT COLLATE "C" NOT NULL,
  created_ms  BIGINT NOT NULL,
  updated_ms  BIGINT NOT NULL,
  archived_ms BIGINT NOT NULL,
  PRIMARY KEY (tenant, workflow_id)
);

-- Versions are immutable and stay: runs name them.
CREATE TABLE workflow_versions (
  version_id   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  tenant       TEXT COLLATE "C" NOT NULL,
  workflow_id  TEXT COLLATE "C" NOT NULL,
  version      BIGINT NOT NULL,
  definition   TEXT COLLATE "C" NOT NULL,
  content_hash TEXT COLLATE "C" NOT NULL,
  name         TEXT COLLATE "C" NOT NULL,
  description  TEXT COLLATE "C" NOT NULL,
  labels       TEXT COLLATE "C" NOT NULL,
  created_by   TEXT COLLATE "C" NOT NULL,
  created_ms   BIGINT NOT NULL,
  message      TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX workflow_versions_number ON workflow_versions (tenant, workflow_id, version);

-- How the active version was changed. Rows are only ever added.
CREATE TABLE workflow_activations (
  tenant       TEXT COLLATE "C" NOT NULL,
  workflow_id  TEXT COLLATE "C" NOT NULL,
  seq          BIGINT NOT NULL,
  version      BIGINT NOT NULL,
  from_version BIGINT NOT NULL,
  source       TEXT COLLATE "C" NOT NULL,
  activated_by TEXT COLLATE "C" NOT NULL,
  at_ms        BIGINT NOT NULL,
  reason       TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, workflow_id, seq)
);
