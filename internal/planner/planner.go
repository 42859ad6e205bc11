// Package planner fires schedules: it claims those that are due, lets package
// agenda decide about their nominals, and has the store write the decisions with
// their jobs in one transaction. It does not say when a nominal is (schedule) or
// what becomes of it (agenda), and it runs no job (queue).
//
// Any number of instances may run a Planner on one database: a claim keeps the
// others away from a schedule, and the store's fire keys make a decision that comes
// twice harmless. It wakes when the next nominal is due, and when it is told that
// a schedule changed, so an idle server does not poll.
//
//	p := planner.New(planner.Options{Store: s.Schedules, Compile: compile, Compose: compose, ...})
//	err := p.Run(ctx) // until ctx ends
package planner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
)

// Defaults of Options.
const (
	DefaultPoll     = time.Second
	DefaultTTL      = 120 * time.Second
	DefaultMaxClaim = 100
)

const (
	// longestWait bounds a sleep while something is to come: a clock that is set, or
	// a machine that was suspended, is noticed after that.
	longestWait = 30 * time.Second
	// idleWait bounds it when nothing is: news of other instances may get lost.
	idleWait = time.Minute
	// stopGrace is how long the claims' end may take when the planner stops.
	stopGrace = 5 * time.Second
)

// Compiled is a schedule's trigger with the version of the calendars in it.
type Compiled struct {
	Trigger   *schedule.Trigger
	Calendars int64
}

// Options of a Planner. Store, Compile, Compose and By are required.
type Options struct {
	Store store.Schedules
	// Watch tells when something changed; nil = only the clock wakes the planner.
	Watch func() (<-chan store.Hint, func())
	// Compile makes a schedule's trigger with the tenant's calendars as they are now.
	// A fault means that the schedule cannot be planned.
	Compile func(ctx context.Context, s agenda.Schedule) (Compiled, error)
	// Compose makes the job that a schedule starts. A fault means that it cannot be
	// made: the nominal is skipped. Other errors, and unavailable ones, are tried again.
	// Only the schedule's Tenant, CreatedBy and Target may decide about the job:
	// schedules of one batch that have these in common share what was composed of a
	// template.
	Compose func(ctx context.Context, s agenda.Schedule) (job.Job, error)
	// Unique says which jobs stand in the way of one that Compose made with a
	// UniqueKey; nil function or result = none.
	Unique func(ctx context.Context, s agenda.Schedule) (*store.Unique, error)
	// By names this planner: host:pid:boot.
	By string
	// Exclusive: no other instance can be on the database, so whoever has claims is
	// dead.
	Exclusive bool
	// OwnClock decides by Clock and not by the store's clock; for tests.
	OwnClock bool

	Poll     time.Duration // 0 = DefaultPoll
	TTL      time.Duration // 0 = DefaultTTL
	MaxClaim int           // 0 = DefaultMaxClaim
	Clock    clock.Clock   // nil = the system's
	Logger   *slog.Logger  // nil = discard
}

// Planner fires schedules. Make one with New and run it once; its other methods may
// be called at any time.
type Planner struct {
	o    Options
	log  *slog.Logger
	wake chan struct{}

	mu  sync.Mutex
	err error // of the last tick
}

// New returns a planner that does nothing yet.
func New(o Options) *Planner {
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.MaxClaim == 0 {
		o.MaxClaim = DefaultMaxClaim
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Planner{o: o, log: o.Logger, wake: make(chan struct{}, 1)}
}

// Run plans until ctx ends, then gives its claims back and returns nil. Errors of
// the store are logged and tried again.
func (p *Planner) Run(ctx context.Context) error {
	if p.o.Exclusive {
		if err := p.o.Store.Claims(ctx, store.KeepClaims{By: p.o.By, Others: true, Now: p.now()}); err != nil {
			p.log.Warn("claims of an earlier server stay until they expire", "error", err)
		}
	}
	var background sync.WaitGroup
	defer background.Wait()
	if p.o.Watch != nil {
		hints, end := p.o.Watch()
		defer end()
		background.Go(func() { p.listen(ctx, hints) })
	}
	for ctx.Err() == nil {
		err := p.Work(ctx)
		p.note(ctx, err)
		wait := time.Duration(0)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			p.log.Warn("cannot plan schedules", "error", err)
			wait = p.o.Poll
		default:
			wait = p.pause(ctx)
		}
		if wait > 0 {
			p.sleep(ctx, wait)
		}
	}
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := p.o.Store.Claims(brief, store.KeepClaims{By: p.o.By, Now: p.now()}); err != nil {
		p.log.Warn("claims stay until they expire", "error", err)
	}
	return nil
}

