package bench_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/bench"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestMain is also the server that the scenario "start" starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg, err := config.Load(config.Sources{Env: os.LookupEnv})
	if err != nil {
		return err
	}
	a := app.New(app.Options{Config: cfg, Announce: os.Stdout})
	if err := a.Start(ctx); err != nil {
		return err
	}
	return errors.Join(a.Wait(ctx), a.Stop())
}

func small(t *testing.T, scenarios ...string) bench.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return bench.Options{
		Jobs: 40, Clients: 3, Workers: 4, Runs: 2, Scenarios: scenarios, Server: []string{self, "serve"}, Viewers: []int{2, 6},
		Idle: 200 * time.Millisecond, Settle: time.Millisecond, Version: "test",
	}
}

// measures are the figures that each scenario promises, and the size that each is about.
var measures = map[string]map[string]int{
	"start":   {"cold_start_ms": 1, "idle_cpu_percent": 1, "idle_rss_bytes": 1},
	"latency": {"start_p50_ms": 40, "start_p95_ms": 40, "start_p99_ms": 40},
	"insert":  {"insert_jobs_per_s": 40, "insert_p50_ms": 40, "insert_p95_ms": 40, "insert_p99_ms": 40, "bulk_jobs_per_s": 40},
	"drain":   {"drain_jobs_per_s": 40},
	"steps": {
		"steps_1_per_s": 20, "steps_apart_1_per_s": 20, "steps_8_per_s": 80, "steps_apart_8_per_s": 80, "steps_32_per_s": 320, "steps_apart_32_per_s": 320,
	},
	"queued":    {"queued_position_us": 40, "queued_move_ms": 40, "queued_page_ms": 40, "queued_ready_ms": 40},
	"schedules": {"schedules_due_ms": 40, "schedules_due_per_s": 40, "schedules_tick_us": 40},
	"finished":  {"finished_memory_growth_times": 40, "finished_ready_ms": 40},
	"events":    {"viewers_2_p50_ms": 2, "viewers_2_p95_ms": 2, "viewers_2_p99_ms": 2, "viewers_6_p50_ms": 6, "viewers_6_p95_ms": 6, "viewers_6_p99_ms": 6},
}

// unlimited are the figures to which a database without the product has nothing to say.
var unlimited = regexp.MustCompile(`^idle_|^finished_|_growth_|^queued_position|^queued_index|^schedules_tick`)

// TestScenarios measures each on SQLite, at a tiny size: what is measured, never how
// fast it was.
func TestScenarios(t *testing.T) {
	t.Parallel()
	if got, want := slices.Sorted(slices.Values(bench.Scenarios())), slices.Sorted(maps.Keys(measures)); !slices.Equal(got, want) {
		t.Fatalf("scenarios %q, tested %q", got, want)
	}
	for _, name := range bench.Scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := bench.Run(t.Context(), small(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if r.Engine != report.SQLite {
				t.Errorf("engine %q", r.Engine)
			}
			if name != "start" && (r.Durability != "synchronous=FULL" || !strings.HasPrefix(r.Versions.Database, "sqlite 3.")) {
				t.Errorf("durability %q, database %q", r.Durability, r.Versions.Database)
			}
			check(t, r, measures[name])
		})
	}
}

