-- +goose Up
-- Names that people give to versions of workflows. A tag names one version, and a
-- version that has a tag cannot be removed.
CREATE TABLE workflow_tags (
  tenant      TEXT COLLATE "C" NOT NULL,
  workflow_id TEXT COLLATE "C" NOT NULL,
  tag         TEXT COLLATE "C" NOT NULL,
  version     BIGINT NOT NULL,
  set_by      TEXT COLLATE "C" NOT NULL,
  set_ms      BIGINT NOT NULL,
  PRIMARY KEY (tenant, workflow_id, tag),
  FOREIGN KEY (tenant, workflow_id, version) REFERENCES workflow_versions (tenant, workflow_id, version)
);
