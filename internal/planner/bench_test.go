package planner_test

import (
	"bytes"
	"context"
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
	s       store.Store
	size    int
	clock   *clocktest.Manual
	p       *planner.Planner
	watched *watched
	fired   map[string]int // how often, by name
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

func cronText(expression string) []byte {
	return fmt.Appendf(nil, `{"trigger":{"type":"CRON","expression":%q}}`, expression)
}

// gather makes the schedules. next says what each waits for.
func gather(b *testing.B, engine string, c clock.Clock, cron func(i int) string, next func(i int) time.Time) *crowd {
	b.Helper()
	w := &crowd{s: engines()[engine](b), size: benchSize(b)}
	b.Cleanup(func() { _ = w.s.Health.Close() })
	template := putTemplate(b, w.s)
	var all sync.WaitGroup
	var at atomic.Int64
	for range 64 {
		all.Go(func() {
			for i := int(at.Add(1)) - 1; i < w.size; i = int(at.Add(1)) - 1 {
				n := agenda.Schedule{ID: id.New(id.Schedule, beginning.Add(time.Duration(i)*time.Millisecond)), Tenant: tenant, CreatedAt: beginning, UpdatedAt: beginning}
				n.Name, n.Zone, n.Policy, n.Description = fmt.Sprint("s", i), "America/New_York", agenda.NewPolicy(), "nightly report of one desk"
				n.Policy.Overlap = agenda.OverlapAllow // nothing runs, and a second day is as the first
				n.Trigger, n.Target.TemplateID = cronText(cron(i)), template
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
		Compose: realCompose(b, w.s), Compile: realCompile(w.s),
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
		b.ReportMetric(float64(lags[n-1].Microseconds())/1000, "max-lag-ms")
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

// BenchmarkAtRest measures many schedules of which none, or few, are due.
func BenchmarkAtRest(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			tomorrow := clock.System{}.Now().Add(24 * time.Hour).Truncate(time.Minute)
			w := gather(b, engine, clock.System{}, func(int) string { return "0 12 * * *" }, func(int) time.Time { return tomorrow })
			b.Run("idle", w.idle)
			from := "" // each run has schedules of its own
			b.Run("trickle", func(b *testing.B) {
				for range b.N {
					from = w.trickle(b, from)
				}
			})
		})
	}
}

// idle is a look at all of them, with the question when to look again.
func (w *crowd) idle(b *testing.B) {
	const looks = 200 // in one round
	before, calls := cpu(b), w.watched.calls.Load()
	for range looks * b.N {
		if more, err := w.p.Tick(b.Context()); err != nil || more {
			b.Fatal("something is due", err)
		}
		if _, err := w.watched.NextDue(b.Context(), clock.System{}.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/looks/float64(b.N), "cpu-us/look")
	b.ReportMetric(float64(w.watched.calls.Load()-calls)/looks/float64(b.N), "calls/look")
}

// trickle measures, in real time, how late the jobs of schedules come that are due
// while all others wait: 200 in each of five seconds, each once.
func (w *crowd) trickle(b *testing.B, from string) (last string) {
	const due, length, lead = 1000, 5, 10 * time.Second
	b.StopTimer()
	page, err := w.s.Schedules.List(b.Context(), store.ListSchedules{Tenant: tenant, AfterName: from, Limit: due})
	if err != nil || len(page.Schedules) != due {
		b.Fatal("too few schedules", err)
	}
	start := clock.System{}.Now().Truncate(time.Second).Add(lead)
	work := make(chan int)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := range work {
				n := page.Schedules[i]
				at := start.Add(time.Duration(i*length/due) * time.Second)
				n.Trigger = cronText(fmt.Sprintf("%d * * * * *", at.Second()))
				n.State.Cursor, n.State.Next, n.State.NextNominal = at.Add(-time.Second), at, at
				if _, err := w.s.Schedules.Update(b.Context(), store.PutSchedule{Schedule: n}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range due {
		work <- i
	}
	close(work)
	all.Wait()
	if (clock.System{}).Now().After(start) {
		b.Fatal("this machine is too slow for the lead")
	}
	w.watched.queued = nil
	b.StartTimer()
	ctx, stop := context.WithDeadline(b.Context(), start.Add((length+3)*time.Second))
	defer stop()
	if err := w.p.Run(ctx); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if n := len(w.watched.queued); n != due {
		b.Errorf("%d fired, of %d", n, due)
	}
	w.report(b, func(l landing) time.Time { return l.due })
	return page.Schedules[due-1].Name
}

// BenchmarkAllDue measures how long many schedules take that are due at the same
// moment: claim, decision, job in the queue. Use -benchtime 1x; each run is a day later.
func BenchmarkAllDue(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			w := gather(b, engine, clocktest.New(noon.Add(-24*time.Hour)), func(int) string { return "0 12 * * *" }, func(int) time.Time { return noon })
			w.fired = map[string]int{}
			b.Run("day", func(b *testing.B) {
				for range b.N {
					w.day(b)
				}
			})
		})
	}
}

func (w *crowd) day(b *testing.B) {
	b.StopTimer()
	w.clock.Advance(24 * time.Hour)
	w.watched.queued = nil
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
	memory(b)
	w.once(b)
}

// once checks that every schedule has fired once more than before.
func (w *crowd) once(b *testing.B) {
	b.Helper()
	if n := len(w.watched.queued); n != w.size {
		b.Errorf("%d decisions to fire, of %d schedules", n, w.size)
	}
	total := 0
	for i := range w.size {
		h, err := w.s.Schedules.History(b.Context(), store.ListHistory{Tenant: tenant, ID: fmt.Sprint("s", i), Limit: 100})
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprint("s", i)
		if w.fired[name]++; len(h.Entries) != w.fired[name] {
			b.Errorf("schedule %s has fired %d times, want %d", name, len(h.Entries), w.fired[name])
		}
		total += len(h.Entries)
	}
	counts, err := w.s.Jobs.Counts(b.Context(), tenant)
	if err != nil || counts[job.Queued] != total {
		b.Errorf("%d jobs of %d nominals, %v", counts[job.Queued], total, err)
	}
}
