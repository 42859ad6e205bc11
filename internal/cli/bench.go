package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/internal/bench/report"
)

// Bench is what `bench` asks for.
type Bench struct {
	DatabaseURL                  string
	Jobs, Clients, Workers, Runs int
	// GoalSizes: as many jobs in each scenario as its goals are about, whatever Jobs is.
	GoalSizes bool
	Scenarios []string // nil = all
	// Profiles is a folder for profiles, "" = none.
	Profiles string
	// Server is the command that runs a server in a process of its own.
	Server []string
	// Say tells what is measured now.
	Say func(string)
}

// benchScenarios are what --scenario takes, in the order in which they are measured.
var benchScenarios = []string{"start", "latency", "insert", "drain", "steps", "queued", "schedules", "events", "finished"}

// Bounds of the flags of bench.
const (
	maxBenchJobs    = 10_000_000
	maxBenchClients = 1024
	maxBenchRuns    = 1000
)

func (a *app) benchCommand() *cobra.Command {
	b := Bench{Jobs: 10_000, Clients: 32, Workers: 64, Runs: 5}
	names := "all"
	c := &cobra.Command{
		Use: "bench", Short: "Measure how fast this machine runs Runsheet", Args: noArgs,
		Long: `Bench starts throwaway servers, gives them work that does nothing, and prints medians
of several runs beside the goals of the project. Nothing that exists is touched:
SQLite is in a temporary folder; with --database-url each server gets a PostgreSQL
database that is made and dropped, so its user must be allowed to make databases.
A failed scenario is an error, never a figure. --scenario takes all or some of

  start      a server's start on an empty database, memory and processor when idle
  latency    from POST /api/jobs to the beginning of the job, at random gaps
  insert     POST /api/jobs on many connections, and many jobs in a transaction
  drain      waiting jobs that are run
  steps      steps of workflows at 1, 8 and 32 runs at a time
  queued     position, move and page while --jobs wait; start with that many
  schedules  --jobs schedules of which none is due, or all at one moment
  events     from the step of a run to 10 and to 1,000 viewers
  finished   memory and a start after --jobs finished jobs; it has one run

The limit of a figure is what this machine gives without Runsheet: its database with one
small table, driven by the cheapest statements, or its connections. "Of limit" says how
much of that is reached; 1 is all.

Use a machine that does nothing else. --goal-sizes takes as many jobs as a goal is about:
1,000,000 for queued and finished, 100,000 for schedules; with fewer it can be missed,
but not reached. All of it takes about an hour then. --profile writes Go profiles of the
processors' time, ENGINE-SCENARIO.pprof, of what was measured in the last run.`,
		Example: `  runsheet bench --scenario drain,insert
  runsheet bench --scenario queued --goal-sizes --runs 1
  runsheet bench --scenario drain --profile . && go tool pprof -http : sqlite-drain.pprof
  runsheet bench --json --database-url postgres://runsheet@127.0.0.1/postgres > bench.json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := b.choose(names); err != nil {
				return err
			}
			if b.GoalSizes && c.Flags().Changed("jobs") {
				return usagef("--goal-sizes and --jobs exclude each other")
			}
			if b.DatabaseURL == "" {
				// Never that of a server, which may be set for it: bench asks for its own.
				b.DatabaseURL, _ = a.Env("RUNSHEET_BENCH_DATABASE_URL")
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			b.Server = []string{self, "serve"}
			b.Say = func(string) {}
			if !a.quiet && a.errTTY {
				b.Say = func(text string) { fmt.Fprintf(a.err, "\r\x1b[K%s", text) } // talk
				defer fmt.Fprint(a.err, "\r\x1b[K")
			}
			r, err := a.Bench(c.Context(), b)
			if err != nil {
				return err
			}
			return a.printBench(r)
		},
	}
	f := c.Flags()
	f.StringVar(&b.DatabaseURL, "database-url", "", "PostgreSQL `URL` of a server for throwaway databases (RUNSHEET_BENCH_DATABASE_URL); without it SQLite")
	f.IntVar(&b.Jobs, "jobs", b.Jobs, "`number` of jobs, or schedules, of a run")
	f.IntVar(&b.Clients, "clients", b.Clients, "`number` of connections that add jobs")
	f.IntVar(&b.Workers, "workers", b.Workers, "worker `count` of the servers that run jobs")
	f.IntVar(&b.Runs, "runs", b.Runs, "`number` of runs of each scenario")
	f.BoolVar(&b.GoalSizes, "goal-sizes", false, "in each scenario as many jobs as its goals are about")
	f.StringVar(&b.Profiles, "profile", "", "`folder` that exists, for profiles of each scenario but start")
	f.StringVar(&names, "scenario", names, "`names` of scenarios, comma-separated, or all")
	return c
}

// choose reads the names of scenarios, and checks the numbers.
func (b *Bench) choose(names string) error {
	for _, x := range []struct {
		flag           string
		value, highest int
	}{{"jobs", b.Jobs, maxBenchJobs}, {"clients", b.Clients, maxBenchClients}, {"workers", b.Workers, maxBenchClients}, {"runs", b.Runs, maxBenchRuns}} {
		if x.value < 1 || x.value > x.highest {
			return usagef("--%s must be from 1 to %d", x.flag, x.highest)
		}
	}
	if b.DatabaseURL != "" && !isURL(b.DatabaseURL) {
		return usagef("--database-url must be a postgres:// URL")
	}
	if names == "all" {
		return nil
	}
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(benchScenarios, name) {
			u := usagef("there is no scenario %q", name)
			u.hint = "choose among all, " + strings.Join(benchScenarios, ", ")
			return u
		}
		b.Scenarios = append(b.Scenarios, name)
	}
	return nil
}

// printBench prints one document, or a table.
func (a *app) printBench(r report.Report) error {
	if a.json != nil {
		return a.printFields(r)
	}
	if _, err := fmt.Fprintln(a.out, clean(r.Head())+"\n"); err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(report.Columns, "\t")) // Flush returns it
	for _, m := range r.Measures {
		fmt.Fprintln(w, strings.Join(m.Row(), "\t"))
	}
	return w.Flush()
}
