//go:build linux

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/process"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

func TestMain(m *testing.M) {
	if process.Main(os.Args[1:]) {
		return
	}
	goleak.VerifyTestMain(m)
}

// bundle is a job type with one attempt and its host.
type bundle struct {
	task    *Task
	host    *tasktest.Host
	attempt task.Attempt
}

// setup prepares an attempt at a shell script. The tests use a shell for
// brevity; the code under test does not.
func setup(t *testing.T, script string, more ...string) *bundle {
	t.Helper()
	tk, err := New(Options{Allow: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{task: tk, host: &tasktest.Host{}}
	b.attempt = task.Attempt{
		JobID: "job_1", RunID: fmt.Sprintf("run_%s_%d", strings.ReplaceAll(t.Name(), "/", "_"), os.Getpid()),
		Number: 2, Epoch: 7, IdempotencyKey: "key-1", Dir: t.TempDir(), Grace: 10 * time.Second,
	}
	b.params(t, map[string]any{"argv": []string{"sh", "-c", script}, "artifacts": append([]string{}, more...)})
	return b
}

func (b *bundle) params(t *testing.T, p map[string]any) {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	b.attempt.Params = raw
}

func (b *bundle) run(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := b.task.Run(ctx, b.attempt, b.host)
	if ctx.Err() != nil {
		t.Fatalf("the attempt did not end by itself; log:\n%s", b.host.LogText())
	}
	return err
}

// again is the next attempt of the same job: what was saved last, a new folder.
func (b *bundle) again(t *testing.T, script string) *bundle {
	t.Helper()
	n := setup(t, script)
	if c := b.host.Checkpoints(); len(c) > 0 {
		n.attempt.Checkpoint = []byte(c[len(c)-1])
	}
	return n
}

func TestHowAnAttemptEnds(t *testing.T) {
	t.Parallel()
	none := -1
	for name, c := range map[string]struct {
		script, code, message string
		skipped, final        bool
		exit                  int
	}{
		"zero":            {"exit 0", "", "", false, false, 0},
		"nonzero":         {"exit 3", "exit_nonzero", "exit code 3", false, false, 3},
		"99":              {"exit 99", "skipped", "exit code 99", true, false, 99},
		"99 with reason":  {"echo '::skip nothing new'; exit 99", "skipped", "nothing new", true, false, 99},
		"skip and zero":   {"echo '::skip nothing new'", "skipped", "nothing new", true, false, 0},
		"skip, then fail": {"echo '::skip nothing new'; exit 1", "exit_nonzero", "exit code 1", false, false, 1},
		"skip on stderr":  {"echo '::skip nothing new' >&2", "", "", false, false, 0},
		"no last newline": {"printf '::skip nothing new'", "skipped", "nothing new", true, false, 0},
		"signal":          {"kill -9 $$", "killed_by_signal", "killed by SIGKILL", false, false, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, c.script)
			err := b.run(t)
			v := task.VerdictOf(err)
			if c.code == "" {
				if err != nil {
					t.Fatalf("got %v", err)
				}
			} else if v == nil || v.Code != c.code || v.Error() != c.message || v.Skipped != c.skipped || v.Final != c.final {
				t.Errorf("got %+v: %v", v, err)
			}
			got := none
			if e := b.host.Exit(); e != nil {
				got = *e
			}
			if got != c.exit {
				t.Errorf("exit code %d, want %d", got, c.exit)
			}
			if p := b.host.Processes(); len(p) != 1 || p[0].Start == "" {
				t.Errorf("recorded processes: %v", p)
			}
		})
	}
}

