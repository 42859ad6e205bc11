package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/bench/turn"
)

// report is everything that was measured.
type report struct {
	At       string            `json:"at"`
	Machine  string            `json:"machine"`
	Versions map[string]string `json:"versions"`
	Runs     int               `json:"runs_per_turn"`
	Rows     []*row            `json:"rows"`
}

// row is one contestant at one concurrency; turn i is that of round i.
type row struct {
	contestant
	Concurrent int       `json:"concurrent"`
	Turns      []figures `json:"turns"`
}

// add keeps the figures of a turn. Rounds come in their order.
func (r *report) add(c contestant, at, round int, f figures) {
	for _, have := range r.Rows {
		if have.contestant == c && have.Concurrent == at && len(have.Turns) == round {
			have.Turns = append(have.Turns, f)
			return
		}
	}
	r.Rows = append(r.Rows, &row{c, at, []figures{f}})
}

// table writes the medians as Markdown. The last column is the median of the ratios of
// Runsheet's rate to that of the row, round by round.
func (r *report) table(out io.Writer) {
	fmt.Fprintf(out, "%s, %s; %d runs of ten steps a turn. Medians (range).\n\n", r.At[:len("2006-01-02")], r.Machine, r.Runs)
	fmt.Fprintln(out, "| database | engine | at once | steps/s | CPU us/step | Runsheet is faster by |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	ordered := slices.Clone(r.Rows)
	slices.SortStableFunc(ordered, func(a, b *row) int {
		if n := strings.Compare(b.engine, a.engine); n != 0 {
			return n // SQLite first
		}
		return a.Concurrent - b.Concurrent
	})
	for _, w := range ordered {
		ratio := "1"
		if !w.product {
			ratio = "-"
			if rs := r.ratios(w); len(rs) > 0 {
				ratio = turn.Spread("%.2f", rs)
			}
		}
		fmt.Fprintf(out, "| %s | %s | %d | %s | %s | %s |\n", w.Database, w.Name, w.Concurrent,
			spread(w.Turns, func(f figures) float64 { return f.StepsPerSecond }), spread(w.Turns, func(f figures) float64 { return f.CPUMicros }), ratio)
	}
	fmt.Fprintln(out)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(out, "- %s %s\n", name, r.Versions[name])
	}
}

// ratios are how often faster Runsheet was in each round.
func (r *report) ratios(w *row) []float64 {
	var list []float64
	for _, our := range r.Rows {
		if !our.product || our.engine != w.engine || our.Concurrent != w.Concurrent {
			continue
		}
		for i := range min(len(our.Turns), len(w.Turns)) {
			list = append(list, our.Turns[i].StepsPerSecond/w.Turns[i].StepsPerSecond)
		}
	}
	return list
}

func spread(turns []figures, of func(figures) float64) string {
	var list []float64
	for _, f := range turns {
		list = append(list, of(f))
	}
	return turn.Spread("%.0f", list)
}

// versions are those of what decides the figures.
func versions(ctx context.Context, product string) (map[string]string, error) {
	list, err := turn.Versions(ctx, ".", "github.com/dbos-inc/dbos-transact-golang", "github.com/cschleiden/go-workflows")
	if err != nil {
		return nil, err
	}
	for of, dir := range map[string]string{"Runsheet": product, "the others": "."} {
		shared, err := turn.Versions(ctx, dir, "modernc.org/sqlite", "github.com/jackc/pgx/v5")
		if err != nil {
			return nil, err
		}
		for path, version := range shared {
			list[path+" of "+of] = version
		}
	}
	return list, nil
}
