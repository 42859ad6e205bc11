package claim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

// board is a snapshot in a form that answers "may this start?", and that a
// decision changes while it takes slots, locks and units of limits. Nothing on
// it is ever given back: a decision only starts things.
type board struct {
	s job.Snapshot
	// free slots; negative when there are fewer slots than what runs.
	free int
	// used counts what runs and what starts, by limit.
	used map[counted]int
	// taken are the units of locks that this decision gave away; those that were
	// taken before are in s.Held.
	taken map[string][]job.Holder
	// over are the spent budgets, by resource; s.Budgets are these only.
	over map[string]bool
	// wanted are locks that a direct request waits for, by lock.
	wanted map[string]job.Direct
	// seats is how many direct requests get the next free slots.
	seats int
	// barriers are the jobs that must not be overtaken any more, in order. The
	// first passed of them are before at, the place where the decision is.
	barriers []job.Overtaken
	passed   int
	at       rank.Rank
}

// counted is something that a limit bounds.
type counted struct{ kind, name string }

func newBoard(s job.Snapshot) *board {
	b := &board{s: s, used: make(map[counted]int, 8)}
	b.free = slots(s) - Busy(s)
	b.s.Budgets = nil
	for _, x := range s.Budgets {
		if x.Over() {
			if b.over == nil {
				b.over = map[string]bool{}
			}
			b.over[x.Resource()] = true
			b.s.Budgets = append(b.s.Budgets, x)
		}
	}
	for _, o := range s.Running {
		b.count(o.Needs)
	}
	for _, o := range s.Overtaken {
		if b.isBarrier(o) {
			b.barriers = append(b.barriers, o)
		}
	}
	return b
}

// Busy is the number of slots in use: a running group has one, whatever runs
// in it.
func Busy(s job.Snapshot) int {
	n := len(s.Groups)
	for _, o := range s.Running {
		// A direct request may outlive the group that lent its slot.
		if o.Group == "" || !slices.ContainsFunc(s.Groups, func(g job.GroupWork) bool { return g.Group.ID == o.Group }) {
			n++
		}
	}
	return n
}

// slots is how many slots there are.
func slots(s job.Snapshot) int {
	if g := s.Rules.MaxGlobal; g != nil {
		return min(s.Workers, *g)
	}
	return s.Workers
}

// limits calls f with what c counts against, until f returns false.
func limits(c job.Class, f func(what counted, own int) bool) {
	switch {
	case c.Type == "": // a direct request, or a group as a whole
	case !f(counted{job.ResourceType, c.Type}, 0):
	case !f(counted{job.ResourceTenant, c.Tenant}, 0):
	case c.TemplateID != "" && !f(counted{job.ResourceTemplate, c.TemplateID}, c.MaxTemplate):
	case c.Key != "":
		f(counted{job.ResourceKey, c.KeyName()}, max(c.MaxKey, 1))
	}
}

// count adds a running job to the limits.
func (b *board) count(c job.Class) {
	limits(c, func(what counted, _ int) bool {
		b.used[what]++
		return true
	})
}

// most is the bound of a limit, -1 = none. own is the bound that the job brings
// itself, 0 = none.
func (b *board) most(what counted, own int) int {
	var of map[string]int
	switch what.kind {
	case job.ResourceType:
		of = b.s.Rules.MaxPerJob
	case job.ResourceTenant:
		of = b.s.Rules.MaxPerTenant
	case job.ResourceTemplate:
		of = b.s.Rules.MaxPerTemplate
	}
	n, bounded := of[what.name]
	switch {
	case own > 0 && bounded:
		return min(own, n)
	case own > 0:
		return own
	case bounded:
		return n
	}
	return -1
}

// shut reports whether a limit of 0 keeps jobs of a class from starting at all,
// until a person changes it, or a budget that is spent until the day ends. They
// wait as if they were held.
func (b *board) shut(c job.Class) bool {
	if b.s.SpentBudget(c) != nil {
		return true
	}
	zero := false
	limits(c, func(what counted, own int) bool {
		zero = b.most(what, own) == 0
		return !zero
	})
	return zero
}

