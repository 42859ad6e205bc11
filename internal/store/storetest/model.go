package storetest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// ModelSteps is the average number of operations of one sequence.
const ModelSteps = 50

// modelStore is the number of sequences on one store: each finds what earlier ones left.
const modelStore = 50

// RunModel compares the stores that open opens with a small model of the queue over random
// sequences of operations (test T04). checks is the number of sequences; the
// environment variable RUNSHEET_RAPID_CHECKS multiplies it by a percentage, for
// longer runs at night. It must not run in parallel with other tests that use
// rapid, because rapid keeps its settings in flags.
//
// decide is the claim decision under test, nil = the suite's own. The model
// predicts exactly what it must start, so overtaking is not bounded here.
func RunModel(t *testing.T, open func(*testing.T) store.Store, checks int, decide func(job.Snapshot) job.Decision) {
	if p, err := strconv.Atoi(os.Getenv("RUNSHEET_RAPID_CHECKS")); err == nil && p > 0 {
		checks = max(1, checks*p/100)
	}
	if decide == nil {
		decide = firstRunnable
	}
	for name, value := range map[string]int{"rapid.checks": checks, "rapid.steps": ModelSteps} {
		if err := flag.Set(name, strconv.Itoa(value)); err != nil {
			t.Fatal(err)
		}
	}
	generation := 0
	var s store.Store
	rapid.Check(t, func(rt *rapid.T) {
		if generation%modelStore == 0 {
			s = open(t)
		}
		generation++
		m := newModel(t, rt, s, generation)
		m.decide = decide
		defer m.drain()
		rt.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"add":      m.add,
			"group":    m.addGroup,
			"more":     m.addMembers,
			"form":     m.form,
			"apart":    m.dissolve,
			"edit":     m.edit,
			"hold":     m.hold,
			"release":  m.release,
			"cancel":   m.cancel,
			"undo":     m.restore,
			"scrap":    m.cancelGroup,
			"move":     m.move,
			"order":    m.order,
			"inside":   m.inside,
			"claim":    m.claim,
			"claim 2":  m.claim,
			"claim 3":  m.claim,
			"finish":   m.finish,
			"finish 2": m.finish,
			"stale":    m.stale,
			"progress": m.checkpoint,
			"wait":     m.wait,
			"scale":    m.scale,
			"pause":    m.pause,
			"rules":    m.setRules,
			"capacity": m.setCapacity,
			"acquire":  m.acquire,
			"give":     m.giveBack,
			"force":    m.force,
			"enter":    m.enter,
			"leave":    m.leave,
			"answer":   m.answer,
			"beat":     m.beat,
			"crash":    m.crash,
			"expire":   m.expire,
		})
		m.heal()
	})
}

// model is what the queue should be. What an event makes of a job was computed
// by the pure domain; the order, who starts, and what becomes of groups, locks
// and direct requests are worked out here.
type model struct {
	t      *testing.T
	rt     *rapid.T
	s      store.Store
	decide func(job.Snapshot) job.Decision

	now       time.Time
	jobs      []job.Job // living ones
	cancelled []job.Job // that never started
	runs      map[string]run.Run
	gone      []store.Finish // ends of attempts that were ended otherwise
	groups    map[string]job.Group
	slots     map[string]int // of members: their number in the list
	line      []*unit
	revision  int64

	workers  int
	paused   bool
	rules    job.Rules
	capacity map[string]int
	outside  []job.Holder
	forced   map[string]bool // units taken from attempts: "token lock"
	direct   []*ask

	instances []string
	leases    map[string]time.Time
	serial    int
	prefix    string
	epoch     int64
}

// ask is a direct request.
type ask struct {
	store.EnterDirect
	running bool
	run     run.Run
}

const modelLease = 10 * time.Minute

