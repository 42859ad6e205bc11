-- +goose Up
-- What has moved something in the order and has no number yet: each claim reads it. Most
-- events move nothing.
CREATE INDEX events_moves ON events (event_id) WHERE seq IS NULL AND places <> '';
