package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// This file plays groups through the real engine, on both databases. What runs
// is under the test's control: an attempt ends when the test says so.

// stage is where the attempts of a test play, by the names of their jobs.
type stage struct {
	*bundle
	mu       sync.Mutex
	begun    []string // in order, with repetitions
	now      map[string]chan error
	together int // most that ran at a time
}

// onStage runs play on an engine of each database, with n workers.
func onStage(t *testing.T, workers int, play func(t *testing.T, s *stage)) {
	t.Parallel()
	for _, db := range []string{"sqlite", "postgres"} {
		t.Run(db, func(t *testing.T) {
			t.Parallel()
			s := &stage{now: map[string]chan error{}}
			s.bundle = setup(t, s.perform)
			if db == "postgres" {
				st, err := postgres.Open(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true, MaxConns: 8})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := st.Health.Close(); err != nil {
						t.Error(err)
					}
				})
				s.store, s.opts.Store, s.opts.Exclusive = st, st, false
			}
			s.scale(workers)
			play(t, s)
		})
	}
}

func (s *stage) perform(ctx context.Context, a task.Attempt, _ task.Host) error {
	end := make(chan error, 1)
	s.mu.Lock()
	s.begun = append(s.begun, a.JobName)
	s.now[a.JobName] = end
	s.together = max(s.together, len(s.now))
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.now, a.JobName)
	}()
	select {
	case err := <-end:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *stage) scale(n int) {
	s.t.Helper()
	if _, err := s.store.Queue.Scale(s.t.Context(), store.Scale{Workers: n, Tenant: tenant}); err != nil {
		s.t.Fatal(err)
	}
}

// playing are the names of what runs, sorted.
func (s *stage) playing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for n := range s.now {
		out = append(out, n)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (s *stage) history() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.begun, " ")
}

// waitFor polls until ok; what says what did not happen.
func (s *stage) waitFor(what string, ok func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		if clock.Sleep(ctx, clock.System{}, 2*time.Millisecond) != nil {
			s.t.Fatalf("%s did not happen; on stage: %s; so far: %s", what, s.playing(), s.history())
		}
	}
}

func (s *stage) runs(names string) {
	s.t.Helper()
	s.waitFor("that these run: "+names, func() bool { return s.playing() == names })
}

// end lets a running attempt end with err.
func (s *stage) end(name string, err error) {
	s.t.Helper()
	s.mu.Lock()
	ch := s.now[name]
	s.mu.Unlock()
	if ch == nil {
		s.t.Fatalf("%s does not run", name)
	}
	ch <- err
}

// member is a job for a group.
func member(name string, edit ...func(*job.Job)) job.Job {
	now := time.Now().UTC()
	j := job.Job{
		ID: id.New(id.Job, now), Tenant: tenant, Name: name, Type: "scripted", Params: []byte("{}"), Priority: job.PriorityNormal,
		OnCrash: job.CrashFail, Trigger: job.TriggerGroup, CreatedAt: now, QueuedAt: now,
	}
	for _, e := range edit {
		e(&j)
	}
	return j
}

func lockedBy(locks ...string) func(*job.Job) { return func(j *job.Job) { j.Locks = locks } }

// group adds a group; most is the number that runs at a time, 0 = sequential.
func (s *stage) group(most int, on job.OnFailure, js ...job.Job) store.GroupAdded {
	s.t.Helper()
	now := time.Now().UTC()
	g := job.Group{ID: id.New(id.Group, now), Tenant: tenant, Name: "g", Mode: job.Parallel, MaxParallel: most, OnFailure: on, CreatedAt: now}
	if most == 0 {
		g.Mode, g.MaxParallel = job.Sequential, 1
	}
	added, err := s.store.Groups.Create(s.t.Context(), store.AddGroup{Group: g, Jobs: js, Priority: job.PriorityNormal})
	if err != nil {
		s.t.Fatal(err)
	}
	return added
}

// outcome waits for the end of a group and says how it ended.
func (s *stage) outcome(groupID string) string {
	s.t.Helper()
	var g job.Group
	s.waitFor("the end of the group", func() bool {
		var err error
		if g, err = s.store.Groups.Group(s.t.Context(), tenant, groupID); err != nil {
			s.t.Fatal(err)
		}
		return g.Terminal()
	})
	return fmt.Sprintf("%s ok=%d failed=%d skipped=%d cancelled=%d of %d", g.State, g.Succeeded, g.Failed, g.Skipped, g.Cancelled, g.Total)
}

func (s *stage) want(got, want string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("got %q, want %q", got, want)
	}
}

