package app

import (
	"context"

	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/feed"
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
	}
	a.feed = feed.New(o)
	// The HTTP server, which is closed before, ends the readers that this waits for.
	a.onStop("events", a.feed.Close)
	return nil
}

// EventsHealth says whether hints between instances pass. When they do not, the
// server is degraded, not down: detail says so to people, and names no address.
func (a *App) EventsHealth() (ok bool, detail string) { return a.feed.Health() }
