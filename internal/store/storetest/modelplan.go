package storetest

import (
	"slices"

	"github.com/runsheet/runsheet/internal/job"
)

// plan is what a claim must start.
type plan struct {
	direct, jobs []string
	groups       map[string]bool // those that begin

	m          *model
	used       map[string]int  // units of locks and limits
	wanted     map[string]bool // locks that are kept for direct requests
	inGroup    map[string]int
	free, room int
}

// plan works out what a claim for an instance must start.
func (m *model) plan(instance string, room int) *plan {
	p := &plan{
		m: m, groups: map[string]bool{}, used: map[string]int{}, wanted: map[string]bool{}, inGroup: map[string]int{},
		free: m.workers, room: room,
	}
	if m.paused || room <= 0 {
		return p
	}
	p.count()
	p.requests(instance)
	for _, g := range m.begun() {
		p.crew(g, true)
	}
	for _, u := range m.line {
		if p.free <= 0 || p.room <= 0 {
			break
		}
		if g, ok := m.groups[u.id]; ok {
			if g.State == job.GroupPending {
				if p.crew(g, false); p.groups[g.ID] {
					p.free--
				}
			}
			continue
		}
		for _, j := range m.crew(u) {
			if j.Ready() && !p.blocked(j, false) {
				p.start(j)
				p.free--
			}
		}
	}
	return p
}

// count counts what runs.
func (p *plan) count() {
	m := p.m
	if g := m.rules.MaxGlobal; g != nil {
		p.free = min(p.free, *g)
	}
	for _, j := range m.jobs {
		if running(j) {
			p.take(j)
			if p.inGroup[j.GroupID]++; j.GroupID == "" {
				p.free--
			}
		}
	}
	p.free -= len(m.begun())
	for _, d := range m.direct {
		if d.running {
			p.free--
		}
	}
	for _, h := range m.holders() {
		p.used["lock "+h.Lock]++
	}
}

// take takes units of limits.
func (p *plan) take(j job.Job) {
	for _, r := range []string{"type " + j.Type, "template " + j.TemplateID, "tenant", "key " + j.Limits.Key} {
		p.used[r]++
	}
}

func (p *plan) taken(l string) bool { return p.used["lock "+l] >= max(p.m.capacity[l], 1) }

// blocked says that a lock or a limit stops a job. inside: it belongs to a
// group that has its slot.
func (p *plan) blocked(j job.Job, inside bool) bool {
	over := func(r string, most int, limited bool) bool { return limited && p.used[r] >= most }
	perType, a := p.m.rules.MaxPerJob[j.Type]
	perTenant, b := p.m.rules.MaxPerTenant[j.Tenant]
	return slices.ContainsFunc(j.Locks, func(l string) bool { return p.taken(l) || p.wanted[l] && !inside }) ||
		over("type "+j.Type, perType, a) || over("tenant", perTenant, b) ||
		over("template "+j.TemplateID, j.Limits.MaxRunning, j.Limits.MaxRunning > 0) ||
		over("key "+j.Limits.Key, j.Limits.MaxPerKey, j.Limits.Key != "")
}

func (p *plan) start(j job.Job) {
	p.take(j)
	for _, l := range j.Locks {
		p.used["lock "+l]++
	}
	p.jobs = append(p.jobs, j.ID)
	p.room--
}

// crew starts members of a group.
func (p *plan) crew(g job.Group, inside bool) {
	n, most := p.inGroup[g.ID], g.MaxParallel
	if g.Mode == job.Sequential {
		most = 1
	}
	for _, j := range p.m.members(g.ID) {
		ok := j.HeldReason == "" && j.NotBefore.IsZero() && !p.blocked(j, inside)
		if n >= most || p.room <= 0 || !ok && g.Mode == job.Sequential {
			break
		}
		if ok {
			p.start(j)
			p.groups[g.ID] = !inside
			n++
		}
	}
}

// requests starts direct requests.
func (p *plan) requests(instance string) {
	for _, d := range p.m.direct {
		if d.running {
			continue
		}
		ok := p.free > 0 && !slices.ContainsFunc(d.Locks, func(l string) bool { return p.taken(l) || p.wanted[l] })
		if ok && (d.Instance != instance || p.room > 0) {
			p.free--
			for _, l := range d.Locks {
				p.used["lock "+l]++
			}
			if d.Instance == instance { // otherwise that instance starts it
				p.direct = append(p.direct, d.Run.ID)
				p.room--
			}
			continue
		}
		for _, l := range d.Locks { // it waits
			p.wanted[l] = true
		}
	}
}
