-- +goose Up
-- Which server worked on an attempt, '' = not known; and what has cut the attempt off
-- with that server, 'crash' or 'shutdown', '' = nothing.
ALTER TABLE workflow_attempts ADD COLUMN instance_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE workflow_attempts ADD COLUMN lost TEXT COLLATE "C" NOT NULL DEFAULT '';
