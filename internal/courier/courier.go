// Package courier sends events to webhooks.
//
// An event that somebody wants has left a note in the store's outbox, in its own
// transaction. The courier turns notes into deliveries (expand.go), claims
// deliveries that are due, sends them (send.go) and records what became of them.
// Whatever it does can be repeated: a crash at any point sends a message again,
// with the same id and the same body. Several instances share the work through
// leases.
//
//	c := courier.New(courier.Options{...})
//	err := c.Run(ctx) // until ctx ends
//
// No endpoint can hold up another: the store hands out at most a few deliveries of
// one target at a time, and none while its breaker is open, so a target that is
// slow or dead takes at most that many of the places here.
package courier

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// Defaults of Options.
const (
	DefaultWorkers = 64
	DefaultTimeout = 15 * time.Second
)

const (
	// poll is how long the courier sleeps without a hint. Hints may get lost.
	poll = 5 * time.Second
	// pause is how long it waits when the store does not answer.
	pause = time.Second
	// measureEvery is the least time between two counts of the backlog.
	measureEvery = 15 * time.Second
	// leaseSpare is what a lease has beyond the time limit of an attempt.
	leaseSpare = 45 * time.Second
	// recordBatch and noteBatch bound what one transaction changes.
	recordBatch = 50
	noteBatch   = 100
	// stopGrace is how long messages under way may go on when the courier stops, and
	// then how long recording them may take.
	stopGrace = 3 * time.Second
)

// Meter counts what happens; it is a *metrics.Metrics.
type Meter interface {
	// WebhookAttempt notes one attempt: "delivered", "failed" or "dead", and how long
	// it took.
	WebhookAttempt(outcome string, took time.Duration)
	// WebhookBacklog notes how many events wait in the outbox, and how many
	// deliveries are open.
	WebhookBacklog(notes, open int)
}

// Options are what New needs. Outbox, Webhooks, Watch, Render and Client must be
// given.
type Options struct {
	Outbox   store.Outbox
	Webhooks store.Webhooks
	// Watch is store.Events.Watch.
	Watch func() (<-chan store.Hint, func())
	// Render makes the body of the messages about a note. It is called once for each
	// note, never again for a retry.
	Render func(webhook.Note) ([]byte, error)
	// Client reaches the receivers.
	Client *outbound.Client
	Clock  clock.Clock    // nil = the system's
	Logger *slog.Logger   // nil = nothing is logged
	Meter  Meter          // nil = nothing is counted
	Policy webhook.Policy // zero = webhook.Default
	// Workers bounds the messages under way from this instance; 0 = DefaultWorkers.
	Workers int
	// Timeout bounds one attempt, from the name's resolution to the answer; 0 =
	// DefaultTimeout.
	Timeout time.Duration
	// Random gives numbers in [0, 1) for delays; nil = the system's.
	Random func() float64
}

// Courier is what New returns. Run may be called once.
type Courier struct {
	o    Options
	log  *slog.Logger
	done chan store.Outcome
	// unrecorded are outcomes that the store has not taken yet.
	unrecorded []store.Outcome
	busy       int // messages under way
	// signed are the tenants that have a secret for the webhooks of jobs.
	signed map[string]bool
	// measured is when the backlog was counted last.
	measured time.Time
}

// New returns a courier that does nothing yet.
func New(o Options) *Courier {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	if o.Policy == (webhook.Policy{}) {
		o.Policy = webhook.Default()
	}
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Random == nil {
		o.Random = rand.Float64 //nolint:forbidigo // spreads retries, decides nothing
	}
	return &Courier{o: o, log: o.Logger, done: make(chan store.Outcome, o.Workers), signed: map[string]bool{}}
}

type noMeter struct{}

func (noMeter) WebhookAttempt(string, time.Duration) {}
func (noMeter) WebhookBacklog(int, int)              {}

// Run works until ctx ends. Messages under way then have a short grace; those that
// are cut off are sent again later, by whoever runs then.
func (c *Courier) Run(ctx context.Context) error {
	hints, end := c.o.Watch()
	defer end()
	// Attempts outlive ctx by the grace.
	sending, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(errStopped)
	for told := true; ctx.Err() == nil; {
		told = c.await(ctx, hints, c.round(ctx, sending, told))
	}
	c.stop(ctx, cut)
	return nil
}

