package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

func (a *app) tokenCommand() *cobra.Command {
	return a.noun("token", "Give programs access", a.tokenCreate(), a.tokenList(), a.tokenGet(), a.tokenRevoke())
}

// limited is the text of a list whose absence means that nothing is limited.
func limited(items []string) string {
	if items == nil {
		return "all"
	}
	return strings.Join(items, " ")
}

// limitsText shows the limits of a token in the words of the audit record, ""
// when it has none.
func limitsText(t client.Token) string {
	limits := map[string]string{}
	if t.Scopes != nil {
		limits["scopes"] = strings.Join(t.Scopes, ",")
	}
	if t.Templates != nil {
		limits["templates"] = strings.Join(t.Templates, ",")
	}
	if t.RatePerMinute > 0 {
		limits["rate_per_minute"] = strconv.Itoa(t.RatePerMinute)
	}
	return labelText(limits)
}

func tokenStatus(t client.Token) string {
	switch {
	case t.Valid:
		return "valid"
	case t.RevokedAt != nil:
		return "revoked"
	}
	return "expired"
}

func (a *app) tokenView() view[client.Token] {
	return view[client.Token]{
		id:      func(t client.Token) string { return t.TokenID },
		columns: []string{"TOKEN", "NAME", "STATUS", "ROLES", "EXPIRES", "USED", "BY", "LIMITS"}, status: 2, spare: []string{"BY", "USED"}, note: true,
		row: func(t client.Token) []string {
			expires := "never"
			if t.ExpiresAt != nil {
				expires = t.ExpiresAt.UTC().Format("2006-01-02")
			}
			return []string{t.TokenID, t.Name, tokenStatus(t), strings.Join(t.Roles, " "), expires, a.agoPtr(t.LastUsedAt), t.CreatedBy, limitsText(t)}
		},
		detail: func(t client.Token) []pair {
			rate := "not limited"
			if t.RatePerMinute > 0 {
				rate = strconv.Itoa(t.RatePerMinute) + " a minute"
			}
			return []pair{
				{"token", t.TokenID},
				{"name", t.Name},
				{"status", tokenStatus(t)},
				{"tenant", t.Tenant},
				{"roles", strings.Join(t.Roles, " ")},
				{"scopes", limited(t.Scopes)},
				{"templates", limited(t.Templates)},
				{"rate", rate},
				{"created", stamp(&t.CreatedAt) + " by " + t.CreatedBy},
				{"expires", stamp(t.ExpiresAt)},
				{"revoked", stamp(t.RevokedAt)},
				{"used", stamp(t.LastUsedAt)},
			}
		},
	}
}

// tenantFlag adds --tenant.
func tenantFlag(c *cobra.Command, tenant *string) {
	c.Flags().StringVar(tenant, "tenant", "", "another `tenant`, by id or name; for administrators of the default one")
}

// roleFlag adds --role.
func roleFlag(c *cobra.Command, roles *[]string, what string) {
	c.Flags().StringSliceVar(roles, "role", nil, what)
	complete(c, "role",
		cobra.CompletionWithDesc("viewer", "sees everything"), cobra.CompletionWithDesc("operator", "and runs, cancels, pauses"),
		cobra.CompletionWithDesc("author", "and writes templates: may execute code"), cobra.CompletionWithDesc("approver", "sees, and decides approvals"),
		cobra.CompletionWithDesc("admin", "everything"))
}

func (a *app) tokenCreate() *cobra.Command {
	var (
		in               client.TokenInput
		scopes, patterns []string
		tenant, expires  string
	)
	c := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Make a token; its text is shown this once", Args: oneArg,
		Long: `Create makes a token for a program and prints its text on stdout. It is shown this
once and kept as a hash only. Nobody hands out more than he has himself.`,
		Example: `  runsheet token create ci --role operator --template 'deploy-*' --expires 30d > ci.token
  runsheet token create dashboard --role viewer --scope jobs:read --rate 120`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(in.Roles) == 0 {
				return usagef("a token needs --role: viewer, operator, author, approver or admin")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in.Name, in.Tenant, in.ExpiresIn = args[0], text(tenant), text(expires)
			if c.Flags().Changed("scope") {
				in.Scopes = scopes
			}
			if c.Flags().Changed("template") {
				in.Templates = patterns
			}
			made, err := cl.CreateToken(c.Context(), in)
			if err != nil {
				return err
			}
			if a.json != nil {
				return printOne(a, view[client.NewToken]{id: func(t client.NewToken) string { return t.TokenID }}, made)
			}
			if !a.quiet {
				a.talk("made %s, which expires at %s; keep its text, it is not shown again", made.TokenID, stamp(made.ExpiresAt))
			}
			_, err = fmt.Fprintln(a.out, made.Token)
			return err
		},
	}
	roleFlag(c, &in.Roles, "`roles`: viewer, operator, author, approver, admin")
	tenantFlag(c, &tenant)
	f := c.Flags()
	f.StringSliceVar(&scopes, "scope", nil, "only these `scopes` of the roles, such as jobs:read")
	f.StringSliceVar(&patterns, "template", nil, "only jobs of templates with such `names`, in which * and ? stand for anything")
	f.StringVar(&expires, "expires", "", "how `long` it can be used, such as 30d; 90d if absent, 3650d at most")
	f.IntVar(&in.RatePerMinute, "rate", 0, "`requests` a minute; 0 = not limited")
	return c
}

