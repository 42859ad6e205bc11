-- +goose Up
-- The history of one job, for people who look at it. Events of other things are not
-- in it, nor those of the nodes of a workflow: they are many, and have a page of their own.
CREATE INDEX events_job ON events (job_id, seq) WHERE type >= 'job.' AND type < 'job/';
