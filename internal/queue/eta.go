package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/forecast"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

const (
	// foreseen is how many jobs at the front of the order are played forward; the
	// starts of those behind go on at their pace.
	foreseen = 500
	// foreseeEvery is how old an estimate may be that is given out.
	foreseeEvery = time.Second
	// learnEvery is how often the durations of finished runs are read.
	learnEvery = 15 * time.Second
	// A run that takes longer than overrunOf times the 90 % quantile of its kind, and
	// than overrunAtLeast, ends nobody knows when.
	overrunOf      = 3
	overrunAtLeast = 2 * time.Minute
	// learned is how many durations of a kind are read, maxKinds how many kinds.
	learned  = 50
	maxKinds = 200
)

// last names a job that would be added now, behind all others.
const last = "last"

// Forecaster estimates when waiting jobs start: it reads the front of the order
// and the latest durations from the store, at most once a second while somebody
// asks, and plays the queue forward with package forecast. It is safe for
// concurrent use. It keeps nothing that the database does not have.
type Forecaster struct {
	store store.Store
	clock clock.Clock

	mu      sync.Mutex
	at      time.Time // when in and starts were made
	in      forecast.Input
	direct  int // so many of in.Waiting, the first, are direct requests
	starts  map[string]forecast.Estimate
	spans   map[store.Kind]forecast.Span
	learnAt time.Time
}

// NewForecaster returns one that has read nothing yet. A nil clock is the
// system's.
func NewForecaster(s store.Store, c clock.Clock) *Forecaster {
	if c == nil {
		c = clock.System{}
	}
	return &Forecaster{store: s, clock: c}
}

// Refresh reads the queue if what is known is older than a second. An estimate
// is worth less than an answer: on an error the old ones stay.
func (f *Forecaster) Refresh(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refresh(ctx, func() bool { return true })
}

// refresh is Refresh for who holds mu; what is younger than a second is read again
// unless it is enough.
func (f *Forecaster) refresh(ctx context.Context, enough func() bool) error {
	now := f.clock.Now()
	if !f.at.IsZero() && now.Sub(f.at) < foreseeEvery && enough() {
		return nil
	}
	front, err := f.store.Order.Front(ctx, foreseen)
	if err != nil {
		return fmt.Errorf("read the front of the order: %w", err)
	}
	sit, err := f.store.Jobs.Situation(ctx, nil)
	if err != nil {
		return fmt.Errorf("read what runs: %w", err)
	}
	if err := f.learn(ctx, now, front, sit.Snapshot); err != nil {
		return err
	}
	f.in, f.direct = f.input(sit.Snapshot, front), len(sit.Snapshot.Direct)
	all := f.in
	all.Waiting = append(slices.Clone(all.Waiting), forecast.Waiting{ID: last, Span: forecast.Span{Count: learned}}) // takes no time
	f.starts = forecast.Forecast(all)
	f.at = now
	return nil
}

// Of returns the estimate of a job that waits at a position, as of the last
// Refresh. It does no I/O. Known is false before the first one.
func (f *Forecaster) Of(j job.Job, position int) forecast.Estimate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.starts[j.ID]; ok {
		return e
	}
	switch {
	case f.at.IsZero():
		return forecast.Estimate{Reason: forecast.ReasonNoDurations}
	case j.HeldReason != "" || j.Parked != "" || j.AwaitsApproval():
		return forecast.Estimate{Reason: forecast.ReasonHeld}
	case f.in.Paused:
		return forecast.Estimate{Reason: forecast.ReasonPaused}
	}
	e := f.starts[last]
	position = max(position, 0) + f.direct
	switch {
	case position < len(f.in.Waiting):
		// It came after the last look: it starts about when what stood there would.
		e = f.starts[f.in.Waiting[position].ID]
	case position > len(f.in.Waiting):
		e = forecast.Beyond(f.in, f.starts, []int{position})[0]
	}
	if e.Known && e.Start.Before(j.NotBefore) {
		e.Start, e.To = j.NotBefore, e.To.Add(j.NotBefore.Sub(e.Start))
		e.From = later(e.From, j.NotBefore)
	}
	return e
}

// Typical is what is known of how long runs of a kind take that end well, as of the
// last Refresh, for kinds that ran or waited then: those of the template, else those of
// the job type if they are alike. All commands are of one type, and what one of them
// takes says nothing of the next. It does no I/O. The zero Span if it is not known.
func (f *Forecaster) Typical(jobType, template string) forecast.Span {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.spans[store.Kind{JobType: jobType, TemplateID: template}]; template != "" && s.Count > 0 {
		return s
	}
	if s := f.spans[store.Kind{JobType: jobType}]; s.Count >= alikeCount && s.P90 <= alikeTimes*s.Median {
		return s
	}
	return forecast.Span{}
}

// Runs are alike when there are at least alikeCount, nine of ten of which took at most
// alikeTimes their median.
const (
	alikeCount = 3
	alikeTimes = 3
)

