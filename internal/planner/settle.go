package planner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
)

// This file writes decisions, and keeps a schedule about which none can be made or
// written from stopping all others.

// settle writes the decisions about a batch. If the store refuses them together, each
// is written by itself, so that only the one that it cannot take is left.
func (p *Planner) settle(ctx context.Context, b *batch) {
	if len(b.items) == 0 {
		return
	}
	err := p.write(ctx, b, b.items)
	if err == nil || ctx.Err() != nil || fault.From(err).Kind() == fault.Unavailable {
		b.err = errors.Join(b.err, err)
		return
	}
	for _, item := range b.items {
		err := p.write(ctx, b, []store.Decided{item})
		if err != nil && fault.From(err).Kind() == fault.Invalid && ctx.Err() == nil {
			p.log.Error("what a schedule makes cannot be stored: it is paused", "schedule", item.ID, "error", err)
			err = p.write(ctx, b, []store.Decided{refused(item, err)})
		}
		if err != nil {
			b.err = errors.Join(b.err, fmt.Errorf("write the decision about schedule %s: %w", item.ID, err))
		}
	}
}

// write writes decisions in one transaction.
func (p *Planner) write(ctx context.Context, b *batch, items []store.Decided) error {
	errs, err := p.o.Store.Decide(ctx, items)
	for i, e := range errs {
		if e != nil {
			p.log.Debug("a decision came too late", "schedule", items[i].ID, "error", e)
			b.more = true // if it is still due, it is claimed again
		}
	}
	return err
}

// PausedByTrigger and PausedByContent begin the StatusReason of a schedule that
// cannot be planned, and of one whose jobs the store cannot take.
const (
	PausedByTrigger = "its trigger cannot be used"
	PausedByContent = "what it makes cannot be stored"
)

// unusable pauses a schedule whose trigger cannot be asked. Nobody but a person can
// help; its nominals are skipped, as in any pause.
func unusable(d store.DueSchedule, now time.Time, err error) store.Decided {
	return decided(d, now, agenda.Outcome{State: d.Schedule.State.Pause(now, "", PausedByTrigger+": "+fault.From(err).Detail)})
}

// refused pauses a schedule instead of what was decided. Its cursor stays, so the
// nominals that were to fire are made up for after the pause, as the schedule wants.
func refused(item store.Decided, err error) store.Decided {
	return store.Decided{
		ID: item.ID, Tenant: item.Tenant, Version: item.Version, Epoch: item.Epoch, Now: item.Now, Name: item.Name, Was: item.Was,
		Outcome: agenda.Outcome{State: item.Before.Pause(item.Now, "", PausedByContent+": "+fault.From(err).Detail)},
	}
}

// guarded is decide, and turns a panic into a pause: the server would start and fall
// over the same schedule for ever.
func (p *Planner) guarded(ctx context.Context, d store.DueSchedule, now time.Time, made recipes) (item store.Decided, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("a schedule made the planner panic: it is paused", "schedule", d.Schedule.ID, "panic", v, "stack", string(debug.Stack()))
			item, err = unusable(d, now, fault.New(fault.InternalError, "this is a fault of the program, please report it")), nil
		}
	}()
	return p.decide(ctx, d, now, made)
}
