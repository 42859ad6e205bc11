// Package report is what a measurement of `runsheet bench` found: the figures of each
// run, their medians, what they were measured on, and how they stand to the goals. It
// measures nothing.
//
// Report is one JSON document with stable names. The name of a figure ends with its
// unit: _ms, _us, _per_s, _bytes, _percent, or _times for a ratio of two of ours.
package report

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// Schema is the version of the document. It grows when a field changes its meaning.
const Schema = 1

// Report is one measurement.
type Report struct {
	Schema    int       `json:"schema"`
	StartedAt time.Time `json:"started_at"`
	TookMs    int64     `json:"took_ms"`
	Versions  Versions  `json:"versions"`
	// Engine is sqlite or postgresql.
	Engine string `json:"engine"`
	// Durability is what the database said that a commit waits for.
	Durability string  `json:"durability"`
	Machine    Machine `json:"machine"`
	// LoadBefore is the load of the last 1, 5 and 15 minutes before the first run;
	// empty where the system does not tell.
	LoadBefore []float64 `json:"load_before"`
	Sizes      Sizes     `json:"sizes"`
	Measures   []Measure `json:"measures"`
}

// Versions are those of what was measured.
type Versions struct {
	Runsheet string `json:"runsheet"`
	Go       string `json:"go"`
	Database string `json:"database"`
}

// Machine is where it was measured.
type Machine struct {
	Cores       int    `json:"cores"`
	CPU         string `json:"cpu"`
	MemoryBytes int64  `json:"memory_bytes"`
	OS          string `json:"os"`
}

// Sizes are what the measurement was asked for.
type Sizes struct {
	Jobs    int `json:"jobs"`
	Clients int `json:"clients"`
	Workers int `json:"workers"`
	Runs    int `json:"runs"`
}

// Measure is one figure.
type Measure struct {
	Name     string `json:"name"`
	Scenario string `json:"scenario"`
	// Path is what the work went through.
	Path string `json:"path"`
	// Size is how many jobs, schedules or viewers the figure is about.
	Size int `json:"size"`
	// Values are those of the runs, in their order, in the unit of the name.
	Values []float64 `json:"values"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	// Goal is nil for a figure without one.
	Goal *Goal `json:"goal"`
	// Ratio says how many times the median is as good as the goal: from 1 on it is
	// reached. nil without a goal.
	Ratio   *float64 `json:"ratio"`
	Verdict Verdict  `json:"verdict"`
	// Limit is nil where nothing was found that a machine without the product could give.
	Limit *Limit `json:"limit"`
}

// Limit is the same figure of the machine without the product: of its database with one
// small table, or of its connections.
type Limit struct {
	// Path is what was done.
	Path string `json:"path"`
	// Values are those of the runs, Median theirs, in the unit of the figure.
	Values []float64 `json:"values"`
	Median float64   `json:"median"`
	// Share says how much of the limit the figure reaches: 1 is all of it, 0.25 a quarter
	// of the rate, or four times the time.
	Share float64 `json:"share"`
}

// Verdict is how a figure stands to its goal.
type Verdict string

// The verdicts. Smaller: the goal is about more than was measured, so that it says
// nothing that it would be met.
const (
	Reached Verdict = "reached"
	Missed  Verdict = "missed"
	Smaller Verdict = "smaller"
	NoGoal  Verdict = "no goal"
)

// New returns the measure of some runs' values, of which there is at least one, with
// the goal that the engine has for it.
func New(engine string, m Measure) Measure {
	sorted := slices.Sorted(slices.Values(m.Values))
	m.Median, m.Min, m.Max = median(sorted), sorted[0], sorted[len(sorted)-1]
	m.Limit = m.Limit.of(m)
	m.Goal, m.Verdict = goalOf(engine, m.Name), NoGoal
	if m.Goal == nil {
		return m
	}
	ratio := m.Median / m.Goal.Value
	if m.Goal.AtMost {
		ratio = m.Goal.Value / m.Median
	}
	if !math.IsInf(ratio, 0) && !math.IsNaN(ratio) {
		m.Ratio = &ratio
	}
	switch {
	case m.Goal.AtMost && m.Median > m.Goal.Value, !m.Goal.AtMost && m.Median < m.Goal.Value:
		m.Verdict = Missed
	case m.Size < m.Goal.Size:
		m.Verdict = Smaller
	default:
		m.Verdict = Reached
	}
	return m
}

// of is the limit with what follows from its values, which are above 0.
func (l *Limit) of(m Measure) *Limit {
	if l == nil {
		return nil
	}
	out := *l
	out.Median = median(slices.Sorted(slices.Values(l.Values)))
	out.Share = out.Median / m.Median
	if strings.HasSuffix(m.Name, "_per_s") {
		out.Share = m.Median / out.Median
	}
	return &out
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Percentile returns the smallest value that at least p percent of the sorted values
// do not exceed; p is above 0 and at most 100, and there is at least one value.
func Percentile[T cmp.Ordered](sorted []T, p float64) T {
	return sorted[max(0, int(math.Ceil(p/100*float64(len(sorted))))-1)]
}
