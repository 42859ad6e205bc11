package storetest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// RunModel compares a store with a small model of the queue over random
// sequences of operations (test T04). checks is the number of sequences; the
// environment variable RUNSHEET_RAPID_CHECKS multiplies it by a percentage, for
// longer runs at night. It must not run in parallel with other tests that use
// rapid, because rapid keeps its settings in flags.
func RunModel(t *testing.T, s store.Store, checks int) {
	if p, err := strconv.Atoi(os.Getenv("RUNSHEET_RAPID_CHECKS")); err == nil && p > 0 {
		checks = max(1, checks*p/100)
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(checks)); err != nil {
		t.Fatal(err)
	}
	generation := 0
	rapid.Check(t, func(rt *rapid.T) {
		generation++
		m := newModel(t, rt, s, generation)
		defer m.drain()
		rt.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"add":      m.add,
			"edit":     m.edit,
			"hold":     m.hold,
			"release":  m.release,
			"cancel":   m.cancel,
			"claim":    m.claim,
			"finish":   m.finish,
			"stale":    m.stale,
			"progress": m.checkpoint,
			"wait":     func(rt *rapid.T) { m.now = m.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "s")) * time.Second) },
			"scale":    m.scale,
			"pause":    m.pause,
			"crash":    m.crash,
		})
	})
}

// model is what the queue should be. Jobs in it were computed by the pure
// domain; which of them start is decided here.
type model struct {
	t         *testing.T
	rt        *rapid.T
	s         store.Store
	now       time.Time
	jobs      []job.Job // living ones
	runs      map[string]run.Run
	gone      []store.Finish // ends of attempts that were ended otherwise
	workers   int
	paused    bool
	instances []string
	serial    int
	prefix    string
	epoch     int64
}

func newModel(t *testing.T, rt *rapid.T, s store.Store, generation int) *model {
	m := &model{
		t: t, rt: rt, s: s, now: base, runs: map[string]run.Run{}, workers: 2,
		prefix: fmt.Sprintf("%d-", generation),
	}
	m.register()
	m.register()
	m.must(s.Queue.Scale(t.Context(), store.Scale{Workers: m.workers, Tenant: tenant, At: m.now}))
	m.must(s.Queue.Pause(t.Context(), store.Pause{Tenant: tenant, At: m.now}))
	return m
}

func (m *model) must(_ any, err error) {
	if err != nil {
		m.rt.Fatalf("unexpected: %v", err)
	}
}

func (m *model) register() {
	m.serial++
	instance := fmt.Sprint(m.prefix, m.serial)
	m.must(nil, m.s.Leases.Register(m.t.Context(), store.Instance{ID: instance, HostID: instance, StartedAt: m.now}, 1000*time.Hour))
	m.instances = append(m.instances, instance)
}

// pick draws one living job that fits, skipping the action if there is none.
func (m *model) pick(rt *rapid.T, fits func(job.Job) bool) int {
	var at []int
	for i, j := range m.jobs {
		if fits(j) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		rt.Skip("no such job")
	}
	return at[rapid.IntRange(0, len(at)-1).Draw(rt, "job")]
}

func waiting(j job.Job) bool { return j.State == job.Queued }
func running(j job.Job) bool { return j.State == job.Running }

