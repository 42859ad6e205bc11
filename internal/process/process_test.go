//go:build linux

package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/run"
)

func start(ctx context.Context, t *testing.T, o Options) *Process {
	t.Helper()
	p, err := Start(ctx, o)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return p
}

// finish waits for p, but not for ever.
func finish(t *testing.T, p *Process) (Result, error) {
	t.Helper()
	await(t, "the end of the tree", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	return p.Wait()
}

func TestHowACommandEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want Result
	}{
		"zero":    {[]string{"exit", "0"}, Result{ExitCode: 0}},
		"three":   {[]string{"exit", "3"}, Result{ExitCode: 3}},
		"127":     {[]string{"exit", "127"}, Result{ExitCode: 127}},
		"SIGKILL": {[]string{"raise", "9"}, Result{ExitCode: -1, Signal: "SIGKILL"}},
		"SIGTERM": {[]string{"raise", "15"}, Result{ExitCode: -1, Signal: "SIGTERM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := zoo(t, &output{}, c.args...)
			got, err := finish(t, start(t.Context(), t, o))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			mustBeGone(t, o.RunID)
		})
	}
}

func TestInputOutputAndEnvironment(t *testing.T) {
	t.Parallel()
	var out, errs output
	o := zoo(t, &out, "echo", "a b", "$HOME;`id`")
	o.Stderr = &errs
	o.Env = []string{"K=v w"}
	o.Stdin = []byte("from stdin\n")
	if _, err := finish(t, start(t.Context(), t, o)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("K=v w\n"+MarkerVariable+"="+o.RunID+"\nfrom stdin\n", out.String()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("[a b $HOME;`id`]\n", errs.String()); d != "" {
		t.Error(d)
	}
}

// A command that does not read its input must not hold anything up.
func TestUnreadInput(t *testing.T) {
	t.Parallel()
	o := zoo(t, &output{}, "exit", "0")
	o.Stdin = make([]byte, 1<<20)
	if _, err := finish(t, start(t.Context(), t, o)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatTheCommandFinds(t *testing.T) {
	t.Parallel()
	// A file that this server got from its own parent, open across exec.
	leak, err := unix.Dup(1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(leak) }()
	var out output
	o := zoo(t, &out, "facts")
	o.Limits = Limits{FileSizeBytes: 12345, OpenFiles: 64}
	if _, err := finish(t, start(t.Context(), t, o)); err != nil {
		t.Fatal(err)
	}
	want := "fsize=12345 oom=500 nnp=1 wd=" + o.Dir + " open=0 leader=true err=<nil> mode=600 argv0=zoo\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestNotStartable(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("not a program"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("\x00\x01\x02"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"missing":        func(o *Options) { o.Path = "/nowhere/at/all" },
		"folder":         func(o *Options) { o.Path = "/" },
		"not executable": func(o *Options) { o.Path = text },
		"bad format":     func(o *Options) { o.Path = garbage },
		"missing folder": func(o *Options) { o.Dir = "/nowhere/at/all" },
		"too long":       func(o *Options) { o.Argv = append(o.Argv, strings.Repeat("x", 1<<20)) },
		"NUL":            func(o *Options) { o.Argv = append(o.Argv, "a\x00b") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := zoo(t, &output{}, "exit", "0")
			change(&o)
			_, err := Start(t.Context(), o)
			if !errors.Is(err, ErrNotStartable) {
				t.Errorf("got %v, want ErrNotStartable", err)
			}
			mustBeGone(t, o.RunID)
		})
	}
}

// Nothing of the command may happen before its supervisor is on record.
func TestRecordComesFirst(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "echo")
	var got run.Process
	o.Record = func(_ context.Context, p run.Process) error {
		got = p
		if now, ok := Identity(p.Pid); !ok || now != p {
			t.Errorf("recorded %v, the system says %v", p, now)
		}
		if left := living(t, o.RunID); len(left) != 1 || left[0].pid != p.Pid {
			t.Errorf("besides the supervisor there is something before the record: %v", left)
		}
		return nil
	}
	p := start(t.Context(), t, o)
	if _, err := finish(t, p); err != nil {
		t.Fatal(err)
	}
	if got.Pid == 0 || got != p.Identity() {
		t.Errorf("recorded %v, identity %v", got, p.Identity())
	}
	if now, ok := Identity(got.Pid); ok && now == got {
		t.Error("the identity of a dead process still matches")
	}
}

func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "echo")
	refusal := errors.New("lease lost")
	o.Record = func(context.Context, run.Process) error { return refusal }
	if _, err := Start(t.Context(), o); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if out.String() != "" {
		t.Errorf("the command ran: %q", out.String())
	}
	mustBeGone(t, o.RunID)
}

func TestContextEndedBeforeStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	var out output
	o := zoo(t, &out, "echo")
	if _, err := Start(ctx, o); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if out.String() != "" {
		t.Errorf("the command ran: %q", out.String())
	}
	mustBeGone(t, o.RunID)
}

// Every kind of tree is gone when Wait returns after a cancel, and a polite one
// gets the time to end by itself.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		grace time.Duration
		want  Result
	}{
		"plain":          {[]string{"sit"}, time.Minute, Result{-1, "SIGTERM"}},
		"polite":         {[]string{"polite"}, time.Minute, Result{7, ""}},
		"deaf":           {[]string{"deaf"}, 100 * time.Millisecond, Result{-1, "SIGKILL"}},
		"deaf child":     {[]string{"keep", "deaf"}, time.Minute, Result{-1, "SIGTERM"}},
		"deep":           {[]string{"keep", "keep", "leave-session", "sit"}, time.Minute, Result{-1, "SIGTERM"}},
		"stops its shim": {[]string{"pause-king"}, time.Minute, Result{-1, "SIGTERM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out output
			o := zoo(t, &out, c.args...)
			o.Grace = c.grace
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := start(ctx, t, o)
			out.ready(t, c.args)
			cancel()
			got, err := finish(t, p)
			if err != nil {
				t.Fatal(err)
			}
			mustBeGone(t, o.RunID)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if name == "polite" && !strings.Contains(out.String(), "bye") {
				t.Error("its last words are lost")
			}
		})
	}
}

// What a command leaves behind ends with it, although it holds stdout, sits in
// another session, or does not listen.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"background":          {"leave", "sit"},
		"double fork":         {"leave", "leave", "sit"},
		"session":             {"leave-session", "sit"},
		"double fork session": {"leave", "leave-session", "leave", "sit"},
		"deaf":                {"leave-session", "deaf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out output
			o := zoo(t, &out, args...)
			got, err := finish(t, start(t.Context(), t, o))
			if err != nil || got != (Result{}) {
				t.Errorf("got %v, %v", got, err)
			}
			if !strings.Contains(out.String(), "ready") {
				t.Error("there was nothing left behind: the test tests nothing")
			}
			mustBeGone(t, o.RunID)
		})
	}
}

// A command can kill its supervisor; the tree still ends before Wait returns.
func TestShimKilledByItsCommand(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "regicide", "deaf")
	_, err := finish(t, start(t.Context(), t, o))
	if !errors.Is(err, ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
	out.pid(t, "ready")
	mustBeGone(t, o.RunID)
}

func TestFlood(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "flood")
	if _, err := finish(t, start(t.Context(), t, o)); err != nil {
		t.Fatal(err)
	}
	if n := len(out.String()); n != 4096*4096 {
		t.Errorf("%d bytes arrived, want %d", n, 4096*4096)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	me, ok := Identity(os.Getpid())
	if !ok || me.Pid != os.Getpid() || !strings.Contains(me.Start, ":") {
		t.Errorf("got %v, %v", me, ok)
	}
	if again, _ := Identity(os.Getpid()); again != me {
		t.Errorf("%v, then %v", me, again)
	}
	if p, ok := Identity(1 << 30); ok {
		t.Errorf("there is no such process: %v", p)
	}
}