// single adds a job that is in no group.
func (s *stage) single(name string) job.Job {
	return s.add(func(j *job.Job) { j.Name = name })
}

func TestParallelGroupHasOneSlot(t *testing.T) {
	onStage(t, 1, func(_ *testing.T, s *stage) {
		g := s.group(3, job.FailureContinue, member("a"), member("b"), member("c"), member("d")).Group
		s.single("z")
		s.start()
		s.runs("a b c")
		s.end("b", nil)
		s.runs("a c d")
		s.end("a", task.Fatal("boom", errors.New("boom")))
		s.end("c", task.Skip("nothing"))
		s.runs("d")
		s.end("d", nil)
		s.want(s.outcome(g.ID), "PARTIAL ok=2 failed=1 skipped=1 cancelled=0 of 4")
		s.runs("z")
		s.end("z", nil)
		s.waitFor("the end", func() bool { return s.playing() == "" })
		s.want(s.history()[len(s.history())-3:], "d z")
	})
}

func TestLocksInsideAGroup(t *testing.T) {
	onStage(t, 1, func(_ *testing.T, s *stage) {
		g := s.group(8, job.FailureContinue, member("a", lockedBy("gpu:0")), member("b", lockedBy("gpu:0")), member("c")).Group
		s.start()
		s.runs("a c")
		s.end("c", nil)
		s.runs("a")
		s.end("a", nil)
		s.runs("b")
		s.end("b", nil)
		s.want(s.outcome(g.ID), "COMPLETED ok=3 failed=0 skipped=0 cancelled=0 of 3")
	})
}

func TestSequentialGroup(t *testing.T) {
	for on, want := range map[job.OnFailure]string{
		job.FailureStop: "PARTIAL ok=1 failed=1 skipped=2 cancelled=0 of 4", job.FailureContinue: "PARTIAL ok=3 failed=1 skipped=0 cancelled=0 of 4",
	} {
		t.Run(string(on), func(t *testing.T) {
			onStage(t, 3, func(t *testing.T, s *stage) {
				added := s.group(0, on, member("a"), member("b"), member("c"), member("d"))
				s.start()
				s.runs("a")
				s.end("a", nil)
				s.runs("b")
				s.end("b", task.Fatal("boom", errors.New("boom")))
				for _, n := range []string{"c", "d"} {
					if on == job.FailureContinue {
						s.runs(n)
						s.end(n, nil)
					}
				}
				s.want(s.outcome(added.Group.ID), want)
				if on == job.FailureContinue {
					s.want(s.history(), "a b c d")
					return
				}
				s.want(s.history(), "a b")
				for _, j := range added.Jobs[2:] {
					r := s.bundle.runs(j.ID)
					if len(r) != 1 || r[0].State != run.Skipped || r[0].Reason != job.ReasonGroupStopped || r[0].GroupID != added.Group.ID {
						t.Errorf("runs of %s: %+v", j.Name, r)
					}
				}
			})
		})
	}
}

func TestRetryWaitsInsideTheSlot(t *testing.T) {
	onStage(t, 1, func(_ *testing.T, s *stage) {
		again := func(j *job.Job) {
			j.Retry = job.Retry{MaxAttempts: 2, Backoff: job.Fixed, Initial: 150 * time.Millisecond}
		}
		g := s.group(0, job.FailureStop, member("a", again), member("b")).Group
		s.single("z")
		s.start()
		s.runs("a")
		s.end("a", task.Fail("again", errors.New("no luck")))
		s.waitFor("the second attempt", func() bool { return s.history() == "a a" })
		s.end("a", nil)
		s.runs("b")
		s.end("b", nil)
		s.want(s.outcome(g.ID), "COMPLETED ok=2 failed=0 skipped=0 cancelled=0 of 2")
		s.runs("z")
		s.want(s.history(), "a a b z")
	})
}

func TestCancelOfARunningGroup(t *testing.T) {
	for _, on := range []job.OnFailure{job.FailureStop, job.FailureContinue} {
		t.Run(string(on), func(t *testing.T) {
			onStage(t, 1, func(t *testing.T, s *stage) {
				g := s.group(2, on, member("a"), member("b"), member("c"), member("d")).Group
				s.single("z")
				s.start()
				s.runs("a b")
				if _, err := s.store.Groups.Cancel(t.Context(), store.CancelGroup{Tenant: tenant, ID: g.ID, By: "ann", At: time.Now()}); err != nil {
					t.Fatal(err)
				}
				s.want(s.outcome(g.ID), "PARTIAL ok=0 failed=0 skipped=0 cancelled=4 of 4")
				s.runs("z")
				s.want(s.history()[4:], "z")
			})
		})
	}
}