// take gives a job or direct request everything but its slot.
func (b *board) take(c job.Class, h job.Holder) {
	b.count(c)
	if b.taken == nil && len(c.Locks) > 0 {
		b.taken = map[string][]job.Holder{}
	}
	for _, l := range c.Locks {
		h.Lock = l
		b.taken[l] = append(b.taken[l], h)
	}
}

// full reports whether every unit of a lock is taken.
func (b *board) full(lock string) bool {
	return len(b.s.Held[lock])+len(b.taken[lock]) >= b.capacity(lock)
}

func (b *board) capacity(lock string) int { return max(b.s.Capacity[lock], 1) }

// parseCounted reads a resource as job.Class.Resources names it; false if no
// limit counts it. It must not allocate: the index asks it often.
func parseCounted(resource string) (what counted, own int, ok bool) {
	for _, kind := range [...]string{job.ResourceType, job.ResourceTenant, job.ResourceTemplate, job.ResourceKey} {
		name, is := strings.CutPrefix(resource, kind)
		if !is {
			continue
		}
		if kind == job.ResourceTemplate || kind == job.ResourceKey {
			if i := strings.LastIndexByte(name, '@'); i >= 0 {
				if n, err := strconv.Atoi(name[i+1:]); err == nil {
					name, own = name[:i], n
				}
			}
		}
		if kind == job.ResourceKey {
			own = max(own, 1)
		}
		return counted{kind, name}, own, true
	}
	return counted{}, 0, false
}

// blocked reports whether a resource keeps every job from starting that needs
// it and stands at or behind the place where the decision is. The index skips
// whole classes by it.
func (b *board) blocked(resource string) bool {
	if l, ok := strings.CutPrefix(resource, job.ResourceLock); ok {
		_, wanted := b.wanted[l]
		return wanted || b.full(l) || b.keeper(l, b.passed) != nil
	}
	what, own, ok := parseCounted(resource)
	if !ok {
		return b.spent(resource)
	}
	most := b.most(what, own)
	if most >= 0 && b.used[what] >= most {
		return true
	}
	o, _ := b.reserver(what, b.passed)
	return o != nil
}

// spent reports whether a resource is a budget of which nothing is left. It must not
// go through the budgets: there may be one for each template.
func (b *board) spent(resource string) bool { return b.over[resource] }

// isBarrier reports whether a job was overtaken so often, or for so long, that
// it must not be overtaken any more.
func (b *board) isBarrier(o job.Overtaken) bool {
	r := b.s.Rules
	return (o.Starts >= r.MaxOvertakes || b.s.Now.Sub(o.Since) >= r.MaxOvertakeAge) && !b.shut(o.Needs)
}

// raise makes a job a barrier that has become one in this decision.
func (b *board) raise(o job.Overtaken) {
	i, there := slices.BinarySearchFunc(b.barriers, o.Rank, func(x job.Overtaken, r rank.Rank) int { return strings.Compare(string(x.Rank), string(r)) })
	if there {
		return
	}
	b.barriers = slices.Insert(slices.Clip(b.barriers), i, o)
	b.pass(b.at)
}

// lower takes a barrier away that has started.
func (b *board) lower(place rank.Rank) {
	i := slices.IndexFunc(b.barriers, func(o job.Overtaken) bool { return o.Rank.Place() == place })
	if i < 0 {
		return
	}
	b.barriers = slices.Delete(slices.Clone(b.barriers), i, i+1)
	b.pass(b.at)
}

// pass moves the decision to a place in the order: whatever is there has to
// leave the barriers before it what they need.
func (b *board) pass(place rank.Rank) { b.at, b.passed = place, b.ahead(place) }

// ahead is the number of barriers before a place.
func (b *board) ahead(place rank.Rank) int {
	n := 0
	for n < len(b.barriers) && b.barriers[n].Rank < place {
		n++
	}
	return n
}

