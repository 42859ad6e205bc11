package queue_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// full is a store with many waiting jobs.
type full struct {
	b   *testing.B
	s   store.Store
	ids []string
	r   *rand.Rand
}

// crowd says what waits before a measurement begins.
type crowd struct {
	name string
	// make is the i-th waiting job; nil = plain ones.
	make func(i int, j *job.Job)
	// hold is a lock that a program outside has.
	hold string
}

var crowds = []crowd{
	{name: "plain"},
	{name: "one lock", hold: "gpu:0", make: func(_ int, j *job.Job) { j.Locks = []string{"gpu:0"} }},
	{name: "5000 keys", make: func(i int, j *job.Job) { j.Limits = job.Limits{Key: "k" + strconv.Itoa(i%5000), MaxPerKey: 1} }},
	{name: "one lock, 5000 keys", hold: "gpu:0", make: func(i int, j *job.Job) {
		j.Locks, j.Limits = []string{"gpu:0"}, job.Limits{Key: "k" + strconv.Itoa(i%5000), MaxPerKey: 1}
	}},
}

// BenchmarkQueued measures what one operation costs, to the durable end, while
// many jobs wait. The sizes are those of the goal: 1,000,000 may cost at most
// twice what 10,000 cost. RUNSHEET_BENCH_QUEUED=10000,1000000 chooses them;
// by default only the small one is measured. Use a fixed number of rounds
// (-benchtime 300x).
func BenchmarkQueued(b *testing.B) {
	sizes := []int{10_000}
	if os.Getenv("RUNSHEET_BENCH_QUEUED") != "" {
		sizes = []int{10_000, 1_000_000}
	}
	engines := map[string]func(*testing.B) store.Store{
		"sqlite": func(b *testing.B) store.Store {
			s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "runsheet.db")})
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
		"postgres": func(b *testing.B) store.Store {
			s, err := postgres.Open(b.Context(), postgres.Options{URL: testsvc.DurablePostgres(b), MaxConns: 8})
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, c := range crowds {
			for _, n := range sizes {
				b.Run(fmt.Sprintf("%s/%s/n=%d", engine, c.name, n), func(b *testing.B) {
					s := engines[engine](b)
					b.Cleanup(func() { _ = s.Health.Close() })
					f := fill(b, s, n, c)
					for _, op := range []struct {
						name string
						do   func()
					}{
						{"add", f.add}, {"claim", f.claim}, {"move", f.move}, {"cancel", f.cancel}, {"position", f.position}, {"page", f.page},
					} {
						b.Run(op.name, func(b *testing.B) {
							f.b = b
							op.do() // the first may have to read the order
							for b.Loop() {
								op.do()
							}
						})
					}
				})
			}
		}
	}
}

func fill(b *testing.B, s store.Store, n int, c crowd) *full {
	f := &full{b: b, s: s, r: rand.New(rand.NewPCG(1, 2))}
	ctx := b.Context()
	f.ok(s.Leases.Register(ctx, store.Instance{ID: "a", HostID: "a"}, 24*time.Hour))
	_, err := s.Queue.Scale(ctx, store.Scale{Workers: 4, Tenant: "default", At: time.Unix(0, 0)})
	f.ok(err)
	if c.hold != "" {
		_, err := s.Locks.Acquire(ctx, store.AcquireLock{Tenant: "default", Name: c.hold, Holder: "bench", TTL: 24 * time.Hour})
		f.ok(err)
	}
	for len(f.ids) < n {
		var js []job.Job
		for range min(5000, n-len(f.ids)) {
			j := f.job()
			if c.make != nil {
				c.make(len(f.ids), &j)
			}
			f.ids = append(f.ids, j.ID)
			js = append(js, j)
		}
		_, err := s.Jobs.Add(ctx, store.AddJobs{Jobs: js})
		f.ok(err)
	}
	return f
}

func (f *full) ok(err error) {
	if err != nil {
		f.b.Helper()
		f.b.Fatal(err)
	}
}

func (f *full) job() job.Job {
	now := clock.System{}.Now()
	return job.Job{
		ID: id.New(id.Job, now), Tenant: "default", Name: "bench", Type: "command", Params: []byte(`{"argv":["true"]}`),
		Priority: job.PriorityNormal, OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "bench", CreatedAt: now, QueuedAt: now,
	}
}

func (f *full) add() {
	_, err := f.s.Jobs.Add(f.b.Context(), store.AddJobs{Jobs: []job.Job{f.job()}})
	f.ok(err)
}

// claim starts and ends one job. Where all of the crowd waits for a lock, it is one that was
// added behind all of them.
func (f *full) claim() {
	ctx := f.b.Context()
	c, err := f.s.Jobs.Claim(ctx, store.ClaimJobs{Instance: "a", Room: 1, Decide: claim.Decide})
	f.ok(err)
	if len(c.Started) == 0 {
		f.add()
		f.claim()
		return
	}
	now := clock.System{}.Now()
	jc, err := job.Apply(c.Started[0].Job, job.Succeeded{At: now})
	f.ok(err)
	rc, err := run.Apply(c.Started[0].Run, run.Succeeded{At: now})
	f.ok(err)
	f.ok(f.s.Jobs.Finish(ctx, []store.Finish{{Job: jc, Run: rc}})[0])
}

// waiting is a random job that waits.
func (f *full) waiting() job.Job {
	for {
		j, err := f.s.Jobs.Job(f.b.Context(), "default", f.ids[f.r.IntN(len(f.ids))])
		f.ok(err)
		if j.State == job.Queued {
			return j
		}
	}
}

func (f *full) move() {
	_, err := f.s.Order.Place(context.WithoutCancel(f.b.Context()), store.PlaceJobs{
		Tenant: "default", IDs: []string{f.waiting().ID}, Place: &store.Place{Position: f.r.IntN(len(f.ids) / 2)}, At: clock.System{}.Now(),
	})
	f.ok(err)
}

func (f *full) cancel() {
	c, err := job.Apply(f.waiting(), job.CancelAsked{At: clock.System{}.Now(), By: "bench"})
	f.ok(err)
	_, err = f.s.Jobs.Move(f.b.Context(), store.MoveJob{Change: c})
	f.ok(err)
}

func (f *full) position() {
	j := f.waiting()
	sit, err := f.s.Jobs.Situation(f.b.Context(), []job.Job{j})
	f.ok(err)
	if _, ok := sit.Positions[j.ID]; !ok {
		f.b.Fatal("no position")
	}
}

func (f *full) page() {
	p, err := f.s.Jobs.List(f.b.Context(), store.ListJobs{Tenant: "default", States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 50})
	f.ok(err)
	if len(p.Jobs) != 50 {
		f.b.Fatalf("%d jobs", len(p.Jobs))
	}
}