func (m *model) add(rt *rapid.T) {
	if len(m.jobs) > 12 {
		rt.Skip("enough")
	}
	var js []job.Job
	for range rapid.IntRange(1, 3).Draw(rt, "n") {
		j := newJob(prio(rapid.SampledFrom([]int{2, 5, 5, 8}).Draw(rt, "priority")),
			ofType(rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "type")),
			onCrash(rapid.SampledFrom([]job.CrashPolicy{job.CrashRetry, job.CrashRetry, job.CrashFail, job.CrashAsk}).Draw(rt, "on crash")),
			locks(rapid.SampledFrom([][]string{nil, nil, {"l"}, {"m"}, {"l", "m"}}).Draw(rt, "locks")...))
		j.CreatedAt, j.QueuedAt = m.now, m.now
		j.Retry = job.Retry{MaxAttempts: rapid.IntRange(1, 3).Draw(rt, "attempts"), Backoff: job.Fixed, Initial: 10 * time.Second}
		if rapid.IntRange(0, 4).Draw(rt, "delayed") == 0 {
			j.NotBefore = m.now.Add(time.Minute)
		}
		js = append(js, j)
	}
	added, err := m.s.Jobs.Add(m.t.Context(), store.AddJobs{Jobs: js})
	m.must(nil, err)
	for i, a := range added {
		want := js[i]
		want.State, want.Version, want.Rank = job.Queued, 1, a.Job.Rank
		m.equal("added", want, a.Job)
		m.jobs = append(m.jobs, a.Job)
	}
	order := m.order()
	if last := added[len(added)-1]; order[last.Position].ID != last.Job.ID {
		m.rt.Fatalf("position %d is of %s", last.Position, order[last.Position].ID)
	}
}