// TestShield: a command finds no secret in its server's environment, although both
// run as the same user. The server can still start it.
func TestShield(t *testing.T) {
	t.Parallel()
	for how, seen := range map[string]bool{"open": true, "shielded": false} {
		cmd := exec.CommandContext(t.Context(), selfPath(), zooArg, "hide", how, runID(t))
		cmd.Env = []string{"TOKEN=top_secret"}
		cmd.Dir = "/"
		if os.Getuid() == 0 { // nothing hides from root
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		text := string(out)
		if err != nil || !strings.Contains(text, "ended <nil>") || !strings.Contains(text, "found ") {
			t.Fatalf("%s: %v\n%s", how, err, text)
		}
		if strings.Contains(text, "top_secret") != seen {
			t.Errorf("%s: %s", how, text)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const tail = " 1 2 3 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 %T 0 987654 1 1 1"
	for name, c := range map[string]struct {
		stat string
		want proc
		ok   bool
	}{
		"plain":           {"5 (a) S" + strings.Replace(tail, "%T", "1", 1), proc{5, 1, "987654"}, true},
		"hostile name":    {"5 (a) Z 9 (x) S" + strings.Replace(tail, "%T", "1", 1), proc{5, 1, "987654"}, true},
		"zombie":          {"5 (a) Z" + strings.Replace(tail, "%T", "1", 1), proc{}, false},
		"headless, alive": {"5 (a) Z" + strings.Replace(tail, "%T", "3", 1), proc{5, 1, "987654"}, true},
		"short":           {"5 (a) S 1 2", proc{}, false},
		"empty":           {"", proc{}, false},
	} {
		if got, ok := parseStat(5, c.stat); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v, %v", name, got, ok)
		}
	}
}

// A limit is real: a process under it cannot take more.
func TestLimitIsEnforced(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "flood")
	o.Path, o.Argv = "/bin/sh", []string{"sh", "-c", "head -c 1000000 /dev/zero > big"}
	o.Env = []string{"PATH=/usr/bin:/bin"}
	o.Limits = Limits{FileSizeBytes: 4096}
	got, err := finish(t, start(t.Context(), t, o))
	if err != nil || got == (Result{}) {
		t.Errorf("got %v, %v: want a failure", got, err)
	}
	if st, err := os.Stat(filepath.Join(o.Dir, "big")); err != nil || st.Size() > 4096 {
		t.Errorf("the file has %v bytes, %v", st, err)
	}
}

func TestDescendants(t *testing.T) {
	t.Parallel()
	all := []proc{{1, 0, "1"}, {10, 1, "2"}, {11, 10, "3"}, {12, 11, "4"}, {20, 1, "5"}, {7, 7, "6"}}
	var got []int
	for _, p := range descendants(all, map[int]bool{10: true, 7: true}) {
		got = append(got, p.pid)
	}
	slices.Sort(got)
	if d := cmp.Diff([]int{11, 12}, got); d != "" {
		t.Error(d)
	}
	if safe := lineage([]proc{{os.Getpid(), 20, "9"}, {20, 1, "5"}}); !safe[os.Getpid()] || !safe[20] || !safe[1] || safe[10] {
		t.Errorf("lineage: %v", safe)
	}
}

// A process that was signalled is the one that was meant, or none.
func TestSignalNeedsTheStartTime(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "sit")
	ctx, cancel := context.WithCancel(t.Context())
	p := start(ctx, t, o)
	pid := out.pid(t, "ready")
	proc{pid: pid, start: "1"}.signal(unix.SIGKILL)
	if _, ok := readProc(pid); !ok {
		t.Error("a process with another start time was killed")
	}
	cancel()
	if _, err := finish(t, p); err != nil {
		t.Error(err)
	}
}
