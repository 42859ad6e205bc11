package planner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/planner"
	"github.com/runsheet/runsheet/internal/schedule"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// engines are the stores that are measured, durable as in production.
func engines() map[string]func(*testing.B) store.Store {
	return map[string]func(*testing.B) store.Store{
		"sqlite": func(b *testing.B) store.Store {
			s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "runsheet.db")})
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
		"postgres": func(b *testing.B) store.Store {
			s, err := postgres.Open(b.Context(), postgres.Options{URL: testsvc.DurablePostgres(b), MaxConns: 16})
			if err != nil {
				b.Fatal(err)
			}
			return s
		},
	}
}

// benchSize is the number of schedules: 2,000 unless RUNSHEET_BENCH_SCHEDULES says
// otherwise; the goal is about 100,000.
func benchSize(b *testing.B) int {
	text := os.Getenv("RUNSHEET_BENCH_SCHEDULES")
	if text == "" {
		return 2000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// crowd is a store with many schedules and a planner for them.
type crowd struct {
	s        store.Store
	size     int
	clock    *clocktest.Manual
	p        *planner.Planner
	watched  *watched
	compiles atomic.Int64
}

// watched notes what goes to the store, and when decisions were durable.
type watched struct {
	store.Schedules
	calls  atomic.Int64
	mu     sync.Mutex
	queued []landing
}

// landing is a job that came into the queue.
type landing struct{ due, at time.Time }

func (w *watched) Claim(ctx context.Context, p store.ClaimSchedules) (store.DueSchedules, error) {
	w.calls.Add(1)
	return w.Schedules.Claim(ctx, p)
}

func (w *watched) NextDue(ctx context.Context, now time.Time) (store.NextDue, error) {
	w.calls.Add(1)
	return w.Schedules.NextDue(ctx, now)
}

func (w *watched) Decide(ctx context.Context, items []store.Decided) ([]error, error) {
	w.calls.Add(1)
	errs, err := w.Schedules.Decide(ctx, items)
	at := clock.System{}.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, item := range items {
		for _, d := range item.Outcome.Decisions {
			if d.Fire && err == nil && errs[i] == nil {
				w.queued = append(w.queued, landing{d.Due, at})
			}
		}
	}
	return errs, err
}

// compileCron reads what the benchmark stores as a trigger.
func compileCron(_ context.Context, s agenda.Schedule) (planner.Compiled, error) {
	var spec struct{ Cron string }
	if err := json.Unmarshal(s.Trigger, &spec); err != nil {
		return planner.Compiled{}, err
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return planner.Compiled{}, err
	}
	tr, err := schedule.Compile(schedule.Spec{Kind: schedule.KindCron, Zone: zone, Cron: schedule.CronSpec{Expressions: []string{spec.Cron}}}, schedule.Calendars{})
	return planner.Compiled{Trigger: tr}, err
}

// gather makes the schedules. next says what each waits for.
func gather(b *testing.B, engine string, c clock.Clock, cron func(i int) string, next func(i int) time.Time) *crowd {
	b.Helper()
	w := &crowd{s: engines()[engine](b), size: benchSize(b)}
	b.Cleanup(func() { _ = w.s.Health.Close() })
	var all sync.WaitGroup
	var at atomic.Int64
	for range 64 {
		all.Go(func() {
			for i := int(at.Add(1)) - 1; i < w.size; i = int(at.Add(1)) - 1 {
				n := agenda.Schedule{ID: id.New(id.Schedule, beginning.Add(time.Duration(i)*time.Millisecond)), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
				n.Name, n.Zone, n.Policy, n.Description = fmt.Sprint("s", i), "America/New_York", agenda.NewPolicy(), "nightly report of one desk"
				n.Trigger, n.Target.TemplateID = fmt.Appendf(nil, `{"cron":%q}`, cron(i)), "tmpl_report"
				n.State = agenda.State{}.Begin(beginning)
				n.State.Cursor, n.State.Next, n.State.NextNominal = next(i).Add(-24*time.Hour), next(i), next(i)
				if _, err := w.s.Schedules.Create(b.Context(), store.PutSchedule{Schedule: n, By: "ann"}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	w.watched = &watched{Schedules: w.s.Schedules}
	o := planner.Options{
		Store: w.watched, Watch: w.s.Events.Watch, By: "p", Clock: c, OwnClock: true,
		Compose: func(ctx context.Context, s agenda.Schedule) (job.Job, error) {
			j, err := compose(ctx, s)
			j.ID = id.New(id.Job, clock.System{}.Now()) // as in production, one after the other
			return j, err
		},
		Compile: func(ctx context.Context, s agenda.Schedule) (planner.Compiled, error) {
			w.compiles.Add(1)
			return compileCron(ctx, s)
		},
	}
	w.clock, _ = c.(*clocktest.Manual)
	w.p = planner.New(o)
	return w
}

// report writes the lag from due to durably queued, and the process's memory.
func (w *crowd) report(b *testing.B, from func(landing) time.Time) {
	lags := make([]time.Duration, 0, len(w.watched.queued))
	for _, l := range w.watched.queued {
		lags = append(lags, l.at.Sub(from(l)))
	}
	slices.Sort(lags)
	if n := len(lags); n > 0 {
		b.ReportMetric(float64(lags[n/2].Microseconds())/1000, "p50-lag-ms")
		b.ReportMetric(float64(lags[n*99/100].Microseconds())/1000, "p99-lag-ms")
	}
	memory(b)
}

func memory(b *testing.B) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "heap-MB")
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return // not Linux
	}
	for line := range bytes.Lines(status) {
		var kb float64
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %f kB", &kb); n == 1 {
			b.ReportMetric(kb/1e3, "peak-rss-MB")
		}
	}
}

// cpu is the processor time of the process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// noon is a nominal of the schedules that are all due at once.
var noon = time.Date(2026, 1, 2, 17, 0, 0, 0, time.UTC)

// BenchmarkIdle measures a look at many schedules of which none is due, with the
// question when to look again.
func BenchmarkIdle(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			w := gather(b, engine, clocktest.New(beginning), func(int) string { return "0 12 * * *" },
				func(i int) time.Time { return noon.Add(time.Duration(i) * time.Millisecond) })
			before := cpu(b)
			b.ResetTimer()
			for range b.N {
				if _, err := w.p.Tick(b.Context()); err != nil {
					b.Fatal(err)
				}
				if _, err := w.watched.NextDue(b.Context(), beginning); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-us/tick")
			b.ReportMetric(float64(w.watched.calls.Load())/float64(b.N), "calls/tick")
			memory(b)
		})
	}
}

// BenchmarkAllDue measures how long many schedules take that are due at the same
// moment: claim, decision, job in the queue. Use -benchtime 1x.
func BenchmarkAllDue(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				w := gather(b, engine, clocktest.New(noon), func(int) string { return "0 12 * * *" }, func(int) time.Time { return noon })
				runtime.GC()
				before, start := cpu(b), clock.System{}.Now()
				b.StartTimer()
				if err := w.p.Work(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				spent := clock.System{}.Now().Sub(start)
				b.ReportMetric(float64(w.size)/spent.Seconds(), "fires/s")
				b.ReportMetric(spent.Seconds(), "s/all")
				b.ReportMetric((cpu(b) - before).Seconds(), "cpu-s")
				w.report(b, func(landing) time.Time { return start })
				w.once(b)
			}
		})
	}
}

