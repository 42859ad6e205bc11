package cli

import (
	"context"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// Completion asks the server, but must never make a person wait for it.
const (
	completeWithin = 2 * time.Second
	completeAtMost = 50
)

type completer = func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective)

func (a *app) completeJobs() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Job, error] {
		return cl.Jobs(ctx, client.JobFilter{Sort: "-created_at", PageSize: completeAtMost})
	}, func(j client.Job) cobra.Completion {
		return cobra.CompletionWithDesc(j.JobID, clean(j.Name+", "+j.Status))
	})
}

func (a *app) completeRuns() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Run, error] {
		return cl.Runs(ctx, client.RunFilter{PageSize: completeAtMost})
	}, func(r client.Run) cobra.Completion {
		return cobra.CompletionWithDesc(r.RunID, clean(r.Name+", "+runStatus(r)))
	})
}

func (a *app) completeTemplates() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.JobTemplate, error] {
		return cl.Templates(ctx, client.TemplateFilter{PageSize: completeAtMost})
	}, func(t client.JobTemplate) cobra.Completion { return cobra.CompletionWithDesc(t.Name, clean(t.JobType)) })
}

// live completes with what the server has now; nothing when it does not answer.
func live[T any](a *app, list func(context.Context, *client.Client) iter.Seq2[T, error], show func(T) cobra.Completion) completer {
	return func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		cl, err := a.connect(c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := c.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, stop := context.WithTimeout(ctx, completeWithin)
		defer stop()
		items, err := client.Collect(list(ctx, cl), completeAtMost)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, item := range items {
			out = append(out, show(item))
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// complete offers fixed values for a flag.
func complete(c *cobra.Command, flag string, values ...cobra.Completion) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("cli: " + err.Error()) // the caller added the flag before
	}
}

func (a *app) completeTokens() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Token, error] {
		return cl.Tokens(ctx, client.TokenFilter{Valid: true, PageSize: completeAtMost})
	}, func(t client.Token) cobra.Completion { return cobra.CompletionWithDesc(t.TokenID, clean(t.Name)) })
}

func (a *app) completeUsers() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.User, error] {
		return cl.Users(ctx, client.UserFilter{PageSize: completeAtMost})
	}, func(u client.User) cobra.Completion { return cobra.CompletionWithDesc(u.Name, userStatus(u)) })
}

func (a *app) completeTenants() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Tenant, error] {
		return cl.Tenants(ctx, completeAtMost)
	}, func(t client.Tenant) cobra.Completion { return cobra.CompletionWithDesc(t.Name, t.TenantID) })
}

func (a *app) completeGroups() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.JobGroup, error] {
		return cl.Groups(ctx, client.GroupFilter{PageSize: completeAtMost})
	}, func(g client.JobGroup) cobra.Completion {
		return cobra.CompletionWithDesc(g.GroupID, clean(g.Name+", "+g.Status))
	})
}

func (a *app) completeLocks() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Lock, error] {
		return cl.Locks(ctx, completeAtMost)
	}, func(l client.Lock) cobra.Completion { return cobra.CompletionWithDesc(l.Name, "") })
}

func (a *app) completeWebhooks() completer {
	return live(a, func(ctx context.Context, cl *client.Client) iter.Seq2[client.Webhook, error] {
		return cl.Webhooks(ctx, client.WebhookFilter{PageSize: completeAtMost})
	}, func(w client.Webhook) cobra.Completion { return cobra.CompletionWithDesc(w.Name, webhookStatus(w)) })
}
