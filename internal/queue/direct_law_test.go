package queue_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

// laneModel is what a test knows of the direct lane and of what runs.
type laneModel struct {
	t       *rapid.T
	st      store.Store
	workers int
	waiting []store.EnterDirect
	direct  map[string]run.Run       // that run
	jobs    map[string]store.Claimed // that run
	locks   map[string][]string      // of what runs, by run id
}

func (m *laneModel) check(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(l string) bool { return slices.Contains(b, l) })
}

// claim lets the store decide and compares what starts with the law.
func (m *laneModel) claim() {
	ctx := m.t.Context()
	busy := len(m.direct) + len(m.jobs)
	var taken []string
	for _, l := range m.locks {
		taken = append(taken, l...)
	}
	c, err := m.st.Jobs.Claim(ctx, store.ClaimJobs{Instance: "a", Room: 100, Decide: claim.Decide})
	m.check(err)
	running, err := m.st.Direct.Running(ctx, "a")
	m.check(err)
	held, err := m.st.Jobs.Running(ctx, "a")
	m.check(err)
	// Nothing that ran was interrupted, and nothing runs beside what was started.
	if len(running) != len(m.direct)+len(c.Direct) || len(held) != len(m.jobs)+len(c.Started) {
		m.t.Fatalf("%d direct and %d jobs ran, %d and %d started, %d and %d run", len(m.direct), len(m.jobs), len(c.Direct), len(c.Started), len(running), len(held))
	}
	free := m.workers - busy
	if started := len(c.Direct) + len(c.Started); started > max(free, 0) {
		m.t.Fatalf("%d started in %d free slots", started, free)
	}
	// In order: each request starts if a slot and its locks are free, and what an
	// earlier one waits for is not free.
	var wanted, want, kept []string
	var rest []store.EnterDirect
	for _, p := range m.waiting {
		if free > 0 && !overlap(p.Locks, taken) && !overlap(p.Locks, wanted) {
			free--
			taken = append(taken, p.Locks...)
			want = append(want, p.Run.ID)
			continue
		}
		wanted = append(wanted, p.Locks...)
		rest = append(rest, p)
		kept = append(kept, p.Run.ID)
	}
	locks := map[string][]string{}
	for _, p := range m.waiting {
		locks[p.Run.ID] = p.Locks
	}
	var got []string
	for _, d := range c.Direct {
		got = append(got, d.Run.ID)
		m.direct[d.Run.ID], m.locks[d.Run.ID] = d.Run, locks[d.Run.ID]
	}
	if !slices.Equal(got, want) {
		m.t.Fatalf("started %v, want %v; waiting are %v", got, want, kept)
	}
	// A job starts only when no request could have had its slot, and takes nothing
	// that one waits for.
	for _, s := range c.Started {
		if overlap(s.Job.Locks, wanted) || overlap(s.Job.Locks, taken) {
			m.t.Fatalf("job with locks %v started while requests wait for %v and %v are taken", s.Job.Locks, wanted, taken)
		}
		taken = append(taken, s.Job.Locks...)
		m.jobs[s.Run.ID], m.locks[s.Run.ID] = s, s.Job.Locks
	}
	m.waiting = rest
}

func (m *laneModel) endJob(c store.Claimed) {
	j, err := job.Apply(c.Job, job.Succeeded{At: time.Now()})
	m.check(err)
	r, err := run.Apply(c.Run, run.Succeeded{At: time.Now()})
	m.check(err)
	m.check(m.st.Jobs.Finish(m.t.Context(), []store.Finish{{Job: j, Run: r}})[0])
	delete(m.jobs, c.Run.ID)
	delete(m.locks, c.Run.ID)
}

func (m *laneModel) scale(n int) {
	m.workers = n
	_, err := m.st.Queue.Scale(m.t.Context(), store.Scale{Workers: n, Tenant: tenant})
	m.check(err)
}

func (m *laneModel) endDirect(r run.Run) {
	c, err := run.Apply(r, run.Succeeded{At: time.Now()})
	m.check(err)
	m.check(m.st.Direct.Finish(m.t.Context(), []run.Change{c})[0])
	delete(m.direct, r.ID)
	delete(m.locks, r.ID)
}

