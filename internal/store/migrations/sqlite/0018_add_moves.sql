-- +goose Up
-- For PostgreSQL. Here the log is read by number, and has no events without one.
SELECT 1;
