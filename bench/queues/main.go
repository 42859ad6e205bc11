package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/runsheet/runsheet/internal/bench/turn"
	"github.com/runsheet/runsheet/internal/clock"
)

// options are what the command is asked for.
type options struct {
	rounds   int
	jobs     int // added and run in each turn
	arrivals int // waited for in each turn
	only     *regexp.Regexp
	json     string // file for the figures; "" is none
	write    string // document that gets the tables; "" is none
}

// root is the folder of the product's module.
const root = "../.."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	only := flag.String("only", ".", "take the contestants whose `NAME / DATABASE` this pattern matches")
	flag.IntVar(&o.rounds, "rounds", 5, "`turns` of each contestant at each scenario")
	flag.IntVar(&o.jobs, "jobs", 10_000, "`jobs` that are added, or run, in a turn")
	flag.IntVar(&o.arrivals, "arrivals", 300, "`jobs` that are waited for in a turn")
	flag.StringVar(&o.json, "json", "", "write all figures to this `file`")
	flag.StringVar(&o.write, "write", "", "write the tables between the marks of this `document`")
	flag.Parse()
	var err error
	switch o.only, err = regexp.Compile(*only); {
	case err != nil:
	case o.rounds < 1 || o.jobs < 1 || o.arrivals < 1:
		err = errors.New("rounds, jobs and arrivals must be 1 or more")
	default:
		err = compare(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "queues:", err)
		os.Exit(1)
	}
}

// compare gives every contestant its turns and writes the tables to out, and what is
// going on to log.
func compare(ctx context.Context, o options, out, log io.Writer) error {
	tmp, err := os.MkdirTemp("", "queues")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	t := tools{runsheet: filepath.Join(tmp, "runsheet"), postgres: filepath.Join(tmp, "pg"), libraries: filepath.Join(tmp, "queues.test")}
	if err := t.build(ctx); err != nil {
		return err
	}
	linked, err := versions(ctx)
	if err != nil {
		return err
	}
	r := report{
		At: clock.System{}.Now().UTC().Format(time.RFC3339), Machine: turn.Machine(), Rounds: o.rounds, Jobs: o.jobs, Arrivals: o.arrivals,
		Versions: linked,
	}
	for round := range o.rounds {
		for _, s := range scenarios() {
			list := slices.DeleteFunc(contestants(), func(c contestant) bool { return !c.takes(s) || !o.only.MatchString(c.Name+" / "+c.Database) })
			if round%2 == 1 {
				slices.Reverse(list) // who comes after whom differs
			}
			n := o.jobs
			if s.name == latency {
				n = o.arrivals
			}
			for _, c := range list {
				f, err := t.take(ctx, c, s, n)
				if err != nil {
					return fmt.Errorf("%s / %s, %s: %w", c.Name, c.Database, s.name, err)
				}
				r.add(c, round, f)
				fmt.Fprintf(log, "round %d, %s / %s:%s\n", round+1, c.Name, c.Database, f)
			}
		}
		if o.json != "" { // after each round: a comparison that is stopped has its figures
			if err := turn.Save(o.json, &r); err != nil {
				return err
			}
		}
	}
	text := r.markdown()
	if _, err := io.WriteString(out, text); err != nil || o.write == "" {
		return err
	}
	return insert(o.write, text)
}

// build makes what takes turns.
func (t tools) build(ctx context.Context) error {
	for to, path := range map[string]string{t.runsheet: "./cmd/runsheet", t.postgres: "./internal/testsvc/pg"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", to, path)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", path, err, text)
		}
	}
	return turn.Build(ctx, ".", t.libraries)
}

// Marks of the tables in a document.
const (
	begin = "<!-- queues:begin -->\n"
	end   = "<!-- queues:end -->\n"
)

// insert puts text between the marks of a document.
func insert(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(old), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no marks of queues", file)
	}
	return os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644) // a document that everybody reads
}
