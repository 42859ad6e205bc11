package claim_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/job"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a small installation in memory: what the store does around Decide,
// without a database.
type world struct {
	now       time.Time
	budgets   []job.Budget
	paused    bool
	rules     job.Rules
	workers   int
	capacity  map[string]int
	loaded    []string
	jobs      []*job.Job
	groups    []*job.Group
	direct    []job.Direct // waiting
	lanes     []lane       // running
	outside   []job.Holder
	lost      map[string]bool // by job id
	seq       int             // of what arrives
	overtaken []job.Overtaken
}

// lane is a direct request that runs.
type lane struct {
	job.Direct
	group string
}

func newWorld() *world {
	return &world{now: noon, rules: job.DefaultRules(), workers: 1, capacity: map[string]int{}, lost: map[string]bool{}}
}

func (w *world) job(id string) *job.Job {
	for _, j := range w.jobs {
		if j.ID == id {
			return j
		}
	}
	return nil
}

func (w *world) group(id string) *job.Group {
	for _, g := range w.groups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// waiting are the queued jobs in order.
func (w *world) waiting() []*job.Job {
	var out []*job.Job
	for _, j := range w.jobs {
		if j.State == job.Queued {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *job.Job) int { return cmp.Compare(a.Rank, b.Rank) })
	return out
}

// work is what a claim reads of a group.
func (w *world) work(g *job.Group) job.GroupWork {
	out := job.GroupWork{Group: *g}
	first := true
	for _, j := range w.waiting() {
		if j.GroupID != g.ID {
			continue
		}
		if ok := j.HeldReason == "" && !j.NotBefore.After(w.now); ok {
			out.Next = append(out.Next, job.Candidate{JobID: j.ID, Rank: j.Rank, Needs: j.Needs(), Group: g.ID})
		} else if first && g.Mode == job.Sequential {
			out.Blocked = true
		}
		first = false
	}
	for _, j := range w.jobs {
		if j.GroupID == g.ID && j.State == job.Running {
			out.Running++
		}
	}
	out.Lent = slices.ContainsFunc(w.lanes, func(l lane) bool { return l.group == g.ID })
	return out
}

func (w *world) snapshot() job.Snapshot {
	s := job.Snapshot{
		Now: w.now, Paused: w.paused, Rules: w.rules, Workers: w.workers, Room: 1000, Self: "self",
		Held: map[string][]job.Holder{}, Capacity: w.capacity, Direct: slices.Clone(w.direct), Loaded: w.loaded, Heads: heads{w},
		Budgets: w.budgets,
	}
	hold := func(h job.Holder, locks []string) {
		for _, l := range locks {
			h.Lock = l
			s.Held[l] = append(s.Held[l], h)
		}
	}
	for _, j := range w.jobs {
		if j.State == job.Running {
			s.Running = append(s.Running, job.Occupant{JobID: j.ID, Needs: j.Needs(), Group: j.GroupID})
			hold(job.Holder{JobID: j.ID, Tenant: j.Tenant, Lost: w.lost[j.ID]}, j.Locks)
		}
	}
	for _, l := range w.lanes {
		s.Running = append(s.Running, job.Occupant{RunID: l.RunID, Needs: l.Needs(), Group: l.group})
		hold(job.Holder{RunID: l.RunID, Tenant: l.Tenant}, l.Locks)
	}
	for _, h := range w.outside {
		hold(h, []string{h.Lock})
	}
	for _, g := range w.groups {
		if g.State == job.GroupRunning {
			s.Groups = append(s.Groups, w.work(g))
		}
	}
	for _, o := range w.overtaken {
		if j := w.job(o.JobID); j != nil && j.Ready() && j.Rank == o.Rank {
			o.Needs = j.Needs()
			s.Overtaken = append(s.Overtaken, o)
		}
	}
	return s
}

// carryOut does what was decided.
func (w *world) carryOut(d job.Decision) {
	for _, g := range d.Direct {
		w.grant(g)
	}
	for _, c := range d.Claims {
		w.claim(c)
	}
	w.overtaken = d.Overtaken
}

func (w *world) grant(g job.Grant) {
	i := slices.IndexFunc(w.direct, func(r job.Direct) bool { return r.RunID == g.RunID })
	w.lanes = append(w.lanes, lane{w.direct[i], g.Group})
	w.direct = slices.Delete(w.direct, i, i+1)
}

func (w *world) claim(c job.Claim) {
	j := w.job(c.JobID)
	if c.Group != "" {
		w.group(c.Group).State = job.GroupRunning
		for _, m := range w.jobs {
			if m.GroupID == c.Group && m.State == job.Queued {
				m.GroupActive = true
			}
		}
	}
	j.State = job.Running
	if m := job.ModelLocks(j.Locks); len(m) > 0 {
		w.loaded = m
	}
}

// end ends a running job or direct request.
func (w *world) end(id string, as job.State) {
	if i := slices.IndexFunc(w.lanes, func(l lane) bool { return l.RunID == id }); i >= 0 {
		w.lanes = slices.Delete(w.lanes, i, i+1)
		return
	}
	j := w.job(id)
	j.State = as
	if j.GroupID == "" {
		return
	}
	g := w.group(j.GroupID)
	*g = g.Member(as, w.now)
	if g.Terminal() || !g.Stops(as) {
		return
	}
	for _, m := range w.waiting() {
		if m.GroupID == g.ID {
			m.State = job.Skipped
			*g = g.Member(job.Skipped, w.now)
		}
	}
}

// position is the number of places before a job.
func (w *world) position(j *job.Job) int {
	places := map[string]bool{}
	for _, x := range w.waiting() {
		if !x.GroupActive && x.Rank.Place() < j.Rank.Place() {
			places[string(x.Rank.Place())] = true
		}
	}
	return len(places)
}

func (w *world) explain(j *job.Job) job.Waiting {
	return claim.Explain(w.snapshot(), *j, w.position(j))
}

// heads are the waiting jobs of a world.
type heads struct{ w *world }

func blockedBy(c job.Class, blocked func(string) bool) bool {
	return slices.ContainsFunc(c.Resources(), blocked)
}

func (h heads) Walk(blocked func(string) bool, yield func(job.Candidate, *job.GroupWork) bool) error {
	offered := map[string]bool{}
	for _, j := range h.w.waiting() {
		if !j.Ready() || blockedBy(j.Class(), blocked) || offered[j.GroupID] {
			continue
		}
		var work *job.GroupWork
		if j.GroupID != "" {
			offered[j.GroupID] = true
			g := h.w.work(h.w.group(j.GroupID))
			work = &g
		}
		if !yield(job.Candidate{JobID: j.ID, Rank: j.Rank, Needs: j.Needs(), Group: j.GroupID}, work) {
			break
		}
	}
	return nil
}

func (h heads) Blocked(blocked func(string) bool, n int) ([]job.Candidate, error) {
	var out []job.Candidate
	seen := map[string]bool{}
	for _, j := range h.w.waiting() {
		class := j.Class().String()
		if !j.Ready() || j.GroupID != "" || seen[class] || len(out) == n {
			continue
		}
		seen[class] = true
		if blockedBy(j.Class(), blocked) {
			out = append(out, job.Candidate{JobID: j.ID, Rank: j.Rank, Needs: j.Needs()})
		}
	}
	return out, nil
}

func list(s string) []string {
	out := strings.Split(s, ",")
	slices.Sort(out)
	return out
}
