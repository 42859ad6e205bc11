package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"charm.land/lipgloss/v2"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
)

// onTerminal is an app that writes to a terminal of a width.
func onTerminal(width int, noColor bool) (*app, *bytes.Buffer) {
	out := &bytes.Buffer{}
	env := func(name string) (string, bool) { return "1", noColor && name == "NO_COLOR" }
	return &app{out: out, outTTY: true, width: width, Options: Options{Env: env, Clock: clocktest.New(now)}}, out
}

// jobs are rows that no terminal can show whole.
func jobs() []client.Job {
	j := job("QUEUED")
	j.Name = strings.Repeat("ein schöner Name 名前 ", 9)
	j.Waiting = &client.Waiting{Code: "lock", Detail: strings.Repeat("the lock is held by another job ", 9)}
	short := job("RUNNING")
	short.Name = ""
	return []client.Job{j, short}
}

func TestTerminalTableFitsAndKeepsIDs(t *testing.T) {
	t.Parallel()
	for width := 44; width <= 200; width++ {
		a, out := onTerminal(width, true)
		if err := printList(a, a.jobView(), jobs()); err != nil {
			t.Fatal(err)
		}
		ids := 0
		for line := range strings.Lines(out.String()) {
			line = strings.TrimRight(clean(line), " ")
			if n := lipgloss.Width(line); n > width {
				t.Errorf("width %d: a line of %d cells: %q", width, n, line)
			}
			if slices.Contains(strings.Fields(line), jobID) {
				ids++
			}
		}
		if ids != 2 {
			t.Errorf("width %d: %d whole ids, want 2:\n%s", width, ids, out.String())
		}
	}
}

func TestTableThatCannotFitKeepsTheID(t *testing.T) {
	t.Parallel()
	a, out := onTerminal(10, true)
	if err := printList(a, a.jobView(), jobs()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), jobID); got != 2 {
		t.Errorf("%d whole ids, want 2:\n%s", got, out.String())
	}
}

func TestWideTerminalKeepsItsColumns(t *testing.T) {
	t.Parallel()
	a, out := onTerminal(120, true)
	list := jobs()
	list[0].Waiting.Detail = "1 job is ahead"
	if err := printList(a, a.jobView(), list); err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(out.String(), "\n")
	if want := a.jobView().columns; !slices.Equal(strings.Fields(clean(header)), want) {
		t.Errorf("a long name costs columns: %q, want %v", header, want)
	}
}

func TestSlotsKeepTheIDOfTheirJob(t *testing.T) {
	t.Parallel()
	a, out := onTerminal(60, true)
	s := client.Slot{Slot: 1, State: "busy", JobID: new(jobID), Name: new(strings.Repeat("long ", 20)), JobType: new("command"), Since: new(now)}
	if err := printList(a, a.slotView(), []client.Slot{s}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), jobID) {
		t.Errorf("the id is cut:\n%s", out.String())
	}
}

func TestPipedTableIsComplete(t *testing.T) {
	t.Parallel()
	a, out := onTerminal(40, false)
	a.outTTY = false
	list := jobs()
	if err := printList(a, a.jobView(), list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{jobID, strings.TrimSpace(list[0].Name), strings.TrimSpace(list[0].Waiting.Detail)} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("colours in a pipe: %q", out.String())
	}
}

func TestTablesSayUntilWhenAndWhySkipped(t *testing.T) {
	t.Parallel()
	a, out := onTerminal(40, false)
	a.outTTY = false
	list := jobs()[:1]
	list[0].Waiting = &client.Waiting{Code: "held", Detail: "wait for the data", HeldBy: new("ann"), Reason: new("wait for the data")}
	if text := waiting(list[0]); text != "wait for the data (held by ann)" {
		t.Error(text)
	}
	list[0].Waiting = &client.Waiting{Code: "not_before", Detail: "its start time has not come", Until: new(now)}
	if err := printList(a, a.jobView(), list); err != nil {
		t.Fatal(err)
	}
	skipped := client.Run{RunID: "run_1", Status: new("SKIPPED"), Reason: new("deadline")}
	if err := printList(a, a.runView(), []client.Run{skipped}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"its start time has not come (until " + stamp(&now) + ")", "deadline"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}

func TestTerminalColours(t *testing.T) {
	t.Parallel()
	for _, noColor := range []bool{false, true} {
		a, out := onTerminal(60, noColor)
		s := newSheet(view[client.Job]{columns: []string{"JOB", "STATUS"}, status: 1}, [][]string{{"job_1", "FAILED"}})
		if err := a.table(s); err != nil {
			t.Fatal(err)
		}
		if noColor && strings.Contains(out.String(), "\x1b[3") {
			t.Errorf("colours in spite of NO_COLOR: %q", out.String())
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"名前名前", 5, "名前…"}, {"名前名前", 4, "名…"}, {"", 3, ""},
	} {
		if got := cut(c.text, c.width); got != c.want {
			t.Errorf("cut(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestHintsOfEqualsSigns(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"job add --wait 5s -- /bin/true":    "--wait=5s",
		"job add 5s":                        "job add -- 5s",
		"job ls --json status":              "--json=status",
		"job get " + jobID + " --json name": "--json=name",
		"job get " + jobID + " " + jobID:    "usage: ",
	} {
		_, talk, code := serve(t, "FAILED").invoke(t.Context(), t, "", strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(talk, want) {
			t.Errorf("%s: exit %d, stderr %q, want %q", args, code, talk, want)
		}
	}
}

func TestFollowedLogWaitsForTheStart(t *testing.T) {
	t.Parallel()
	out, talk, code := serve(t, "QUEUED", "QUEUED", "RUNNING", "COMPLETED").invoke(t.Context(), t, "", "job", "logs", "--follow", jobID)
	if code != exitOK || out != "line 1\nline 2\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, talk)
	}
	_, talk, code = serve(t, "QUEUED").invoke(t.Context(), t, "", "job", "logs", jobID)
	if code != exitConflict || !strings.Contains(talk, "job get "+jobID) {
		t.Errorf("exit %d, stderr %q", code, talk)
	}
}

func TestNoteOnRelativeFiles(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]bool{
		"-- /bin/cat args.go": true, "-- /bin/cat /etc/hosts": false, "-- /bin/cat no-such-file": false, "-- args.go": false, "-- /bin/ls testdata": false,
	} {
		_, talk, code := serve(t).invoke(t.Context(), t, "", append([]string{"job", "add"}, strings.Fields(args)...)...)
		if got := strings.Contains(talk, "will not find args.go"); got != want || code != exitOK {
			t.Errorf("%s: exit %d, stderr %q, want a note: %t", args, code, talk, want)
		}
	}
}

func TestCommandName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{"/usr/bin/python3", "/opt/train.py", "--x"}, "python3 train.py"},
		{[]string{"/bin/sleep", "30"}, "sleep 30"},
		{[]string{"/bin/ls", "-l"}, "ls"},
		{[]string{"/bin/echo", "hello, queue"}, "echo"},
		{[]string{"/usr/bin/printf", `a\nb/c`}, "printf"},
		{[]string{"/bin/" + strings.Repeat("x", 70)}, ""},
	} {
		if got := commandName(c.argv); got != c.want {
			t.Errorf("commandName(%q) = %q, want %q", c.argv, got, c.want)
		}
	}
}