func TestNotStartable(t *testing.T) {
	t.Parallel()
	for name, exe := range map[string]string{"missing": "/nowhere/at/all", "folder": "/usr", "text": "/etc/passwd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, "")
			b.params(t, map[string]any{"argv": []string{exe}})
			v := task.VerdictOf(b.run(t))
			if v == nil || v.Code != "not_startable" || !v.Final {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// A lease that was lost before the start means that nothing starts.
func TestProcessNotRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t, "echo ran")
	b.host.ProcessErr = task.ErrLeaseLost
	if err := b.run(t); !errors.Is(err, task.ErrLeaseLost) {
		t.Errorf("got %v", err)
	}
	if b.host.LogText() != "" {
		t.Errorf("it ran: %s", b.host.LogText())
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	b.params(t, map[string]any{"argv": []string{"env"}, "env": map[string]string{"B": "2", "A": "x y"}})
	if err := b.run(t); err != nil {
		t.Fatal(err)
	}
	dir := b.attempt.Dir
	want := strings.Join([]string{
		"PATH=" + DefaultPath, "HOME=" + dir + "/home", "A=x y", "B=2", "RUNSHEET_JOB_ID=job_1",
		"RUNSHEET_ATTEMPT=2", "RUNSHEET_EPOCH=7", "RUNSHEET_IDEMPOTENCY_KEY=key-1", "RUNSHEET_CHECKPOINT=" + dir + "/checkpoint",
		"RUNSHEET_RUN_ID=" + b.attempt.RunID, "",
	}, "\n")
	if d := cmp.Diff(want, b.host.LogText()); d != "" {
		t.Error(d)
	}
}

// No shell: what looks like syntax arrives as it was written.
func TestArgumentsAreLiteral(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	b.params(t, map[string]any{"argv": []string{"printf", "%s|", "$HOME", "`id`", "a;b", "*", "", "--"}, "stdin": "x"})
	if err := b.run(t); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("$HOME|`id`|a;b|*||--|\n", b.host.LogText()); d != "" {
		t.Error(d)
	}
}

func TestStdinAndWorkingFolder(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	b.params(t, map[string]any{"argv": []string{"sh", "-c", "pwd; ls -a; cat"}, "stdin": "line 1\nline 2"})
	if err := b.run(t); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.attempt.Dir+"/work\n.\n..\nline 1\nline 2\n", b.host.LogText()); d != "" {
		t.Error(d)
	}
}

func TestMessagesReachTheHost(t *testing.T) {
	t.Parallel()
	b := setup(t, `echo '::progress 1/3 loading'; echo hello; echo '::output rows=17=x'; echo '::progress 3/3'; echo '::output bad key'; printf '::output last=1'`)
	if err := b.run(t); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]run.Progress{{Stage: "loading", Done: 1, Total: 3}, {Done: 3, Total: 3}}, b.host.ProgressList()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"rows": "17=x", "last": "1"}, b.host.Outputs()); d != "" {
		t.Error(d)
	}
	want := "::progress 1/3 loading\nhello\n::output rows=17=x\n::progress 3/3\n::output bad key\n::output last=1\n"
	if d := cmp.Diff(want, b.host.LogText()); d != "" {
		t.Error(d)
	}
}

// A stopped attempt returns its cause, and by then nothing of it is left.
func TestStopped(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{task.ErrCancelled, task.ErrTimeout, task.ErrShutdown, task.ErrLeaseLost} {
		t.Run(cause.Error(), func(t *testing.T) {
			t.Parallel()
			b := setup(t, `trap '' TERM; echo half > part.txt; echo step 5 > $RUNSHEET_CHECKPOINT
				setsid sh -c 'trap "" TERM; echo up; while :; do sleep 0.1; done' & while :; do sleep 0.1; done`, "*.txt")
			b.attempt.Grace = 100 * time.Millisecond
			ctx, cancel := context.WithCancelCause(t.Context())
			b.host.OnLog = func(log string) {
				if strings.Contains(log, "up\n") {
					cancel(cause)
				}
			}
			if err := b.task.Run(ctx, b.attempt, b.host); !errors.Is(err, cause) {
				t.Errorf("got %v", err)
			}
			n, err := process.Sweep(t.Context(), clock.System{}, []process.Survivor{{RunID: b.attempt.RunID}})
			if n != 0 || err != nil {
				t.Errorf("%d processes were left, %v", n, err)
			}
			files, saved := b.host.Artifacts(), b.host.Checkpoints()
			if errors.Is(cause, task.ErrLeaseLost) {
				if files != nil || saved != nil {
					t.Errorf("an attempt without a lease stored %v, %v", files, saved)
				}
				return
			}
			if files["part.txt"].Content != "half\n" || cmp.Diff([]string{"step 5\n"}, saved) != "" {
				t.Errorf("lost: %v, %v", files, saved)
			}
		})
	}
}

// A job whose lease is lost is started again elsewhere within seconds: what
// ignores TERM must be gone by then, however long the grace of a cancel is.
func TestALostLeaseLeavesNoTime(t *testing.T) {
	t.Parallel()
	b := setup(t, `trap "" TERM; echo up; while :; do sleep 0.1; done`)
	b.attempt.Grace = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	b.host.OnLog = func(log string) {
		if strings.Contains(log, "up\n") {
			cancel(task.ErrLeaseLost)
		}
	}
	done := make(chan error, 1)
	go func() { done <- b.task.Run(ctx, b.attempt, b.host) }()
	limit := clock.System{}.NewTimer(time.Minute)
	defer limit.Stop()
	select {
	case err := <-done:
		if !errors.Is(err, task.ErrLeaseLost) {
			t.Errorf("got %v", err)
		}
	case <-limit.C():
		t.Error("the command outlives its lease")
	}
}

// Sixteen megabytes without a newline, NUL bytes and all, arrive complete.
func TestFlood(t *testing.T) {
	t.Parallel()
	b := setup(t, "head -c 16777216 /dev/zero; echo; echo '::output after=flood'; head -c 1000000 /dev/zero >&2")
	if err := b.run(t); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.host.LogText(), "\x00"); n != 17777216 {
		t.Errorf("%d bytes in the log", n)
	}
	if b.host.Outputs()["after"] != "flood" {
		t.Error("a message after a flood was lost")
	}
}

func TestCPULimit(t *testing.T) {
	t.Parallel()
	b := setup(t, "")
	b.params(t, map[string]any{"argv": []string{"sh", "-c", "while :; do :; done"}, "limits": map[string]int{"cpu_seconds": 1}})
	v := task.VerdictOf(b.run(t))
	if v == nil || v.Code != "killed_by_signal" || v.Error() != "killed by SIGXCPU (limit cpu_seconds)" {
		t.Errorf("got %+v", v)
	}
}

