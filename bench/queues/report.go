package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	found "github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/bench/turn"
)

// report is everything that was measured.
type report struct {
	At       string            `json:"at"`
	Machine  string            `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Jobs     int               `json:"jobs"`
	Arrivals int               `json:"arrivals"`
	Rows     []*row            `json:"rows"`
}

// row is one contestant; turn i has the figures of round i, of all measures.
type row struct {
	contestant
	Turns []figures `json:"turns"`
}

// add keeps the figures of a turn. Rounds come in their order.
func (r *report) add(c contestant, round int, f figures) {
	i := slices.IndexFunc(r.Rows, func(w *row) bool { return w.contestant == c })
	if i < 0 {
		i = len(r.Rows)
		r.Rows = append(r.Rows, &row{contestant: c})
	}
	for len(r.Rows[i].Turns) <= round {
		r.Rows[i].Turns = append(r.Rows[i].Turns, figures{})
	}
	maps.Copy(r.Rows[i].Turns[round], f)
}

// heads are what stands above the table of each figure.
var heads = map[string]string{
	found.Insert:   "Jobs added one at a time by 32 clients, jobs/s",
	found.Bulk:     "Jobs added 1,000 in a transaction by one client, jobs/s",
	found.Drain:    "Waiting jobs run by 64 workers until the last end is durable, jobs/s",
	found.StartP50: "From adding a job to its beginning on an idle queue, p50, ms",
	found.StartP95: "The same, p95, ms",
}

// markdown is a table of medians for each figure. The last column is the median of the
// ratios to Runsheet's figure of the same round: above 1 Runsheet is the better one.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s; %d rounds of %d jobs, %d for the beginnings. Medians (range).\n", r.At[:len("2006-01-02")], r.Machine, r.Rounds, r.Jobs, r.Arrivals)
	for _, name := range names() {
		var lines []string
		for _, c := range contestants() {
			i := slices.IndexFunc(r.Rows, func(w *row) bool { return w.contestant == c })
			if i < 0 {
				continue
			}
			if list := r.Rows[i].values(name); len(list) > 0 {
				lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |\n", c.Database, c.Name, turn.Spread(verb(name), list), r.better(r.Rows[i], name)))
			}
		}
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s:\n\n| database | queue | figure | Runsheet is better by |\n|---|---|---|---|\n%s", heads[name], strings.Join(lines, ""))
		}
	}
	b.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "- %s %s\n", name, r.Versions[name])
	}
	return b.String()
}

// delay reports whether less of a figure is better.
func delay(name string) bool { return name == found.StartP50 || name == found.StartP95 }

func verb(name string) string {
	if delay(name) {
		return "%.2f"
	}
	return "%.0f"
}

// values are those of a figure, of the rounds that have it.
func (w *row) values(name string) []float64 {
	var list []float64
	for _, f := range w.Turns {
		if x, ok := f[name]; ok {
			list = append(list, x)
		}
	}
	return list
}

// better is how many times better Runsheet was, round by round.
func (r *report) better(w *row, name string) string {
	if w.product {
		return "1"
	}
	var list []float64
	for _, our := range r.Rows {
		if !our.product || our.beside != w.beside {
			continue
		}
		for i := range min(len(our.Turns), len(w.Turns)) {
			a, ours := our.Turns[i][name]
			b, theirs := w.Turns[i][name]
			if !ours || !theirs {
				continue
			}
			if delay(name) {
				a, b = b, a
			}
			list = append(list, a/b)
		}
	}
	if len(list) == 0 {
		return "-"
	}
	return turn.Spread("%.2f", list)
}
