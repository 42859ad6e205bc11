package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) budgetCommand() *cobra.Command {
	return a.noun("budget", "Bound how many tokens of language models are used on a day", a.budgetList(), a.budgetSet(), a.budgetRemove(), a.budgetUsage())
}

func budgetOf(b client.Budget) string {
	if b.TemplateID == nil {
		return client.WholeTenant
	}
	return *b.TemplateID
}

func budgetView() view[client.Budget] {
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	return view[client.Budget]{
		id: budgetOf, columns: []string{"BUDGET OF", "TOKENS A DAY", "SPENT", "LEFT", "BEGINS ANEW"}, status: -1,
		row: func(b client.Budget) []string {
			return []string{budgetOf(b), whole(b.TokensPerDay), whole(b.Spent), whole(b.Left), stamp(&b.ResetsAt)}
		},
		detail: func(b client.Budget) []pair {
			return []pair{
				{"budget of", budgetOf(b)},
				{"tokens a day", whole(b.TokensPerDay)},
				{"spent", whole(b.Spent)},
				{"left", whole(b.Left)},
				{"begins anew", stamp(&b.ResetsAt)},
				{"set by", b.UpdatedBy + ", " + stamp(&b.UpdatedAt)},
			}
		},
	}
}

func (a *app) budgetList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List budgets, and what is spent of them today (UTC)", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, budgetView(), false, 0, cl.Budgets)
		},
	}
}

func (a *app) budgetSet() *cobra.Command {
	return &cobra.Command{
		Use: "set tenant|TEMPLATE TOKENS", Short: "Set how many tokens may be used on a day", Args: cobra.ExactArgs(2),
		Long: `When a budget is spent, no job that needs a model starts before midnight in UTC; what
runs is not stopped, and other jobs go on. Direct requests that need a model are
refused. The budget of the tenant counts everything, that of a template its jobs.`,
		Example: `  runsheet budget set tenant 2000000
  runsheet budget set nightly-story 200000`,
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil || n < 0 {
				return usagef("%q must be a whole number of tokens", args[1])
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			b, err := cl.SetBudget(c.Context(), args[0], n, client.Call{})
			if err != nil {
				return err
			}
			return printOne(a, budgetView(), b)
		},
	}
}

func (a *app) budgetRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm tenant|TEMPLATE", Aliases: []string{"delete"}, Short: "Remove a budget: nothing is bounded any more", Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := cl.DeleteBudget(c.Context(), args[0]); err != nil {
				return err
			}
			a.talk("removed the budget of %s", args[0])
			return nil
		},
	}
}

func (a *app) budgetUsage() *cobra.Command {
	var (
		q     client.UsageQuery
		limit int
	)
	c := &cobra.Command{
		Use: "usage", Short: "Show what language models cost, by day, template, job type and model", Args: noArgs,
		Long: `Counts of tokens only: what was asked and answered is stored nowhere. Days are in UTC,
and the last 30 are shown unless --from says otherwise. UNKNOWN is the number of
calls of which the server did not tell the counts: they are in no sum.`,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			q.PageSize = pageSize(limit)
			v := view[client.TokenUsage]{
				id:      func(u client.TokenUsage) string { return u.Day + " " + deref(u.TemplateID) + " " + u.Model },
				columns: []string{"DAY", "MODEL", "TYPE", "TEMPLATE", "CALLS", "PROMPT", "COMPLETION", "UNKNOWN"}, status: -1,
				row: func(u client.TokenUsage) []string {
					n := func(n int64) string { return strconv.FormatInt(n, 10) }
					return []string{u.Day, u.Model, u.JobType, deref(u.TemplateID), n(u.Calls), n(u.PromptTokens), n(u.CompletionTokens), n(u.UnknownCalls)}
				},
			}
			return show(c.Context(), a, v, false, limit, func(ctx context.Context) ([]client.TokenUsage, error) {
				return client.Collect(cl.TokenUsage(ctx, q), limit)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&q.From, "from", "", "first `day`, 2026-01-22")
	f.StringVar(&q.To, "to", "", "last `day`")
	f.StringVar(&q.TemplateID, "template", "", "only of the template with this `id`")
	f.IntVar(&limit, "limit", 200, "at most `n` lines")
	return c
}
