package claim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

// This file reads the law of the queue slowly and from the world itself, without
// any of Decide's bookkeeping, and holds Decide to it.

var lawLocks = []string{"a", "b", "c", "model:s", "model:l"}

// drawWorld draws rules and slots; jobs come later.
func drawWorld(t *rapid.T) *world {
	w := newWorld()
	w.workers = rapid.IntRange(1, 5).Draw(t, "slots")
	w.rules.MaxOvertakes = rapid.IntRange(0, 3).Draw(t, "overtakes")
	w.rules.StrictOrder = rapid.IntRange(0, 3).Draw(t, "strict") == 0
	w.rules.ModelAffinity = rapid.IntRange(0, 3).Draw(t, "affinity")
	if rapid.Bool().Draw(t, "next") {
		w.rules.DirectGroupPolicy = job.DirectNext
	}
	if rapid.Bool().Draw(t, "capacity") {
		w.capacity["a"] = 2
	}
	limit := func(name, of string, m *map[string]int) {
		if rapid.IntRange(0, 2).Draw(t, name) == 0 {
			*m = map[string]int{of: rapid.IntRange(1, 2).Draw(t, name+" n")}
		}
	}
	limit("type", "http", &w.rules.MaxPerJob)
	limit("tenant", "t1", &w.rules.MaxPerTenant)
	limit("template", "tmpl", &w.rules.MaxPerTemplate)
	return w
}

// arrive adds a job, a group or a direct request.
func (w *world) arrive(t *rapid.T) {
	w.seq++
	n := w.seq
	locks := func() []string {
		l := rapid.SliceOfNDistinct(rapid.SampledFrom(lawLocks), 0, 2, rapid.ID[string]).Draw(t, "locks")
		slices.Sort(l)
		return l
	}
	newJob := func(id string) *job.Job {
		j := &job.Job{
			ID: id, State: job.Queued, Locks: locks(), Type: rapid.SampledFrom([]string{"http", "command"}).Draw(t, "type"),
			Tenant: rapid.SampledFrom([]string{"t1", "t2"}).Draw(t, "tenant"), Priority: rapid.IntRange(4, 6).Draw(t, "priority"),
		}
		if rapid.IntRange(0, 2).Draw(t, "template") == 0 {
			j.TemplateID, j.Limits.MaxRunning = "tmpl", rapid.IntRange(0, 2).Draw(t, "own limit")
		}
		if rapid.IntRange(0, 2).Draw(t, "key") == 0 {
			j.Limits.Key, j.Limits.MaxPerKey = "k", rapid.IntRange(0, 2).Draw(t, "per key")
		}
		j.Rank = rank.Natural(j.Zone(), int64(n))
		return j
	}
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		if len(w.direct) < 3 {
			w.direct = append(w.direct, job.Direct{RunID: fmt.Sprint("d", n), Tenant: "t1", Instance: "self", Locks: locks()})
		}
	case 1, 2:
		g := &job.Group{
			ID: fmt.Sprint("g", n), Tenant: "t1", Mode: rapid.SampledFrom([]job.GroupMode{job.Parallel, job.Sequential}).Draw(t, "mode"),
			MaxParallel: rapid.IntRange(1, 3).Draw(t, "most"), OnFailure: job.FailureStop, State: job.GroupPending,
		}
		g.Total = rapid.IntRange(1, 5).Draw(t, "members")
		for m := range g.Total {
			j := newJob(fmt.Sprintf("j%d.%d", n, m))
			if m == 0 {
				g.Rank = j.Rank
			}
			j.GroupID, j.Rank = g.ID, rank.Member(g.Rank, m)
			w.jobs = append(w.jobs, j)
		}
		w.groups = append(w.groups, g)
	default:
		w.jobs = append(w.jobs, newJob(fmt.Sprint("j", n)))
	}
}

// running are the ids of all that runs.
func (w *world) running() []string {
	var out []string
	for _, j := range w.jobs {
		if j.State == job.Running {
			out = append(out, j.ID)
		}
	}
	for _, l := range w.lanes {
		out = append(out, l.RunID)
	}
	return out
}

