-- +goose Up
-- What repeats a run is looked up by the run, also when it has ended.
CREATE INDEX jobs_retried ON jobs (retry_of) WHERE retry_of <> '';
