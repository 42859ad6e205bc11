package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/config"
)

func (a *app) secretCommand() *cobra.Command {
	return a.noun("secret", "Keep passwords and tokens for workflows", a.secretSet(), a.secretList(), a.secretGet(), a.secretGrant(), a.secretRevoke(),
		a.secretRemove(), a.secretRotateKey())
}

// maxSecret is the most that is read of a value, in bytes: one more than is taken.
const maxSecret = 32<<10 + 1

func grantText(g client.SecretGrant) string {
	var out strings.Builder
	out.WriteString("workflow=" + g.WorkflowID)
	for _, k := range g.Kinds {
		out.WriteString(",kind=" + k)
	}
	for _, h := range g.Hosts {
		out.WriteString(",host=" + h)
	}
	return out.String()
}

// grantOf reads "workflow=ID,kind=K,host=H", in which kind and host may stand more
// than once.
func grantOf(text string) (client.SecretGrant, error) {
	var g client.SecretGrant
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || value == "" {
			return g, badGrant(text)
		}
		switch name {
		case "workflow":
			if g.WorkflowID != "" {
				return g, badGrant(text)
			}
			g.WorkflowID = value
		case "kind":
			g.Kinds = append(g.Kinds, value)
		case "host":
			g.Hosts = append(g.Hosts, value)
		default:
			return g, badGrant(text)
		}
	}
	if g.WorkflowID == "" {
		return g, badGrant(text)
	}
	return g, nil
}

func badGrant(text string) error {
	e := usagef("%q is no grant", text)
	e.hint = "write workflow=ID,kind=KIND,host=HOST, for example workflow=blog,kind=action/api_call,host=blog.example.com"
	return e
}

func grantsOf(texts []string) ([]client.SecretGrant, error) {
	out := []client.SecretGrant{}
	for _, t := range texts {
		g, err := grantOf(t)
		if err != nil {
			return nil, err
		}
		if len(g.Kinds) == 0 {
			return nil, badGrant(t)
		}
		out = append(out, g)
	}
	return out, nil
}

func (a *app) secretView() view[client.Secret] {
	return view[client.Secret]{
		id:      func(s client.Secret) string { return s.Name },
		columns: []string{"SECRET", "GRANTS", "VALUE SET", "USED", "DESCRIPTION"}, status: -1, spare: []string{"USED"}, note: true,
		row: func(s client.Secret) []string {
			return []string{s.Name, strconv.Itoa(len(s.Grants)), a.ago(s.ValueSetAt), a.agoPtr(s.LastUsedAt), s.Description}
		},
		detail: func(s client.Secret) []pair {
			out := []pair{{"secret", s.Name}, {"description", s.Description}}
			for _, g := range s.Grants {
				out = append(out, pair{"grant", grantText(g)})
			}
			if len(s.Grants) == 0 {
				out = append(out, pair{"grant", "none: nobody can use it"})
			}
			return append(out,
				pair{"value", strconv.FormatInt(s.ValueVersion, 10) + ", set " + stamp(&s.ValueSetAt)},
				pair{"version", strconv.FormatInt(s.Version, 10)},
				pair{"created", stamp(&s.CreatedAt) + " by " + s.CreatedBy},
				pair{"updated", stamp(&s.UpdatedAt) + " by " + s.UpdatedBy},
				pair{"used", stamp(s.LastUsedAt)})
		},
	}
}

// secretName refuses a value among the arguments, where the shell's history and other
// users of the machine see it.
func secretName(c *cobra.Command, args []string) error {
	if len(args) == 1 && !strings.Contains(args[0], "=") {
		return nil
	}
	if len(args) == 0 {
		return oneArg(c, args)
	}
	e := usagef("a value is never an argument: the shell's history and other users of this machine would see it")
	e.hint = "give it on stdin or with --value-file FILE; and change that value, it was seen"
	return e
}

