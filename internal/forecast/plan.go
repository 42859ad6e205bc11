package forecast

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// samples is the number of runs. A prime, so that any step through the
	// quantiles visits each once; 19 is the least with which the 10 % quantile
	// lies between two runs that are not the first.
	samples = 19
	// never is the offset of what does not happen.
	never = math.MaxInt64
	// horizon is where offsets saturate: a century.
	horizon = int64(100 * 365 * 24 * time.Hour)
	// unbounded stands for the capacity of a resource without bound.
	unbounded = math.MaxInt32
	// defaultParallel bounds a parallel group that says nothing.
	defaultParallel = 8
)

// plan is an Input made ready for playing: names are numbers, times are
// nanoseconds from now. Runs only read it.
type plan struct {
	now     time.Time
	slots   int
	unknown bool // something has no durations

	jobs  []job // as Input.Waiting
	units []unit
	// classes are the units that need the same, in order: only the first of a
	// class can be the next to start.
	classes [][]int32
	// delayed are units whose time has not come; each is a class of its own.
	delayed []int32
	free    []int32 // of each resource, if nothing ran
	running []hold
	heldAt  map[string]int // first held member of a group
	outside []release

	maxOvertakes   int
	maxOvertakeAge int64

	kinds     map[Span]int32
	table     [][samples]float64 // durations of a kind by quantile
	shared    [][samples]float64 // error of a kind's median by run
	resources map[string]int32   // -1: unbounded
}

// job is a Waiting.
type job struct {
	kind      int32 // -1: nothing is known
	step      uint8 // the quantile in run k is (step*k + first) mod samples
	first     uint8
	delay     int64
	notBefore time.Time
}

// unit is what takes a place: a job or a group.
type unit struct {
	place   int32
	members []int32
	width   int
	delay   int64
	needs   []int32
	// stuck: a held member keeps the group, and its slot, from its end.
	stuck bool
}

// hold is a running job, or all running members of a group together with those
// members that still wait.
type hold struct {
	ends  [][samples]int64 // of each running one
	slot  int
	needs []int32
	rest  unit
}

// release is a unit of a resource that comes back from outside.
type release struct {
	at       int64
	resource int32
}

func newPlan(in Input) *plan {
	p := &plan{
		now: in.Now, slots: in.Slots, jobs: make([]job, len(in.Waiting)),
		heldAt: map[string]int{}, kinds: map[Span]int32{}, resources: map[string]int32{},
		maxOvertakes: in.MaxOvertakes, maxOvertakeAge: int64(in.MaxOvertakeAge),
	}
	groups := p.addRunning(in)
	p.addWaiting(in, groups)
	p.classify()
	for name, until := range in.Held {
		r := p.resource(in, name)
		if r < 0 || !until.IsZero() && !until.After(in.Now) {
			continue
		}
		p.free[r]--
		if !until.IsZero() {
			p.outside = append(p.outside, release{at: p.offset(until), resource: r})
		}
	}
	return p
}

// addRunning returns the index of the hold of each group that runs.
func (p *plan) addRunning(in Input) map[string]int {
	groups := map[string]int{}
	for i, r := range in.Running {
		var ends [samples]int64
		id := r.ID
		if id == "" {
			id = strconv.Itoa(i)
		}
		p.unknown = p.unknown || r.Span.Count <= 0
		step, first := choose(id)
		l := newLaw(r.Span)
		for k := range ends {
			if ends[k] = never; r.Span.Count > 0 {
				ends[k] = saturate(l.remaining(r.Elapsed, share(quantileOf(step, first, k))))
			}
		}
		at, started := groups[r.Group]
		if !started || r.Group == "" {
			at = len(p.running)
			groups[r.Group] = at
			p.running = append(p.running, hold{})
		}
		h := &p.running[at]
		h.ends = append(h.ends, ends)
		if r.Slot {
			h.slot = 1
		}
		for _, n := range p.needs(in, r.Resources, r.Locks, []string{r.Key}) {
			h.needs = append(h.needs, n)
			p.free[n]--
		}
	}
	delete(groups, "")
	return groups
}

// addWaiting makes units of the waiting jobs. running are the holds of running
// groups.
func (p *plan) addWaiting(in Input, running map[string]int) {
	places := map[string]int{} // of groups among the units
	all := make([]int32, len(in.Waiting))
	p.units = make([]unit, 0, len(in.Waiting))
	for i, w := range in.Waiting {
		j := &p.jobs[i]
		j.kind = p.kind(w.Span)
		j.step, j.first = choose(w.ID)
		j.notBefore = w.NotBefore
		if !w.NotBefore.IsZero() {
			j.delay = p.offset(w.NotBefore)
		}
		group := in.Groups[w.Group]
		if w.Held {
			p.holdGroup(w.Group, i)
			continue
		}
		if p.behindHeld(in, i) {
			continue // nobody passes a held member
		}
		p.unknown = p.unknown || j.kind < 0
		all[i] = int32(i)
		own := all[i : i+1 : i+1]
		if h, ok := running[w.Group]; ok && w.Group != "" {
			rest := &p.running[h].rest
			rest.members = append(rest.members, own...)
			rest.width = width(group, len(rest.members))
			continue
		}
		needs := p.needs(in, w.Resources)
		if at, ok := places[w.Group]; ok && w.Group != "" {
			u := &p.units[at]
			u.members = append(u.members, own...)
			if !group.Sequential {
				u.delay = min(u.delay, j.delay)
			}
			u.needs = union(u.needs, needs)
			continue
		}
		places[w.Group] = len(p.units)
		p.units = append(p.units, unit{place: int32(i), members: own, width: 1, delay: j.delay, needs: needs})
	}
	delete(places, "")
	for name, at := range places {
		u := &p.units[at]
		_, u.stuck = p.heldAt[name]
		u.width = width(in.Groups[name], len(u.members))
		narrow(in, u)
	}
	for name, at := range running {
		_, p.running[at].rest.stuck = p.heldAt[name]
	}
}

