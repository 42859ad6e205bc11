-- +goose Up
-- What repeats a run is looked up by the run, also when it has ended.
CREATE INDEX jobs_retried ON jobs (tenant, retry_of, created_ms, job_id) WHERE retry_of <> '';
