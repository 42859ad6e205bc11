package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// said is an echo that enters the gate with the text of a direct request.
func (g *gate) echo() tasktest.Echo {
	return tasktest.Echo{Jobs: g.pass, Before: func(_ context.Context, a task.Attempt, _ task.Host) error {
		var s tasktest.Said
		if err := json.Unmarshal(a.Params, &s); err != nil {
			return err
		}
		g.enter(s.Text)
		return nil
	}}
}

// orphan enters a direct request for an instance that has no engine.
func (b *bundle) orphan(instance string, ttl time.Duration, locks ...string) string {
	b.t.Helper()
	r := run.Run{ID: id.New(id.Run, time.Now()), Tenant: tenant, JobType: "echo", Params: []byte(digest)}
	if _, err := b.store.Direct.Enter(b.t.Context(), store.EnterDirect{Run: r, Locks: locks, Instance: instance, TTL: ttl}); err != nil {
		b.t.Fatal(err)
	}
	return r.ID
}

func (b *bundle) runEnded(runID string) run.Run {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	for {
		r, err := b.store.Runs.Run(b.t.Context(), tenant, runID)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.State.Terminal() {
			return r
		}
		if clock.Sleep(ctx, clock.System{}, 5*time.Millisecond) != nil {
			b.t.Fatalf("run never ended: %+v", r)
		}
	}
}

// TestDirectLeftovers: what a dead server had in the lane does not hold anybody up
// on one machine, however long its places would have lasted.
func TestDirectLeftovers(t *testing.T) {
	t.Parallel()
	b := echoBundle(t, tasktest.Echo{})
	if err := b.store.Leases.Register(t.Context(), store.Instance{ID: "dead", HostID: "host"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	runs := b.orphan("dead", time.Hour, "gpu:0")
	c, err := b.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "dead", Room: 1, Decide: claim.Decide})
	if err != nil || len(c.Direct) != 1 {
		t.Fatalf("claimed %+v, %v", c, err)
	}
	b.orphan("dead", time.Hour)
	var swept []string
	b.opts.Sweep = func(_ context.Context, dead []store.Leftover) error {
		for _, l := range dead {
			swept = append(swept, l.Run.ID)
		}
		return nil
	}
	j := b.add(needs("gpu:0"))
	b.start()
	if r := b.runEnded(runs); r.State != run.Failed || r.Failure.Code != job.CodeInterrupted || !slices.Equal(swept, []string{runs}) {
		t.Errorf("run %+v, swept %v", r, swept)
	}
	if j = b.ended(j.ID); j.State != job.Completed {
		t.Errorf("the job behind it: %+v", j)
	}
	if w, err := b.store.Direct.Waiting(t.Context()); err != nil || len(w) != 0 {
		t.Errorf("waiting %v, %v", w, err)
	}
}

// pair starts two engines on one PostgreSQL.
func pair(t *testing.T, e tasktest.Echo) (b *bundle, one, two *queue.Engine) {
	t.Helper()
	st, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	b = echoBundle(t, e).use(st)
	b.opts.Exclusive = false
	second := *b
	second.opts.HostID, second.opts.WorkDir = "other host", t.TempDir()
	return b, b.start(), second.start()
}

func TestDirectOverTwoInstances(t *testing.T) {
	t.Parallel()
	g := newGate()
	b, one, two := pair(t, g.echo())
	first := b.add(echoJob)
	if id := g.next(t); id != first.ID {
		t.Fatal(id)
	}
	last := b.add(echoJob)
	var as []*asked
	for i, e := range []*queue.Engine{one, two, two, one, two} {
		as = append(as, ask(t, e, tasktest.Said{Text: fmt.Sprint(i)}))
	}
	close(g.open)
	var got []string
	for range 6 {
		got = append(got, g.next(t))
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", last.ID}, got); diff != "" {
		t.Error(diff)
	}
	for _, a := range as {
		if _, err := a.ended(); err != nil {
			t.Error(err)
		}
	}
}