// once checks that every schedule has fired once.
func (w *crowd) once(b *testing.B) {
	b.Helper()
	if n := len(w.watched.queued); n != w.size {
		b.Errorf("%d decisions to fire, of %d schedules", n, w.size)
	}
	jobs := map[string]bool{}
	for p := (store.ListJobs{Tenant: tenant, States: []job.State{job.Queued}, Sort: store.SortQueue, Limit: 5000}); ; {
		page, err := w.s.Jobs.List(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		for _, j := range page.Jobs {
			if jobs[j.Name] {
				b.Errorf("schedule %s fired twice", j.Name)
			}
			jobs[j.Name] = true
			p.After = &store.JobMark{Rank: j.Rank, CreatedAt: j.CreatedAt, ID: j.ID}
		}
		if !page.More {
			break
		}
	}
	if len(jobs) != w.size {
		b.Errorf("%d jobs of %d schedules", len(jobs), w.size)
	}
}

// BenchmarkTrickle measures, in real time, how late the jobs of schedules come that
// are due one after the other while many others wait.
func BenchmarkTrickle(b *testing.B) {
	const due, length = 1000, 5 * time.Second
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				var start time.Time
				// The first of them are due while the planner runs, the rest tomorrow.
				tomorrow := clock.System{}.Now().Add(24 * time.Hour).Truncate(time.Minute)
				w := gather(b, engine, clock.System{}, func(int) string { return "* * * * * *" }, func(int) time.Time { return tomorrow })
				start = clock.System{}.Now().Truncate(time.Second).Add(2 * time.Second)
				page, err := w.s.Schedules.List(b.Context(), store.ListSchedules{Tenant: tenant, Limit: due})
				if err != nil {
					b.Fatal(err)
				}
				for i, n := range page.Schedules {
					at := start.Add(time.Duration(i) * length / due).Truncate(time.Second)
					n.State.Cursor, n.State.Next, n.State.NextNominal = at.Add(-time.Second), at, at
					if _, err := w.s.Schedules.Update(b.Context(), store.PutSchedule{Schedule: n}); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				ctx, stop := context.WithDeadline(b.Context(), start.Add(length+time.Second))
				err = w.p.Run(ctx)
				stop()
				b.StopTimer()
				if err != nil {
					b.Fatal(err)
				}
				w.report(b, func(l landing) time.Time { return l.due })
			}
		})
	}
}
