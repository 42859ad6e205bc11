package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/runsheet/runsheet/client"
)

func (a *app) userCommand() *cobra.Command {
	return a.noun("user", "Give people access", a.userCreate(), a.userList(), a.userGet(), a.userSet(), a.userPassword(),
		a.userSwitch("disable", "End a user's sessions and let it log in no more", true), a.userSwitch("enable", "Let a user log in again", false),
		a.userRemove())
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func userStatus(u client.User) string {
	if u.Disabled {
		return "disabled"
	}
	return "enabled"
}

func (a *app) userView() view[client.User] {
	return view[client.User]{
		id:      func(u client.User) string { return u.UserID },
		columns: []string{"USER", "NAME", "STATUS", "ROLES", "LOGIN"}, status: 2, spare: []string{"LOGIN"},
		row: func(u client.User) []string {
			return []string{u.UserID, u.Name, userStatus(u), strings.Join(u.Roles, " "), a.agoPtr(u.LastLoginAt)}
		},
		detail: func(u client.User) []pair {
			return []pair{
				{"user", u.UserID},
				{"name", u.Name},
				{"status", userStatus(u)},
				{"tenant", u.Tenant},
				{"roles", strings.Join(u.Roles, " ")},
				{"password", yes(u.HasPassword)},
				{"issuer", deref(u.Issuer)},
				{"subject", deref(u.Subject)},
				{"version", strconv.FormatInt(u.Version, 10)},
				{"created", stamp(&u.CreatedAt) + " by " + u.CreatedBy},
				{"updated", stamp(&u.UpdatedAt)},
				{"login", stamp(u.LastLoginAt)},
			}
		},
	}
}

// secret reads a password: from a terminal, twice and without echo, or from the
// first line of stdin. It is never an argument, because others see those.
func (a *app) secret(fromStdin bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(a.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", usagef("read the password: %v", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", usagef("there is no password on stdin")
		}
		return line, nil
	}
	if !a.inTTY || !a.errTTY {
		e := usagef("there is no terminal to ask for the password")
		e.hint = "give it with --password-stdin"
		return "", e
	}
	return a.ask("password")
}

// ask reads something secret from the terminal, twice and without echo.
func (a *app) ask(what string) (string, error) {
	f, ok := a.in.(*os.File)
	if !ok {
		return "", usagef("there is no terminal to ask for the %s", what)
	}
	title := strings.ToUpper(what[:1]) + what[1:]
	var said [2]string
	for i, prompt := range []string{title + ": ", title + " again: "} {
		if _, err := io.WriteString(a.err, prompt); err != nil {
			return "", err
		}
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.err) // nobody is left to tell
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		said[i] = string(b)
	}
	if said[0] != said[1] {
		return "", usagef("the two %ss differ", what)
	}
	return said[0], nil
}

func (a *app) userCreate() *cobra.Command {
	var (
		in        client.UserInput
		tenant    string
		stdin, no bool
	)
	c := &cobra.Command{
		Use: "create NAME --role ROLE", Short: "Make a user; asks for the password", Args: oneArg,
		Example: `  runsheet user create ann --role operator --role author
  runsheet user create bob --role viewer --password-stdin < bob.password
  runsheet user create eve@example.org --role viewer --no-password`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(in.Roles) == 0 {
				return usagef("a user needs --role: viewer, operator, author, approver or admin")
			}
			if stdin && no {
				return usagef("--password-stdin and --no-password exclude each other")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			in.Name, in.Tenant = args[0], text(tenant)
			if !no {
				password, err := a.secret(stdin)
				if err != nil {
					return err
				}
				in.Password = &password
			}
			made, err := cl.CreateUser(c.Context(), in)
			if err != nil {
				return err
			}
			if a.json == nil {
				a.quiet = true
			}
			return printOne(a, a.userView(), made)
		},
	}
	roleFlag(c, &in.Roles, "`roles`: viewer, operator, author, approver, admin")
	tenantFlag(c, &tenant)
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from the first line of stdin")
	c.Flags().BoolVar(&no, "no-password", false, "the user logs in elsewhere, by OpenID")
	return c
}