// TestGroupOutlivesItsServer: the server dies with a member; the group keeps its
// slot and goes on where it was.
func TestGroupOutlivesItsServer(t *testing.T) {
	for _, p := range []job.CrashPolicy{job.CrashRetry, job.CrashFail} {
		t.Run(string(p), func(t *testing.T) {
			onStage(t, 1, func(t *testing.T, s *stage) {
				policy := func(j *job.Job) { j.OnCrash = p }
				added := s.group(0, job.FailureContinue, member("a", policy), member("b", policy), member("c", policy))
				s.single("z")
				if err := s.store.Leases.Register(t.Context(), store.Instance{ID: "dead", HostID: "host"}, time.Hour); err != nil {
					t.Fatal(err)
				}
				for i := range 2 { // the second claim finds nothing: one at a time
					c, err := s.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: "dead", Room: 10, Decide: claim.Decide})
					if err != nil || len(c.Started) != 1-i {
						t.Fatalf("claim %d: %d, %v", i, len(c.Started), err)
					}
				}
				s.start()
				want := "b c z"
				if p == job.CrashRetry {
					want = "a b c z"
				}
				for n := range strings.FieldsSeq(want) {
					s.runs(n)
					s.end(n, nil)
				}
				s.ended(added.Jobs[0].ID)
				s.want(s.history(), want)
				if p == job.CrashRetry {
					s.want(s.outcome(added.Group.ID), "COMPLETED ok=3 failed=0 skipped=0 cancelled=0 of 3")
				} else {
					s.want(s.outcome(added.Group.ID), "PARTIAL ok=2 failed=1 skipped=0 cancelled=0 of 3")
				}
			})
		})
	}
}

// TestShrinkKeepsTheSlotOfAGroup: with fewer workers a group goes on in its slot,
// and its slot is gone when it ends.
func TestShrinkKeepsTheSlotOfAGroup(t *testing.T) {
	onStage(t, 2, func(_ *testing.T, s *stage) {
		first := s.group(0, job.FailureStop, member("a"), member("b")).Group
		second := s.group(0, job.FailureStop, member("c"), member("d")).Group
		s.single("z")
		s.start()
		s.runs("a c")
		s.scale(1)
		s.end("a", nil)
		s.runs("b c")
		s.end("b", nil)
		s.want(s.outcome(first.ID), "COMPLETED ok=2 failed=0 skipped=0 cancelled=0 of 2")
		s.runs("c")
		s.end("c", nil)
		s.runs("d")
		s.end("d", nil)
		s.want(s.outcome(second.ID), "COMPLETED ok=2 failed=0 skipped=0 cancelled=0 of 2")
		s.runs("z")
		s.want(s.history()[4:], "b d z")
	})
}

// TestHeldMember: a held member of a running group stops a sequential group, which
// keeps its slot; of a waiting group, it lets others pass and starts nothing.
func TestHeldMember(t *testing.T) {
	onStage(t, 1, func(t *testing.T, s *stage) {
		added := s.group(0, job.FailureStop, member("a"), member("b", func(j *job.Job) { j.HeldReason = "look first" }))
		waits := s.group(0, job.FailureStop, member("c", func(j *job.Job) { j.HeldReason = "later" }), member("d"))
		s.start()
		s.runs("a")
		s.end("a", nil)
		s.ended(added.Jobs[0].ID)
		s.single("z")
		if got := s.explain(added.Jobs[1].ID); got != "held" {
			t.Errorf("the held member waits for %s", got)
		}
		s.release(added.Jobs[1].ID)
		s.runs("b")
		s.end("b", nil)
		s.want(s.outcome(added.Group.ID), "COMPLETED ok=2 failed=0 skipped=0 cancelled=0 of 2")
		s.runs("z") // passes the group that cannot begin
		if got := s.explain(waits.Jobs[1].ID); got != "no_slot" && got != "position" {
			t.Errorf("the member behind the held one waits for %s", got)
		}
		s.release(waits.Jobs[0].ID)
		s.end("z", nil)
		for _, n := range []string{"c", "d"} {
			s.runs(n)
			s.end(n, nil)
		}
		s.want(s.outcome(waits.Group.ID), "COMPLETED ok=2 failed=0 skipped=0 cancelled=0 of 2")
		s.want(s.history(), "a b z c d")
	})
}

func (s *stage) explain(jobID string) string {
	s.t.Helper()
	j, err := s.store.Jobs.Job(s.t.Context(), tenant, jobID)
	if err != nil {
		s.t.Fatal(err)
	}
	sit, err := s.store.Jobs.Situation(s.t.Context(), []job.Job{j})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(claim.Explain(sit.Snapshot, j, sit.Positions[j.ID]).Code)
}

