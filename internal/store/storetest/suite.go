// Package storetest is the definition of how a store behaves: one suite that
// every engine passes.
//
//	func TestConformance(t *testing.T) { storetest.Run(t, openEmpty) }
//
// A check gets a store of its own, uses nothing but the contract, and passes
// all times itself. What only one engine does is tested beside that engine.
package storetest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
)

// check is one fact about a store.
type check struct {
	name string
	run  func(t *testing.T, s store.Store)
}

// Run runs the whole suite. open returns an empty store, which it closes when
// its test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) { RunOnly(t, open) }

// RunOnly runs the checks whose names begin with one of the words; without any, all.
func RunOnly(t *testing.T, open func(t *testing.T) store.Store, words ...string) {
	chosen := func(name string) bool {
		word, _, _ := strings.Cut(name, "/")
		return len(words) == 0 || slices.Contains(words, word)
	}
	for _, group := range [][]check{
		jobChecks(), startChecks(), listChecks(), claimChecks(), finishChecks(), keyChecks(), templateChecks(), movingChecks(),
		runChecks(), artifactChecks(), retentionChecks(), leaseChecks(), queueChecks(), placeChecks(), groupChecks(), groupingChecks(), lockChecks(), directChecks(), eventChecks(), healthChecks(), accessChecks(), auditChecks(),
		webhookChecks(), memberChecks(), laneChecks(), directiveChecks(), callChecks(), budgetChecks(), loadedChecks(), calendarChecks(), approvalChecks(), workflowChecks(), scheduleChecks(), happeningChecks(), secretChecks(), parkingChecks(), workLockChecks(), workflowRunChecks(), viewChecks(), legacyChecks(),
	} {
		for _, c := range group {
			if !chosen(c.name) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, open(t))
			})
		}
	}
}

const tenant = access.DefaultTenant

// base is the time at which everything starts.
var base = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newJob returns a job that an Add accepts.
func newJob(edit ...func(*job.Job)) job.Job {
	j := job.Job{
		ID: id.New(id.Job, base), Tenant: tenant, Name: "job", Type: "command", Params: []byte(`{}`),
		Priority: job.PriorityNormal, OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "tester",
		CreatedAt: base, QueuedAt: base,
	}
	for _, e := range edit {
		e(&j)
	}
	return j
}

func named(n string) func(*job.Job)            { return func(j *job.Job) { j.Name = n } }
func ofType(n string) func(*job.Job)           { return func(j *job.Job) { j.Type = n } }
func prio(p int) func(*job.Job)                { return func(j *job.Job) { j.Priority = p } }
func locks(l ...string) func(*job.Job)         { return func(j *job.Job) { j.Locks = l } }
func at(when time.Time) func(*job.Job)         { return func(j *job.Job) { j.NotBefore = when } }
func held(reason string) func(*job.Job)        { return func(j *job.Job) { *j = job.Hold(*j, "ann", reason) } }
func onCrash(p job.CrashPolicy) func(*job.Job) { return func(j *job.Job) { j.OnCrash = p } }
func labelled(l map[string]string) func(*job.Job) {
	return func(j *job.Job) { j.Labels = l }
}

// add stores jobs and returns them as stored.
func add(t testing.TB, s store.Store, js ...job.Job) []job.Job {
	t.Helper()
	added, err := s.Jobs.Add(t.Context(), store.AddJobs{Jobs: js})
	if err != nil {
		t.Fatalf("add: %v", err)
	}
	out := make([]job.Job, len(added))
	for i, a := range added {
		out[i] = a.Job
	}
	return out
}

// register makes an instance with a lease until an hour after base.
func register(t testing.TB, s store.Store, instance string) {
	t.Helper()
	i := store.Instance{ID: instance, HostID: "host-" + instance, Hostname: "h", Pid: 7, Version: "v", StartedAt: base}
	if err := s.Leases.Register(t.Context(), i, time.Hour); err != nil {
		t.Fatalf("register %s: %v", instance, err)
	}
}

func scale(t testing.TB, s store.Store, n int) store.Settings {
	t.Helper()
	set, err := s.Queue.Scale(t.Context(), store.Scale{Workers: n, Tenant: tenant, At: base})
	if err != nil {
		t.Fatalf("scale: %v", err)
	}
	return set
}

// pool makes a store ready to claim: one instance "a" and n slots.
func pool(t testing.TB, s store.Store, n int) {
	t.Helper()
	register(t, s, "a")
	scale(t, s, n)
}

