package job

import (
	"strings"
	"time"
)

// MaxBudget bounds a budget, in tokens a day.
const MaxBudget = 1_000_000_000_000

// Budget is how many tokens of language models may be used on one UTC day, by a
// tenant or by a template's jobs. It keeps jobs from starting once it is spent; what
// runs is not stopped, so it can be overrun by what had started.
type Budget struct {
	Tenant string
	// TemplateID is whose jobs count; "" = everything of the tenant, direct requests
	// too.
	TemplateID string
	// Tokens of prompts and completions a day; 0 = none at all.
	Tokens int64
	// Spent is what today's calls used. A call whose counts are not known counts as
	// nothing.
	Spent     int64
	UpdatedBy string
	UpdatedAt time.Time
}

// Resource is the name of the budget among Class.Resources.
func (b Budget) Resource() string {
	if b.TemplateID == "" {
		return ResourceBudget + b.Tenant
	}
	return ResourceBudget + b.Tenant + classSep + b.TemplateID
}

// Over reports whether nothing is left of the budget.
func (b Budget) Over() bool { return b.Spent >= b.Tokens }

// BudgetEnd is when the budgets of the day begin anew: the next midnight in UTC.
func BudgetEnd(now time.Time) time.Time {
	return now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// SpentBudget returns the budget that keeps a class from starting, nil if none does.
func (s Snapshot) SpentBudget(c Class) *Budget {
	if len(s.Budgets) == 0 {
		return nil
	}
	for _, r := range c.Resources() {
		if !strings.HasPrefix(r, ResourceBudget) {
			continue
		}
		for i := range s.Budgets {
			if b := &s.Budgets[i]; b.Over() && b.Resource() == r {
				return b
			}
		}
	}
	return nil
}
