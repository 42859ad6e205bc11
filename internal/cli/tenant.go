package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

func (a *app) tenantCommand() *cobra.Command {
	return a.noun("tenant", "Keep owners apart who share the machine", a.tenantCreate(), a.tenantList(), a.tenantGet(), a.tenantSet(),
		a.tenantDisable(), a.tenantEnable())
}

func (a *app) tenantView() view[client.Tenant] {
	status := func(t client.Tenant) string {
		if t.Disabled {
			return "disabled"
		}
		return "enabled"
	}
	return view[client.Tenant]{
		id:      func(t client.Tenant) string { return t.TenantID },
		columns: []string{"TENANT", "NAME", "STATUS", "CREATED"}, status: 2, spare: []string{"CREATED"},
		row: func(t client.Tenant) []string {
			return []string{t.TenantID, t.Name, status(t), a.agoPtr(t.CreatedAt)}
		},
		detail: func(t client.Tenant) []pair {
			return []pair{
				{"tenant", t.TenantID},
				{"name", t.Name},
				{"status", status(t)},
				{"version", strconv.FormatInt(t.Version, 10)},
				{"created", stamp(t.CreatedAt)},
				{"updated", stamp(t.UpdatedAt)},
			}
		},
	}
}

func (a *app) tenantCreate() *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Make a tenant", Args: oneArg,
		Example: `  runsheet tenant create red
  runsheet user create rita --tenant red --role admin`,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			made, err := cl.CreateTenant(c.Context(), client.TenantInput{Name: args[0]}, client.Call{})
			if err != nil {
				return err
			}
			if a.json == nil {
				a.quiet = true
			}
			return printOne(a, a.tenantView(), made)
		},
	}
}

func (a *app) tenantList() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List tenants", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			return show(c.Context(), a, a.tenantView(), false, limit, func(ctx context.Context) ([]client.Tenant, error) {
				return client.Collect(cl.Tenants(ctx, pageSize(limit)), limit)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) tenantGet() *cobra.Command {
	return &cobra.Command{
		Use: "get TENANT", Aliases: []string{"show"}, Short: "Show a tenant, by id or name", Args: oneArg, ValidArgsFunction: a.completeTenants(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			t, err := cl.Tenant(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.tenantView(), t)
		},
	}
}

// editTenant sends a patch and shows the tenant that it made.
func (a *app) editTenant(c *cobra.Command, ref string, patch map[string]any, call client.Call) error {
	cl, err := a.connect(c)
	if err != nil {
		return err
	}
	t, err := cl.EditTenant(c.Context(), ref, patch, call)
	if err != nil {
		return err
	}
	return printOne(a, a.tenantView(), t)
}

func (a *app) tenantSet() *cobra.Command {
	var (
		rename string
		at     int
	)
	c := &cobra.Command{
		Use: "set TENANT --rename NAME", Aliases: []string{"edit"}, Short: "Rename a tenant", Args: oneArg, ValidArgsFunction: a.completeTenants(),
		RunE: func(c *cobra.Command, args []string) error {
			if rename == "" {
				return usagef("nothing to change was given")
			}
			call := client.Call{}
			if at > 0 {
				call.IfMatch = strconv.Quote(strconv.Itoa(at))
			}
			return a.editTenant(c, args[0], map[string]any{"name": rename}, call)
		},
	}
	c.Flags().StringVar(&rename, "rename", "", "new `name`")
	c.Flags().IntVar(&at, "if-version", 0, "only if the tenant still has this `version`")
	return c
}

func (a *app) tenantDisable() *cobra.Command {
	var sure bool
	c := &cobra.Command{
		Use: "disable TENANT", Short: "Refuse the people and tokens of a tenant; its jobs go on", Args: oneArg, ValidArgsFunction: a.completeTenants(),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.confirm(sure, "lock everybody of "+args[0]+" out?"); err != nil {
				return err
			}
			return a.editTenant(c, args[0], map[string]any{"disabled": true}, client.Call{})
		},
	}
	c.Flags().BoolVarP(&sure, "yes", "y", false, "do not ask")
	return c
}

func (a *app) tenantEnable() *cobra.Command {
	return &cobra.Command{
		Use: "enable TENANT", Short: "Let the people and tokens of a tenant in again", Args: oneArg, ValidArgsFunction: a.completeTenants(),
		RunE: func(c *cobra.Command, args []string) error {
			return a.editTenant(c, args[0], map[string]any{"disabled": false}, client.Call{})
		},
	}
}
