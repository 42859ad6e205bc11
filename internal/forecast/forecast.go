package forecast

import (
	"slices"
	"time"
)

// Running is a job or direct request that executes now.
type Running struct {
	// ID chooses the quantiles (see the package comment). Empty: the index.
	ID string
	// Elapsed is how long it has run. Negative counts as zero.
	Elapsed time.Duration
	// Span is what is known of how long its kind takes. Zero: it may end now or
	// never.
	Span Span
	// Resources, Locks and Key name what it holds one unit of until it ends, in
	// the name space of Input.Capacity. The three are one set; a name that
	// stands twice counts once.
	Resources []string
	Locks     []string
	Key       string
	// Slot says that it occupies a slot of its own: false for all but one of the
	// running members of a group.
	Slot bool
	// Group is the group that it belongs to. Members of that group that still
	// wait start inside the same slot, which stays taken until the last ended.
	Group string
}

// Waiting is a job in the queue, or a direct request that waits: these come
// before all jobs.
type Waiting struct {
	// ID is unique among the waiting.
	ID string
	// Span is what is known of how long its kind takes. Zero: it may end at once
	// or never.
	Span Span
	// Resources are the names of which it needs one unit each while it runs.
	Resources []string
	// NotBefore is the earliest start. Zero: none.
	NotBefore time.Time
	// Held jobs are passed over. In a group they are not: a sequential one stops
	// before a held member, and no group ends and gives its slot back without it.
	Held bool
	// Group is the group that it belongs to, "" for none. The group has the place
	// of its first member.
	Group string
}

// Group says how the members of a group run.
type Group struct {
	Sequential bool
	// MaxParallel is how many members run at once. Zero: all, at most 8.
	MaxParallel int
}

// Input is what the queue looks like at one moment.
type Input struct {
	Now time.Time
	// Slots is the worker count, running ones included.
	Slots int
	// Paused makes every estimate unknown: nobody knows when it ends.
	Paused bool
	// Capacity is the number of units of each resource (locks, limits). A name
	// that is missing has 1 if it begins with "lock:", else there is no bound.
	Capacity map[string]int
	// Held are resources of which a program outside holds one unit, until a time.
	// Zero time: unknown. For several holders lower Capacity too.
	Held map[string]time.Time
	// Running is everything that executes.
	Running []Running
	// Waiting is the queue in its order, or its first places (see Beyond).
	Waiting []Waiting
	// Groups are the groups that Waiting names. A missing one is parallel.
	Groups map[string]Group
	// MaxOvertakes and MaxOvertakeAge bound how often and how long a job that
	// waits for resources is overtaken before these are kept free for it. Zero: no
	// bound.
	MaxOvertakes   int
	MaxOvertakeAge time.Duration
}

// Reason says why there is no estimate.
type Reason string

// The reasons. A job without estimate has exactly one, the first that applies.
const (
	ReasonHeld   Reason = "held"
	ReasonPaused Reason = "paused"
	// ReasonNoCapacity: a lock or limit that it needs has no units at all.
	ReasonNoCapacity Reason = "no_capacity"
	// ReasonBehindHeldLock: a program outside holds what it, or something that it
	// waits for, needs, and nobody knows until when.
	ReasonBehindHeldLock Reason = "behind_held_lock"
	ReasonNoSlots        Reason = "no_slots"
	// ReasonBehindHeldJob: it waits for a group that cannot go on or end, because
	// a member is held. A held job that is in no group keeps nobody waiting.
	ReasonBehindHeldJob Reason = "behind_held_job"
	// ReasonNoDurations: it waits for something of which nothing is known.
	ReasonNoDurations Reason = "no_durations"
)

// Estimate is when a waiting job is expected to start. If Known, From <= Start
// <= To, none is before Input.Now or the job's NotBefore, and Reason is "".
// Otherwise the times are zero.
type Estimate struct {
	Start, From, To time.Time
	Known           bool
	Reason          Reason
}

// The quantiles that From and To stand for: the range holds four of five.
const (
	lowQuantile  = 0.1
	highQuantile = 0.9
)

// Forecast estimates the start of every waiting job, keyed by its ID. It is a
// pure function, takes time proportional to n log n in the number of waiting
// jobs, and is safe for concurrent use as long as nobody changes the input.
//
// A duration of which nothing is known is taken as endless for Start and To and
// as nothing for From. So a known estimate holds whatever such a job does, and
// a job whose start depends on one is unknown.
func Forecast(in Input) map[string]Estimate {
	out := make(map[string]Estimate, len(in.Waiting))
	if in.Paused {
		for _, w := range in.Waiting {
			out[w.ID] = Estimate{Reason: ReasonPaused}
			if w.Held {
				out[w.ID] = Estimate{Reason: ReasonHeld}
			}
		}
		return out
	}
	p := newPlan(in)
	s := newSimulation(p)
	starts := make([]int64, len(in.Waiting)*samples)
	for k := range samples {
		s.run(k, false)
		for j, at := range s.starts {
			starts[j*samples+k] = at
		}
	}
	// A unit that ends at once instead of never can only be seen in From.
	if p.unknown {
		s.run(samples/2, true)
	}
	for j, w := range in.Waiting {
		row := starts[j*samples : (j+1)*samples]
		slices.Sort(row)
		if w.Held || row[samples-1] == never {
			out[w.ID] = Estimate{Reason: p.reason(in, j)}
			continue
		}
		from := quantile(row, lowQuantile)
		if p.unknown {
			from = min(from, s.starts[j])
		}
		out[w.ID] = Estimate{
			Start: p.time(j, quantile(row, 0.5)), From: p.time(j, from), To: p.time(j, quantile(row, highQuantile)), Known: true,
		}
	}
	return out
}

// time turns an offset of job j back into a time. Far in the future offsets
// saturate, hence the second comparison with NotBefore.
func (p *plan) time(j int, offset int64) time.Time {
	at := p.now.Add(time.Duration(offset))
	if nb := p.jobs[j].notBefore; at.Before(nb) {
		return nb
	}
	return at
}

// reason says why job j has no estimate.
func (p *plan) reason(in Input, j int) Reason {
	w := in.Waiting[j]
	if w.Held {
		return ReasonHeld
	}
	for _, name := range w.Resources {
		units, bounded := capacity(in, name)
		until, held := in.Held[name]
		switch {
		case !bounded:
		case units <= 0:
			return ReasonNoCapacity
		case held && until.IsZero() && units == 1:
			return ReasonBehindHeldLock
		}
	}
	switch {
	case p.behindHeld(in, j):
		return ReasonBehindHeldJob
	case in.Slots <= 0:
		return ReasonNoSlots
	case p.unknown:
		return ReasonNoDurations
	case len(p.heldAt) > 0:
		return ReasonBehindHeldJob
	}
	return ReasonBehindHeldLock
}
