package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// wholeTenant is the name of the budget that is not a template's.
const wholeTenant = "tenant"

// usageDays is how many days a list of usage covers without a beginning.
const usageDays = 30

func (s *service) budgetRoutes() []operation {
	const one = "/api/budgets/{budget}"
	return []operation{
		{
			ID: "list_budgets", Method: http.MethodGet, Path: "/api/budgets", Scope: access.SystemRead, Tag: "llm",
			Summary: "List how many tokens may be used on a day", Doc: "The tenant's own budget is first.",
			Answers: []answer{{Status: http.StatusOK, Doc: "all budgets of the tenant", Body: wire.BudgetList{}}}, Handle: s.listBudgets,
		},
		{
			ID: "put_budget", Method: http.MethodPut, Path: one, Scope: access.SettingsWrite, Tag: "llm", Summary: "Set a budget of tokens",
			Doc: "budget is the word tenant, or the id or name of a template. When it is spent, no job that needs a model starts before the next midnight in UTC; " +
				"the jobs show waiting.code limit. What runs is not stopped. Direct requests that need a model are refused with budget_spent.",
			Body: wire.BudgetInput{}, Faults: []fault.Code{fault.NotFound, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "the budget", Body: wire.Budget{}}}, Handle: s.putBudget,
		},
		{
			ID: "delete_budget", Method: http.MethodDelete, Path: one, Scope: access.SettingsWrite, Tag: "llm", Summary: "Remove a budget",
			Faults:  []fault.Code{fault.NotFound, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusNoContent, Doc: "there is no bound any more"}}, Handle: s.deleteBudget,
		},
		{
			ID: "list_token_usage", Method: http.MethodGet, Path: "/api/token-usage", Scope: access.SystemRead, Tag: "llm",
			Summary: "Show what language models cost, by day", Doc: "Days are in UTC. The sums outlive the runs that they are of.",
			Query: pageParams(dayParam("from", "first day; 30 days before to without it"), dayParam("to", "last day; today without it"),
				textParam("template_id", "only of this template, by id")),
			Faults:  []fault.Code{fault.CursorInvalid, fault.WrongIDType},
			Answers: []answer{{Status: http.StatusOK, Doc: "one page, ordered by day, template, job type and model", Body: wire.TokenUsageList{}}}, Handle: s.listUsage,
		},
	}
}

func dayParam(name, doc string) param {
	p := textParam(name, doc)
	p.Schema.Format = "date"
	return p
}

func (s *service) listBudgets(r *request) (reply, error) {
	found, err := s.Store.Budgets.List(r.Context(), r.tenant(), time.Time{})
	if err != nil {
		return reply{}, err
	}
	out := wire.BudgetList{Items: []wire.Budget{}}
	for _, b := range found {
		out.Items = append(out.Items, wire.BudgetOf(b, s.Clock.Now()))
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// budget finds out whose budget the path names.
func (s *service) budget(r *request) (b job.Budget, name string, err error) {
	ref := r.PathValue("budget")
	b.Tenant = r.tenant()
	if ref == wholeTenant {
		return b, wholeTenant, nil
	}
	t, err := s.templateNamed(r, "budget", ref)
	b.TemplateID = t.ID
	return b, t.Name, err
}

func (s *service) putBudget(r *request) (reply, error) {
	var in wire.BudgetInput
	if err := r.decode(&in); err != nil {
		return reply{}, err
	}
	b, name, err := s.budget(r)
	if err != nil {
		return reply{}, err
	}
	b.Tokens, b.UpdatedBy, b.UpdatedAt = in.TokensPerDay, r.principal.Name, s.now()
	entry, err := s.record(r, change{
		Action: audit.BudgetUpdated, Object: b.TemplateID, Name: name, After: in,
		Detail: map[string]string{"tokens_per_day": strconv.FormatInt(in.TokensPerDay, 10)},
	})
	if err != nil {
		return reply{}, err
	}
	if err := s.Store.Budgets.Put(r.Context(), store.PutBudget{Budget: b, Audit: entry}); err != nil {
		return reply{}, err
	}
	found, err := s.Store.Budgets.List(r.Context(), r.tenant(), time.Time{})
	if err != nil {
		return reply{}, err
	}
	for _, x := range found {
		if x.TemplateID == b.TemplateID {
			b = x
		}
	}
	return reply{Status: http.StatusOK, Body: wire.BudgetOf(b, s.Clock.Now())}, nil
}

func (s *service) deleteBudget(r *request) (reply, error) {
	b, name, err := s.budget(r)
	if ref := r.PathValue("budget"); fault.Is(err, fault.NotFound) && looksLikeID(ref) {
		b.TemplateID, err = ref, nil // the template may be gone, and its budget not
	}
	if err != nil {
		return reply{}, err
	}
	entry, err := s.record(r, change{Action: audit.BudgetDeleted, Object: b.TemplateID, Name: name})
	if err != nil {
		return reply{}, err
	}
	return reply{Status: http.StatusNoContent}, s.Store.Budgets.Delete(r.Context(), store.PutBudget{Budget: b, Audit: entry})
}

func (s *service) listUsage(r *request) (reply, error) {
	c, err := r.cursor()
	if err != nil {
		return reply{}, err
	}
	p := store.ListUsage{Tenant: r.tenant(), TemplateID: r.query.text("template_id"), Limit: r.query.limit() + 1}
	if p.TemplateID != "" {
		if err := checkTemplateRef(p.TemplateID); err != nil {
			return reply{}, fault.From(err).At("query/template_id", string(fault.WrongIDType), fault.From(err).Detail)
		}
	}
	to, err := r.day("to", s.Clock.Now())
	if err != nil {
		return reply{}, err
	}
	from, err := r.day("from", to.AddDate(0, 0, -usageDays))
	if err != nil {
		return reply{}, err
	}
	p.From, p.To = store.Day(from), store.Day(to)
	if c != nil {
		if p.After = strings.Split(c.Name, cursorSep); len(p.After) != 4 {
			return reply{}, fault.New(fault.CursorInvalid, "the cursor is not one of this list").At("query/cursor", "invalid", "is not a next_cursor of this list")
		}
	}
	found, err := s.Store.Calls.Usage(r.Context(), p)
	if err != nil {
		return reply{}, err
	}
	out := wire.TokenUsageList{Items: []wire.TokenUsage{}}
	for i, u := range found {
		if i == r.query.limit() {
			break
		}
		out.Items = append(out.Items, wire.TokenUsageOf(u))
		out.NextCursor = r.next(len(found) > r.query.limit(), cursor{Name: strings.Join([]string{u.Day, u.TemplateID, u.JobType, u.Model}, cursorSep)})
	}
	return reply{Status: http.StatusOK, Body: out}, nil
}

// cursorSep separates the keys of a place in a list that is sorted by several. No
// name of a model has it.
const cursorSep = "\n"

// day reads a parameter that is a date.
func (r *request) day(name string, otherwise time.Time) (time.Time, error) {
	text := r.query.text(name)
	if text == "" {
		return otherwise.UTC(), nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, fault.Newf(fault.InvalidParameter, "%s is not a day", name).At("query/"+name, "format", "must be a date such as 2026-01-22")
	}
	return at, nil
}
