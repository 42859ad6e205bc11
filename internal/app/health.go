package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/internal/health"
	"github.com/runsheet/runsheet/internal/metrics"
	"github.com/runsheet/runsheet/internal/store"
)

// Times of the checks.
const (
	pingTimeout = 5 * time.Second
	// blobEvery is longer than for other checks, because a bucket is asked over
	// the network and each request may cost money.
	blobEvery = 15 * time.Second
	// storageEvery: what it finds grows slowly.
	storageEvery = 15 * time.Second
)

// Bounds of the check "storage", from which on it is degraded.
const (
	largeLog  = 256 << 20        // bytes of SQLite's write-ahead log
	longHeld  = 10 * time.Minute // of a transaction that keeps PostgreSQL's vacuum from cleaning up
	usedQueue = 0.5              // of PostgreSQL's queue of notifications, of 1
)

var errNoLease = errors.New("this instance has no living lease; it is taking a new one")

// startHealth makes the checks of /readyz. Parts that are optional add theirs to
// a.checks before.
func (a *App) startHealth(context.Context) error {
	checks := append([]health.Check{
		{Name: "database", Timeout: pingTimeout, Run: func(ctx context.Context) (string, error) {
			return "", a.store.Health.Ping(ctx)
		}},
		{Name: "data_folder", Run: health.CheckSpace(a.space)},
		{Name: "lease", Run: func(context.Context) (string, error) {
			if !a.engine.Leased() {
				return "", errNoLease
			}
			return "", nil
		}},
		{Name: "storage", Every: storageEvery, Mild: true, Run: a.checkStorage},
		{Name: "queue", Timeout: pingTimeout, Run: a.checkQueue},
	}, a.checks...)
	a.health = health.New(health.Options{Checks: checks, Clock: a.o.Clock, Logger: a.log})
	a.onStop("health checks", func() error {
		a.health.Close()
		return nil
	})
	a.metrics.Watch(metrics.Sources{
		Survey: a.store.Health.Survey, Space: a.space, Attempts: a.engine.Active, DirectWaiting: a.engine.DirectWaiting, Connections: a.conns.count, Checks: a.levels,
	})
	return nil
}

// checkQueue tells that the queue is paused. That is somebody's wish and no
// fault.
func (a *App) checkQueue(ctx context.Context) (string, error) {
	set, err := a.store.Queue.Settings(ctx)
	if err == nil && set.Paused {
		return "paused", nil
	}
	return "", health.Degrade(err)
}

// checkStorage tells of what lets the database grow until the disk is full: somebody
// who reads for very long, in most cases a forgotten session.
func (a *App) checkStorage(ctx context.Context) (string, error) {
	s, err := a.store.Health.Measure(ctx)
	if err != nil {
		return "", health.Degrade(err)
	}
	return judgeStorage(s)
}

func judgeStorage(s store.Survey) (string, error) {
	switch {
	case s.LogBytes > largeLog:
		return "log", health.Degrade(fmt.Errorf("the log of SQLite has %d MiB: a program that reads runsheet.db keeps it from being emptied", s.LogBytes>>20))
	case s.Held > longHeld:
		return "transaction", health.Degrade(fmt.Errorf("a transaction of the database is open for %v and keeps old rows from being removed: look for it in pg_stat_activity and pg_prepared_xacts",
			s.Held.Round(time.Second)))
	case s.NotifyUsed > usedQueue:
		return "notifications", health.Degrade(fmt.Errorf("PostgreSQL's queue of notifications is full to %.0f %%: a session that listens has a transaction open", 100*s.NotifyUsed))
	}
	return "", nil
}

func (a *App) space() (free, size uint64, err error) { return health.Space(a.o.Config.Data) }

// levels are the last results of the checks as numbers.
func (a *App) levels() map[string]float64 {
	out := map[string]float64{}
	for _, c := range a.health.Last().Checks {
		switch c.Status {
		case health.OK:
			out[c.Name] = 1
		case health.Degraded:
			out[c.Name] = 0.5
		case health.Failing:
			out[c.Name] = 0
		}
	}
	return out
}
