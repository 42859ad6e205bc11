package wire

import (
	"time"

	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// BudgetInput sets a budget of tokens.
type BudgetInput struct {
	TokensPerDay int64 `json:"tokens_per_day" minimum:"0" maximum:"1000000000000" doc:"prompts and completions together; 0 = nothing that needs a model starts" example:"500000"`
}

// Budget is how many tokens of language models may be used on a day.
type Budget struct {
	TemplateID   *string   `json:"template_id" doc:"whose jobs count; null = everything of the tenant, direct requests too"`
	TokensPerDay int64     `json:"tokens_per_day"`
	Spent        int64     `json:"spent" doc:"tokens used today; calls whose counts are unknown count as nothing"`
	Left         int64     `json:"left" doc:"0 when it is spent or overrun"`
	Over         bool      `json:"over" doc:"nothing that needs a model starts until resets_at"`
	ResetsAt     time.Time `json:"resets_at" doc:"the next midnight in UTC"`
	UpdatedBy    string    `json:"updated_by"`
	UpdatedAt    time.Time `json:"updated_at"`
}

// BudgetList is all budgets of a tenant.
type BudgetList struct {
	Items      []Budget `json:"items" nullable:"false"`
	NextCursor *string  `json:"next_cursor" doc:"always null: they fit one page"`
}

// BudgetOf shows a budget at a time.
func BudgetOf(b job.Budget, now time.Time) Budget {
	return Budget{
		TemplateID: str(b.TemplateID), TokensPerDay: b.Tokens, Spent: b.Spent, Left: max(0, b.Tokens-b.Spent), Over: b.Over(),
		ResetsAt: job.BudgetEnd(now), UpdatedBy: b.UpdatedBy, UpdatedAt: b.UpdatedAt.UTC(),
	}
}

// TokenUsage is what language models cost on one day, for one template, job type and
// model.
type TokenUsage struct {
	Day              string  `json:"day" doc:"in UTC" example:"2026-01-22"`
	TemplateID       *string `json:"template_id" doc:"null = jobs without a template, and direct requests"`
	JobType          string  `json:"job_type"`
	Model            string  `json:"model"`
	Calls            int64   `json:"calls"`
	PromptTokens     int64   `json:"prompt_tokens" doc:"of the calls whose counts are known"`
	CompletionTokens int64   `json:"completion_tokens" doc:"of the calls whose counts are known"`
	UnknownCalls     int64   `json:"unknown_calls" doc:"calls of which a count is not known"`
	TotalMs          int64   `json:"total_ms" doc:"how long the work waited for the model"`
}

// TokenUsageList is one page.
type TokenUsageList struct {
	Items      []TokenUsage `json:"items" nullable:"false"`
	NextCursor *string      `json:"next_cursor"`
}

// TokenUsageOf shows the sums of a day.
func TokenUsageOf(u store.TokenUsage) TokenUsage {
	return TokenUsage{
		Day: u.Day, TemplateID: str(u.TemplateID), JobType: u.JobType, Model: u.Model, Calls: u.Calls, PromptTokens: u.Prompt,
		CompletionTokens: u.Completion, UnknownCalls: u.Unknown, TotalMs: u.Total.Milliseconds(),
	}
}