func (m *model) equal(what string, want, got any) {
	if d := diff(want, got); d != "" {
		m.rt.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// apply makes a person's change in the store and in the model.
func (m *model) apply(i int, ev any) {
	c, err := job.Apply(m.jobs[i], ev)
	m.must(nil, err)
	got, err := m.s.Jobs.Move(m.t.Context(), store.MoveJob{Change: c})
	m.must(nil, err)
	want := c.After
	if want.Rank == "" {
		want.Rank = got.Rank
	}
	m.equal("moved", want, got)
	m.replace(i, got)
}

func (m *model) replace(i int, j job.Job) {
	if j.State.Terminal() {
		m.equal("ended", j, m.read(j.ID))
		m.jobs = slices.Delete(m.jobs, i, i+1)
		return
	}
	m.jobs[i] = j
}

func (m *model) read(jobID string) job.Job {
	j, err := m.s.Jobs.Job(m.t.Context(), tenant, jobID)
	m.must(nil, err)
	return j
}

func (m *model) edit(rt *rapid.T) {
	p := rapid.SampledFrom([]int{2, 5, 8}).Draw(rt, "priority")
	m.apply(m.pick(rt, waiting), job.Edited{At: m.now, Priority: &p, Labels: map[string]string{"p": fmt.Sprint(p)}})
}

func (m *model) hold(rt *rapid.T) { m.apply(m.pick(rt, waiting), job.Held{At: m.now, Reason: "held"}) }

func (m *model) release(rt *rapid.T) {
	m.apply(m.pick(rt, func(j job.Job) bool { return j.HeldReason != "" }), job.Released{At: m.now})
}

func (m *model) cancel(rt *rapid.T) {
	m.apply(m.pick(rt, func(job.Job) bool { return true }), job.CancelAsked{At: m.now, By: "me"})
}

// order returns the waiting jobs in the order in which they start.
func (m *model) order() []job.Job {
	var out []job.Job
	for _, j := range m.jobs {
		if waiting(j) {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b job.Job) int {
		return strings.Compare(string(a.Rank), string(b.Rank))
	})
	return out
}

// next returns the ids of the jobs that a claim must start.
func (m *model) next(room int) []string {
	taken, slots := map[string]bool{}, m.workers
	for _, j := range m.jobs {
		if running(j) {
			slots--
			for _, l := range j.Locks {
				taken[l] = true
			}
		}
	}
	out := []string{}
	for _, j := range m.order() {
		if len(out) >= min(slots, room) || m.paused {
			break
		}
		blocked := j.HeldReason != "" || j.NotBefore.After(m.now) || slices.ContainsFunc(j.Locks, func(l string) bool { return taken[l] })
		if blocked {
			continue
		}
		for _, l := range j.Locks {
			taken[l] = true
		}
		out = append(out, j.ID)
	}
	return out
}

// wake ends the delays that are over, as a claim does.
func (m *model) wake() {
	for i, j := range m.jobs {
		if waiting(j) && j.HeldReason == "" && !j.NotBefore.IsZero() && !j.NotBefore.After(m.now) {
			c, err := job.Apply(j, job.Due{At: m.now})
			m.must(nil, err)
			m.jobs[i] = c.After
		}
	}
}

func (m *model) claim(rt *rapid.T) {
	instance := rapid.SampledFrom(m.instances).Draw(rt, "instance")
	room := rapid.IntRange(0, 4).Draw(rt, "room")
	m.wake()
	want := m.next(room)
	cs, err := m.s.Jobs.Claim(m.t.Context(), store.ClaimJobs{Instance: instance, Now: m.now, Room: room, Decide: firstRunnable})
	m.must(nil, err)
	m.equal("claimed", want, claimedIDs(cs.Started))
	for _, c := range cs.Started {
		if c.Job.Epoch <= m.epoch {
			m.rt.Fatalf("epoch %d after %d", c.Job.Epoch, m.epoch)
		}
		m.epoch = c.Job.Epoch
		i := slices.IndexFunc(m.jobs, func(j job.Job) bool { return j.ID == c.Job.ID })
		ch, err := job.Apply(m.jobs[i], job.Claimed{At: m.now, RunID: c.Run.ID, Instance: instance, Epoch: m.epoch})
		m.must(nil, err)
		m.equal("started", ch.After, c.Job)
		m.jobs[i] = c.Job
		m.runs[c.Job.ID] = c.Run
	}
	var due time.Time
	for _, j := range m.order() {
		if j.HeldReason == "" && j.NotBefore.After(m.now) && (due.IsZero() || j.NotBefore.Before(due)) {
			due = j.NotBefore
		}
	}
	m.equal("next at", due, cs.NextAt)
}

func (m *model) end(i int, ev any) {
	j := m.jobs[i]
	f := ending(m.t, store.Claimed{Job: j, Run: m.runs[j.ID]}, ev)
	m.must(nil, m.s.Jobs.Finish(m.t.Context(), []store.Finish{f})[0])
	m.gone = append(m.gone, f)
	got := m.read(j.ID)
	m.equal("finished", f.Job.After, got)
	r, err := m.s.Runs.Run(m.t.Context(), tenant, j.RunID)
	m.must(nil, err)
	m.equal("run", f.Run.After, r)
	m.replace(i, got)
}

func (m *model) finish(rt *rapid.T) {
	i := m.pick(rt, running)
	broke := job.Broke{At: m.now, Failure: job.Failure{Code: "x", Message: "it broke"}}
	fatal := broke
	fatal.Fatal = true
	m.end(i, rapid.SampledFrom([]any{
		job.Succeeded{At: m.now}, job.Passed{At: m.now, Reason: "nothing"}, broke, broke, fatal, job.Returned{At: m.now},
	}).Draw(rt, "event"))
}

// stale repeats the end of an attempt that has ended.
func (m *model) stale(rt *rapid.T) {
	if len(m.gone) == 0 {
		rt.Skip("nothing has ended")
	}
	f := rapid.SampledFrom(m.gone).Draw(rt, "end")
	err := m.s.Jobs.Finish(m.t.Context(), []store.Finish{f})[0]
	if !fault.Is(err, fault.StaleLease) {
		m.rt.Fatalf("a second end: %v", err)
	}
	err = m.s.Runs.SaveCheckpoint(m.t.Context(), store.Checkpoint{
		JobID: f.Job.Before.ID, RunID: f.Run.Before.ID, Epoch: f.Run.Before.Epoch, Data: []byte("x"), At: m.now,
	})
	if !fault.Is(err, fault.StaleLease) {
		m.rt.Fatalf("a checkpoint after the end: %v", err)
	}
}

func (m *model) checkpoint(rt *rapid.T) {
	i := m.pick(rt, running)
	j := m.jobs[i]
	m.must(nil, m.s.Runs.SaveCheckpoint(m.t.Context(), store.Checkpoint{
		JobID: j.ID, RunID: j.RunID, Epoch: j.Epoch, Data: []byte(j.RunID), At: m.now,
	}))
	if j.Crashes > 0 {
		m.jobs[i].Crashes = 0
		m.jobs[i].Version++
	}
}

func (m *model) scale(rt *rapid.T) {
	m.workers = rapid.IntRange(0, 4).Draw(rt, "workers")
	m.must(m.s.Queue.Scale(m.t.Context(), store.Scale{Workers: m.workers, Tenant: tenant, At: m.now}))
}

func (m *model) pause(*rapid.T) {
	m.paused = !m.paused
	m.must(m.s.Queue.Pause(m.t.Context(), store.Pause{Paused: m.paused, Tenant: tenant, At: m.now}))
}

// crash lets an instance die, condemns it and rescues what it ran.
func (m *model) crash(rt *rapid.T) {
	k := rapid.IntRange(0, len(m.instances)-1).Draw(rt, "instance")
	dead := m.instances[k]
	m.instances = slices.Delete(m.instances, k, k+1)
	m.must(nil, m.s.Leases.Condemn(m.t.Context(), store.Condemn{HostID: dead, Now: m.now}))
	if err := m.s.Leases.Extend(m.t.Context(), dead, m.now, time.Hour); !fault.Is(err, fault.StaleLease) {
		m.rt.Fatalf("a condemned instance extends its lease: %v", err)
	}
	want := map[string]bool{}
	for _, j := range m.jobs {
		if running(j) && j.Instance == dead {
			want[j.ID] = true
		}
	}
	left, err := m.s.Leases.Leftovers(m.t.Context())
	m.must(nil, err)
	got := map[string]bool{}
	for _, l := range left {
		got[l.Job.ID] = true
	}
	m.equal("leftovers", want, got)
	for _, l := range left {
		i := slices.IndexFunc(m.jobs, func(j job.Job) bool { return j.ID == l.Job.ID })
		m.equal("leftover", m.jobs[i], l.Job)
		m.end(i, job.Interrupted{At: m.now})
	}
	m.register()
}

// check compares what the store shows with the model, after every step.
func (m *model) check(*rapid.T) {
	page, err := m.s.Jobs.List(m.t.Context(), store.ListJobs{
		Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 100,
	})
	m.must(nil, err)
	m.equal("queue", m.order(), page.Jobs)
	sit, err := m.s.Jobs.Situation(m.t.Context(), m.jobs)
	m.must(nil, err)
	snap := sit.Snapshot
	want := map[string][]job.Holder{}
	n := 0
	for _, j := range m.jobs {
		if running(j) {
			n++
			for _, l := range j.Locks {
				if h, taken := want[l]; taken {
					m.rt.Fatalf("%s and %s both hold %s", h[0].JobID, j.ID, l)
				}
				want[l] = []job.Holder{holder(l, j)}
			}
		}
	}
	m.equal("locks", want, snap.Held)
	if len(snap.Running) != n || snap.Workers != m.workers || snap.Paused != m.paused {
		m.rt.Fatalf("running %d, workers %d, paused %v; want %d, %d, %v", len(snap.Running), snap.Workers, snap.Paused, n, m.workers, m.paused)
	}
}

// drain empties the store for the next sequence, whatever state a failed one
// left it in.
func (m *model) drain() {
	ctx := m.t.Context()
	for _, i := range m.instances {
		_ = m.s.Leases.Release(ctx, i, m.now) // what cannot be drained fails the next sequence
	}
	left, _ := m.s.Leases.Leftovers(ctx)
	for _, l := range left {
		f := ending(m.t, store.Claimed{Job: l.Job, Run: l.Run}, job.Broke{At: m.now, Fatal: true, Failure: job.Failure{Code: "drained"}})
		_ = m.s.Jobs.Finish(ctx, []store.Finish{f})
	}
	page, _ := m.s.Jobs.List(ctx, store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Limit: 1000})
	for _, j := range page.Jobs {
		if c, err := job.Apply(j, job.CancelAsked{At: m.now}); err == nil {
			_, _ = m.s.Jobs.Move(ctx, store.MoveJob{Change: c})
		}
	}
}