func newModel(t *testing.T, rt *rapid.T, s store.Store, generation int) *model {
	m := &model{
		t: t, rt: rt, s: s, now: base.Add(time.Duration(generation) * 24 * time.Hour), runs: map[string]run.Run{}, workers: 2,
		groups: map[string]job.Group{}, slots: map[string]int{}, capacity: map[string]int{}, forced: map[string]bool{},
		leases: map[string]time.Time{}, prefix: fmt.Sprintf("%d-", generation),
	}
	m.register()
	m.register()
	m.must(s.Queue.Scale(t.Context(), store.Scale{Workers: m.workers, Tenant: tenant, At: m.now}))
	m.must(s.Queue.Pause(t.Context(), store.Pause{Tenant: tenant, At: m.now}))
	m.changeRules(job.DefaultRules())
	set, err := s.Queue.Settings(t.Context())
	m.must(nil, err)
	m.revision = set.Revision
	return m
}

func (m *model) must(_ any, err error) {
	if err != nil {
		m.rt.Fatalf("unexpected: %v", err)
	}
}

func (m *model) want(code fault.Code, err error) {
	if !fault.Is(err, code) {
		m.rt.Fatalf("err = %v, want code %s", err, code)
	}
}

func (m *model) equal(what string, want, got any) {
	if d := diff(want, got); d != "" {
		m.rt.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// tick numbers what happens.
func (m *model) tick() int {
	m.serial++
	return m.serial
}

func (m *model) register() {
	instance := fmt.Sprint(m.prefix, m.tick())
	m.must(nil, m.s.Leases.Register(m.t.Context(), store.Instance{ID: instance, HostID: instance, StartedAt: m.now}, modelLease))
	m.instances = append(m.instances, instance)
	m.leases[instance] = m.now.Add(modelLease)
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

// one draws an element, skipping the action if there is none.
func one[T any](rt *rapid.T, what string, list []T) T {
	if len(list) == 0 {
		rt.Skip("no " + what)
	}
	return list[rapid.IntRange(0, len(list)-1).Draw(rt, what)]
}

func waiting(j job.Job) bool { return j.State == job.Queued }
func running(j job.Job) bool { return j.State == job.Running }

func (m *model) index(jobID string) int {
	return slices.IndexFunc(m.jobs, func(j job.Job) bool { return j.ID == jobID })
}

func (m *model) read(jobID string) job.Job {
	j, err := m.s.Jobs.Job(m.t.Context(), tenant, jobID)
	m.must(nil, err)
	return j
}

// draft draws a new job.
func (m *model) draft(rt *rapid.T) job.Job {
	var need []string
	for _, l := range rapid.SampledFrom([][]string{nil, nil, {"l"}, {"m"}, {"l", "m"}}).Draw(rt, "locks") {
		need = append(need, m.prefix+l)
	}
	j := newJob(prio(rapid.SampledFrom([]int{2, 5, 5, 8}).Draw(rt, "priority")),
		ofType(rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "type")),
		onCrash(rapid.SampledFrom([]job.CrashPolicy{job.CrashRetry, job.CrashRetry, job.CrashFail, job.CrashAsk}).Draw(rt, "on crash")),
		locks(need...))
	j.CreatedAt, j.QueuedAt = m.now, m.now
	j.Retry = job.Retry{MaxAttempts: rapid.IntRange(1, 3).Draw(rt, "attempts"), Backoff: job.Fixed, Initial: 10 * time.Second}
	switch rapid.IntRange(0, 9).Draw(rt, "extra") {
	case 0, 1:
		j.NotBefore = m.now.Add(time.Minute)
	case 2:
		j.StartDeadline = m.now.Add(90 * time.Second)
	case 3:
		j.Trigger = job.TriggerSchedule
	case 4:
		j.TemplateID, j.Limits.MaxRunning = "tmpl_m", 1
	case 5, 6:
		j.Limits = job.Limits{KeyParams: []string{"/k"}, Key: "k" + m.prefix, MaxPerKey: 2}
	}
	return j
}

func (m *model) add(rt *rapid.T) {
	m.full(rt)
	var js []job.Job
	for range rapid.IntRange(1, 3).Draw(rt, "n") {
		js = append(js, m.draft(rt))
	}
	p := store.AddJobs{Jobs: js}
	if rapid.IntRange(0, 2).Draw(rt, "placed") == 0 {
		p.Place = m.drawPlace(rt)
	}
	added, err := m.s.Jobs.Add(m.t.Context(), p)
	m.must(nil, err)
	var us []*unit
	for i, a := range added {
		want := js[i]
		want.State, want.Version, want.Rank = job.Queued, 1, a.Job.Rank
		m.equal("added", want, a.Job)
		m.jobs = append(m.jobs, a.Job)
		us = append(us, &unit{id: a.Job.ID, zone: a.Job.Zone(), born: m.tick(), moved: m.tick(), placed: p.Place != nil})
	}
	m.join(us, p.Place)
	for i, a := range added {
		m.equal("position", m.position(us[i].id), a.Position)
	}
}

// apply makes a person's change in the store and in the model.
func (m *model) apply(i int, ev any) {
	c, err := job.Apply(m.jobs[i], ev)
	m.must(nil, err)
	got, err := m.s.Jobs.Move(m.t.Context(), store.MoveJob{Change: c})
	m.must(nil, err)
	want := c.After
	moved := want.Rank == ""
	if moved {
		want.Rank = got.Rank
	}
	m.equal("changed", want, got)
	m.replace(i, got)
	if moved {
		m.revision++
		u := m.unit(got.ID)
		m.line = slices.DeleteFunc(m.line, func(o *unit) bool { return o == u })
		u.zone, u.born, u.moved, u.placed = got.Zone(), m.tick(), m.tick(), false
		m.join([]*unit{u}, nil)
	}
}

// replace puts a changed job in the place of the old one, and sees to its group.
func (m *model) replace(i int, j job.Job) {
	old := m.jobs[i]
	if !j.State.Terminal() {
		m.jobs[i] = j
		if old.State != job.Queued && j.State == job.Queued && j.GroupID == "" {
			m.reappear(j.ID)
		}
		if old.State == job.Queued && j.State != job.Queued && j.GroupID == "" {
			m.unit(j.ID).left = m.tick()
		}
		return
	}
	m.jobs = slices.Delete(m.jobs, i, i+1)
	switch {
	case j.GroupID != "":
		m.memberEnded(j, true)
	case j.State == job.Cancelled && j.Attempt == 0:
		m.unit(j.ID).left = m.tick()
		m.cancelled = append(m.cancelled, j)
	default:
		m.line = slices.DeleteFunc(m.line, func(u *unit) bool { return u.id == j.ID })
	}
}

func (m *model) edit(rt *rapid.T) {
	i := m.pick(rt, waiting)
	e := job.Edited{At: m.now, Labels: map[string]string{"p": fmt.Sprint(m.serial)}}
	switch rapid.IntRange(0, 3).Draw(rt, "what") {
	case 0:
		when := m.now.Add(30 * time.Second)
		e.NotBefore = &when
	case 1:
		e.NotBefore = &time.Time{}
	default:
		p := rapid.SampledFrom([]int{2, 5, 8}).Draw(rt, "priority")
		e.Priority = &p
	}
	m.apply(i, e)
}

func (m *model) hold(rt *rapid.T) { m.apply(m.pick(rt, waiting), job.Held{At: m.now, Reason: "held"}) }

func (m *model) release(rt *rapid.T) {
	m.apply(m.pick(rt, func(j job.Job) bool { return j.HeldReason != "" }), job.Released{At: m.now})
}

func (m *model) cancel(rt *rapid.T) {
	m.apply(m.pick(rt, func(job.Job) bool { return true }), job.CancelAsked{At: m.now, By: "me"})
}

func (m *model) restore(rt *rapid.T) {
	j := one(rt, "cancelled job", m.cancelled)
	c, err := job.Apply(j, job.Restored{At: m.now})
	m.must(nil, err)
	got, err := m.s.Order.Restore(m.t.Context(), store.MoveJob{Change: c})
	m.must(nil, err)
	if c.After.Rank != got.Rank {
		m.unit(j.ID).moved = m.tick() // another has its place
		c.After.Rank = got.Rank
	}
	m.equal("restored", c.After, got)
	m.cancelled = slices.DeleteFunc(m.cancelled, func(o job.Job) bool { return o.ID == j.ID })
	m.jobs = append(m.jobs, got)
	m.reappear(j.ID)
}

func (m *model) wait(rt *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "s")) * time.Second)
}

