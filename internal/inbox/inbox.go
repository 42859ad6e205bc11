// Package inbox looks after requests for approvals: it ends those whose time is
// over. People are told by events and webhooks, which the store writes with each
// change; deciding is the work of the API.
//
// Any number of instances may run one: the store lets each request end once.
package inbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

const (
	// poll is how long the inbox sleeps when nothing is due and no hint comes:
	// another instance's hint may be lost, and the request would end late.
	poll = time.Minute
	// pause is how long it waits after the store has failed.
	pause = time.Second
	// batch is how many requests end in one transaction.
	batch = 100
)

// Options are what New needs. Approvals and Watch must be given.
type Options struct {
	Approvals store.Approvals
	// Watch is store.Events.Watch.
	Watch  func() (<-chan store.Hint, func())
	Clock  clock.Clock  // nil = the system's
	Logger *slog.Logger // nil = nothing is logged
}

// Inbox is what New returns. Run may be called once.
type Inbox struct{ o Options }

// New returns an inbox that does nothing yet.
func New(o Options) *Inbox {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Inbox{o}
}

// Run ends requests as they expire, until ctx ends. An idle one asks the store
// once a minute.
func (b *Inbox) Run(ctx context.Context) error {
	hints, end := b.o.Watch()
	defer end()
	for ctx.Err() == nil {
		b.await(ctx, hints, b.round(ctx))
	}
	return nil
}

// round ends what is over and returns how long nothing will be.
func (b *Inbox) round(ctx context.Context) time.Duration {
	out, err := b.o.Approvals.Expire(ctx, store.ExpireApprovals{Limit: batch})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Logger.Warn("approvals do not expire: the store cannot do it now", "error", err)
		}
		return pause
	}
	for _, r := range out.Requests {
		b.o.Logger.Info("an approval expired", "approval_id", r.ID, "subject", r.Subject.ID, "replaced_by", r.ReplacedBy)
	}
	switch {
	case len(out.Requests) == batch:
		return 0
	case out.NextAt.IsZero():
		return poll
	}
	// By the authority's clock; the local one measures the difference only.
	return min(max(out.NextAt.Sub(out.Now), 0), poll)
}

// await returns when there may be a request that expires sooner, after wait, or
// when ctx ends.
func (b *Inbox) await(ctx context.Context, hints <-chan store.Hint, wait time.Duration) {
	t := b.o.Clock.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-t.C():
			return
		case <-ctx.Done():
			return
		case h := <-hints:
			if h.Topic == store.HintApprovals || h.Topic == store.HintAll {
				return
			}
		}
	}
}
