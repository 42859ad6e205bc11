-- +goose Up
-- Who decides an approval in whose place: a list.
ALTER TABLE approvals ADD COLUMN delegations TEXT NOT NULL DEFAULT '';
