// Package cli is the command line: `runsheet <noun> <verb>`. It starts the
// server, and for everything else it talks to a server through the public
// client, so that it can do nothing that the API does not allow.
//
// Data goes to stdout, talk to stderr. A terminal gets tables and colours, a
// pipe gets aligned text; --json, -q and --watch are for programs. The exit code
// says how it went (exit.go).
//
//	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, cli.Options{Serve: run, Version: v}))
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/runsheet/runsheet/internal/archive"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
)

// Options are what the command line gets from the program around it.
type Options struct {
	// Serve runs the server until ctx ends. Required for `serve`.
	Serve func(ctx context.Context, cfg config.Config) error
	// Restore and Migrate work on places that no server uses. Required for the
	// commands of these names.
	Restore func(ctx context.Context, cfg config.Config, r Restore) (archive.Manifest, error)
	Migrate func(ctx context.Context, m Migrate) (Migrated, error)
	// RotateKey changes the master key of secrets. Required for `secret rotate-key`.
	RotateKey func(ctx context.Context, cfg config.Config, r RotateKey) (RotatedKey, error)
	// Bench measures throwaway servers. Required for `bench`.
	Bench func(ctx context.Context, b Bench) (report.Report, error)
	// Version is what `version` prints.
	Version string
	// Env looks up environment variables; nil = os.LookupEnv.
	Env func(string) (string, bool)
	// Clock is for times relative to now; nil = clock.System.
	Clock clock.Clock
}

// app is one call of the command line.
type app struct {
	Options
	in       io.Reader
	out, err io.Writer
	// inTTY, outTTY and errTTY say which streams are terminals.
	inTTY, outTTY, errTTY bool
	width                 int // of the terminal, in cells

	url, tokenFile, caFile string
	json                   fields
	quiet                  bool

	// started says that the arguments were understood: an error before is one of
	// usage.
	started bool
}

// Main runs one command and returns the exit code. It ends early when ctx does.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, o Options) int {
	a := &app{Options: o, in: stdin, out: stdout, err: stderr, width: 80}
	if a.Env == nil {
		a.Env = os.LookupEnv
	}
	if a.Clock == nil {
		a.Clock = clock.System{}
	}
	a.inTTY, a.outTTY, a.errTTY = terminal(stdin), terminal(stdout), terminal(stderr)
	if f, ok := stdout.(*os.File); ok && a.outTTY {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			a.width = w
		}
	}
	return a.run(ctx, args)
}

func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	code := a.exitCode(ctx, err)
	a.explain(err, code)
	return code
}

const rootHelp = `Runsheet runs long, costly or risky jobs in exactly the order you want, and
shows why each one waits.

The server is named by --url or RUNSHEET_URL, with the token in --token-file or
RUNSHEET_TOKEN. Without them, the server of this user's data folder is used.

Exit codes: 0 ok, 1 job failed, 2 usage, 3 not found, 4 not allowed, 5 conflict,
6 wait timed out, 7 server unreachable, 8 waiting for an approval, 9 job cancelled
or skipped, 130 interrupted.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "runsheet", Short: "Run jobs in the order you want", Long: rootHelp,
		Example: `  runsheet serve --demo
  runsheet job add --name hello --wait -- /bin/echo hello
  runsheet job ls`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.ArbitraryArgs, RunE: a.group,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
	}
	f := root.PersistentFlags()
	f.StringVar(&a.url, "url", "", "server `URL`, such as http://127.0.0.1:8420 (RUNSHEET_URL)")
	f.StringVar(&a.tokenFile, "token-file", "", "`file` that holds the token (else RUNSHEET_TOKEN)")
	f.StringVar(&a.caFile, "ca-file", "", "PEM `file` of the authority behind the server's certificate (RUNSHEET_CA_FILE)")
	f.Var(&a.json, "json", "print JSON; --json=a,b prints only these fields")
	f.Lookup("json").NoOptDefVal = allFields
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print ids only")
	config.AddDataFlag(f)
	root.AddCommand(
		a.serveCommand(), a.jobCommand(), a.groupCommand(), a.lockCommand(), a.runCommand(), a.templateCommand(), a.directiveCommand(), a.storyCommand(), a.researchCommand(), a.workerCommand(),
		a.queueCommand(), a.scheduleCommand(), a.calendarCommand(), a.approvalCommand(), a.workflowCommand(), a.limitsCommand(), a.budgetCommand(), a.llmCommand(), a.settingsCommand(), a.backupCommand(), a.restoreCommand(), a.migrateCommand(), a.configCommand(), a.doctorCommand(), a.benchCommand(), a.healthCommand(), a.exportCommand(), a.importCommand(),
		a.tokenCommand(), a.userCommand(), a.tenantCommand(), a.auditCommand(), a.whoamiCommand(), a.webhookCommand(), a.secretCommand(),
		a.demoCommand(), a.storageCommand(), a.legacyCommand(), a.versionCommand(),
	)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usage{text: flagText(err.Error()), hint: "see: " + c.CommandPath() + " --help"}
	})
	return root
}

// noun makes a command that only holds others.
func (a *app) noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: a.group}
	c.AddCommand(verbs...)
	return c
}

// group answers a noun without a known verb.
func (a *app) group(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	e := usagef("unknown command %q for %q", args[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if s := c.SuggestionsFor(args[0]); len(s) > 0 {
		e.hint = "did you mean " + strings.Join(s, " or ") + "?"
	} else {
		e.hint = "see: " + c.CommandPath() + " --help"
	}
	return e
}

// usage is a mistake in the arguments.
type usage struct{ text, hint string }

func (u *usage) Error() string { return u.text }

func isUsage(err error) bool {
	var u *usage
	return errors.As(err, &u)
}