// check looks at what a measurement with two runs found.
func check(t *testing.T, r report.Report, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, m := range r.Measures {
		got[m.Name] = m.Size
		runs := 2
		if m.Scenario == "finished" {
			runs = 1
		}
		if len(m.Values) != runs || m.Path == "" || m.Scenario == "" {
			t.Errorf("%s: %d values, path %q, scenario %q", m.Name, len(m.Values), m.Path, m.Scenario)
		}
		if limited := !unlimited.MatchString(m.Name); limited != (m.Limit != nil) {
			t.Errorf("%s: limit %v", m.Name, m.Limit)
		} else if limited && (len(m.Limit.Values) != runs || m.Limit.Path == "" || m.Limit.Median <= 0 || m.Limit.Share <= 0) {
			t.Errorf("%s: limit %+v", m.Name, *m.Limit)
		}
		if m.Min <= 0 || m.Min > m.Median || m.Median > m.Max {
			t.Errorf("%s: %v, %v, %v", m.Name, m.Min, m.Median, m.Max)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("measures:\n%s", diff)
	}
	for _, p := range [][3]string{{"start_p50_ms", "start_p95_ms", "start_p99_ms"}, {"insert_p50_ms", "insert_p95_ms", "insert_p99_ms"}} {
		if a, b, c := median(r, p[0]), median(r, p[1]), median(r, p[2]); a > b || b > c {
			t.Errorf("%s: %v, %v, %v do not grow", p[0], a, b, c)
		}
	}
}

func median(r report.Report, name string) float64 {
	for _, m := range r.Measures {
		if m.Name == name {
			return m.Median
		}
	}
	return 0
}

// TestPostgres measures on a PostgreSQL server, and leaves nothing there.
func TestPostgres(t *testing.T) {
	t.Parallel()
	o := small(t, "latency", "insert", "drain", "queued", "events")
	o.DatabaseURL, o.Jobs = testsvc.DurablePostgres(t), 20
	before := databases(t, o.DatabaseURL)
	r, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Engine != report.PostgreSQL || r.Durability != "fsync=on synchronous_commit=on" || !strings.HasPrefix(r.Versions.Database, "postgresql ") {
		t.Errorf("%q, %q, %q", r.Engine, r.Durability, r.Versions.Database)
	}
	want := map[string]int{}
	for _, name := range o.Scenarios {
		for m, n := range measures[name] {
			if want[m] = n; n == 40 {
				want[m] = o.Jobs
			}
		}
	}
	check(t, r, want)
	if after := databases(t, o.DatabaseURL); !slices.Equal(before, after) {
		t.Errorf("databases before %q, after %q", before, after)
	}
}

// databases are those of the measurement, and the tables of the database that was
// given.
func databases(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `SELECT datname FROM pg_database WHERE datname LIKE 'runsheet_bench_%' UNION ALL
		SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestRefusesADatabaseThatIsNotItsOwn: who may not make databases gets no measurement,
// and the database that the URL names stays empty.
func TestRefusesADatabaseThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	url := testsvc.DurablePostgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), `CREATE ROLE poor LOGIN`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := conn.Exec(t.Context(), `DROP ROLE poor`); err != nil { // all tests share the server
			t.Error(err)
		}
	}()
	o := small(t, "drain")
	o.DatabaseURL = strings.Replace(url, "runsheet@", "poor@", 1)
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "may not make databases") {
		t.Errorf("err = %v", err)
	}
	if names := databases(t, url); len(names) > 0 {
		t.Errorf("there is %q now", names)
	}
	o.DatabaseURL = "host=/tmp user=runsheet"
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "postgres:// URL") {
		t.Errorf("err = %v", err)
	}
}

// TestProfiles: what was measured in the last run is profiled, once.
func TestProfiles(t *testing.T) { //nolint:paralleltest // one profile of a process at a time
	o := small(t, "drain", "steps")
	o.Profiles = t.TempDir()
	if _, err := bench.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(o.Profiles + "/*")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, filepath.Base(f))
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := profile.ParseData(b); err != nil || p.SampleType[1].Type != "cpu" {
			t.Errorf("%s: %v", f, err)
		}
	}
	want := []string{"sqlite-drain.pprof"}
	for _, kind := range []string{"steps_%d", "steps_apart_%d"} {
		for _, at := range []int{1, 8, 32} {
			want = append(want, fmt.Sprintf("sqlite-"+kind+".pprof", at))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	o.Profiles += "/missing"
	if _, err := bench.Run(t.Context(), o); err == nil {
		t.Error("there is a measurement without the profiles that were wanted")
	}
}

// TestGoalSizes: each scenario has the size that its goals are about.
func TestGoalSizes(t *testing.T) {
	t.Parallel()
	o := small(t, "drain")
	o.GoalSizes = true // which drain has none of
	r, err := bench.Run(t.Context(), o)
	if err != nil || r.Measures[0].Size != 40 || r.Sizes.Jobs != 40 {
		t.Errorf("%+v, %v", r, err)
	}
	o.Scenarios = []string{"schedules"}
	ctx, cancel := context.WithCancel(t.Context())
	said := ""
	o.Say = func(text string) {
		said = text
		cancel()
	}
	if _, err := bench.Run(ctx, o); err == nil || said != "schedules: adding 100000" {
		t.Errorf("said %q, %v", said, err)
	}
}

// TestInterrupted: what was made is removed, and there is no report.
func TestInterrupted(t *testing.T) { //nolint:paralleltest // it changes TMPDIR
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	o := small(t, "latency")
	o.Jobs, o.Runs = 1000, 100
	o.Say = func(text string) {
		if text == "latency, run 2 of 100" {
			cancel()
		}
	}
	r, err := bench.Run(ctx, o)
	if !errors.Is(err, context.Canceled) || len(r.Measures) > 0 {
		t.Errorf("%d measures, %v", len(r.Measures), err)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("%v stays, %v", left, err)
	}
}

// TestFailedScenario: a scenario that cannot be measured is an error, and no figure.
func TestFailedScenario(t *testing.T) {
	t.Parallel()
	o := small(t, "start")
	o.Server = []string{os.Args[0], "-test.run=^$"} // it ends without having listened
	r, err := bench.Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "scenario start: the server does not start") || len(r.Measures) > 0 {
		t.Errorf("%d measures, %v", len(r.Measures), err)
	}
	for _, wrong := range []func(*bench.Options){
		func(o *bench.Options) { o.Jobs = 0 },
		func(o *bench.Options) { o.Runs = 0 },
		func(o *bench.Options) { o.Scenarios = []string{"everything"} },
	} {
		o := small(t, "drain")
		wrong(&o)
		if _, err := bench.Run(t.Context(), o); err == nil {
			t.Errorf("%+v is measured", o)
		}
	}
}
