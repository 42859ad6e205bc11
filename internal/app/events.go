package app

import (
	"context"
	"errors"

	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/health"
)

// startFeed makes what live connections read from. A Redis that does not answer
// stops nothing.
func (a *App) startFeed(context.Context) error {
	o := feed.Options{Events: a.store.Events, Clock: a.o.Clock, Logger: a.log}
	if url := a.o.Config.RedisURL.Reveal(); url != "" {
		b, err := redis.Open(redis.Options{URL: url, Clock: a.o.Clock, Logger: a.log})
		if err != nil {
			return err
		}
		o.Bus = b
		a.onStop("redis", b.Close)
		a.checks = append(a.checks, health.Check{Name: "redis", Run: func(context.Context) (string, error) {
			ok, detail := a.feed.Health()
			if ok {
				return "", nil
			}
			// Events still arrive, so the server is degraded, not down.
			return "polling", health.Degrade(errors.New(detail))
		}})
	}
	a.feed = feed.New(o)
	// The HTTP server, which is closed before, ends the readers that this waits for.
	a.onStop("events", a.feed.Close)
	a.startMirror()
	return nil
}