// secretValue reads a value from a file, the terminal or stdin.
func (a *app) secretValue(file string) (string, error) {
	var in io.Reader
	switch {
	case file == "-" || file == "" && !a.inTTY:
		in = a.in
	case file == "":
		return a.ask("value")
	default:
		f, err := os.Open(file)
		if err != nil {
			return "", usagef("read the value: %v", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSecret+2))
	if err != nil {
		return "", fmt.Errorf("read the value: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case value == "":
		return "", usagef("there is no value")
	case len(value) >= maxSecret:
		return "", usagef("the value is larger than %d bytes", maxSecret-1)
	}
	return value, nil
}

func (a *app) secretSet() *cobra.Command {
	var file, description, value string
	var grants []string
	c := &cobra.Command{
		Use: "set NAME", Short: "Set a secret's value, read from stdin, a file or the terminal", Args: secretName,
		Long: `Set makes a secret or gives it another value. The value is read from stdin, from a
file, or asked for on the terminal without echo; it is never an argument. One newline
at its end is not part of it. Nobody can read it afterwards.

Without --grant a new secret can be used by nobody, and one that exists keeps its
grants. A grant names a workflow (* and ? stand for anything), kinds of nodes, and the
hosts that those nodes may send to; kinds without a target, such as action/command,
take no host.`,
		Example: `  runsheet secret set BLOG_TOKEN --grant workflow=blog,kind=action/api_call,host=blog.example.com < token.txt
  runsheet secret set DB_PASSWORD --value-file /run/secrets/db --grant 'workflow=nightly-*,kind=action/command'`,
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("value") {
				return secretName(c, []string{args[0], ""})
			}
			fields := map[string]any{}
			if c.Flags().Changed("grant") {
				list, err := grantsOf(grants)
				if err != nil {
					return err
				}
				fields["grants"] = list
			}
			if c.Flags().Changed("description") {
				fields["description"] = description
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if fields["value"], err = a.secretValue(file); err != nil {
				return err
			}
			s, err := cl.PutSecret(c.Context(), args[0], fields, client.Call{})
			if err != nil {
				return err
			}
			for _, w := range s.Warnings {
				a.talk("warning: %s", w)
			}
			if len(s.Grants) == 0 {
				a.talk("nobody can use it yet; see: runsheet secret grant --help")
			}
			return printOne(a, a.secretView(), s)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "value-file", "", "`file` with the value; - is stdin")
	f.StringVar(&description, "description", "", "a `sentence` for people")
	f.StringArrayVar(&grants, "grant", nil, "`workflow=ID,kind=KIND,host=HOST` that may use it; repeatable; replaces the grants that it has")
	f.StringVar(&value, "value", "", "refused: others would see it")
	f.Lookup("value").Hidden = true
	return c
}

func (a *app) secretList() *cobra.Command {
	var f client.SecretFilter
	var limit int
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List secrets, without their values", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			f.PageSize = pageSize(limit)
			return show(c.Context(), a, a.secretView(), false, limit, func(ctx context.Context) ([]client.Secret, error) {
				return client.Collect(cl.Secrets(ctx, f), limit)
			})
		},
	}
	c.Flags().StringVar(&f.Query, "search", "", "only secrets whose name contains this `text`")
	c.Flags().IntVar(&limit, "limit", 50, "at most this `number`; 0 = all")
	return c
}

func (a *app) secretGet() *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Aliases: []string{"show"}, Short: "Show what is known of a secret; its value is never shown", Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			s, err := cl.Secret(c.Context(), args[0])
			if err != nil {
				return err
			}
			return printOne(a, a.secretView(), s)
		},
	}
}

// regrant changes the grants of a secret, unless somebody else does at this moment.
func (a *app) regrant(c *cobra.Command, name string, change func([]client.SecretGrant) ([]client.SecretGrant, error)) error {
	cl, err := a.connect(c)
	if err != nil {
		return err
	}
	s, err := cl.Secret(c.Context(), name)
	if err != nil {
		return err
	}
	grants, err := change(slices.Clone(s.Grants))
	if err != nil {
		return err
	}
	s, err = cl.PutSecret(c.Context(), name, map[string]any{"grants": grants}, client.Call{IfMatch: strconv.Quote(strconv.FormatInt(s.Version, 10))})
	if err != nil {
		return err
	}
	return printOne(a, a.secretView(), s)
}

func (a *app) secretGrant() *cobra.Command {
	return &cobra.Command{
		Use: "grant NAME GRANT...", Short: "Let a workflow use a secret", Args: cobra.MinimumNArgs(2),
		Long: `Grant adds to who may use a secret. Whoever may edit a workflow that has a grant can
send the secret to the hosts of the grant: name as few of both as possible.`,
		Example: `  runsheet secret grant BLOG_TOKEN workflow=blog,kind=action/api_call,host=blog.example.com:443`,
		RunE: func(c *cobra.Command, args []string) error {
			more, err := grantsOf(args[1:])
			if err != nil {
				return err
			}
			return a.regrant(c, args[0], func(has []client.SecretGrant) ([]client.SecretGrant, error) {
				for _, g := range more {
					if !slices.ContainsFunc(has, func(h client.SecretGrant) bool { return grantText(h) == grantText(g) }) {
						has = append(has, g)
					}
				}
				return has, nil
			})
		},
	}
}