// Err is why schedules cannot be planned at the moment, nil if they can.
func (p *Planner) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *Planner) note(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // it was interrupted
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// Wake makes the planner look at once.
func (p *Planner) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Planner) listen(ctx context.Context, hints <-chan store.Hint) {
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-hints:
			if h.Topic == store.HintPlans || h.Topic == store.HintAll {
				p.Wake()
			}
		}
	}
}

func (p *Planner) now() time.Time {
	if p.o.OwnClock {
		return p.o.Clock.Now()
	}
	return time.Time{}
}

// pause is how long there is nothing to do.
func (p *Planner) pause(ctx context.Context) time.Duration {
	next, err := p.o.Store.NextDue(ctx, p.now())
	if err != nil {
		return p.o.Poll
	}
	wait := idleWait
	if !next.At.IsZero() {
		wait = min(max(next.At.Sub(next.Now), time.Millisecond), longestWait)
	}
	return wait
}

func (p *Planner) sleep(ctx context.Context, d time.Duration) {
	t := p.o.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C():
	case <-p.wake:
	}
}

// Tick claims one batch of due schedules and decides about them, by one reading of
// the clock. It reports whether there is more to do at once.
func (p *Planner) Tick(ctx context.Context) (more bool, err error) {
	k := keeper{p: p}
	defer k.end()
	b := p.take(ctx, &k)
	p.settle(ctx, b)
	return p.outcome(ctx, b)
}

// Work does what Tick does until nothing is due. While the decisions about one batch
// are written, the next one is claimed and decided, so that they share a commit
// where the store groups them, and neither waits for the other.
func (p *Planner) Work(ctx context.Context) error {
	k := keeper{p: p}
	defer k.end()
	written := make(chan struct{}, 1)
	var before *batch // is being written
	for {
		b := p.take(ctx, &k)
		more, err := false, error(nil)
		if before != nil {
			<-written
			more, err = before.more, before.err
			before = nil
		}
		if err != nil || b.err != nil || ctx.Err() != nil {
			p.settle(ctx, b)
			b.err = errors.Join(err, b.err)
			_, err = p.outcome(ctx, b)
			return err
		}
		if len(b.items) == 0 {
			if !more {
				return nil
			}
			continue
		}
		before = b
		go func() {
			p.settle(ctx, b)
			written <- struct{}{}
		}()
	}
}

// batch is what was claimed together.
type batch struct {
	items []store.Decided
	more  bool  // there may be more to do
	err   error // something of it is still claimed
}

// take claims a batch and decides about it.
func (p *Planner) take(ctx context.Context, k *keeper) *batch {
	due, err := p.o.Store.Claim(ctx, store.ClaimSchedules{By: p.o.By, TTL: p.o.TTL, Now: p.now(), Limit: p.o.MaxClaim})
	b := &batch{err: err, more: len(due.Items) == p.o.MaxClaim}
	if len(due.Items) > 0 {
		k.begin(ctx)
	}
	made := recipes{}
	for _, d := range due.Items {
		item, err := p.guarded(ctx, d, due.Now, made)
		if err != nil {
			// The others must not wait for it.
			b.err = errors.Join(b.err, fmt.Errorf("plan schedule %s: %w", d.Schedule.ID, err))
			continue
		}
		b.more = b.more || item.Outcome.More
		b.items = append(b.items, item)
	}
	return b
}