func (a *app) tokenList() *cobra.Command {
	var (
		f     client.TokenFilter
		limit int
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List tokens", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.tokenView(), false, limit, func(ctx context.Context) ([]client.Token, error) {
				return client.Collect(cl.Tokens(ctx, f), limit)
			})
		},
	}
	c.Flags().BoolVar(&f.Valid, "valid", false, "leave out what is revoked or expired")
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	tenantFlag(c, &f.Tenant)
	return c
}

// tokenID finds the id of a token that is named by id or by name. Of a name it
// looks among the valid ones, because ended ones may have had it too.
func tokenID(ctx context.Context, cl *client.Client, tenant, ref string) (string, error) {
	if id.Check(id.Token, ref) == nil {
		return ref, nil
	}
	var found []string
	for t, err := range cl.Tokens(ctx, client.TokenFilter{Valid: true, Tenant: tenant, PageSize: pageSize(0)}) {
		if err != nil {
			return "", err
		}
		if t.Valid && t.Name == ref {
			found = append(found, t.TokenID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fault.Newf(fault.NotFound, "no valid token is named %s", ref).WithHint("see: runsheet token ls; one that has ended is named by its id")
	}
	return "", fault.Newf(fault.NotFound, "%d valid tokens are named %s", len(found), ref).WithHint("use the id: " + strings.Join(found, ", "))
}

func (a *app) tokenGet() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "get TOKEN|NAME", Aliases: []string{"show"}, Short: "Show a token, without its text", Args: oneArg, ValidArgsFunction: a.completeTokens(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			ref, err := tokenID(c.Context(), cl, tenant, args[0])
			if err != nil {
				return err
			}
			t, err := cl.Token(c.Context(), tenant, ref)
			if err != nil {
				return err
			}
			return printOne(a, a.tokenView(), t)
		},
	}
	tenantFlag(c, &tenant)
	return c
}

func (a *app) tokenRevoke() *cobra.Command {
	var (
		yes    bool
		tenant string
	)
	c := &cobra.Command{
		Use: "revoke TOKEN|NAME...", Aliases: []string{"rm"}, Short: "End tokens for ever", Args: someArgs, ValidArgsFunction: a.completeTokens(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			ids := make([]string, len(args)) // all are found before the first is revoked
			for i, ref := range args {
				if ids[i], err = tokenID(c.Context(), cl, tenant, ref); err != nil {
					return err
				}
			}
			if err := a.confirm(yes, "revoke "+strings.Join(args, ", ")+" for ever?"); err != nil {
				return err
			}
			for i, ref := range args {
				if err := cl.RevokeToken(c.Context(), tenant, ids[i]); err != nil {
					return err
				}
				a.talk("revoked %s", ref)
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	tenantFlag(c, &tenant)
	return c
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who the server takes you for, and what you may do", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			me, err := cl.Whoami(c.Context())
			if err != nil {
				return err
			}
			return printOne(a, view[client.Me]{
				id: func(m client.Me) string { return m.Name },
				detail: func(m client.Me) []pair {
					return []pair{
						{"name", m.Name},
						{"kind", m.Kind},
						{"tenant", m.Tenant},
						{"roles", strings.Join(m.Roles, " ")},
						{"scopes", strings.Join(m.Scopes, " ")},
						{"templates", limited(m.Templates)},
						{"user", deref(m.UserID)},
						{"token", deref(m.TokenID)},
						{"server", cl.URL()},
					}
				},
			}, me)
		},
	}
}