// holdGroup notes that the i-th waiting job, of a group or of none, is held.
func (p *plan) holdGroup(group string, i int) {
	if _, ok := p.heldAt[group]; !ok && group != "" {
		p.heldAt[group] = i
	}
}

// behindHeld reports whether a held member of its sequential group keeps the
// i-th waiting job from starting.
func (p *plan) behindHeld(in Input, i int) bool {
	group := in.Waiting[i].Group
	at, ok := p.heldAt[group]
	return ok && at < i && in.Groups[group].Sequential
}

// narrow bounds the width of a group by the capacity of what all its members
// need: four jobs that use one model run one after another in any group.
func narrow(in Input, u *unit) {
	for _, name := range in.Waiting[u.members[0]].Resources {
		units, bounded := capacity(in, name)
		if !bounded {
			continue
		}
		if !slices.ContainsFunc(u.members, func(m int32) bool { return !slices.Contains(in.Waiting[m].Resources, name) }) {
			u.width = max(1, min(u.width, units))
		}
	}
}

func width(g Group, members int) int {
	switch {
	case g.Sequential:
		return 1
	case g.MaxParallel > 0:
		return min(g.MaxParallel, members)
	}
	return min(defaultParallel, members)
}

// classify sorts the units into classes.
func (p *plan) classify() {
	byNeeds := map[string]int{}
	var key []byte
	for i, u := range p.units {
		if u.delay > 0 {
			p.delayed = append(p.delayed, int32(i))
			continue
		}
		key = key[:0]
		for _, n := range u.needs {
			key = append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		}
		c, ok := byNeeds[string(key)]
		if !ok {
			c = len(p.classes)
			byNeeds[string(key)] = c
			p.classes = append(p.classes, nil)
		}
		p.classes[c] = append(p.classes[c], int32(i))
	}
	for _, i := range p.delayed {
		p.classes = append(p.classes, []int32{i})
	}
}

// needs numbers resources; sorted, each once, without those that have no bound.
func (p *plan) needs(in Input, lists ...[]string) []int32 {
	var out []int32
	for _, l := range lists {
		for _, name := range l {
			if name == "" {
				continue
			}
			if r := p.resource(in, name); r >= 0 {
				out = append(out, r)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func union(a, b []int32) []int32 {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// resource returns the number of a resource; -1 if it has no bound.
func (p *plan) resource(in Input, name string) int32 {
	if r, ok := p.resources[name]; ok {
		return r
	}
	r := int32(-1)
	if units, bounded := capacity(in, name); bounded {
		r = int32(len(p.free))
		p.free = append(p.free, int32(max(0, min(units, unbounded))))
	}
	p.resources[name] = r
	return r
}

func capacity(in Input, name string) (units int, bounded bool) {
	if units, bounded = in.Capacity[name]; bounded {
		return units, true
	}
	return 1, strings.HasPrefix(name, "lock:")
}

// kind returns the number of a span's durations; -1 if nothing is known.
func (p *plan) kind(s Span) int32 {
	if s.Count <= 0 {
		return -1
	}
	if k, ok := p.kinds[s]; ok {
		return k
	}
	k := int32(len(p.table))
	p.kinds[s] = k
	l := newLaw(s)
	step, first := choose(s.Median.String() + "/" + s.P90.String())
	var durations, shared [samples]float64
	for i := range samples {
		durations[i] = l.quantile(share(i))
		shared[i] = math.Exp(l.tau * normal(share(quantileOf(step, first, i))))
	}
	p.table, p.shared = append(p.table, durations), append(p.shared, shared)
	return k
}

// offset is a time in nanoseconds from now, not negative.
func (p *plan) offset(t time.Time) int64 {
	return min(horizon, max(0, int64(t.Sub(p.now))))
}

func saturate(ns float64) int64 {
	if ns >= float64(horizon) {
		return horizon
	}
	return int64(math.Round(ns))
}

// share is the middle of the i-th of all samples' equal parts.
func share(i int) float64 { return (float64(i) + 0.5) / samples }

// quantileOf is the part that something uses in run k. Over all runs it uses
// each part once, and two things are as independent as two random orders.
func quantileOf(step, first uint8, k int) int {
	return (int(step)*k + int(first)) % samples
}

// choose derives the order of the quantiles from a name: FNV-1a, and the
// finalizer of SplitMix64 because ids differ in their last letters only.
func choose(name string) (step, first uint8) {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return uint8(1 + h%(samples-1)), uint8(h >> 32 % samples)
}
