package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/internal/engine/rehearsal"
	"github.com/runsheet/runsheet/internal/workflow"
)

// playedTest is a test that was played, as JSON.
type playedTest struct {
	File       string         `json:"file"`
	Line       int            `json:"line"`
	WorkflowID string         `json:"workflow_id"`
	Name       string         `json:"name"`
	Passed     bool           `json:"passed"`
	Status     string         `json:"status"`
	Duration   string         `json:"duration"`
	Failures   []testFailure  `json:"failures"`
	Timeline   []timelineLine `json:"timeline"`
}

type testFailure struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"text"`
}

type timelineLine struct {
	At     string `json:"at"`
	NodeID string `json:"node_id,omitempty"`
	State  string `json:"state"`
	Text   string `json:"text,omitempty"`
}

func (a *app) workflowTest() *cobra.Command {
	var verbose bool
	var only string
	c := &cobra.Command{
		Use: "test FILE...", Short: "Play the tests of workflows, without a server, a network or a wait", Args: someArgs,
		Long: "Test plays each document of the kind WorkflowTest, with mocks in the place of what would go outside\n" +
			"and a clock that jumps, and compares what happens with what the test expects. A workflow without\n" +
			"tests is played once, with the mocks of its nodes. It ends with 1 if a test fails, and with 2 if a\n" +
			"file is broken. - is stdin.",
		Example: "  runsheet workflow test examples/workflows/nightly_story.yaml\n  runsheet workflow test flows/*.test.yaml --run rejected -v",
		RunE: func(c *cobra.Command, args []string) error {
			played := []playedTest{}
			for _, arg := range args {
				cases, err := a.testCases(arg)
				if err != nil {
					return err
				}
				for _, one := range cases {
					if !strings.Contains(one.Test.Name, only) {
						continue
					}
					p, err := playCase(c.Context(), one)
					if err != nil {
						return err
					}
					if a.json == nil {
						a.tellTest(p, verbose)
					}
					played = append(played, p)
				}
			}
			if len(played) == 0 && only != "" {
				return &usage{text: fmt.Sprintf("no test has %q in its name", only)}
			}
			return a.testsDone(played)
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print what happens, and when")
	c.Flags().StringVar(&only, "run", "", "only tests whose name contains this `text`")
	return c
}

// testCases reads a file with tests.
func (a *app) testCases(arg string) ([]rehearsal.Case, error) {
	name, text, err := a.documentFile(arg)
	if err != nil {
		return nil, err
	}
	f, err := a.testFile(name, text)
	if err != nil {
		return nil, err
	}
	cases, problems, err := rehearsal.Cases(f, func(path string) (rehearsal.File, error) {
		name, text, err := a.documentFile(path)
		if err != nil {
			return rehearsal.File{}, err
		}
		return a.testFile(name, text)
	})
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		_, _ = fmt.Fprintln(a.err, clean(p.String())) // nobody is left to tell
	}
	if len(problems) > 0 {
		return nil, usagef("%s: %s", name, plural(len(problems), "problem"))
	}
	return cases, nil
}

func (a *app) testFile(name string, text []byte) (rehearsal.File, error) {
	docs, graphs, err := a.valid(name, text)
	if err != nil {
		return rehearsal.File{}, usagef("%v", err)
	}
	return rehearsal.File{Name: name, Docs: docs, Graphs: graphs}, nil
}

func playCase(ctx context.Context, c rehearsal.Case) (playedTest, error) {
	r, differences, err := c.Play(ctx)
	if err != nil {
		return playedTest{}, err
	}
	p := playedTest{
		File: c.File, Line: c.Test.Pos.Line, WorkflowID: c.Graph.Definition.ID, Name: c.Test.Name, Passed: len(differences) == 0,
		Status: string(r.Status), Duration: workflow.FormatDuration(r.Ended.Sub(r.Began)), Failures: []testFailure{}, Timeline: []timelineLine{},
	}
	for _, d := range differences {
		p.Failures = append(p.Failures, testFailure{d.Pos.Line, d.Pos.Column, d.Text})
	}
	for _, l := range r.Lines {
		p.Timeline = append(p.Timeline, timelineLine{workflow.FormatDuration(l.At.Sub(r.Began)), l.NodeID, l.State, l.Text})
	}
	return p, nil
}

// tellTest prints a test that was played. Without a name it is a run to look at.
func (a *app) tellTest(p playedTest, verbose bool) {
	say := func(format string, args ...any) {
		for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
			_, _ = fmt.Fprintln(a.out, clean(line)) // nobody is left to tell
		}
	}
	name, mark := p.WorkflowID, "ok  "
	if p.Name != "" {
		name += ": " + p.Name
	}
	if !p.Passed {
		mark = "FAIL"
	}
	say("%s %s (%s after %s)", mark, name, orWord(p.Status, "no end"), p.Duration)
	if verbose || p.Name == "" {
		for _, l := range p.Timeline {
			who := l.NodeID
			if who == "" {
				who = "the run"
			}
			say("%s", strings.TrimRight(fmt.Sprintf("     %10s  %-20s %-10s %s", l.At, who, l.State, l.Text), " "))
		}
	}
	for _, f := range p.Failures {
		say("  %s:%d:%d: %s", p.File, f.Line, f.Column, f.Text)
	}
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// testsDone tells how many tests have passed.
func (a *app) testsDone(played []playedTest) error {
	failed := 0
	for _, p := range played {
		if !p.Passed {
			failed++
		}
	}
	if a.json != nil {
		b, err := json.Marshal(map[string]any{"items": played, "passed": len(played) - failed, "failed": failed})
		if err != nil {
			return err
		}
		if err := a.writeJSON(b); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s failed", failed, plural(len(played), "test"))
	}
	a.talk("%s passed", plural(len(played), "test"))
	return nil
}