func (m *model) end(i int, ev any) {
	j := m.jobs[i]
	f := ending(m.t, store.Claimed{Job: j, Run: m.runs[j.ID]}, ev)
	m.must(nil, m.s.Jobs.Finish(m.t.Context(), []store.Finish{f})[0])
	m.gone = append(m.gone, f)
	r, err := m.s.Runs.Run(m.t.Context(), tenant, j.RunID)
	m.must(nil, err)
	m.equal("run", f.Run.After, r)
	g := m.groups[j.GroupID]
	if after := f.Job.After; after.State == job.Queued && g.State == job.GroupRunning && g.OnFailure == job.FailureStop && g.Failed+g.Cancelled > 0 {
		m.jobs[i] = after // for a moment
		m.dropped(after, after.QueuedAt, job.ReasonGroupStopped)
		return
	}
	got := m.read(j.ID)
	m.equal("finished", f.Job.After, got)
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

func (m *model) scale(rt *rapid.T) { m.scaleTo(rapid.IntRange(0, 4).Draw(rt, "workers")) }

func (m *model) scaleTo(n int) {
	m.workers = n
	m.must(m.s.Queue.Scale(m.t.Context(), store.Scale{Workers: m.workers, Tenant: tenant, At: m.now}))
}

func (m *model) pause(*rapid.T) { m.setPaused(!m.paused) }

func (m *model) setPaused(p bool) {
	m.paused = p
	m.must(m.s.Queue.Pause(m.t.Context(), store.Pause{Paused: m.paused, Tenant: tenant, At: m.now}))
}

func (m *model) setRules(rt *rapid.T) {
	r := job.DefaultRules()
	if n := rapid.IntRange(0, 5).Draw(rt, "max global"); n < 4 {
		r.MaxGlobal = &n
	}
	if n := rapid.IntRange(0, 3).Draw(rt, "max x"); n < 2 {
		r.MaxPerJob = map[string]int{"x": n}
	}
	if n := rapid.IntRange(0, 4).Draw(rt, "max tenant"); n > 1 {
		r.MaxPerTenant = map[string]int{tenant: n}
	}
	m.changeRules(r)
}

// changeRules sets rules that bound overtaking so late that no sequence gets
// there: what is bounded is tested with the decision.
func (m *model) changeRules(r job.Rules) {
	r.MaxOvertakes, r.MaxOvertakeAge = job.MaxOvertakesBound, job.MaxOvertakeAgeBound
	m.rules = r
	got, err := m.s.Queue.SetRules(m.t.Context(), store.SetRules{Rules: r, Tenant: tenant, At: m.now})
	m.must(nil, err)
	m.equal("rules", r, got.Rules)
}

// beat keeps an instance alive; one whose lease was over may come back as long
// as nobody condemned it.
func (m *model) beat(rt *rapid.T) { m.extend(one(rt, "instance", m.instances)) }

func (m *model) extend(instance string) {
	m.must(nil, m.s.Leases.Extend(m.t.Context(), instance, m.now, modelLease))
	m.leases[instance] = m.now.Add(modelLease)
}

// crash lets an instance die, condemns it and rescues what it ran.
func (m *model) crash(rt *rapid.T) {
	dead := one(rt, "instance", m.instances)
	m.must(nil, m.s.Leases.Condemn(m.t.Context(), store.Condemn{HostID: dead, Now: m.now, Grace: 1000 * time.Hour}))
	m.rescue([]string{dead})
}

// expire condemns instances whose leases are over.
func (m *model) expire(*rapid.T) {
	var dead []string
	for _, i := range m.instances {
		if m.leases[i].Before(m.now.Add(-time.Second)) {
			dead = append(dead, i)
		}
	}
	m.must(nil, m.s.Leases.Condemn(m.t.Context(), store.Condemn{Now: m.now, Grace: time.Second}))
	m.rescue(dead)
}

func (m *model) rescue(dead []string) {
	want := map[string]bool{}
	for _, d := range dead {
		m.instances = slices.DeleteFunc(m.instances, func(i string) bool { return i == d })
		m.want(fault.StaleLease, m.s.Leases.Extend(m.t.Context(), d, m.now, time.Hour))
	}
	for _, j := range m.jobs {
		if running(j) && slices.Contains(dead, j.Instance) {
			want[j.RunID] = true
		}
	}
	for _, d := range slices.Clone(m.direct) {
		switch {
		case !slices.Contains(dead, d.Instance):
		case d.running:
			want[d.run.ID] = true
		default:
			m.withdraw(d) // nobody renews it
		}
	}
	left, err := m.s.Leases.Leftovers(m.t.Context())
	m.must(nil, err)
	got := map[string]bool{}
	for _, l := range left {
		got[l.Run.ID] = true
	}
	m.equal("leftovers", want, got)
	for _, l := range left {
		if l.Job.ID == "" {
			i := slices.IndexFunc(m.direct, func(d *ask) bool { return d.run.ID == l.Run.ID })
			m.endDirect(m.direct[i], run.Broke{At: m.now, Failure: run.Failure{Code: job.CodeInterrupted}})
			continue
		}
		i := m.index(l.Job.ID)
		m.equal("leftover", m.jobs[i], l.Job)
		m.end(i, job.Interrupted{At: m.now})
	}
	for len(m.instances) < 2 {
		m.register()
	}
}

// heal takes every obstacle away. Then everything that waits runs and ends.
func (m *model) heal() {
	m.scaleTo(3)
	m.setPaused(false)
	m.changeRules(job.DefaultRules())
	for _, h := range slices.Clone(m.outside) {
		m.giveUp(h)
	}
	m.now = m.now.Add(time.Hour)
	m.expire(nil)
	for i := range m.jobs {
		if waiting(m.jobs[i]) && m.jobs[i].HeldReason != "" {
			m.apply(i, job.Released{At: m.now})
		}
	}
	for range 200 {
		if len(m.jobs)+len(m.direct) == 0 {
			break
		}
		for _, i := range m.instances {
			m.extend(i)
			m.claimFor(i, 8)
		}
		for _, j := range slices.Clone(m.jobs) {
			i := slices.IndexFunc(m.jobs, func(k job.Job) bool { return k.ID == j.ID })
			if i >= 0 && running(m.jobs[i]) {
				m.end(i, job.Succeeded{At: m.now})
			}
		}
		for _, d := range slices.Clone(m.direct) {
			if d.running {
				m.endDirect(d, run.Succeeded{At: m.now})
			}
		}
	}
	if n := len(m.jobs) + len(m.direct); n > 0 {
		m.rt.Fatalf("%d things never run: %v", n, ids(m.jobs))
	}
	for _, g := range m.groups {
		if !g.Terminal() {
			m.rt.Fatalf("group %s is %s although all its members ended", g.ID, g.State)
		}
	}
	m.check(nil)
}

// drain empties the store for the next sequence, whatever state a failed one
// left it in. What cannot be drained fails the next sequence.
func (m *model) drain() {
	ctx := m.t.Context()
	for _, d := range m.direct {
		_, _ = m.s.Direct.Leave(ctx, store.LeaveDirect{RunID: d.Run.ID})
	}
	for l := range maps.Keys(m.capacity) {
		_, _ = m.s.Locks.SetCapacity(ctx, store.SetCapacity{Tenant: tenant, Name: l, Capacity: 1, At: m.now})
	}
	for _, i := range m.instances {
		_ = m.s.Leases.Release(ctx, i, m.now)
	}
	page, _ := m.s.Jobs.List(ctx, store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Limit: 1000})
	for _, j := range page.Jobs {
		if c, err := job.Apply(j, job.CancelAsked{At: m.now}); err == nil {
			_, _ = m.s.Jobs.Move(ctx, store.MoveJob{Change: c})
		}
	}
	left, _ := m.s.Leases.Leftovers(ctx)
	for _, l := range left {
		if l.Job.ID == "" {
			c, _ := run.Apply(l.Run, run.Succeeded{At: m.now})
			_ = m.s.Direct.Finish(ctx, []run.Change{c})
			continue
		}
		f := ending(m.t, store.Claimed{Job: l.Job, Run: l.Run}, job.Broke{At: m.now, Fatal: true, Failure: job.Failure{Code: "drained"}})
		_ = m.s.Jobs.Finish(ctx, []store.Finish{f})
	}
}