// TestDirectOfACrashedInstance: its waiting request vanishes with its place, its
// running one is interrupted, and others wait no longer than for that.
func TestDirectOfACrashedInstance(t *testing.T) {
	t.Parallel()
	g := newGate()
	b, one, _ := pair(t, g.echo())
	if err := b.store.Leases.Register(t.Context(), store.Instance{ID: "dead", HostID: "gone"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	runs := b.orphan("dead", time.Hour)
	c, err := b.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "dead", Room: 1, Decide: claim.Decide})
	if err != nil || len(c.Direct) != 1 {
		t.Fatalf("claimed %+v, %v", c, err)
	}
	b.orphan("dead", time.Second)
	if err := b.store.Leases.Extend(t.Context(), "dead", time.Time{}, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	a := ask(t, one, tasktest.Said{Text: "alive"})
	if r := b.runEnded(runs); r.State != run.Failed || r.Failure.Code != job.CodeInterrupted {
		t.Errorf("run %+v", r)
	}
	if got, err := a.ended(); err != nil || got.Run.State != run.Completed {
		t.Errorf("the living one: %+v, %v", got, err)
	}
}

func TestDirectAndGroups(t *testing.T) {
	t.Parallel()
	for policy, want := range map[job.DirectGroupPolicy][]string{
		job.DirectWhole: {"m0", "m1", "m2", "direct", "after"},
		job.DirectNext:  {"m0", "direct", "m1", "m2", "after"},
	} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, st store.Store) {
				g := newGate()
				b := echoBundle(t, g.echo()).use(st)
				rules := job.DefaultRules()
				rules.DirectGroupPolicy = policy
				if _, err := b.store.Queue.SetRules(t.Context(), store.SetRules{Rules: rules, Tenant: tenant, At: time.Now()}); err != nil {
					t.Fatal(err)
				}
				names := map[string]string{"direct": "direct"}
				now := time.Now().UTC()
				group := store.AddGroup{Priority: job.PriorityNormal, Group: job.Group{
					ID: id.New(id.Group, now), Tenant: tenant, Name: "g", Mode: job.Sequential, OnFailure: job.FailureStop,
					MaxParallel: 1, State: job.GroupPending, Version: 1, CreatedAt: now,
				}}
				for i := range 3 {
					j := job.Job{
						ID: newJobID(), Tenant: tenant, Type: "echo", Params: []byte("{}"), Priority: job.PriorityNormal,
						OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
					}
					names[j.ID] = fmt.Sprint("m", i)
					group.Jobs = append(group.Jobs, j)
				}
				if _, err := b.store.Groups.Create(t.Context(), group); err != nil {
					t.Fatal(err)
				}
				names[b.add(echoJob).ID] = "after"
				e := b.start()
				got := []string{names[g.next(t)]}
				ask(t, e, tasktest.Said{Text: "direct"})
				close(g.open)
				for range 4 {
					got = append(got, names[g.next(t)])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestDirectObeysLocks: a request that waits for a lock lets jobs start that do
// not need it, and is before those that do.
func TestDirectObeysLocks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, st store.Store) {
		g := newGate()
		b := echoBundle(t, g.echo()).use(st)
		if _, err := b.store.Queue.Scale(t.Context(), store.Scale{Workers: 2, Tenant: tenant}); err != nil {
			t.Fatal(err)
		}
		holder := b.add(needs("model:m"))
		e := b.start()
		got := []string{g.next(t)}
		a := ask(t, e, tasktest.Said{Text: "direct", Locks: []string{"model:m"}})
		behind, free := b.add(needs("model:m")), b.add(echoJob)
		got = append(got, g.next(t))
		close(g.open)
		got = append(got, g.next(t), g.next(t))
		if diff := cmp.Diff([]string{holder.ID, free.ID, "direct", behind.ID}, got); diff != "" {
			t.Error(diff)
		}
		if r, err := a.ended(); err != nil || !slices.Contains(r.Run.WaitedFor, holder.ID) {
			t.Errorf("%+v, %v", r.Run, err)
		}
	})
}
