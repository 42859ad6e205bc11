package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// LimitCounts are the numbers of jobs and direct requests that run now.
type LimitCounts struct {
	Global      int            `json:"global"`
	PerJob      map[string]int `json:"per_job" doc:"by job type"`
	PerTemplate map[string]int `json:"per_template" doc:"by template id"`
	PerTenant   map[string]int `json:"per_tenant" doc:"by tenant id"`
}

// Limits bound how many jobs run at a time, beside the worker count. A limit
// of 0 lets none run.
type Limits struct {
	MaxGlobal      *int           `json:"max_global" doc:"of all; null: no limit"`
	MaxPerJob      map[string]int `json:"max_per_job" doc:"by job type" example:"{\"story\":1}"`
	MaxPerTemplate map[string]int `json:"max_per_template" doc:"by template id"`
	MaxPerTenant   map[string]int `json:"max_per_tenant" doc:"by tenant id"`
	Running        LimitCounts    `json:"running" doc:"what runs now; other tenants see their own"`
	UpdatedAt      *time.Time     `json:"updated_at" doc:"when a setting of the queue was last changed"`
}

// LimitsPatch changes limits; a merge patch: null removes a limit.
type LimitsPatch struct {
	MaxGlobal      *int           `json:"max_global,omitempty" minimum:"0" maximum:"1000000" doc:"of all jobs"`
	MaxPerJob      map[string]int `json:"max_per_job,omitempty" doc:"by job type" example:"{\"story\":1}"`
	MaxPerTemplate map[string]int `json:"max_per_template,omitempty" doc:"by template, id or name"`
	MaxPerTenant   map[string]int `json:"max_per_tenant,omitempty" doc:"by tenant, id or name"`
}

// Rules are the rules by which the queue decides.
type Rules struct {
	StrictOrder       bool       `json:"strict_order" doc:"a job that was overtaken too often stops everything behind it, not only what needs its locks"`
	MaxOvertakes      int        `json:"max_overtakes" doc:"how often a job that a lock or limit blocks is overtaken before that"`
	MaxOvertakeAge    Duration   `json:"max_overtake_age" doc:"and for how long" example:"PT10M"`
	ModelAffinity     int        `json:"model_affinity" doc:"how many jobs whose model is loaded may overtake one that could start; 0: the order is sacred"`
	DirectGroupPolicy string     `json:"direct_group_policy" enum:"whole,next" doc:"whole: a direct request waits for the end of a running group; next: for the end of a member"`
	DirectWaitTimeout Duration   `json:"direct_wait_timeout" doc:"how long a direct request waits for its slot" example:"PT5M"`
	DirectMaxWaiting  int        `json:"direct_max_waiting" doc:"how many direct requests may wait at a time"`
	UpdatedAt         *time.Time `json:"updated_at" doc:"when a setting of the queue was last changed"`
}

// RulesPatch changes rules; a merge patch: null restores the default.
type RulesPatch struct {
	StrictOrder       *bool     `json:"strict_order,omitempty"`
	MaxOvertakes      *int      `json:"max_overtakes,omitempty" minimum:"0" maximum:"10000"`
	MaxOvertakeAge    *Duration `json:"max_overtake_age,omitempty" doc:"at most 30 days" example:"PT10M"`
	ModelAffinity     *int      `json:"model_affinity,omitempty" minimum:"0" maximum:"100"`
	DirectGroupPolicy *string   `json:"direct_group_policy,omitempty" enum:"whole,next"`
	DirectWaitTimeout *Duration `json:"direct_wait_timeout,omitempty" doc:"at most an hour" example:"PT5M"`
	DirectMaxWaiting  *int      `json:"direct_max_waiting,omitempty" minimum:"0" maximum:"10000"`
}

// RulesOf shows the rules.
func RulesOf(s store.Settings) Rules {
	r := s.Rules
	return Rules{
		StrictOrder: r.StrictOrder, MaxOvertakes: r.MaxOvertakes, MaxOvertakeAge: Duration(r.MaxOvertakeAge), ModelAffinity: r.ModelAffinity,
		DirectGroupPolicy: string(r.DirectGroupPolicy), DirectWaitTimeout: Duration(r.DirectTimeout), DirectMaxWaiting: r.DirectWaiting,
		UpdatedAt: instant(s.UpdatedAt),
	}
}

// RulesPatchOf is the patch that sets all rules as they are.
func RulesPatchOf(r job.Rules) RulesPatch {
	age, timeout, policy := Duration(r.MaxOvertakeAge), Duration(r.DirectTimeout), string(r.DirectGroupPolicy)
	return RulesPatch{
		StrictOrder: &r.StrictOrder, MaxOvertakes: &r.MaxOvertakes, MaxOvertakeAge: &age, ModelAffinity: &r.ModelAffinity,
		DirectGroupPolicy: &policy, DirectWaitTimeout: &timeout, DirectMaxWaiting: &r.DirectWaiting,
	}
}

// Rules are r with what the patch says; what it leaves out has its default.
func (p RulesPatch) Rules(r job.Rules) job.Rules {
	d := job.DefaultRules()
	r.StrictOrder = or(p.StrictOrder, d.StrictOrder)
	r.MaxOvertakes = or(p.MaxOvertakes, d.MaxOvertakes)
	r.MaxOvertakeAge = p.MaxOvertakeAge.Or(d.MaxOvertakeAge)
	r.ModelAffinity = or(p.ModelAffinity, d.ModelAffinity)
	r.DirectGroupPolicy = job.DirectGroupPolicy(or(p.DirectGroupPolicy, string(d.DirectGroupPolicy)))
	r.DirectTimeout = p.DirectWaitTimeout.Or(d.DirectTimeout)
	r.DirectWaiting = or(p.DirectMaxWaiting, d.DirectWaiting)
	return r
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// LimitsPatchOf is the patch that sets all limits as they are.
func LimitsPatchOf(r job.Rules) LimitsPatch {
	return LimitsPatch{MaxGlobal: r.MaxGlobal, MaxPerJob: r.MaxPerJob, MaxPerTemplate: r.MaxPerTemplate, MaxPerTenant: r.MaxPerTenant}
}