// keeper is the barrier among the first n for which a lock is kept free.
func (b *board) keeper(lock string, n int) *job.Overtaken {
	for i := range b.barriers[:n] {
		if slices.Contains(b.barriers[i].Needs.Locks, lock) {
			return &b.barriers[i]
		}
	}
	return nil
}

// reserver is the barrier among the first n for which the last unit of a limit
// is kept, and the bound that it has to keep: it has all its locks to itself and
// waits for limits only. While it waits for a lock as well, it could not use the
// unit.
func (b *board) reserver(what counted, n int) (o *job.Overtaken, most int) {
	for i := range b.barriers[:n] {
		o, most := &b.barriers[i], -1
		limits(o.Needs, func(w counted, own int) bool {
			if w == what {
				most = b.most(w, own)
			}
			return w != what
		})
		if most >= 0 && b.used[what] >= most-1 && !slices.ContainsFunc(o.Needs.Locks, func(l string) bool {
			_, wanted := b.wanted[l]
			return wanted || b.full(l) || b.keeper(l, i) != nil
		}) {
			return o, most
		}
	}
	return nil, 0
}

// onlyGroups reports whether no slot can get free before a running group ends.
func (b *board) onlyGroups() bool { return len(b.s.Groups) >= slots(b.s) }

// obstacle is the first thing, other than a missing slot or earlier jobs, that
// keeps something with these needs at this place from starting; the zero value
// is none. in is the group that has its slot already and whose member it is.
//
// A running group has begun and is not stopped by the strict order. Its
// members leave barriers what they need, and direct requests if those may use
// the group's slot; but they do not wait for somebody who waits for the
// group's own slot, or both would wait for ever.
func (b *board) obstacle(c job.Class, place rank.Rank, in *job.Group) obstacle {
	if x := b.s.SpentBudget(c); x != nil {
		return obstacle{kind: budgetSpent, budget: x}
	}
	n := b.ahead(place)
	respect := true
	if in != nil {
		respect = b.s.Rules.DirectGroupPolicy == job.DirectNext
		if b.onlyGroups() {
			n = 0
		}
	}
	for _, l := range c.Locks {
		if b.full(l) {
			if i := slices.IndexFunc(b.taken[l], func(h job.Holder) bool { return h.JobID == "" }); i >= 0 {
				h := b.taken[l][i]
				return obstacle{kind: lockWanted, lock: l, direct: job.Direct{RunID: h.RunID, Tenant: h.Tenant}}
			}
			return obstacle{kind: lockFull, lock: l}
		}
		if d, ok := b.wanted[l]; ok && respect {
			return obstacle{kind: lockWanted, lock: l, direct: d}
		}
		if o := b.keeper(l, n); o != nil {
			return obstacle{kind: lockKept, lock: l, barrier: o}
		}
	}
	if b.s.Rules.StrictOrder && n > 0 && in == nil {
		return obstacle{kind: strictOrder, barrier: &b.barriers[0]}
	}
	var out obstacle
	limits(c, func(what counted, own int) bool {
		most, used := b.most(what, own), b.used[what]
		if most >= 0 && used >= most {
			out = obstacle{kind: limitReached, what: what, most: most, used: used}
		} else if o, most := b.reserver(what, n); o != nil {
			out = obstacle{kind: limitKept, what: what, most: most, used: used, barrier: o}
		}
		return out.kind == nothing
	})
	return out
}

// obstacle is what keeps a job from starting. reason.go puts it into words.
type obstacle struct {
	kind       obstacleKind
	lock       string
	what       counted
	most, used int
	direct     job.Direct
	barrier    *job.Overtaken
	budget     *job.Budget
}

type obstacleKind int

const (
	nothing      obstacleKind = iota
	lockFull                  // every unit of a lock is taken
	lockWanted                // a direct request waits for a lock
	lockKept                  // a lock is kept free for a barrier
	strictOrder               // nothing may start before a barrier
	limitReached              // a limit is reached
	budgetSpent               // no tokens are left for today
	limitKept                 // the last unit of a limit is kept for a barrier
)