// await returns when a message under way has ended, when the outbox may have
// something new, after wait, or when ctx ends. It reports false after wait.
func (c *Courier) await(ctx context.Context, hints <-chan store.Hint, wait time.Duration) (told bool) {
	t := c.o.Clock.NewTimer(clock.Beat(c.o.Clock, wait))
	defer t.Stop()
	for {
		select {
		case <-t.C():
			return false
		case o := <-c.done:
			c.finished(o)
			return true
		case <-ctx.Done():
			return true
		case h := <-hints:
			if h.Topic == store.HintOutbox || h.Topic == store.HintAll {
				return true
			}
		}
	}
}

var errStopped = errors.New("courier: stopped")

// finished takes what an attempt reported, and whatever else is there already.
func (c *Courier) finished(o store.Outcome) {
	c.busy--
	c.unrecorded = append(c.unrecorded, o)
	for len(c.unrecorded) < recordBatch {
		select {
		case o := <-c.done:
			c.busy--
			c.unrecorded = append(c.unrecorded, o)
		default:
			return
		}
	}
}

// round records, expands and sends what there is, and returns how long to wait
// before the next round unless something happens. told: somebody told of something.
func (c *Courier) round(ctx, sending context.Context, told bool) time.Duration {
	if err := c.record(ctx); err != nil {
		return c.complain(ctx, "record deliveries", err)
	}
	if !told {
		some, err := c.o.Outbox.Waits(ctx)
		switch {
		case err != nil:
			return c.complain(ctx, "look at the outbox", err)
		case !some:
			c.o.Meter.WebhookBacklog(0, 0)
			return poll
		}
	}
	more, err := c.expand(ctx)
	if err != nil {
		return c.complain(ctx, "read the outbox", err)
	}
	free := c.o.Workers - c.busy
	if free <= 0 {
		return poll
	}
	before := c.o.Clock.Now()
	taken, err := c.o.Outbox.Take(ctx, store.TakeDeliveries{Limit: free, Lease: c.o.Timeout + leaseSpare, Policy: c.o.Policy})
	if err != nil {
		return c.complain(ctx, "take deliveries", err)
	}
	// What the authority's clock is ahead of this one. Reading it took a moment, which
	// does not matter for delays of seconds.
	ahead := taken.Now.Sub(before)
	for _, d := range taken.Deliveries {
		c.busy++
		go c.deliver(sending, d, ahead)
	}
	switch {
	case more:
		return 0
	case before.Sub(c.measured) >= measureEvery:
		c.measured = before
		c.measure(ctx)
	}
	switch {
	case taken.NextAt.IsZero():
		return poll
	}
	return min(max(taken.NextAt.Sub(taken.Now), 0), poll)
}

// measure counts what waits.
func (c *Courier) measure(ctx context.Context) {
	notes, open, err := c.o.Outbox.Backlog(ctx)
	if err != nil {
		c.complain(ctx, "count what waits", err)
		return
	}
	c.o.Meter.WebhookBacklog(notes, open)
}

// complain logs what the store cannot do now and returns how long to wait.
func (c *Courier) complain(ctx context.Context, doing string, err error) time.Duration {
	if ctx.Err() == nil {
		c.log.Warn("webhooks wait: cannot "+doing, "error", err) //nolint:sloglint // one of a few constant texts
	}
	return pause
}

// record stores outcomes. Those that the store refuses for good are dropped: the
// delivery belongs to somebody else, or is gone.
func (c *Courier) record(ctx context.Context) error {
	for len(c.unrecorded) > 0 {
		n := min(len(c.unrecorded), recordBatch)
		batch := c.unrecorded[:n]
		var again []store.Outcome
		var first error
		for i, err := range c.o.Outbox.Record(ctx, batch) {
			switch {
			case err == nil:
			case fault.Is(err, fault.StaleLease):
				c.log.Debug("a delivery was taken over", "delivery_id", batch[i].Delivery.ID)
			default:
				again = append(again, batch[i])
				first = err
			}
		}
		c.unrecorded = append(again, c.unrecorded[n:]...)
		if first != nil {
			return first
		}
	}
	return nil
}

// stop waits for messages under way, cuts off the rest, and records all.
func (c *Courier) stop(ctx context.Context, cut context.CancelCauseFunc) {
	t := c.o.Clock.NewTimer(stopGrace)
	defer t.Stop()
	for c.busy > 0 {
		select {
		case o := <-c.done:
			c.finished(o)
		case <-t.C():
			cut(errStopped)
			for c.busy > 0 { // they end at once
				c.finished(<-c.done)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := c.record(ctx); err != nil {
		c.log.Warn("what was sent last to webhooks is not recorded and will be sent again", "count", len(c.unrecorded), "error", err)
	}
}
