// Package bench measures the product with itself: it starts throwaway servers in this
// process, gives them work that does nothing, through the real paths, and reports how
// fast they were. Nothing that exists is touched: SQLite is in a temporary folder, and
// on PostgreSQL each server gets a database that is made and dropped.
//
//	r, err := bench.Run(ctx, bench.Options{Jobs: 10_000, Clients: 32, Workers: 64, Runs: 5})
//
// Every scenario checks that its work was done right: each job ran once, each
// acknowledged job is in the store. A scenario that fails ends the measurement with an
// error; there is no figure for work that was not done. Only the command line calls
// this package.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store/postgres"
)

// Options are what Run measures, and how.
type Options struct {
	// DatabaseURL leads to a PostgreSQL server on which databases may be made; "" =
	// SQLite.
	DatabaseURL string
	// Jobs is the size of the scenarios; Clients are connections, Workers the worker
	// count, Runs how often each is repeated. All at least 1.
	Jobs, Clients, Workers, Runs int
	// GoalSizes: each scenario has the size that its goals are about, whatever Jobs is.
	GoalSizes bool
	// Scenarios are some of Scenarios(), measured in that order; nil = all.
	Scenarios []string
	// Server is the command that runs a server, for what only a process of its own can
	// tell: how soon it is there, and what it takes when it is idle.
	Server []string
	// Profiles is a folder for profiles of this process, of what was measured in the last
	// run: ENGINE-SCENARIO.pprof; "" = none are made.
	Profiles string
	// Viewers are how many watch a run of a workflow; nil = 10 and 1000.
	Viewers []int
	// Idle is for how long an idle server is watched, after its start has settled;
	// 0 = 10 s and 32 s: until half a minute after its start a server gives memory back.
	Idle, Settle time.Duration
	Version      string
	// Say tells what is measured now; nil = nobody is told.
	Say func(string)
}

// scenario is one kind of work.
type scenario struct {
	name string
	run  func(*bench, context.Context) error
	// goal is how many jobs or schedules its goals are about; 0 = any number.
	goal int
}

// scenarios are in the order in which they are measured: what an idle machine is
// needed for first.
func scenarios() []scenario {
	return []scenario{
		{"start", (*bench).start, 0},
		{"latency", (*bench).latency, 0},
		{"insert", (*bench).insert, 0},
		{"drain", (*bench).drain, 0},
		{"steps", (*bench).steps, 0},
		{"queued", (*bench).queued, report.Million},
		{"schedules", (*bench).schedules, report.HundredThousand},
		{"events", (*bench).events, 0},
		{"finished", (*bench).finished, report.Million},
	}
}

// Scenarios are the names that Options.Scenarios takes.
func Scenarios() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// bench is one measurement.
type bench struct {
	Options
	dir    string              // temporary, removed at the end
	admin  *postgres.Throwaway // nil = SQLite
	now    string              // scenario that is measured
	turn   int                 // its run, from 0
	report report.Report
	// found are the measures so far, in the order in which they were first met.
	found []*report.Measure
	// bounds are the limits of figures, by their names.
	bounds map[string]*report.Limit
}

// Run measures until all is done, something fails, or ctx ends. What it made is removed
// in each case.
func Run(ctx context.Context, o Options) (r report.Report, err error) {
	b, err := prepare(ctx, o)
	if err != nil {
		return report.Report{}, err
	}
	defer func() { err = errors.Join(err, b.cleanUp(context.WithoutCancel(ctx))) }()
	began := clock.System{}.Now()
	for _, s := range scenarios() {
		if b.Jobs = o.Jobs; o.GoalSizes && s.goal > 0 {
			b.Jobs = s.goal
		}
		if len(o.Scenarios) > 0 && !slices.Contains(o.Scenarios, s.name) {
			continue
		}
		b.now = s.name
		if err := s.run(b, ctx); err != nil {
			if ctx.Err() != nil {
				return report.Report{}, context.Cause(ctx)
			}
			return report.Report{}, fmt.Errorf("scenario %s: %w", s.name, err)
		}
	}
	b.report.TookMs = clock.System{}.Now().Sub(began).Milliseconds()
	for _, m := range b.found {
		m.Limit = b.bounds[m.Name]
		b.report.Measures = append(b.report.Measures, report.New(b.report.Engine, *m))
	}
	return b.report, nil
}

func prepare(ctx context.Context, o Options) (*bench, error) {
	if o.Jobs < 1 || o.Clients < 1 || o.Workers < 1 || o.Runs < 1 {
		return nil, errors.New("jobs, clients, workers and runs must be 1 or more")
	}
	for _, name := range o.Scenarios {
		if !slices.Contains(Scenarios(), name) {
			return nil, fmt.Errorf("no scenario %q; known: %s", name, strings.Join(Scenarios(), ", "))
		}
	}
	if o.Viewers == nil {
		o.Viewers = []int{10, 1000}
	}
	if o.Idle == 0 {
		o.Idle, o.Settle = 10*time.Second, 32*time.Second
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	b := &bench{Options: o, bounds: map[string]*report.Limit{}}
	b.report = report.Report{
		Schema: report.Schema, StartedAt: clock.System{}.Now().UTC().Truncate(time.Second), Engine: report.SQLite,
		Versions: report.Versions{Runsheet: o.Version, Go: runtime.Version()}, Machine: machine(), LoadBefore: load(),
		Sizes: report.Sizes{Jobs: o.Jobs, Clients: o.Clients, Workers: o.Workers, Runs: o.Runs},
	}
	if o.DatabaseURL != "" {
		b.report.Engine = report.PostgreSQL
		var err error
		if b.admin, err = postgres.NewThrowaway(ctx, o.DatabaseURL); err != nil {
			return nil, err
		}
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "runsheet-bench-"); err != nil {
		return nil, errors.Join(fmt.Errorf("make temporary folder: %w", err), b.cleanUp(context.WithoutCancel(ctx)))
	}
	return b, nil
}

func (b *bench) cleanUp(ctx context.Context) error {
	var err error
	if b.admin != nil {
		err = b.admin.Close(ctx)
	}
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

// each does f as often as is measured.
func (b *bench) each(ctx context.Context, f func() error) error {
	for i := range b.Runs {
		b.turn = i
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Say(fmt.Sprintf("%s, run %d of %d", b.now, i+1, b.Runs))
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// note adds what a run found. size is how many jobs, schedules or viewers it is about.
func (b *bench) note(name, path string, size int, value float64) {
	i := slices.IndexFunc(b.found, func(m *report.Measure) bool { return m.Name == name })
	if i < 0 {
		i = len(b.found)
		b.found = append(b.found, &report.Measure{Name: name, Scenario: b.now, Path: path, Size: size})
	}
	b.found[i].Values = append(b.found[i].Values, value)
}

// delays notes three percentiles of delays, in milliseconds.
func (b *bench) delays(names [3]string, path string, size int, all []time.Duration) {
	slices.Sort(all)
	for i, p := range percentiles {
		b.note(names[i], path, size, ms(report.Percentile(all, p)))
	}
}

func ms(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// patience is how long something may take before a run is given up.
const patience = 10 * time.Minute

// until waits until what is true, looking every so often.
func until(ctx context.Context, what string, every time.Duration, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s: not after %v", what, patience))
	defer cancel()
	for {
		done, err := ok()
		if err != nil || done {
			return err
		}
		if clock.Sleep(ctx, clock.System{}, every) != nil {
			return context.Cause(ctx)
		}
	}
}