func (a *app) userList() *cobra.Command {
	var (
		f     client.UserFilter
		limit int
	)
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List users", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.userView(), false, limit, func(ctx context.Context) ([]client.User, error) {
				return client.Collect(cl.Users(ctx, f), limit)
			})
		},
	}
	c.Flags().StringVar(&f.Query, "search", "", "only users whose name contains this `text`")
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	tenantFlag(c, &f.Tenant)
	return c
}

func (a *app) userGet() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "get USER", Aliases: []string{"show"}, Short: "Show a user, by id or name", Args: oneArg, ValidArgsFunction: a.completeUsers(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			u, err := cl.User(c.Context(), tenant, args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.userView(), u)
		},
	}
	tenantFlag(c, &tenant)
	return c
}

// editUser sends a patch and shows the user that it made.
func (a *app) editUser(c *cobra.Command, tenant, ref string, patch map[string]any, call client.Call) error {
	cl, err := a.connect(c)
	if err != nil {
		return err
	}
	u, err := cl.EditUser(c.Context(), tenant, ref, patch, call)
	if err != nil {
		return err
	}
	return printOne(a, a.userView(), u)
}

func (a *app) userSet() *cobra.Command {
	var (
		tenant, rename string
		roles          []string
		at             int
	)
	c := &cobra.Command{
		Use: "set USER", Aliases: []string{"edit"}, Short: "Change the roles or the name of a user", Args: oneArg,
		Long:    "Set changes what its flags name. New roles replace all that the user had, and end its sessions.",
		Example: "  runsheet user set ann --role viewer", ValidArgsFunction: a.completeUsers(),
		RunE: func(c *cobra.Command, args []string) error {
			patch, call := map[string]any{}, client.Call{}
			if c.Flags().Changed("role") {
				patch["roles"] = roles
			}
			if c.Flags().Changed("rename") {
				patch["name"] = rename
			}
			if len(patch) == 0 {
				return usagef("nothing to change was given")
			}
			if at > 0 {
				call.IfMatch = strconv.Quote(strconv.Itoa(at))
			}
			return a.editUser(c, tenant, args[0], patch, call)
		},
	}
	roleFlag(c, &roles, "the new `roles`")
	tenantFlag(c, &tenant)
	c.Flags().StringVar(&rename, "rename", "", "new `name`")
	c.Flags().IntVar(&at, "if-version", 0, "only if the user still has this `version`")
	return c
}

func (a *app) userPassword() *cobra.Command {
	var (
		tenant        string
		stdin, remove bool
	)
	c := &cobra.Command{
		Use: "passwd USER", Short: "Set a user's password and end its sessions; asks for it", Args: oneArg, ValidArgsFunction: a.completeUsers(),
		Example: "  runsheet user passwd ann\n  runsheet user passwd ann --password-stdin < ann.password",
		RunE: func(c *cobra.Command, args []string) error {
			if stdin && remove {
				return usagef("--password-stdin and --remove exclude each other")
			}
			patch := map[string]any{"password": nil}
			if !remove {
				password, err := a.secret(stdin)
				if err != nil {
					return err
				}
				patch["password"] = password
			}
			return a.editUser(c, tenant, args[0], patch, client.Call{})
		},
	}
	c.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from the first line of stdin")
	c.Flags().BoolVar(&remove, "remove", false, "take the password away")
	tenantFlag(c, &tenant)
	return c
}

func (a *app) userSwitch(verb, short string, disabled bool) *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: verb + " USER", Short: short, Args: oneArg, ValidArgsFunction: a.completeUsers(),
		RunE: func(c *cobra.Command, args []string) error {
			return a.editUser(c, tenant, args[0], map[string]any{"disabled": disabled}, client.Call{})
		},
	}
	tenantFlag(c, &tenant)
	return c
}

func (a *app) userRemove() *cobra.Command {
	var (
		tenant string
		sure   bool
	)
	c := &cobra.Command{
		Use: "rm USER", Aliases: []string{"delete"}, Short: "Delete a user and its sessions; its tokens stay", Args: oneArg,
		ValidArgsFunction: a.completeUsers(),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(sure, "delete the user "+args[0]+"?"); err != nil {
				return err
			}
			if err := cl.DeleteUser(c.Context(), tenant, args[0], client.Call{}); err != nil {
				return err
			}
			a.talk("deleted %s", args[0])
			return nil
		},
	}
	c.Flags().BoolVarP(&sure, "yes", "y", false, "do not ask")
	tenantFlag(c, &tenant)
	return c
}
