package wire

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runsheet/runsheet/internal/job"
)

// Moment is a time, or a length of time from then on: RFC 3339, or a duration
// such as PT1H or 1h.
type Moment string

// MomentOf is the text of a time; nil for the zero time.
func MomentOf(t time.Time) *Moment {
	if t.IsZero() {
		return nil
	}
	m := Moment(t.UTC().Format(time.RFC3339Nano))
	return &m
}

// Schema implements huma.SchemaProvider.
func (Moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "moment", Examples: []any{"PT1H", "2026-01-31T12:00:00Z"}}
}

// Time is the moment, counted from base when it is a duration.
func (m Moment) Time(base time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, string(m)); err == nil {
		return t.UTC(), nil
	}
	d, err := ParseDuration(string(m))
	return base.Add(d), err
}

// JobLimitsInput bounds how many jobs run at the same time.
type JobLimitsInput struct {
	MaxRunning *int     `json:"max_running,omitempty" minimum:"1" maximum:"1000000" doc:"most jobs of the same template that run at once"`
	Key        []string `json:"key,omitempty" maxItems:"16" doc:"params, by name or JSON pointer, whose values make the concurrency key" example:"[\"user\"]"`
	MaxPerKey  *int     `json:"max_per_key,omitempty" minimum:"1" maximum:"1000000" doc:"most jobs with the same key that run at once; 1 if absent"`
}

// Domain converts the input; nil gives no limits.
func (l *JobLimitsInput) Domain() job.Limits {
	if l == nil {
		return job.Limits{}
	}
	return job.Limits{MaxRunning: whole(l.MaxRunning), KeyParams: job.Pointers(l.Key), MaxPerKey: whole(l.MaxPerKey)}
}

// JobLimits bounds how many jobs run at the same time.
type JobLimits struct {
	MaxRunning *int     `json:"max_running" doc:"most jobs of the same template that run at once; null = no limit"`
	Key        []string `json:"key" doc:"params, as JSON pointers, whose values make the concurrency key"`
	MaxPerKey  *int     `json:"max_per_key" doc:"most jobs with the same key that run at once; null without a key"`
}

func limitsInput(l job.Limits) *JobLimitsInput {
	if l.MaxRunning == 0 && len(l.KeyParams) == 0 {
		return nil
	}
	out := &JobLimitsInput{MaxRunning: count(l.MaxRunning), Key: l.KeyParams}
	if l.MaxPerKey > 1 { // 1 goes without saying, and away with the key
		out.MaxPerKey = &l.MaxPerKey
	}
	return out
}

func jobLimits(l job.Limits) JobLimits {
	return JobLimits{MaxRunning: count(l.MaxRunning), Key: list(l.KeyParams), MaxPerKey: count(l.MaxPerKey)}
}

// What becomes of a job that is not unique.
const (
	conflictRefuse = "refuse"
	conflictReturn = "return"
)

// JobUniqueInput refuses a job while an equal one is there: one from the same
// template, or of the same job type without a template, with the same params.
type JobUniqueInput struct {
	By         []string  `json:"by,omitempty" maxItems:"16" doc:"params that make jobs equal, by name or JSON pointer; all if empty" example:"[\"topic\"]"`
	Period     *Duration `json:"period,omitempty" doc:"only jobs that were added so recently count; all if absent"`
	States     []string  `json:"states,omitempty" maxItems:"6" enum:"QUEUED,RUNNING,COMPLETED,FAILED,SKIPPED,CANCELLED" doc:"statuses in which an equal job counts; QUEUED and RUNNING if absent, with a period COMPLETED too"`
	OnConflict string    `json:"on_conflict,omitempty" enum:"refuse,return" default:"refuse" doc:"refuse: 409 with the other job's id; return: 200 with the other job"`
}

// Domain converts the input; nil gives nil.
func (u *JobUniqueInput) Domain() *job.Unique {
	if u == nil {
		return nil
	}
	out := &job.Unique{By: job.Pointers(u.By), Period: u.Period.Or(0), Return: u.OnConflict == conflictReturn}
	for _, s := range u.States {
		out.States = append(out.States, job.State(s))
	}
	return out
}

// JobUnique is the rule by which jobs of a template are unique.
type JobUnique struct {
	By         []string  `json:"by" doc:"params that make jobs equal, as JSON pointers; all if empty"`
	Period     *Duration `json:"period" nullable:"true"`
	States     []string  `json:"states" doc:"statuses in which an equal job counts"`
	OnConflict string    `json:"on_conflict" enum:"refuse,return"`
}

func uniqueInput(u *job.Unique) *JobUniqueInput {
	if u == nil {
		return nil
	}
	return &JobUniqueInput{By: u.By, Period: DurationOf(u.Period), States: statuses(u.States), OnConflict: onConflict(*u)}
}

func jobUnique(u *job.Unique) *JobUnique {
	if u == nil {
		return nil
	}
	return &JobUnique{By: list(u.By), Period: DurationOf(u.Period), States: statuses(u.Counts()), OnConflict: onConflict(*u)}
}

func onConflict(u job.Unique) string {
	if u.Return {
		return conflictReturn
	}
	return conflictRefuse
}

func statuses(states []job.State) []string {
	var out []string
	for _, s := range states {
		out = append(out, string(s))
	}
	return out
}

// count is a number of which 0 means none.
func count(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func whole(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
