package forecast

import "slices"

// simulation plays a plan. It is used for one run after another and keeps only
// its memory.
//
// Only classes that could start are looked at: one whose first unit lacks a
// resource is parked there, and when a unit of the resource comes free only the
// first in order is woken, which wakes the next if it leaves something over. So
// a run takes time proportional to the starts, also when thousands wait for one
// lock.
type simulation struct {
	p       *plan
	k       int
	instant bool // what is unknown ends at once, all else takes its median

	starts []int64 // of each job; never if it does not start
	free   int     // slots
	units  []int32 // free units of each resource
	// reserved is, for each resource, the place of the overtaken unit that it is
	// kept free for; never if none.
	reserved []int64
	parked   []heap // classes by place, for each resource
	ready    heap   // classes by place
	events   heap   // by time; what: see happen
	classes  []classState
	begun    int // starts so far
	// patient are the blocked first units that may become barriers, those that
	// were blocked first in front; asked of them are already dealt with.
	patient []patience
	asked   int
	lanes   []int64
}

// classState is where a class is in a run.
type classState struct {
	next int32
	// woken is the resource that woke it; -1 if none.
	woken int32
	// patient: its first unit is in the list of those.
	patient bool
}

// patience is a unit that was found blocked as the first of its class: how many
// had begun, and the time.
type patience struct {
	class, next int32
	begun       int
	since       int64
}

func newSimulation(p *plan) *simulation {
	return &simulation{
		p: p, starts: make([]int64, len(p.jobs)), units: make([]int32, len(p.free)), reserved: make([]int64, len(p.free)),
		parked: make([]heap, len(p.free)), classes: make([]classState, len(p.classes)),
	}
}

// run plays the queue once, with the quantiles of run k, into s.starts.
func (s *simulation) run(k int, instant bool) {
	s.reset(k, instant)
	for t := int64(0); ; t = s.events[0].key {
		// All that happens at one time happens before anything starts.
		for len(s.events) > 0 && s.events[0].key == t {
			s.happen(s.events.pop().val)
		}
		s.startAll(t)
		if len(s.events) == 0 {
			return
		}
	}
}

func (s *simulation) reset(k int, instant bool) {
	p := s.p
	s.k, s.instant, s.begun, s.patient, s.asked = k, instant, 0, s.patient[:0], 0
	for j := range s.starts {
		s.starts[j] = never
	}
	copy(s.units, p.free)
	for r := range s.units {
		s.reserved[r] = never
		s.parked[r] = s.parked[r][:0]
	}
	s.ready, s.events = s.ready[:0], s.events[:0]
	plain := len(p.classes) - len(p.delayed)
	for c := range s.classes {
		s.classes[c] = classState{woken: -1}
		if c < plain {
			s.ready.push(int64(p.units[p.classes[c][0]].place), int32(c))
		}
	}
	s.free = p.slots
	for i := range p.running {
		h := &p.running[i]
		s.free -= h.slot
		if end := s.continued(h); end != never && !h.rest.stuck {
			s.events.push(end, int32(len(p.units)+i))
		}
	}
	for i, r := range p.outside {
		s.events.push(r.at, int32(len(p.units)+len(p.running)+i))
	}
	for i, u := range p.delayed {
		s.events.push(p.units[u].delay, int32(-1-i))
	}
}

// happen takes in an event: a unit ends, something that ran from the beginning
// ends, a resource comes back from outside, or (negative) a delayed unit's time
// has come.
func (s *simulation) happen(what int32) {
	p := s.p
	if what < 0 {
		c := len(p.classes) - len(p.delayed) + int(-1-what)
		s.ready.push(int64(p.units[p.classes[c][0]].place), int32(c))
		return
	}
	at := int(what)
	if at < len(p.units) {
		s.release(p.units[at].needs, 1)
		return
	}
	if at -= len(p.units); at < len(p.running) {
		s.release(p.running[at].needs, p.running[at].slot)
		return
	}
	s.release([]int32{p.outside[at-len(p.running)].resource}, 0)
}

func (s *simulation) release(needs []int32, slots int) {
	s.free += slots
	for _, r := range needs {
		s.units[r]++
		s.wake(r)
	}
}

// wake makes the first class that is parked at a resource ready, if there is a
// unit of it that this class may take. Places only grow from there, so if it
// may not, none may.
func (s *simulation) wake(r int32) {
	if s.units[r] <= 0 || len(s.parked[r]) == 0 || s.parked[r][0].key > s.reserved[r] {
		return
	}
	first := s.parked[r].pop()
	s.classes[first.val].woken = r
	s.ready.push(first.key, first.val)
}

