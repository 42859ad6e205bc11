//go:build linux

package action_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/process"
	"github.com/runsheet/runsheet/internal/task/command"
)

func program(t *testing.T, allow ...string) *action.Command {
	t.Helper()
	tk, err := command.New(command.Options{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return action.NewCommand(tk)
}

func script(t *testing.T, text string, more map[string]any) (*action.Command, node.Call, *nodetest.Host) {
	t.Helper()
	n, h := program(t, "*"), nodetest.New(t)
	c := nodetest.CallOf(t, h, kinds(n), "  - {node_id: c, type: command, config: {argv: [sh]}}\n", more)
	c.Config["argv"] = []any{"sh", "-c", text}
	return n, c, h
}

func TestCommandResult(t *testing.T) {
	t.Parallel()
	n, c, h := script(t, `echo hello; echo there >&2; echo "::output key=a value"; cat > in.txt; echo "$A $B $RUNSHEET_IDEMPOTENCY_KEY $RUNSHEET_NODE_ID $RUNSHEET_INDEX $RUNSHEET_EPOCH$RUNSHEET_CHECKPOINT."`,
		map[string]any{"env": map[string]any{"A": "x", "B": int64(7)}, "stdin": "input", "artifacts": []any{"*.txt"}, "capture": true})
	c.Item = 3
	r, err := n.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"exit_code": int64(0), "skipped": false, "outputs": map[string]any{"key": "a value"},
		"artifacts": []any{map[string]any{"artifact_id": "art_c/3/in.txt", "name": "in.txt", "media_type": "text/plain; charset=utf-8", "size_bytes": int64(5), "sha256": "c96c6d5be8d08a12e7b5cdc1b207fa6b2430974c86803d8891675e76fd992c20"}},
		"stdout":    "hello\n::output key=a value\nx 7 " + nodetest.RunID + ":c c 3 .\n",
	}
	if d := cmp.Diff(want, r.Value); d != "" {
		t.Error(d)
	}
	if !strings.Contains(h.LogText(), "hello\n") || !strings.Contains(h.LogText(), "there\n") {
		t.Errorf("log:\n%s", h.LogText())
	}
	if p := h.Processes(); len(p) != 1 || p[0].Start == "" {
		t.Errorf("processes %v", p)
	}
	if d := cmp.Diff(map[string]string{"c/3/in.txt": "input"}, h.Artifacts()); d != "" {
		t.Error(d)
	}
}

func TestCommandEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		code, class string
		final       bool
	}{
		"exit 3":     {"exit_nonzero", node.ClassExit, false},
		"kill -9 $$": {"killed_by_signal", node.ClassExit, false},
	} {
		n, c, _ := script(t, text, nil)
		_, err := n.Run(t.Context(), c)
		if f := nodetest.Failure(t, err); f.Code != want.code || f.Class != want.class || f.Final != want.final {
			t.Errorf("%s: %+v", text, f)
		}
	}
	n, c, _ := script(t, "echo '::skip nothing new'; exit 99", nil)
	r, err := n.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]any{"exit_code": int64(99), "skipped": true, "reason": "nothing new", "outputs": map[string]any{}, "artifacts": []any{}}, r.Value); d != "" {
		t.Error(d)
	}
	for name, c := range map[string]struct {
		allow  []string
		config map[string]any
		code   string
	}{
		"not allowed":  {[]string{"/bin/true"}, map[string]any{"argv": []any{"sh", "-c", "true"}}, "command_not_allowed"},
		"off":          {nil, map[string]any{"argv": []any{"true"}}, "job_type_disabled"},
		"missing":      {[]string{"*"}, map[string]any{"argv": []any{"/nowhere/at/all"}}, "not_startable"},
		"empty":        {[]string{"*"}, map[string]any{"argv": []any{}}, "invalid_config"},
		"object":       {[]string{"*"}, map[string]any{"argv": []any{"true", map[string]any{}}}, "invalid_config"},
		"preload":      {[]string{"*"}, map[string]any{"argv": []any{"true"}, "env": map[string]any{"LD_PRELOAD": "/x.so"}}, "invalid_input"},
		"own variable": {[]string{"*"}, map[string]any{"argv": []any{"true"}, "env": map[string]any{"RUNSHEET_RUN_ID": "x"}}, "invalid_input"},
		"limit":        {[]string{"*"}, map[string]any{"argv": []any{"true"}, "limits": map[string]any{"open_files": "many"}}, "invalid_config"},
		"pattern":      {[]string{"*"}, map[string]any{"argv": []any{"true"}, "artifacts": []any{"../x"}}, "invalid_input"},
	} {
		n := program(t, c.allow...)
		call := nodetest.CallOf(t, nodetest.New(t), kinds(n), "  - {node_id: c, type: command, config: {argv: ['true']}}\n", c.config)
		_, err := n.Run(t.Context(), call)
		if f := nodetest.Failure(t, err); f.Code != c.code || !f.Final {
			t.Errorf("%s: %+v: %v", name, f, f)
		}
	}
}

// living counts the processes that carry a marker.
func living(t *testing.T, marker string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		b, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && bytes.Contains(b, []byte(marker)) {
			n++
		}
	}
	return n
}

// signalled returns once a program has written a word.
func signalled(t *testing.T, h *nodetest.Host, word string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !strings.Contains(h.LogText(), word) {
		if clock.Sleep(ctx, clock.System{}, 5*time.Millisecond) != nil {
			t.Fatalf("no %s in the log:\n%s", word, h.LogText())
		}
	}
}

