package logtriage

import (
	"encoding/json"
	"time"

	"github.com/runsheet/runsheet/internal/task/logtriage/logline"
)

// reportVersion is that of report.json. A field may be added within a version.
const reportVersion = 1

// report is report.json.
type report struct {
	Version     int             `json:"version"`
	GeneratedAt time.Time       `json:"generated_at"`
	Model       string          `json:"model"`
	Language    string          `json:"language"`
	Window      reportWindow    `json:"window"`
	Sources     []*reportSource `json:"sources"`
	Totals      totals          `json:"totals"`
	Clusters    []reportCluster `json:"clusters"`
	Notes       []string        `json:"notes"`
}

// reportWindow has null where there is no bound; until is excluded.
type reportWindow struct {
	Since *time.Time `json:"since"`
	Until *time.Time `json:"until"`
}

// reportSource is what was read of one source. First and Last are null where no
// line within the window has a time.
type reportSource struct {
	Name  string     `json:"name"`
	Kind  string     `json:"kind"`
	Read  bool       `json:"read"`
	Lines int64      `json:"lines"`
	Bytes int64      `json:"bytes"`
	First *time.Time `json:"first"`
	Last  *time.Time `json:"last"`
	Notes []string   `json:"notes"`

	first, last time.Time
}

// totals counts everything that was read: lines is the sum of blank,
// outside_window, the lines of all clusters, of not_shown and of ungrouped.
type totals struct {
	Lines         int64 `json:"lines"`
	Bytes         int64 `json:"bytes"`
	Blank         int64 `json:"blank"`
	OutsideWindow int64 `json:"outside_window"`
	// Events are lines with what belongs to them, such as stack traces.
	Events     int64          `json:"events"`
	Severities severityCounts `json:"severities"`
	// Clusters is how many there are, also those that are not shown.
	Clusters int `json:"clusters"`
	// NotShown are clusters beyond max_clusters.
	NotShown rest `json:"not_shown"`
	// Ungrouped are events for which there was no room among the clusters.
	Ungrouped rest `json:"ungrouped"`
}

// severityCounts counts events.
type severityCounts struct {
	Fatal   int64 `json:"fatal"`
	Error   int64 `json:"error"`
	Warning int64 `json:"warning"`
	Info    int64 `json:"info"`
	Debug   int64 `json:"debug"`
}

type rest struct {
	Clusters int   `json:"clusters"`
	Events   int64 `json:"events"`
	Lines    int64 `json:"lines"`
}

// severity is the counter of a severity.
func (t *totals) severity(s logline.Severity) *int64 {
	switch s {
	case logline.Fatal:
		return &t.Severities.Fatal
	case logline.Error:
		return &t.Severities.Error
	case logline.Warning:
		return &t.Severities.Warning
	case logline.Info:
		return &t.Severities.Info
	case logline.Debug:
	}
	return &t.Severities.Debug
}

// reportCluster is a cluster. Count counts events, Lines their lines. What the
// model says is "" where it said nothing usable; ModelSeverity is its own opinion.
type reportCluster struct {
	ID            string     `json:"id"`
	Template      string     `json:"template"`
	Severity      string     `json:"severity"`
	Count         int64      `json:"count"`
	Lines         int64      `json:"lines"`
	FirstSeen     *time.Time `json:"first_seen"`
	LastSeen      *time.Time `json:"last_seen"`
	Sources       []string   `json:"sources"`
	Samples       []string   `json:"samples"`
	ModelSeverity string     `json:"model_severity"`
	Cause         string     `json:"cause"`
	Suggestion    string     `json:"suggestion"`
}

// newReport makes the report of the clusters shown, and counts the others.
func newReport(c *collector, p params, all []cluster, shown int, said map[string]opinion) *report {
	r := &report{
		Version: reportVersion, GeneratedAt: c.now, Model: p.Model, Language: p.Language,
		Window:  reportWindow{Since: moment(c.window.since), Until: moment(c.window.until)},
		Sources: c.sources, Totals: c.totals, Clusters: []reportCluster{}, Notes: []string{},
	}
	for _, s := range r.Sources {
		s.First, s.Last = moment(s.first), moment(s.last)
	}
	r.Totals.Clusters = len(all)
	for i, k := range all {
		if i >= shown {
			r.Totals.NotShown.Clusters++
			r.Totals.NotShown.Events += k.events
			r.Totals.NotShown.Lines += k.lines
			continue
		}
		o := said[k.id]
		rc := reportCluster{
			ID: k.id, Template: k.template, Severity: k.severity.String(), Count: k.events, Lines: k.lines,
			FirstSeen: moment(k.first), LastSeen: moment(k.last), Sources: []string{}, Samples: k.samples,
			ModelSeverity: o.Severity, Cause: o.Cause, Suggestion: o.Suggestion,
		}
		for _, s := range k.sources[:min(len(k.sources), maxClusterSources)] {
			rc.Sources = append(rc.Sources, c.sources[s].Name)
		}
		r.Clusters = append(r.Clusters, rc)
	}
	return r
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (r *report) json() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}