func TestTighterLimits(t *testing.T) {
	t.Parallel()
	got := tighter(process.Limits{CPUSeconds: 5, OpenFiles: 7, Processes: 1}, process.Limits{CPUSeconds: 3, OpenFiles: 9, MemoryBytes: 4})
	if d := cmp.Diff(process.Limits{CPUSeconds: 3, OpenFiles: 7, MemoryBytes: 4, Processes: 1}, got); d != "" {
		t.Error(d)
	}
}

func TestCheckpointSurvives(t *testing.T) {
	t.Parallel()
	first := setup(t, `wc -c < $RUNSHEET_CHECKPOINT; echo item 3 > $RUNSHEET_CHECKPOINT; exit 1`)
	if v := task.VerdictOf(first.run(t)); v == nil || v.Code != "exit_nonzero" {
		t.Fatalf("got %+v", v)
	}
	if strings.TrimSpace(first.host.LogText()) != "0" {
		t.Errorf("the first attempt found %q", first.host.LogText())
	}
	second := first.again(t, `cat $RUNSHEET_CHECKPOINT; echo '::checkpoint item 4'; exit 1`)
	_ = second.run(t)
	if d := cmp.Diff("item 3\n::checkpoint item 4\n", second.host.LogText()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"item 4"}, second.host.Checkpoints()); d != "" {
		t.Error(d)
	}
	third := second.again(t, `cat $RUNSHEET_CHECKPOINT`)
	if err := third.run(t); err != nil {
		t.Fatal(err)
	}
	if third.host.LogText() != "item 4\n" || third.host.Checkpoints() != nil {
		t.Errorf("log %q, saved %q: an unchanged checkpoint need not be saved", third.host.LogText(), third.host.Checkpoints())
	}
}

// A checkpoint is durable a second after it was written, not only at the end.
func TestCheckpointIsSavedOnTheWay(t *testing.T) {
	t.Parallel()
	b := setup(t, `echo 1 > $RUNSHEET_CHECKPOINT.new; mv $RUNSHEET_CHECKPOINT.new $RUNSHEET_CHECKPOINT; echo written; read x; echo end`)
	clk := clocktest.New(time.Unix(1e9, 0))
	b.task.clk = clk
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	b.params(t, map[string]any{"argv": []string{"sh", "-c", `echo 1 > $RUNSHEET_CHECKPOINT.new
		mv $RUNSHEET_CHECKPOINT.new $RUNSHEET_CHECKPOINT; echo written; printf prompt; sleep 1000`}})
	go func() { done <- b.task.Run(ctx, b.attempt, b.host) }()
	await(t, "the file", func() bool { return strings.Contains(b.host.LogText(), "written") })
	await(t, "the save and the prompt", func() bool {
		clk.Advance(time.Second)
		return len(b.host.Checkpoints()) == 1 && strings.Contains(b.host.LogText(), "prompt")
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff([]string{"1\n"}, b.host.Checkpoints()); d != "" {
		t.Error(d)
	}
}

// Whatever a program makes of its checkpoint file, it costs a note, not the job.
func TestHostileCheckpointFile(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"link out":   `rm $RUNSHEET_CHECKPOINT; ln -s /etc/passwd $RUNSHEET_CHECKPOINT`,
		"named pipe": `rm $RUNSHEET_CHECKPOINT; mkfifo $RUNSHEET_CHECKPOINT`,
		"folder":     `rm $RUNSHEET_CHECKPOINT; mkdir $RUNSHEET_CHECKPOINT`,
		"too large":  `head -c 1048577 /dev/zero > $RUNSHEET_CHECKPOINT`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, script)
			if err := b.run(t); err != nil {
				t.Error(err)
			}
			if b.host.Checkpoints() != nil || !strings.Contains(b.host.LogText(), "runsheet: the checkpoint cannot be saved") {
				t.Errorf("saved %q, log %q", b.host.Checkpoints(), b.host.LogText())
			}
		})
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader((&Task{}).Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("command.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("command.json")
	if err != nil {
		t.Fatal(err)
	}
	for in, ok := range map[string]bool{
		`{"argv":["a"]}`: true,
		`{"argv":["a"],"env":{"K":"v"},"stdin":"","artifacts":["out/*.csv"],"limits":{"cpu_seconds":5}}`: true,
		`{}`:                                      false,
		`{"argv":[]}`:                             false,
		`{"argv":"a"}`:                            false,
		`{"argv":["a"],"shell":true}`:             false,
		`{"Argv":["a"]}`:                          false,
		`{"argv":["a"],"env":{"K":1}}`:            false,
		`{"argv":["a"],"env":{"a=b":"c"}}`:        false,
		`{"argv":["a"],"limits":{"x":1}}`:         false,
		`{"argv":["a"],"limits":{"processes":0}}`: false,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// await polls until ok is true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := clock.System{}.NewTimer(time.Minute)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-deadline.C():
			t.Fatalf("timed out waiting for: %s", what)
		case <-clock.System{}.NewTimer(2 * time.Millisecond).C():
		}
	}
}
