package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/checkpoint"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/health"
)

// checkpointMessages is how long Redis remembers which event of a run was announced
// last.
const checkpointMessages = time.Hour

// openCheckpoints makes where checkpoints of workflows are found quickly. A Redis that
// does not answer stops nothing.
func (a *App) openCheckpoints(ctx context.Context) error {
	o := checkpoint.Options{
		Runs: a.store.WorkflowRuns, Log: a.store.WorkflowLog, TTL: a.o.Config.CheckpointTTL, Clock: a.o.Clock, Logger: a.log,
	}
	url := a.o.Config.RedisURL.Reveal()
	if url == "" {
		a.checkpoints = checkpoint.New(o)
		a.onStop("checkpoints", a.checkpoints.Close)
		return nil
	}
	var err error
	if o.Key, err = a.bodyKey(ctx); err != nil {
		return err
	}
	keep, err := redis.OpenKeep(redis.Options{URL: url, Clock: a.o.Clock, Logger: a.log})
	if err != nil {
		return err
	}
	a.onStop("redis values", keep.Close)
	a.kept, o.Cache = keep, keep
	a.checkpoints = checkpoint.New(o)
	a.onStop("checkpoints", a.checkpoints.Close)
	a.checks = append(a.checks, health.Check{Name: "checkpoints", Run: func(context.Context) (string, error) {
		if ok, detail := a.checkpoints.Health(); !ok {
			return "database", health.Degrade(errors.New(detail))
		}
		return "", nil
	}})
	return nil
}

// startMirror tells readers outside of what happens to runs, where there is a Redis.
// The feed must run.
func (a *App) startMirror() {
	if a.kept == nil {
		return
	}
	mirror := feed.NewMirror(feed.MirrorOptions{
		Feed: a.feed, Events: a.store.Events, Clock: a.o.Clock, Message: runMessage,
		Announce: func(ctx context.Context, m feed.Message) error {
			return a.kept.Announce(ctx, m.Key, m.Seq, checkpointMessages, m.Channel, m.Text)
		},
	})
	a.onStop("mirror", mirror.Close)
}

// runMessage is what readers outside get of an event of a run.
func runMessage(e event.Event) (feed.Message, bool) {
	runID := e.Data[event.WorkflowRunKey]
	if runID == "" || !wire.IsWorkflowEvent(e) {
		return feed.Message{}, false
	}
	text, err := json.Marshal(wire.WorkflowFrameOf(e))
	return feed.Message{Key: "wf:announced:" + runID, Channel: "workflow:" + runID + ":state", Seq: e.Seq, Text: text}, err == nil
}