// inUse counts slots: singles, direct requests in slots of their own, groups.
func (w *world) inUse() int {
	n := 0
	for _, g := range w.groups {
		if g.State == job.GroupRunning {
			n++
		}
	}
	for _, j := range w.jobs {
		if j.State == job.Running && j.GroupID == "" {
			n++
		}
	}
	for _, l := range w.lanes {
		if g := w.group(l.group); g == nil || g.State != job.GroupRunning {
			n++
		}
	}
	return n
}

// units is how many units of a lock are taken, count how many running jobs
// meet a condition.
func (w *world) units(lock string) int {
	n := w.count(func(j *job.Job) bool { return slices.Contains(j.Locks, lock) })
	for _, l := range w.lanes {
		if slices.Contains(l.Locks, lock) {
			n++
		}
	}
	return n
}

func (w *world) count(f func(*job.Job) bool) int {
	n := 0
	for _, j := range w.jobs {
		if j.State == job.Running && f(j) {
			n++
		}
	}
	return n
}

// bounds are the limits that a job has to keep, and what counts against each.
func (w *world) bounds(j *job.Job) (most []int, same []func(*job.Job) bool) {
	add := func(n int, ok bool, f func(*job.Job) bool) {
		if ok {
			most, same = append(most, n), append(same, f)
		}
	}
	n, ok := w.rules.MaxPerJob[j.Type]
	add(n, ok, func(x *job.Job) bool { return x.Type == j.Type })
	n, ok = w.rules.MaxPerTenant[j.Tenant]
	add(n, ok, func(x *job.Job) bool { return x.Tenant == j.Tenant })
	n, ok = w.rules.MaxPerTemplate[j.TemplateID]
	ofTemplate := func(x *job.Job) bool { return x.TemplateID == j.TemplateID }
	add(n, ok && j.TemplateID != "", ofTemplate)
	add(j.Limits.MaxRunning, j.Limits.MaxRunning > 0, ofTemplate)
	add(max(j.Limits.MaxPerKey, 1), j.Limits.Key != "", func(x *job.Job) bool { return x.Limits.Key == j.Limits.Key && x.Tenant == j.Tenant })
	return most, same
}

// fits reports whether locks and limits have room for a job now.
func (w *world) fits(j *job.Job) bool {
	if w.spent(j) {
		return false
	}
	for _, l := range j.Locks {
		if w.units(l) >= max(w.capacity[l], 1) {
			return false
		}
	}
	most, same := w.bounds(j)
	for i := range most {
		if w.count(same[i]) >= most[i] {
			return false
		}
	}
	return true
}

// spent reports whether a job needs tokens that nobody may use today.
func (w *world) spent(j *job.Job) bool {
	return len(job.ModelLocks(j.Locks)) > 0 && slices.ContainsFunc(w.budgets, func(b job.Budget) bool {
		return b.Spent >= b.Tokens && b.Tenant == j.Tenant && (b.TemplateID == "" || b.TemplateID == j.TemplateID)
	})
}

// kept reports whether something before the job, that must not be overtaken any
// more, may need what the job would take: then it is right not to start it.
func (w *world) kept(j *job.Job, barriers []job.Overtaken) bool {
	for _, d := range w.direct {
		if shares(d.Locks, j.Locks) {
			return true
		}
	}
	for _, o := range barriers {
		if o.Rank.Place() >= j.Rank.Place() || !w.stands(o) {
			continue
		}
		b := w.job(o.JobID)
		_, same := w.bounds(b)
		if w.rules.StrictOrder || shares(b.Locks, j.Locks) || slices.ContainsFunc(same, func(f func(*job.Job) bool) bool { return f(j) }) {
			return true
		}
	}
	return false
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(l string) bool { return slices.Contains(b, l) })
}

func barriers(w *world, of []job.Overtaken) []job.Overtaken {
	return slices.DeleteFunc(slices.Clone(of), func(o job.Overtaken) bool {
		return o.Starts < w.rules.MaxOvertakes && w.now.Sub(o.Since) < w.rules.MaxOvertakeAge || w.spent(w.job(o.JobID))
	})
}

