package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
)

// WholeTenant names the budget that is not a template's.
const WholeTenant = "tenant"

func budgetPath(of string) string { return "/api/budgets/" + escape(of) }

// Budgets returns how many tokens may be used on a day, and how many were.
func (c *Client) Budgets(ctx context.Context) ([]Budget, error) {
	var out BudgetList
	err := c.get(ctx, "/api/budgets", nil, &out)
	return out.Items, err
}

// SetBudget bounds the tokens that may be used on a UTC day: of is WholeTenant, or the id
// or name of a template.
func (c *Client) SetBudget(ctx context.Context, of string, tokensPerDay int64, call Call) (Budget, error) {
	var out Budget
	b, err := json.Marshal(BudgetInput{TokensPerDay: tokensPerDay})
	if err != nil {
		return out, fmt.Errorf("client: %w", err)
	}
	err = c.send(ctx, request{
		method: http.MethodPut, path: budgetPath(of), body: b, media: "application/json", accept: "application/json", call: call,
	}, &out)
	return out, err
}

// DeleteBudget removes a bound.
func (c *Client) DeleteBudget(ctx context.Context, of string) error {
	return c.send(ctx, request{method: http.MethodDelete, path: budgetPath(of), accept: "application/json"}, nil)
}

// UsageQuery chooses what TokenUsage returns. Zero values do not restrict.
type UsageQuery struct {
	From, To   string // UTC days, 2026-01-22; both included
	TemplateID string
	PageSize   int
}

// TokenUsage walks over what language models cost, by day, template, job type and model.
func (c *Client) TokenUsage(ctx context.Context, q UsageQuery) iter.Seq2[TokenUsage, error] {
	v := values{}.text("from", q.From).text("to", q.To).text("template_id", q.TemplateID).number("limit", q.PageSize)
	return pages(func(cursor string) ([]TokenUsage, *string, error) {
		var page TokenUsageList
		err := c.get(ctx, "/api/token-usage", v.text("cursor", cursor).url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// LLMServers returns the servers of language models, each with its health, its
// models and those in its memory.
func (c *Client) LLMServers(ctx context.Context) (LLMServers, error) {
	var out LLMServers
	err := c.get(ctx, "/api/llm/servers", nil, &out)
	return out, err
}