// Direct returns the estimate of the direct request that waits behind ahead
// others, all tenants' counted. It looks again if that request came after the last
// look, and on an error says what it knew. Known is false of one that has its slot.
func (f *Forecaster) Direct(ctx context.Context, ahead int) (forecast.Estimate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.refresh(ctx, func() bool { return ahead < f.direct })
	if ahead < 0 || ahead >= f.direct {
		return forecast.Estimate{Reason: forecast.ReasonNoDurations}, err
	}
	return f.starts[f.in.Waiting[ahead].ID], err
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// learn reads the durations of what runs and waits, now and then.
func (f *Forecaster) learn(ctx context.Context, now time.Time, front store.Front, s job.Snapshot) error {
	want := map[store.Kind]bool{}
	note := func(jobType, template string) {
		if len(want) < maxKinds && jobType != "" {
			want[store.Kind{JobType: jobType}] = true
			if template != "" {
				want[store.Kind{JobType: jobType, TemplateID: template}] = true
			}
		}
	}
	for _, o := range s.Running {
		note(o.Needs.Type, o.Needs.TemplateID)
	}
	for _, d := range s.Direct {
		note(d.Kind, "")
	}
	for _, j := range front.Jobs {
		note(j.Type, j.TemplateID)
	}
	if now.Sub(f.learnAt) < learnEvery {
		for k := range f.spans {
			delete(want, k) // only what is new
		}
		if len(want) == 0 {
			return nil
		}
	} else {
		f.spans, f.learnAt = map[store.Kind]forecast.Span{}, now
	}
	p := store.Durations{Last: learned}
	for k := range want {
		p.Kinds = append(p.Kinds, k)
	}
	found, err := f.store.Runs.Durations(ctx, p)
	if err != nil {
		return fmt.Errorf("read durations: %w", err)
	}
	took := map[store.Kind][]time.Duration{}
	for _, d := range found {
		took[d.Kind] = append(took[d.Kind], d.Took)
	}
	for k := range want {
		f.spans[k] = forecast.Learn(took[k])
	}
	return nil
}

// span is what is known of a kind: of the template, else of the job type.
func (f *Forecaster) span(jobType, template string) forecast.Span {
	for _, k := range []store.Kind{{JobType: jobType, TemplateID: template}, {JobType: jobType}} {
		if s := f.spans[k]; s.Count > 0 {
			return s
		}
	}
	return forecast.Span{}
}

func (f *Forecaster) input(s job.Snapshot, front store.Front) forecast.Input {
	b := claim.NewBounds(s)
	in := forecast.Input{
		Now: s.Now, Slots: b.Slots(), Paused: s.Paused, Capacity: map[string]int{}, Held: map[string]time.Time{},
		Groups: map[string]forecast.Group{}, MaxOvertakes: s.Rules.MaxOvertakes, MaxOvertakeAge: s.Rules.MaxOvertakeAge,
	}
	slotOf := map[string]bool{}
	for _, o := range s.Running {
		r := forecast.Running{
			ID: o.JobID + o.RunID, Elapsed: s.Now.Sub(o.Since), Span: f.span(o.Needs.Type, o.Needs.TemplateID), Resources: claim.Takes(o.Needs),
			Slot: o.Group == "" || !slotOf[o.Group], Group: o.Group,
		}
		if overrun(r.Elapsed, r.Span) {
			r.Span = forecast.Span{}
		}
		slotOf[o.Group] = true
		in.Running = append(in.Running, r)
		b.Note(in.Capacity, o.Needs.Resources())
	}
	for _, d := range s.Direct {
		in.Waiting = append(in.Waiting, forecast.Waiting{ID: d.RunID, Span: f.span(d.Kind, ""), Resources: claim.Takes(d.Needs())})
		b.Note(in.Capacity, d.Needs().Resources())
	}
	for _, j := range front.Jobs {
		in.Waiting = append(in.Waiting, f.waiting(s, j))
		b.Note(in.Capacity, j.Needs().Resources())
	}
	for id, g := range front.Groups {
		in.Groups[id] = forecast.Group{Sequential: g.Mode == job.Sequential, MaxParallel: g.MaxParallel}
	}
	for lock, hs := range s.Held {
		for _, h := range hs {
			if h.Outside == "" {
				continue
			}
			name := job.ResourceLock + lock
			if _, twice := in.Held[name]; twice {
				in.Capacity[name] = b.Units(lock) - 1
			}
			in.Held[name] = h.ExpiresAt
		}
	}
	return in
}

// overrun reports whether a run has outlived its kind's history so far that this
// says nothing of its end: it is another thing than the runs before, or it hangs.
func overrun(elapsed time.Duration, s forecast.Span) bool {
	return s.Count > 0 && elapsed > max(overrunOf*s.P90, overrunAtLeast)
}

func (f *Forecaster) waiting(s job.Snapshot, j job.Job) forecast.Waiting {
	if end := job.BudgetEnd(s.Now); j.NotBefore.Before(end) && s.SpentBudget(j.Needs()) != nil {
		j.NotBefore = end
	}
	return forecast.Waiting{
		ID: j.ID, Span: f.span(j.Type, j.TemplateID), Resources: claim.Takes(j.Needs()), NotBefore: j.NotBefore,
		Held: j.HeldReason != "" || j.AwaitsApproval(), Group: j.GroupID,
	}
}