// stands reports whether a barrier waits at its place: neither it nor its group
// has begun.
func (w *world) stands(o job.Overtaken) bool {
	j := w.job(o.JobID)
	return j.State == job.Queued && !j.GroupActive
}

// never are the reasons that no job has which starts.
var never = []job.WaitCode{job.WaitLock, job.WaitLimit, job.WaitHeld, job.WaitPaused, job.WaitNotBefore}

// decide lets Decide decide, carries it out claim by claim, and checks each step.
func (w *world) decide(t *rapid.T) job.Decision {
	s := w.snapshot()
	before, bars := w.inUse(), barriers(w, s.Overtaken)
	why := map[string]job.Waiting{}
	for _, j := range w.waiting() {
		why[j.ID] = w.explain(j)
	}
	d := claim.Decide(s)
	if w.paused && len(d.Claims)+len(d.Direct) > 0 {
		t.Fatal("starts while paused")
	}
	for _, g := range d.Direct {
		w.grant(g)
	}
	claimed := map[string]bool{}
	for _, c := range d.Claims {
		j := w.job(c.JobID)
		claimed[c.JobID] = true
		if j.State != job.Queued || !w.fits(j) {
			t.Fatalf("%s starts and does not fit", c.JobID)
		}
		// What was kept for a barrier is free again when the barrier has started, and
		// the place in a limit when the barrier cannot use it. A member of a running group
		// that starts may have made a barrier in this very decision, of one that was noted
		// before.
		lowered := slices.ContainsFunc(s.Overtaken, func(o job.Overtaken) bool { return !w.stands(o) })
		text := why[j.ID].Detail
		kept := lowered && strings.Contains(text, "kept free for") || strings.Contains(text, "the last place is kept free for")
		if !kept && slices.Contains(never, why[j.ID].Code) {
			t.Fatalf("%s starts although %+v", j.ID, why[j.ID])
		}
		for _, o := range bars {
			b := w.job(o.JobID)
			if j.GroupActive || !w.stands(o) || o.Rank.Place() >= j.Rank.Place() {
				continue
			}
			if w.rules.StrictOrder || shares(b.Locks, j.Locks) {
				t.Fatalf("%s overtakes %s, which is a barrier", j.ID, o.JobID)
			}
		}
		w.claim(c)
	}
	w.overtaken = d.Overtaken
	for id, x := range why {
		if strings.Contains(x.Detail, "about to start") && !strings.Contains(x.Detail, "; lock") && !claimed[id] && !strings.Contains(x.Detail, "about to be taken") {
			t.Fatalf("%s was said to start: %+v", id, x)
		}
	}
	if n := w.inUse(); n > max(before, w.workers) {
		t.Fatalf("%d slots of %d are in use", n, w.workers)
	}
	return d
}

// fillsSlots checks that no slot is free while a job could use it.
func (w *world) fillsSlots(t *rapid.T) {
	if w.paused || w.inUse() >= w.workers {
		return
	}
	bars := barriers(w, w.overtaken)
	for _, j := range w.waiting() {
		if j.GroupID == "" && j.Ready() && w.fits(j) && !w.kept(j, bars) {
			t.Fatalf("a slot is free and %s could start: %+v", j.ID, w.explain(j))
		}
	}
}