func claimAt(t testing.TB, s store.Store, instance string, room int, now time.Time) store.Claims {
	t.Helper()
	c, err := s.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: instance, Now: now, Poll: true, Room: room, Decide: firstRunnable})
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return c
}

func claim(t testing.TB, s store.Store, room int) []store.Claimed {
	t.Helper()
	return claimAt(t, s, "a", room, base).Started
}

// claimOne claims exactly one job.
func claimOne(t testing.TB, s store.Store) store.Claimed {
	t.Helper()
	got := claim(t, s, 1)
	if len(got) != 1 {
		t.Fatalf("claimed %d jobs, want 1", len(got))
	}
	return got[0]
}

// ending builds the end of an attempt from an event of the job.
func ending(t testing.TB, c store.Claimed, ev any) store.Finish {
	t.Helper()
	jc, err := job.Apply(c.Job, ev)
	if err != nil {
		t.Fatalf("apply %T: %v", ev, err)
	}
	var re any
	switch e := ev.(type) {
	case job.Succeeded:
		re = run.Succeeded{At: e.At}
	case job.Passed:
		re = run.Passed{At: e.At, Reason: e.Reason}
	case job.Broke:
		re = run.Broke{At: e.At, Failure: e.Failure}
	case job.Interrupted:
		re = run.Broke{At: e.At, Failure: job.CrashFailure(c.Job)}
	case job.Returned:
		re = run.Broke{At: e.At, Failure: run.Failure{Code: job.CodeInterrupted}}
	}
	if jc.After.Resuming {
		re = run.Left{}
	}
	rc, err := run.Apply(c.Run, re)
	if err != nil {
		t.Fatalf("apply %T: %v", re, err)
	}
	return store.Finish{Job: jc, Run: rc}
}

func finishWith(t testing.TB, s store.Store, c store.Claimed, ev any) error {
	t.Helper()
	return s.Jobs.Finish(t.Context(), []store.Finish{ending(t, c, ev)})[0]
}

func succeed(t testing.TB, s store.Store, c store.Claimed) {
	t.Helper()
	if err := finishWith(t, s, c, job.Succeeded{At: base.Add(time.Second)}); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

// move applies an event to a job as stored and carries the change out.
func move(t testing.TB, s store.Store, j job.Job, ev any) (job.Job, error) {
	t.Helper()
	c, err := job.Apply(j, ev)
	if err != nil {
		t.Fatalf("apply %T: %v", ev, err)
	}
	return s.Jobs.Move(t.Context(), store.MoveJob{Change: c})
}

func mustMove(t testing.TB, s store.Store, j job.Job, ev any) job.Job {
	t.Helper()
	got, err := move(t, s, j, ev)
	if err != nil {
		t.Fatalf("move: %v", err)
	}
	return got
}

func read(t testing.TB, s store.Store, jobID string) job.Job {
	t.Helper()
	j, err := s.Jobs.Job(t.Context(), tenant, jobID)
	if err != nil {
		t.Fatalf("read job: %v", err)
	}
	return j
}

// queued returns the ids of the waiting jobs in order.
func queued(t testing.TB, s store.Store) []string {
	t.Helper()
	p, err := s.Jobs.List(t.Context(), store.ListJobs{
		Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 10000,
	})
	if err != nil {
		t.Fatalf("list queue: %v", err)
	}
	return ids(p.Jobs)
}

func ids(js []job.Job) []string {
	out := []string{}
	for _, j := range js {
		out = append(out, j.ID)
	}
	return out
}

func names(js []job.Job) []string {
	out := []string{}
	for _, j := range js {
		out = append(out, j.Name)
	}
	return out
}

func claimedIDs(cs []store.Claimed) []string {
	out := []string{}
	for _, c := range cs {
		out = append(out, c.Job.ID)
	}
	return out
}

// same fails the test when got differs from want. Empty and nil are equal.
func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if d := diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func diff(want, got any) string {
	if reflect.DeepEqual(want, got) { // the usual case, and much faster
		return ""
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty())
}

// wantCode fails the test unless err is a fault with the given code.
func wantCode(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("err = %v, want code %s", err, code)
	}
}

// together runs f n times at once and waits.
func together(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-gate
			f(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
}

// isReplay returns the answer that err replays, if it does.
func isReplay(err error) (store.Reply, bool) {
	if r, ok := errors.AsType[*store.Replay](err); ok {
		return r.Reply, true
	}
	return store.Reply{}, false
}
