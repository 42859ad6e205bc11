package report

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Columns are the heads of Row.
var Columns = []string{"MEASURE", "MEDIAN", "RANGE", "GOAL", "RATIO", "VERDICT", "LIMIT", "OF LIMIT", "PATH"}

// Row is a measure for a person.
func (m Measure) Row() []string {
	goal, ratio, limit, share := "", "", "", ""
	if m.Goal != nil {
		goal = m.Goal.Text()
	}
	if m.Ratio != nil {
		ratio = Figure(*m.Ratio)
	}
	if m.Limit != nil {
		limit, share = Figure(m.Limit.Median), Figure(m.Limit.Share)
	}
	verdict := string(m.Verdict)
	switch m.Verdict {
	case NoGoal:
		verdict = ""
	case Smaller:
		verdict = "with " + strconv.Itoa(m.Size)
	case Reached, Missed:
	}
	return []string{m.Name, Figure(m.Median), Figure(m.Min) + "-" + Figure(m.Max), goal, ratio, verdict, limit, share, m.Path}
}

// Text is the goal for a person.
func (g Goal) Text() string {
	text := ">= "
	if g.AtMost {
		text = "<= "
	}
	text += Figure(g.Value)
	if g.Size > 0 {
		text += " with " + group(strconv.Itoa(g.Size))
	}
	return text
}

// Head says in one line what was measured, and on what.
func (r Report) Head() string {
	var b strings.Builder
	// Where the server was a process of its own, only the engine is known.
	database := cmp.Or(r.Versions.Database, r.Engine)
	if r.Durability != "" {
		database += ", " + r.Durability
	}
	fmt.Fprintf(&b, "%s, %d processors (%s), %s of memory, %s; %s; runsheet %s, %s", r.StartedAt.UTC().Format("2006-01-02 15:04 UTC"),
		r.Machine.Cores, orUnknown(r.Machine.CPU), memory(r.Machine.MemoryBytes), r.Machine.OS, database, r.Versions.Runsheet, r.Versions.Go)
	if len(r.LoadBefore) > 0 {
		fmt.Fprintf(&b, "; load before %.2f", r.LoadBefore[0])
	}
	fmt.Fprintf(&b, "; %s jobs, %d clients, %d workers, %d runs", group(strconv.Itoa(r.Sizes.Jobs)), r.Sizes.Clients, r.Sizes.Workers, r.Sizes.Runs)
	return b.String()
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func memory(n int64) string {
	if n == 0 {
		return "an unknown amount"
	}
	return fmt.Sprintf("%.0f GiB", float64(n)/(1<<30))
}

// Figure writes a number with three digits that count, large ones in groups.
func Figure(x float64) string {
	switch a := math.Abs(x); {
	case a >= 100:
		return group(strconv.FormatFloat(x, 'f', 0, 64))
	case a >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a >= 1 || x == 0:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

// group puts commas into the digits of a whole number.
func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
