-- +goose Up
-- Workflows, known by the slug that their author gave them. name, description and
-- labels are those of the active version. active = 0: no version is.
CREATE TABLE workflows (
  tenant      TEXT NOT NULL REFERENCES tenants,
  workflow_id TEXT NOT NULL,
  name        TEXT NOT NULL,
  name_folded TEXT NOT NULL,
  description TEXT NOT NULL,
  labels      TEXT NOT NULL,
  newest      INT NOT NULL,
  newest_hash TEXT NOT NULL,
  active      INT NOT NULL,
  active_hash TEXT NOT NULL,
  revision    INT NOT NULL,
  created_by  TEXT NOT NULL,
  created_ms  INT NOT NULL,
  updated_ms  INT NOT NULL,
  archived_ms INT NOT NULL,
  PRIMARY KEY (tenant, workflow_id)
) STRICT;

-- Versions are immutable and stay: runs name them.
CREATE TABLE workflow_versions (
  version_id   TEXT NOT NULL PRIMARY KEY,
  tenant       TEXT NOT NULL,
  workflow_id  TEXT NOT NULL,
  version      INT NOT NULL,
  definition   TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  name         TEXT NOT NULL,
  description  TEXT NOT NULL,
  labels       TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_ms   INT NOT NULL,
  message      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX workflow_versions_number ON workflow_versions (tenant, workflow_id, version);

-- How the active version was changed. Rows are only ever added.
CREATE TABLE workflow_activations (
  tenant       TEXT NOT NULL,
  workflow_id  TEXT NOT NULL,
  seq          INT NOT NULL,
  version      INT NOT NULL,
  from_version INT NOT NULL,
  source       TEXT NOT NULL,
  activated_by TEXT NOT NULL,
  at_ms        INT NOT NULL,
  reason       TEXT NOT NULL,
  PRIMARY KEY (tenant, workflow_id, seq)
) STRICT;
