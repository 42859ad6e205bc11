// Package tally counts who calls the legacy endpoints. Counting is a look into a
// map; the numbers are added to those in the store about once a minute and when
// the server stops. A crash loses what was counted since the last write, at most
// about a minute. While the store takes no writes the numbers stay in memory, and
// the next write has them.
package tally

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

const (
	// writeEvery is how often numbers are written.
	writeEvery = time.Minute
	// maxKeys bounds what is told apart in memory. Calls above it count as those of a
	// tenant without a name.
	maxKeys = 400
)

// Days is how long numbers are kept, in UTC days with today.
const Days = 30

// Since is the beginning of the oldest day that counts at a time.
func Since(now time.Time) time.Time {
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-Days)
}

// Options of a Counter.
type Options struct {
	Store  store.LegacyCalls
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = discard
}

// Counter counts calls. It is safe for concurrent use.
type Counter struct {
	o       Options
	writing sync.Mutex // one at a time writes
	mu      sync.Mutex
	calls   map[key]called
}

type key struct {
	day                       int64 // since the Unix epoch
	tenant, client, operation string
}

type called struct {
	count  int64
	lastAt time.Time
}

// New returns a counter that has counted nothing.
func New(o Options) *Counter {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Counter{o: o, calls: map[key]called{}}
}

// Count notes one call that a client of a tenant made now.
func (c *Counter) Count(tenant, client, operation string) {
	now := c.o.Clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key{now.Unix() / int64(24*time.Hour/time.Second), tenant, client, operation}, called{1, now})
}

// add needs mu.
func (c *Counter) add(k key, n called) {
	if _, known := c.calls[k]; !known && len(c.calls) >= maxKeys {
		k.client, k.operation = "", ""
	}
	sum := c.calls[k]
	if sum.count += n.count; n.lastAt.After(sum.lastAt) {
		sum.lastAt = n.lastAt
	}
	c.calls[k] = sum
}

// Run writes what was counted, about once a minute, until ctx ends. The caller
// then calls Flush for the rest.
func (c *Counter) Run(ctx context.Context) {
	for clock.Sleep(ctx, c.o.Clock, writeEvery) == nil {
		if err := c.Flush(ctx); err != nil && ctx.Err() == nil {
			c.o.Logger.Warn("cannot write down the calls of legacy endpoints, tries again", "error", err)
		}
	}
}

// Flush writes what was counted. What cannot be written stays counted; when it is
// not known whether it was written, it may count twice.
func (c *Counter) Flush(ctx context.Context) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	batch := c.calls
	c.calls = map[key]called{}
	c.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	list := make([]store.LegacyCalled, 0, len(batch))
	for k, n := range batch {
		list = append(list, store.LegacyCalled{Tenant: k.tenant, Client: k.client, Operation: k.operation, Count: n.count, LastAt: n.lastAt})
	}
	err := c.o.Store.Add(ctx, list)
	if err == nil {
		return nil
	}
	// Those that were there first keep their names.
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.calls
	c.calls = batch
	for k, n := range since {
		c.add(k, n)
	}
	return err
}