func (s *stage) release(jobID string) {
	s.t.Helper()
	j, err := s.store.Jobs.Job(s.t.Context(), tenant, jobID)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := job.Apply(j, job.Released{At: time.Now()})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.store.Jobs.Move(s.t.Context(), store.MoveJob{Change: c}); err != nil {
		s.t.Fatal(err)
	}
}

// TestDeadlineOfAMember: a member whose deadline passes while it waits in the slot
// is skipped, and the group goes on.
func TestDeadlineOfAMember(t *testing.T) {
	onStage(t, 1, func(t *testing.T, s *stage) {
		late := func(j *job.Job) { j.StartDeadline = time.Now().Add(200 * time.Millisecond) }
		added := s.group(0, job.FailureStop, member("a"), member("b", late), member("c"))
		s.start()
		s.runs("a")
		if j := s.ended(added.Jobs[1].ID); j.State != job.Skipped {
			t.Errorf("the late member is %s", j.State)
		}
		s.end("a", nil)
		s.runs("c")
		s.end("c", nil)
		s.want(s.outcome(added.Group.ID), "PARTIAL ok=2 failed=0 skipped=1 cancelled=0 of 3")
	})
}

func TestGroupOfOne(t *testing.T) {
	for _, most := range []int{0, 1, 8} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			onStage(t, 1, func(_ *testing.T, s *stage) {
				g := s.group(most, job.FailureStop, member("a")).Group
				s.start()
				s.runs("a")
				s.end("a", nil)
				s.want(s.outcome(g.ID), "COMPLETED ok=1 failed=0 skipped=0 cancelled=0 of 1")
			})
		})
	}
}

// TestHeldGroupIsNoBarrier: a group that begins with a held member was not
// overtaken by what passes it, so the strict order does not stop at it.
func TestHeldGroupIsNoBarrier(t *testing.T) {
	onStage(t, 1, func(t *testing.T, s *stage) {
		rules := job.DefaultRules()
		rules.StrictOrder, rules.MaxOvertakes = true, 1
		if _, err := s.store.Queue.SetRules(t.Context(), store.SetRules{Rules: rules, Tenant: tenant, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		s.group(0, job.FailureStop, member("held", func(j *job.Job) { j.HeldReason = "x" }), member("b"))
		for i := range 4 {
			s.single(fmt.Sprint("z", i))
		}
		s.start()
		for i := range 4 {
			s.runs(fmt.Sprint("z", i))
			s.end(fmt.Sprint("z", i), nil)
		}
	})
}

// TestMembersOnTwoInstances: the members of one group run on several servers, in
// one slot of the installation, and never more than may.
func TestMembersOnTwoInstances(t *testing.T) {
	onStage(t, 1, func(t *testing.T, s *stage) {
		s.opts.Exclusive = false // the other instance is to live
		g := s.group(3, job.FailureContinue, member("a"), member("b"), member("c"), member("d")).Group
		s.single("z")
		claim := func(instance string, room int) []string {
			t.Helper()
			c, err := s.store.Jobs.Claim(t.Context(), store.ClaimJobs{Instance: instance, Room: room, Decide: claim.Decide})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, st := range c.Started {
				if st.Job.Instance != instance {
					t.Errorf("%s is on %s", st.Job.Name, st.Job.Instance)
				}
				names = append(names, st.Job.Name)
			}
			return names
		}
		for _, i := range []string{"one", "two"} {
			if err := s.store.Leases.Register(t.Context(), store.Instance{ID: i, HostID: i}, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		s.want(fmt.Sprint(claim("one", 1), claim("two", 10), claim("one", 10)), "[a] [b c] []")
		// One of them dies: its members end or come back, the other's go on.
		if err := s.store.Leases.Condemn(t.Context(), store.Condemn{Self: "two", HostID: "one"}); err != nil {
			t.Fatal(err)
		}
		s.start()
		s.runs("d")
		s.end("d", nil)
		running, err := s.store.Jobs.Running(t.Context(), "two")
		if err != nil || len(running) != 2 {
			t.Fatalf("%d still run on two, %v", len(running), err)
		}
		for _, c := range running {
			jc, err := job.Apply(c.Job, job.Succeeded{At: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			rc, err := run.Apply(c.Run, run.Succeeded{At: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.store.Jobs.Finish(t.Context(), []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
				t.Fatal(err)
			}
		}
		s.want(s.outcome(g.ID), "PARTIAL ok=3 failed=1 skipped=0 cancelled=0 of 4")
		s.runs("z")
	})
}
