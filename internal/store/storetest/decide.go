package storetest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/job"
)

// firstRunnable is the decision of the suite's claims: direct requests, then
// members of running groups, then jobs in order, each as soon as its locks and
// limits allow, without any bound on overtaking. The contract holds for every
// decision; this one is short, and the suite does not depend on the queue's.
func firstRunnable(s job.Snapshot) job.Decision {
	d := newDesk(s)
	if s.Paused {
		return d.out
	}
	for _, r := range s.Direct {
		stuck := slices.ContainsFunc(r.Locks, func(l string) bool { return d.blocked(job.ResourceLock + l) })
		if !stuck && d.free > 0 && (r.Instance != s.Self || d.room > 0) {
			d.free--
			d.take(r.Needs())
			if r.Instance == s.Self { // otherwise that instance starts it
				d.room--
				d.out.Direct = append(d.out.Direct, job.Grant{RunID: r.RunID})
			}
			continue
		}
		for _, l := range r.Locks { // it waits
			d.wanted[job.ResourceLock+l] = true
		}
	}
	for _, g := range s.Groups {
		d.members(g, g.Running, "")
	}
	if d.free <= 0 || d.room <= 0 {
		return d.out
	}
	_ = s.Heads.Walk(d.blocked, func(c job.Candidate, g *job.GroupWork) bool { // the claim returns the error
		switch {
		case g != nil:
			if d.members(*g, 0, g.Group.ID) > 0 {
				d.free--
			}
		case !slices.ContainsFunc(c.Needs.Resources(), d.blocked):
			d.free--
			d.start(c, "")
		}
		return d.free > 0 && d.room > 0
	})
	return d.out
}

// desk counts what is taken while a decision is made.
type desk struct {
	s          job.Snapshot
	used       map[string]int  // by resource, without its own limit
	wanted     map[string]bool // locks that are kept for direct requests
	free, room int
	out        job.Decision
}

func newDesk(s job.Snapshot) *desk {
	d := &desk{s: s, used: map[string]int{}, wanted: map[string]bool{}, free: s.Workers - len(s.Groups), room: s.Room}
	if g := s.Rules.MaxGlobal; g != nil {
		d.free = min(d.free, *g-len(s.Groups))
	}
	for _, o := range s.Running {
		if o.Group == "" {
			d.free--
		}
		needs := o.Needs
		needs.Locks = nil // counted with the holders
		d.take(needs)
	}
	for l, hs := range s.Held {
		d.used[job.ResourceLock+l] += len(hs)
	}
	return d
}

func (d *desk) take(c job.Class) {
	for _, r := range c.Resources() {
		base, _ := ownLimit(r)
		if c.Type != "" || strings.HasPrefix(r, job.ResourceLock) { // limits do not count direct requests
			d.used[base]++
		}
	}
}

// ownLimit splits "key:k@2".
func ownLimit(resource string) (base string, most int) {
	if i := strings.LastIndexByte(resource, '@'); i >= 0 {
		if n, err := strconv.Atoi(resource[i+1:]); err == nil {
			return resource[:i], n
		}
	}
	return resource, -1
}

// blocked reports whether a resource keeps a job of the order from starting.
func (d *desk) blocked(resource string) bool { return d.wanted[resource] || d.full(resource) }

// full reports whether no unit of a resource is left.
func (d *desk) full(resource string) bool {
	base, most := ownLimit(resource)
	kind, name, _ := strings.Cut(base, ":")
	var bound map[string]int
	switch kind + ":" {
	case job.ResourceLock:
		return d.used[base] >= max(1, d.s.Capacity[name])
	case job.ResourceKey:
		if most < 0 {
			most = 1
		}
	case job.ResourceType:
		bound = d.s.Rules.MaxPerJob
	case job.ResourceTemplate:
		bound = d.s.Rules.MaxPerTemplate
	case job.ResourceTenant:
		bound = d.s.Rules.MaxPerTenant
	}
	if n, ok := bound[name]; ok && (most < 0 || n < most) {
		most = n
	}
	return most >= 0 && d.used[base] >= most
}

// members starts those of a group that can start. begin is the group if it has
// not begun.
func (d *desk) members(g job.GroupWork, running int, begin string) int {
	n, most := 0, g.Group.MaxParallel
	if g.Group.Mode == job.Sequential {
		most = 1
	}
	// A group that has its slot waits for nobody who waits for that slot.
	stops := d.full
	if begin != "" {
		stops = d.blocked
	}
	for _, c := range g.Next {
		if g.Blocked || g.Lent || running+n >= most || d.room <= 0 {
			break
		}
		if slices.ContainsFunc(c.Needs.Resources(), stops) {
			if g.Group.Mode == job.Sequential {
				break
			}
			continue
		}
		d.start(c, begin)
		begin = ""
		n++
	}
	return n
}

func (d *desk) start(c job.Candidate, begin string) {
	d.room--
	d.take(c.Needs)
	d.out.Claims = append(d.out.Claims, job.Claim{JobID: c.JobID, Needs: c.Needs, Group: begin})
}
