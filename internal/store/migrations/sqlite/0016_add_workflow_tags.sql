-- +goose Up
-- Names that people give to versions of workflows. A tag names one version, and a
-- version that has a tag cannot be removed.
CREATE TABLE workflow_tags (
  tenant      TEXT NOT NULL,
  workflow_id TEXT NOT NULL,
  tag         TEXT NOT NULL,
  version     INT NOT NULL,
  set_by      TEXT NOT NULL,
  set_ms      INT NOT NULL,
  PRIMARY KEY (tenant, workflow_id, tag),
  FOREIGN KEY (tenant, workflow_id, version) REFERENCES workflow_versions (tenant, workflow_id, version)
) STRICT;
