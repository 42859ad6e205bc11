-- +goose Up
-- Who holds a job; '' = nobody, or the server.
ALTER TABLE jobs ADD COLUMN held_by TEXT COLLATE "C" NOT NULL DEFAULT '';
