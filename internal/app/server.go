package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/tally"
)

// Limits of the HTTP server.
const (
	headerTimeout = 5 * time.Second
	// requestTimeout is how long a request with its body may take to arrive. It
	// does not bound the answer.
	requestTimeout = 20 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// closeGrace is how long answers under way may take when the server stops.
	closeGrace = 5 * time.Second
)

// newServer returns a server whose requests end with base. A request has to
// arrive, head and body, within arrive; its answer may take as long as it likes,
// because logs are followed and jobs waited for. net/http lifts the time limit on
// reading once the body is complete.
func newServer(base context.Context, h http.Handler, log *slog.Logger, arrive time.Duration) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: arrive,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // no answer but ours, also to OPTIONS *
		BaseContext:                  func(net.Listener) context.Context { return base },
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// zone is where the installation's day begins. The configuration was checked;
// a zone that has vanished since is UTC.
func (a *App) zone() *time.Location {
	zone, err := time.LoadLocation(a.o.Config.Timezone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// legacyZone is where schedules are that older programs make without a zone.
func (a *App) legacyZone() *time.Location {
	zone, err := time.LoadLocation(a.o.Config.LegacyTimezone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// startTally counts the calls of legacy endpoints. What was counted last is written
// down after the HTTP server has stopped.
func (a *App) startTally(ctx context.Context) *tally.Counter {
	c := tally.New(tally.Options{Store: a.store.LegacyCalls, Clock: a.o.Clock, Logger: a.log})
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	a.onStop("legacy calls", func() error {
		stop()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		return c.Flush(ctx)
	})
	return c
}