func (a *app) secretRevoke() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "revoke NAME GRANT...|--all", Short: "Take grants of a secret away", Args: cobra.MinimumNArgs(1),
		Long: `Revoke takes grants away, each as "secret get" shows it; workflow=ID alone is all
grants of that workflow.`,
		Example: `  runsheet secret revoke BLOG_TOKEN workflow=blog
  runsheet secret revoke BLOG_TOKEN --all`,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 1) {
				return usagef("name grants, or give --all")
			}
			return a.regrant(c, args[0], func(has []client.SecretGrant) ([]client.SecretGrant, error) {
				if all {
					return []client.SecretGrant{}, nil
				}
				for _, text := range args[1:] {
					g, err := grantOf(text)
					if err != nil {
						return nil, err
					}
					n := len(has)
					has = slices.DeleteFunc(has, func(h client.SecretGrant) bool {
						return grantText(h) == grantText(g) || len(g.Kinds)+len(g.Hosts) == 0 && h.WorkflowID == g.WorkflowID
					})
					if len(has) == n {
						return nil, usagef("%s has no grant %s", args[0], text)
					}
				}
				return has, nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all grants: nobody can use it any more")
	return c
}

func (a *app) secretRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "rm NAME", Aliases: []string{"delete"}, Short: "Delete a secret", Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "delete the secret "+args[0]+"? Workflows that refer to it will fail."); err != nil {
				return err
			}
			if err := cl.DeleteSecret(c.Context(), args[0], client.Call{}); err != nil {
				return err
			}
			a.talk("deleted %s", args[0])
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// RotateKey is what `secret rotate-key` asks for.
type RotateKey struct {
	// OldKeyFile has the present key; "" = the configuration says where it is.
	OldKeyFile string
	// NewKeyFile has the new key, or gets one; "" = in the place of the present file.
	NewKeyFile string
}

// RotatedKey is what `secret rotate-key` did: how many data keys it encrypted anew,
// where the new key is, and where the old one is kept, "" if it was in no file.
type RotatedKey struct {
	Keys          int
	KeyFile, Kept string
}

func (a *app) secretRotateKey() *cobra.Command {
	var r RotateKey
	c := &cobra.Command{
		Use: "rotate-key", Short: "Encrypt all secrets with another master key", Args: noArgs,
		Long: `Rotate-key replaces the master key with which all secrets are encrypted. It works on
the database itself, as restore does. With SQLite the server must be stopped. With
PostgreSQL instances that have the old key refuse secrets until they get the new one.

A key that is in a file is replaced there, and the old one is kept beside it: backups
that were made before need it. A key that is given by RUNSHEET_SECRETS_KEY or
secrets.key is replaced by you: --new-key-file says where the new one is, or is put.`,
		Example: `  runsheet secret rotate-key --data /var/lib/runsheet
  runsheet secret rotate-key --database-url postgres://runsheet@db/runsheet --new-key-file new.key`,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Sources{Flags: c.Flags(), Env: a.Env})
			if err != nil {
				return err
			}
			done, err := a.RotateKey(c.Context(), cfg, r)
			if err != nil {
				return err
			}
			a.talk("encrypted %d keys anew; the new master key is in %s: keep a copy of it", done.Keys, done.KeyFile)
			if done.Kept != "" {
				a.talk("the old key is kept in %s, which backups made before need", done.Kept)
			}
			return nil
		},
	}
	config.AddFlags(c.Flags())
	c.Flags().VisitAll(func(f *pflag.Flag) {
		f.Hidden = !slices.Contains([]string{"config", "data", "database-url", "secrets-key-file"}, f.Name)
	})
	c.Flags().StringVar(&r.OldKeyFile, "old-key-file", "", "`file` with the present key, if the configuration names another")
	c.Flags().StringVar(&r.NewKeyFile, "new-key-file", "", "`file` with the new key; made if it does not exist")
	return c
}