// outcome gives back what a failure has left claimed, so that it is tried again soon
// and not when the claim expires. Nothing may be on its way to the store.
func (p *Planner) outcome(ctx context.Context, b *batch) (more bool, err error) {
	if b.err == nil || ctx.Err() != nil {
		return b.more, b.err
	}
	return false, errors.Join(b.err, p.o.Store.Claims(ctx, store.KeepClaims{By: p.o.By, Now: p.now()}))
}

// keeper renews claims from the first begin to the end.
type keeper struct {
	p    *Planner
	stop context.CancelFunc
	done sync.WaitGroup
}

func (k *keeper) begin(ctx context.Context) {
	if k.stop != nil {
		return
	}
	ctx, k.stop = context.WithCancel(ctx)
	k.done.Go(func() { k.p.renew(ctx) })
}

func (k *keeper) end() {
	if k.stop != nil {
		k.stop()
	}
	k.done.Wait()
}

// renew keeps the claims of a tick that takes long.
func (p *Planner) renew(ctx context.Context) {
	for clock.Sleep(ctx, p.o.Clock, p.o.TTL/3) == nil {
		if err := p.o.Store.Claims(ctx, store.KeepClaims{By: p.o.By, TTL: p.o.TTL, Now: p.now()}); err != nil && ctx.Err() == nil {
			p.log.Warn("cannot renew claims", "error", err)
		}
	}
}

// decide makes the decision about one schedule and its jobs.
func (p *Planner) decide(ctx context.Context, d store.DueSchedule, now time.Time, made recipes) (store.Decided, error) {
	in := agenda.Input{Schedule: d.Schedule, Runs: d.Runs, Now: now}
	var f *fault.Error
	c, err := p.o.Compile(ctx, d.Schedule)
	switch {
	case errors.As(err, &f) && f.Kind() != fault.Unavailable:
		return unusable(d, now, err), nil
	case err != nil:
		return store.Decided{}, err
	}
	in.Trigger, in.Calendars = c.Trigger, c.Calendars
	if len(d.Happened) > 0 {
		in.Trigger = in.Trigger.With(agenda.Nominals(d.Happened, in.Trigger.Spec().Zone))
	}
	on, err := agenda.OnOf(c.Trigger)
	if err != nil {
		return unusable(d, now, err), nil
	}
	item := decided(d, now, agenda.Plan(in))
	if on != d.Schedule.On {
		item.On = &on
	}
	return item, p.fill(ctx, d.Schedule, &item, made)
}

func decided(d store.DueSchedule, now time.Time, o agenda.Outcome) store.Decided {
	return store.Decided{
		ID: d.Schedule.ID, Tenant: d.Schedule.Tenant, Version: d.Schedule.Version, Epoch: d.Epoch, Now: now, Outcome: o,
		Name: d.Schedule.Name, Was: d.Schedule.State.Status, Before: d.Schedule.State,
	}
}

// fill makes the jobs of a decision. A nominal whose job cannot be made is skipped.
func (p *Planner) fill(ctx context.Context, s agenda.Schedule, item *store.Decided, made recipes) error {
	o := &item.Outcome
	for i := range o.Decisions {
		d := &o.Decisions[i]
		if !d.Fire {
			continue
		}
		j, err := made.compose(ctx, p.o.Compose, s)
		var f *fault.Error
		if errors.As(err, &f) && f.Kind() != fault.Unavailable {
			p.log.Warn("a schedule's job cannot be made", "schedule", s.ID, "error", err)
			o.Refuse(i, agenda.ReasonTarget)
			continue
		}
		if err != nil {
			return err
		}
		j = bind(j, s, *d, item.Now)
		if err := p.alone(ctx, s, item, j); err != nil {
			return err
		}
		if err := start(item, j, s, *d, s.CreatedBy); err != nil {
			p.log.Warn("nobody can be asked about a schedule's job", "schedule", s.ID, "error", err)
			o.Refuse(i, agenda.ReasonTarget)
			continue
		}
	}
	if n := len(item.Jobs); n > 0 && o.State.Last.JobID == "" {
		o.State.Last.JobID = item.Jobs[n-1].ID
	}
	return nil
}
