package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/runsheet/runsheet/internal/bench/turn"
	"github.com/runsheet/runsheet/internal/clock"
)

// options are what the command is asked for.
type options struct {
	product string // folder of the product's module
	rounds  int
	runs    int // of ten steps, per turn
	only    *regexp.Regexp
	json    string // file for the figures; "" is none
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	only := flag.String("only", ".", "take the contestants whose `NAME / DATABASE` this pattern matches")
	flag.StringVar(&o.product, "product", "../..", "`folder` of the Runsheet to measure, the root of its module")
	flag.IntVar(&o.rounds, "rounds", 5, "`turns` of each contestant")
	flag.IntVar(&o.runs, "runs", 300, "`runs` of ten steps in each turn")
	flag.StringVar(&o.json, "json", "", "write all figures to this `file`")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = compare(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// compare gives every contestant its turns and writes the table to out, and what is
// going on to log.
func compare(ctx context.Context, o options, out, log io.Writer) error {
	tmp, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	ours, theirs := filepath.Join(tmp, "app.test"), filepath.Join(tmp, "peers.test")
	app := filepath.Join(o.product, "internal", "app")
	if err := turn.Build(ctx, app, ours); err != nil {
		return err
	}
	if err := turn.Build(ctx, ".", theirs); err != nil {
		return err
	}
	linked, err := versions(ctx, o.product)
	if err != nil {
		return err
	}
	r := report{At: clock.System{}.Now().UTC().Format(time.RFC3339), Machine: turn.Machine(), Runs: o.runs, Versions: linked}
	for round := range o.rounds {
		for _, at := range concurrency() {
			list := slices.DeleteFunc(contestants(), func(c contestant) bool { return !o.only.MatchString(c.Name + " / " + c.Database) })
			if round%2 == 1 {
				slices.Reverse(list) // who comes after whom differs
			}
			for _, c := range list {
				binary, dir := theirs, "."
				if c.product || c.ours {
					binary, dir = ours, app
				}
				f, err := take(ctx, binary, dir, c.pattern(at), max(at, o.runs/max(1, c.part)))
				if err != nil {
					return fmt.Errorf("%s / %s, %d at once: %w", c.Name, c.Database, at, err)
				}
				r.add(c, at, round, f)
				fmt.Fprintf(log, "round %d, %d at once, %s / %s: %.0f steps/s, %.0f us CPU a step\n", round+1, at, c.Name, c.Database, f.StepsPerSecond, f.CPUMicros)
			}
		}
		if o.json != "" { // after each round: a comparison that is stopped has its figures
			if err := turn.Save(o.json, &r); err != nil {
				return err
			}
		}
	}
	r.table(out)
	return nil
}