// startAll starts at t what can start.
func (s *simulation) startAll(t int64) {
	for s.free > 0 && len(s.ready) > 0 {
		s.reserve(t)
		head := s.ready.pop()
		c := &s.classes[head.val]
		woken := c.woken
		c.woken = -1
		list := s.p.classes[head.val]
		u := &s.p.units[list[c.next]]
		if r := s.lacking(u); r >= 0 {
			s.parked[r].push(head.key, head.val)
			// Who needs one thing only cannot be kept from it by overtaking.
			if !c.patient && len(u.needs) > 1 {
				c.patient = true
				s.patient = append(s.patient, patience{head.val, c.next, s.begun, t})
			}
		} else {
			s.start(list[c.next], t)
			c.next++
			c.patient = false
			if int(c.next) < len(list) {
				s.ready.push(int64(s.p.units[list[c.next]].place), head.val)
			}
		}
		if woken >= 0 {
			s.wake(woken)
		}
	}
}

// lacking returns a resource that keeps a unit from starting; -1 if none.
func (s *simulation) lacking(u *unit) int32 {
	for _, r := range u.needs {
		if s.units[r] <= 0 || s.reserved[r] < int64(u.place) {
			return r
		}
	}
	return -1
}

// reserve keeps free what those units need that were overtaken too often or for
// too long. They are listed by both, so only the front needs a look.
func (s *simulation) reserve(t int64) {
	for ; s.asked < len(s.patient); s.asked++ {
		w := s.patient[s.asked]
		often := s.p.maxOvertakes > 0 && s.begun-w.begun >= s.p.maxOvertakes
		long := s.p.maxOvertakeAge > 0 && t-w.since >= s.p.maxOvertakeAge
		if !often && !long {
			return
		}
		if s.classes[w.class].next != w.next {
			continue // it has started
		}
		u := &s.p.units[s.p.classes[w.class][w.next]]
		for _, r := range u.needs {
			s.reserved[r] = min(s.reserved[r], int64(u.place))
		}
	}
}

func (s *simulation) start(at int32, t int64) {
	u := &s.p.units[at]
	s.free--
	s.begun++
	for _, r := range u.needs {
		s.units[r]--
		if s.reserved[r] == int64(u.place) {
			s.reserved[r] = never
			s.wake(r)
		}
	}
	var end int64
	if len(u.members) == 1 {
		s.starts[u.members[0]] = t
		end = later(t, s.duration(u.members[0]))
	} else {
		s.lanes = s.lanes[:0]
		for range u.width {
			s.lanes = append(s.lanes, t)
		}
		end = s.members(u.members)
	}
	if end != never && !u.stuck {
		s.events.push(end, at)
	}
}

// continued plays what ran from the beginning, and returns when it ends.
func (s *simulation) continued(h *hold) int64 {
	s.lanes = s.lanes[:0]
	for _, e := range h.ends {
		end := e[s.k]
		if end == never && s.instant {
			end = 0
		}
		s.lanes = append(s.lanes, end)
	}
	for len(s.lanes) < h.rest.width {
		s.lanes = append(s.lanes, 0)
	}
	return s.members(h.rest.members)
}

// members starts the members of a group, in order, each in the lane that is
// free first, and returns when the last lane ends.
func (s *simulation) members(list []int32) int64 {
	for _, m := range list {
		lane := 0
		for i, at := range s.lanes {
			if at < s.lanes[lane] {
				lane = i
			}
		}
		if s.lanes[lane] == never {
			break
		}
		at := max(s.lanes[lane], s.p.jobs[m].delay)
		s.starts[m] = at
		s.lanes[lane] = later(at, s.duration(m))
	}
	return slices.Max(s.lanes)
}

// duration of a waiting job in this run.
func (s *simulation) duration(m int32) int64 {
	j := &s.p.jobs[m]
	switch {
	case j.kind < 0 && s.instant:
		return 0
	case j.kind < 0:
		return never
	case s.instant:
		return saturate(s.p.table[j.kind][samples/2])
	}
	return saturate(s.p.table[j.kind][quantileOf(j.step, j.first, s.k)] * s.p.shared[j.kind][s.k])
}

// later adds a duration to an offset; what is never stays never.
func later(at, d int64) int64 {
	if d == never {
		return never
	}
	return min(horizon, at+d)
}