// A cancel ends the whole tree, also what left the group, before Run returns.
func TestCommandCancelEndsTheTree(t *testing.T) {
	t.Parallel()
	n, c, h := script(t, "setsid sleep 1000 & sleep 1000 & echo ready; wait", nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody asked")
	done := make(chan error, 1)
	go func() {
		_, err := n.Run(ctx, c)
		done <- err
	}()
	signalled(t, h, "ready")
	marker := process.MarkerVariable + "=" + c.TaskRunID
	limit, end := context.WithTimeout(t.Context(), time.Minute)
	defer end()
	for living(t, marker) < 3 { // one that begins another program has no environment for a moment
		if clock.Sleep(limit, clock.System{}, 5*time.Millisecond) != nil {
			t.Fatal("there is no tree: the test tests nothing")
		}
	}
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if left := living(t, marker); left != 0 {
		t.Errorf("%d processes are left", left)
	}
}

// Two commands of one run: when one loses its supervisor, the other goes on.
func TestCommandsOfOneRunAreApart(t *testing.T) {
	t.Parallel()
	one, a, ha := script(t, "echo ready; sleep 1000", nil)
	_, b, hb := script(t, "echo ready; while [ ! -e \"$FLAG\" ]; do sleep 0.05; done; echo over", nil)
	flag := t.TempDir() + "/flag"
	b.TaskRunID, b.Item, b.Config["env"] = a.TaskRunID, 1, map[string]any{"FLAG": flag}
	ends := make(chan error, 2)
	lost := make(chan error, 1)
	go func() { _, err := one.Run(t.Context(), a); lost <- err }()
	go func() { _, err := one.Run(t.Context(), b); ends <- err }()
	signalled(t, ha, "ready")
	signalled(t, hb, "ready")
	p, err := os.FindProcess(ha.Processes()[0].Pid)
	if err != nil || p.Kill() != nil {
		t.Fatal("the supervisor cannot be killed")
	}
	if f := nodetest.Failure(t, <-lost); f.Code != "supervisor_lost" {
		t.Errorf("got %+v", f)
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-ends; err != nil || !strings.Contains(hb.LogText(), "over") {
		t.Errorf("the other command: %v\n%s", err, hb.LogText())
	}
}

// A process that cannot be recorded does not work.
func TestCommandIsRecordedFirst(t *testing.T) {
	t.Parallel()
	n, c, h := script(t, "echo ran", nil)
	h.ProcessErr = errors.New("the store is away")
	_, err := n.Run(t.Context(), c)
	if f := nodetest.Failure(t, err); !errors.Is(f, h.ProcessErr) || strings.Contains(h.LogText(), "ran") {
		t.Errorf("got %v\n%s", err, h.LogText())
	}
}

func TestCheckCommand(t *testing.T) {
	t.Parallel()
	k := kinds(program(t, "*"))
	const x = "'{{ inputs.x }}'"
	for config, bad := range map[string]bool{
		"argv: [sh, -c, 'echo $X'], env: {X: " + x + "}":    false,
		"argv: [sh, -c, 'echo \"$1\"', sh, " + x + "]":      false,
		"argv: [sh, -c, " + x + "]":                         true,
		"argv: [/bin/bash, -euxc, 'echo {{ inputs.x }}']":   true,
		"argv: [bash, -o, pipefail, -c, " + x + "]":         true,
		"argv: [bash, " + x + ", 'echo']":                   true,
		"argv: [bash, script.sh, " + x + "]":                false,
		"argv: [bash, " + x + "]":                           true,
		"argv: [/usr/bin/env, -i, A=b, zsh, -c, " + x + "]": true,
		"argv: [busybox, sh, -c, " + x + "]":                true,
		"argv: [timeout, '5', dash, -c, " + x + "]":         true,
		"argv: [pwsh.exe, -Command, 'echo', " + x + "]":     true,
		"argv: [sh], stdin: 'echo {{ inputs.x }}'":          true,
		"argv: [sh, -s, a], stdin: 'echo {{ inputs.x }}'":   true,
		"argv: [sh, -c, 'cat'], stdin: " + x:                false,
		"argv: [sh, read.sh], stdin: " + x:                  false,
		"argv: [echo, sh, -c, " + x + "]":                   false,
		"argv: [echo, " + x + "], stdin: " + x:              false,
		"argv: ['{{ inputs.x }}', -c, " + x + "]":           false, // it is looked at when it is computed
		"argv: []": true,
	} {
		_, problems := nodetest.Check(k, "  - {node_id: a, type: command, config: {"+config+"}}\n")
		if (len(problems) > 0) != bad {
			t.Errorf("%s: %v", config, problems)
		}
	}
}

// A shell that shows only when the executable is computed is refused then.
func TestComputedShell(t *testing.T) {
	t.Parallel()
	n := program(t, "*")
	for text, argv := range map[string][]any{
		"argv: ['{{ inputs.x }}', -c, 'echo {{ inputs.x }}']": {"sh", "-c", "echo X"},
		"argv: '{{ [inputs.x] }}'":                            {"bash", "-c", "echo X"},
	} {
		h := nodetest.New(t)
		c := nodetest.CallOf(t, h, kinds(n), "  - {node_id: c, type: command, config: {"+text+"}}\n", map[string]any{"argv": argv})
		_, err := n.Run(t.Context(), c)
		if f := nodetest.Failure(t, err); f.Code != "shell_script" || !f.Final || len(h.Processes()) != 0 {
			t.Errorf("%s: %+v", text, f)
		}
	}
}

func TestCapturesTheEnd(t *testing.T) {
	t.Parallel()
	n, c, _ := script(t, "seq 1 30000", map[string]any{"capture": true})
	r, err := n.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Value.(map[string]any)["stdout"].(string); len(s) != 64<<10 || !strings.HasSuffix(s, "\n29999\n30000\n") {
		t.Errorf("%d bytes, ends with %q", len(s), s[max(0, len(s)-20):])
	}
}