// TestLaw plays random days: jobs, groups and direct requests come and end, and
// when no more come, everything gets its turn.
func TestLaw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 400}).Draw(t, "seconds")) * time.Second)
			for range rapid.IntRange(0, 4).Draw(t, "arrivals") {
				w.arrive(t)
			}
			w.paused = rapid.IntRange(0, 9).Draw(t, "paused") == 0
			w.budgets = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) job.Budget {
				return job.Budget{
					Tenant: rapid.SampledFrom([]string{"t1", "t2"}).Draw(t, "of"), TemplateID: rapid.SampledFrom([]string{"", "tmpl"}).Draw(t, "template"),
					Tokens: 10, Spent: rapid.Int64Range(8, 11).Draw(t, "spent"),
				}
			}), 0, 2).Draw(t, "budgets")
			w.round(t)
		}
		w.paused, w.budgets = false, nil
		for range 10_000 {
			if len(w.waiting()) == 0 && len(w.direct) == 0 {
				return
			}
			w.now = w.now.Add(time.Second)
			if d := w.round(t); len(d.Claims)+len(d.Direct)+len(w.running()) == 0 && len(w.waiting()) > 0 {
				for _, j := range w.waiting() {
					t.Logf("%s %s %v: %+v", j.ID, j.Rank, j.Locks, w.explain(j))
				}
				t.Fatal("nothing runs, and nothing starts")
			}
		}
		t.Fatal("some job never starts")
	})
}

// round ends some of what runs, and decides.
func (w *world) round(t *rapid.T) job.Decision {
	for i, id := range w.running() {
		if rapid.IntRange(0, 2).Draw(t, "end") == 0 || i == 0 && len(w.running()) >= w.workers {
			as := rapid.SampledFrom([]job.State{job.Completed, job.Completed, job.Completed, job.Failed}).Draw(t, "as")
			if !slices.Contains(w.running(), id) {
				continue
			}
			w.end(id, as)
		}
	}
	d := w.decide(t)
	w.fillsSlots(t)
	// Nobody looks again right after a decision that is settled.
	if again := claim.Decide(w.snapshot()); d.Settled && len(again.Claims)+len(again.Direct) > 0 {
		t.Fatalf("right after a decision that is settled, %+v and %+v start too", again.Claims, again.Direct)
	}
	return d
}

// TestFirstOfOrder: without locks, limits and groups, the first n in order start.
func TestFirstOfOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.workers = rapid.IntRange(0, 6).Draw(t, "slots")
		n := rapid.IntRange(0, 20).Draw(t, "jobs")
		for i, seq := range rapid.Permutation(numbers(n)).Draw(t, "order") {
			w.jobs = append(w.jobs, &job.Job{ID: fmt.Sprint(i), Type: "command", State: job.Queued, Rank: rank.Natural(2, int64(seq)+1)})
		}
		s := w.snapshot()
		s.Room = rapid.IntRange(0, 6).Draw(t, "room")
		var want, got []string
		for i, j := range w.waiting() {
			if i < min(w.workers, s.Room) {
				want = append(want, j.ID)
			}
		}
		for _, c := range claim.Decide(s).Claims {
			got = append(got, c.JobID)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("started %v, not %v", got, want)
		}
	})
}

func numbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestBarrierBound: while jobs and groups that use its lock come without end, a
// job starts after a bounded number of overtaking starts that took its locks.
func TestBarrierBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.rules.ModelAffinity, w.rules.MaxOvertakeAge = 0, time.Hour
		victim := &job.Job{ID: "victim", Type: "quiet", Tenant: "quiet", State: job.Queued, Locks: []string{"a", "b"}, Rank: rank.Natural(2, 1<<40)}
		taken := 0
		for n := range 200 {
			w.now = w.now.Add(time.Second)
			for range 3 {
				w.arrive(t)
			}
			w.direct = nil // the lane goes first, whatever waits
			if n == 5 {
				w.jobs = append(w.jobs, victim)
			}
			open := w.workers > runningGroups(w) // else it waits for a group to end, see onlyGroups
			d := w.round(t)
			if victim.State != job.Queued {
				return
			}
			for _, c := range d.Claims {
				if j := w.job(c.JobID); n > 5 && open && shares(j.Locks, victim.Locks) && j.Rank > victim.Rank {
					taken++
				}
			}
			if taken > w.rules.MaxOvertakes+w.workers+8 {
				t.Fatalf("overtaken %d times by jobs that took its locks", taken)
			}
		}
		t.Fatal("never started")
	})
}

func runningGroups(w *world) int {
	n := 0
	for _, g := range w.groups {
		if g.State == job.GroupRunning {
			n++
		}
	}
	return n
}