func (m *laneModel) leave(i int) {
	left, err := m.st.Direct.Leave(m.t.Context(), store.LeaveDirect{RunID: m.waiting[i].Run.ID})
	m.check(err)
	if !left {
		m.t.Fatal("a request that waits could not leave")
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
}

func (m *laneModel) add(locks []string) {
	j := job.Job{
		ID: newJobID(), Tenant: tenant, Type: "echo", Params: []byte("{}"), Priority: 5, OnCrash: job.CrashFail, Locks: locks,
		Trigger: job.TriggerAPI, CreatedAt: time.Now(), QueuedAt: time.Now(),
	}
	_, err := m.st.Jobs.Add(m.t.Context(), store.AddJobs{Jobs: []job.Job{j}})
	m.check(err)
}

func (m *laneModel) enter(locks []string) {
	p := store.EnterDirect{
		Run:   run.Run{ID: id.New(id.Run, time.Now()), Tenant: tenant, JobType: "echo", Params: []byte("{}")},
		Locks: locks, Instance: "a", TTL: time.Hour,
	}
	_, err := m.st.Direct.Enter(m.t.Context(), p)
	m.check(err)
	m.waiting = append(m.waiting, p)
}

// TestDirectLaw does random things to a queue: a direct request starts in a free
// slot and never before, in the order of arrival but for locks, interrupts nothing,
// and no job gets a slot or lock that one could have had.
func TestDirectLaw(t *testing.T) {
	t.Parallel()
	st, err := sqlite.OpenMemory(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := st.Leases.Register(t.Context(), store.Instance{ID: "a", HostID: "a"}, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"l", "m", "n"}), 0, 2, rapid.ID)
	sortedNames := rapid.Custom(func(t *rapid.T) []string { return slices.Sorted(slices.Values(names.Draw(t, "locks"))) })
	rapid.Check(t, func(t *rapid.T) {
		m := &laneModel{t: t, st: st, workers: 1, direct: map[string]run.Run{}, jobs: map[string]store.Claimed{}, locks: map[string][]string{}}
		m.scale(1)
		steps := rapid.IntRange(5, 30).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0, 1:
				m.add(sortedNames.Draw(t, "job"))
			case 2, 3:
				m.enter(sortedNames.Draw(t, "direct"))
			case 4:
				for _, k := range slices.Sorted(maps.Keys(m.jobs)) {
					m.endJob(m.jobs[k])
					break
				}
			case 5:
				for _, k := range slices.Sorted(maps.Keys(m.direct)) {
					m.endDirect(m.direct[k])
					break
				}
			case 6:
				if len(m.waiting) > 0 {
					m.leave(rapid.IntRange(0, len(m.waiting)-1).Draw(t, "who"))
				}
			case 7:
				m.scale(rapid.IntRange(0, 3).Draw(t, "workers"))
			}
			m.claim()
		}
		// Nothing stays for the next sequence.
		m.scale(100)
		for len(m.waiting) > 0 || len(m.jobs) > 0 || len(m.direct) > 0 {
			for _, c := range m.jobs {
				m.endJob(c)
			}
			for _, r := range m.direct {
				m.endDirect(r)
			}
			m.claim()
		}
	})
}

// BenchmarkDirectDelay measures the time from the end of what runs to the start of
// the direct request that waits for it, while jobs wait.
func BenchmarkDirectDelay(b *testing.B) {
	for _, waiting := range []int{500, 10_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			benchDirect(b, waiting)
		})
	}
}

func benchDirect(b *testing.B, waiting int) {
	ctx := b.Context()
	st, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(b.TempDir(), "runsheet.db")})
	if err != nil {
		b.Fatal(err)
	}
	began, next := make(chan struct{}), make(chan struct{})
	opts := queue.Options{
		Store: st, WorkDir: b.TempDir(), HostID: "host", Exclusive: true, StopGrace: time.Millisecond,
		OpenLog: func(string) (queue.Log, error) { return &memLog{}, nil },
		Tasks: task.NewRegistry(tasktest.Echo{
			Jobs: func(ctx context.Context, _ task.Attempt, _ task.Host) error {
				select {
				case began <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
				select {
				case <-next:
				case <-ctx.Done():
				}
				return ctx.Err()
			},
			Before: func(context.Context, task.Attempt, task.Host) error { return task.Skip("only its start counts") },
		}),
	}
	add := func(n int) {
		js := make([]job.Job, n)
		for i := range js {
			js[i] = job.Job{
				ID: newJobID(), Tenant: tenant, Type: "echo", Params: []byte("{}"), Priority: 5, OnCrash: job.CrashFail,
				Trigger: job.TriggerAPI, CreatedAt: time.Now(), QueuedAt: time.Now(),
			}
		}
		for part := range slices.Chunk(js, 1000) {
			if _, err := st.Jobs.Add(ctx, store.AddJobs{Jobs: part}); err != nil {
				b.Fatal(err)
			}
		}
	}
	add(waiting)
	run, stop := context.WithCancel(context.Background())
	e, done := queue.New(opts), make(chan error, 1)
	go func() { done <- e.Run(run) }()
	<-began
	var total time.Duration
	n := 0
	for b.Loop() {
		add(1)
		a := ask(b, e, tasktest.Said{})
		freed := time.Now()
		next <- struct{}{}
		<-a.started
		total += time.Since(freed)
		n++
		<-a.done
		<-began
	}
	b.ReportMetric(float64(total.Microseconds())/float64(n), "delay-us/op")
	stop()
	if err := errors.Join(<-done, st.Health.Close()); err != nil {
		b.Error(err)
	}
}
