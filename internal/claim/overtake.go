package claim

import (
	"cmp"
	"slices"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

// tracked is how many jobs that were not overtaken before a decision notes at a
// time, and maxTracked how many are noted at all: those that are first in the
// order.
const (
	tracked    = 16
	maxTracked = 64
)

// tally counts who is overtaken by what a decision starts.
type tally struct {
	list   []job.Overtaken
	owned  bool // the list is not the snapshot's any more
	starts []start
}

// start is what starts at a place in the order.
type start struct {
	place  rank.Rank
	affine bool
}

// note counts the start of c for all known jobs before it. Who has been
// overtaken often enough becomes a barrier at once.
func (t *tally) note(b *board, c job.Candidate, affine bool) {
	s := start{c.Rank.Place(), affine}
	t.starts = append(t.starts, s)
	b.lower(s.place)
	if len(t.list) == 0 {
		return
	}
	t.own()
	t.list = slices.DeleteFunc(t.list, func(o job.Overtaken) bool { return o.Rank.Place() == s.place })
	for i := range t.list {
		o := &t.list[i]
		if o.Rank.Place() < s.place {
			*o = overtake(*o, s)
			if b.isBarrier(*o) {
				b.raise(*o)
			}
		}
	}
}

func overtake(o job.Overtaken, s start) job.Overtaken {
	o.Starts++
	if s.affine {
		o.Affinity++
	}
	return o
}

// own makes a copy of the snapshot's list before it is changed.
func (t *tally) own() {
	if !t.owned {
		t.list, t.owned = slices.Clone(t.list), true
	}
}

// hasStarted reports whether the job or group at a place starts already.
func (t *tally) hasStarted(r rank.Rank) bool {
	return slices.ContainsFunc(t.starts, func(s start) bool { return s.place == r.Place() })
}

// of is how often c was overtaken, also by what started in this decision.
func (t *tally) of(b *board, c job.Candidate) job.Overtaken {
	for _, o := range t.list {
		if o.JobID == c.JobID {
			return o
		}
	}
	o := job.Overtaken{JobID: c.JobID, Rank: c.Rank, Needs: c.Needs, Since: b.s.Now}
	for _, s := range t.starts {
		if c.Rank.Place() < s.place {
			o = overtake(o, s)
		}
	}
	return o
}

// look adds the first of those that something blocks, and left, to the list.
func (t *tally) look(b *board, heads job.Heads, left []job.Candidate) {
	if heads != nil {
		// An error is the store's, which gives the whole claim up.
		found, _ := heads.Blocked(b.overtakable, tracked)
		left = slices.Concat(left, found)
	}
	for _, c := range left {
		known := slices.ContainsFunc(t.list, func(o job.Overtaken) bool { return o.JobID == c.JobID })
		// The waiting jobs are as they were: what starts is still among them.
		if known || t.hasStarted(c.Rank) || b.shut(c.Needs) {
			continue
		}
		o := t.of(b, c)
		t.own()
		t.list = append(t.list, o)
		if b.isBarrier(o) {
			b.raise(o)
		}
	}
}

// overtakable is blocked without limits of 0 and spent budgets: what they keep from
// starting does not hold up others.
func (b *board) overtakable(resource string) bool {
	if what, own, ok := parseCounted(resource); ok && b.most(what, own) == 0 {
		return false
	}
	return !b.spent(resource) && b.blocked(resource)
}

// result is the list of all that were, or may not be, overtaken, in order.
func (t *tally) result(b *board) []job.Overtaken {
	t.own()
	kept := slices.DeleteFunc(t.list, func(o job.Overtaken) bool { return o.Starts == 0 && !b.isBarrier(o) })
	slices.SortFunc(kept, func(a, b job.Overtaken) int { return cmp.Compare(a.Rank, b.Rank) })
	return kept[:min(len(kept), maxTracked)]
}
