//go:build linux

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/clock"
)

// The test binary is its own shim and its own zoo of commands:
// "binary zooArg name args...".
const zooArg = "__zoo"

// noMain makes the binary behave like a program that forgets to call Main.
const noMain = "PROCESS_TEST_NO_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(noMain) != "" {
		_, err := Start(context.Background(), Options{RunID: "run_x", Path: "/bin/true", Argv: []string{"true"}})
		if !errors.Is(err, errNoMain) {
			syscall.Exit(1)
		}
		syscall.Exit(0)
	}
	if Main(os.Args[1:]) {
		return
	}
	if len(os.Args) > 2 && os.Args[1] == zooArg {
		animal(os.Args[2], os.Args[3:])
		syscall.Exit(0) // without the race detector's second of waiting
	}
	goleak.VerifyTestMain(m)
}

// animal is what a command under test does.
func animal(name string, args []string) {
	switch name {
	case "exit":
		code, _ := strconv.Atoi(args[0])
		syscall.Exit(code)
	case "raise":
		n, _ := strconv.Atoi(args[0])
		_ = unix.Kill(os.Getpid(), unix.Signal(n))
		forever()
	case "echo":
		fmt.Println(strings.Join(os.Environ(), "\n"))
		fmt.Fprintln(os.Stderr, args)
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "facts":
		facts()
	case "sit":
		ready()
		forever()
	case "polite": // ends well when asked to
		c := make(chan os.Signal, 1)
		signal.Notify(c, unix.SIGTERM)
		ready()
		<-c
		fmt.Println("bye")
		syscall.Exit(7)
	case "deaf":
		signal.Ignore(unix.SIGTERM, unix.SIGHUP, unix.SIGINT)
		ready()
		forever()
	case "leave": // starts args and exits, leaving it behind with stdout held
		spawn(nil, args)
	case "leave-session":
		spawn(&syscall.SysProcAttr{Setsid: true}, args)
	case "keep": // starts args in another session and stays
		spawn(&syscall.SysProcAttr{Setsid: true}, args)
		ready()
		forever()
	case "regicide": // leaves a child in another session and kills its shim
		spawn(&syscall.SysProcAttr{Setsid: true}, args)
		_ = unix.Kill(os.Getppid(), unix.SIGKILL)
		forever()
	case "pause-king": // stops its shim
		_ = unix.Kill(os.Getppid(), unix.SIGSTOP)
		ready()
		forever()
	case "bomb":
		bomb()
	case "flood":
		line := bytes.Repeat([]byte("x"), 4096)
		for range 4096 {
			_, _ = os.Stdout.Write(line)
		}
	case "hide":
		hide(args)
	case "peek": // at a file of the process args[0]
		b, err := os.ReadFile("/proc/" + args[0] + "/environ")
		fmt.Printf("found %q, %v\n", b, err)
	case "server":
		serve(args)
	}
}

// hide is a server whose command looks into the server's environment.
func hide(args []string) {
	if args[0] == "shielded" {
		if err := Shield(); err != nil {
			fmt.Println(err)
		}
	}
	p, err := Start(context.Background(), Options{
		Path: selfPath(), Argv: []string{"x", zooArg, "peek", strconv.Itoa(os.Getpid())}, Dir: "/",
		RunID: args[1], Stdout: os.Stdout, Stderr: os.Stdout,
	})
	if err == nil {
		_, err = p.Wait()
	}
	fmt.Println("ended", err)
}

func forever() {
	for {
		_ = unix.Pause()
	}
}

// ready tells the parent, and the test, that the stage is set.
func ready() {
	fmt.Printf("ready %d\n", os.Getpid())
	os.NewFile(3, "ready").Close()
}

// spawn starts another animal and returns when it is ready.
func spawn(attr *syscall.SysProcAttr, args []string) {
	r, w, _ := os.Pipe()
	cmd := exec.Command("/proc/self/exe", append([]string{zooArg}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		fmt.Println("spawn:", err)
		os.Exit(1)
	}
	_ = w.Close()
	_, _ = io.Copy(io.Discard, r)
}

func bomb() {
	signal.Ignore(unix.SIGTERM)
	fmt.Printf("ready %d\n", os.Getpid())
	for {
		pid, err := syscall.ForkExec("/proc/self/exe", []string{"bomb", zooArg, "bomb"}, &syscall.ProcAttr{
			Env: append(os.Environ(), "GOMAXPROCS=1"), Files: []uintptr{0, 1, 2},
		})
		if err != nil {
			pause(time.Millisecond)
		}
		_ = pid
	}
}

// facts prints what stage 2 arranged.
func facts() {
	var l unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	nnp, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	wd, _ := os.Getwd()
	files, _ := os.ReadDir("/proc/self/fd")
	open := 0
	for _, f := range files {
		// The Go runtime has an epoll, an eventfd and files of its cgroup.
		to, _ := os.Readlink("/proc/self/fd/" + f.Name())
		if n, _ := strconv.Atoi(f.Name()); n > 2 && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/proc/") && !strings.HasPrefix(to, "/sys/") && to != "" {
			open++
		}
	}
	sid, _ := unix.Getsid(0)
	_ = unix.Getrlimit(unix.RLIMIT_FSIZE, &l)
	_, err := os.Create("created")
	st, _ := os.Stat("created")
	oom, _ := os.ReadFile("/proc/self/oom_score_adj")
	fmt.Printf("fsize=%d oom=%s nnp=%d wd=%s open=%d leader=%v err=%v mode=%o argv0=%s\n",
		l.Max, bytes.TrimSpace(oom), nnp, wd, open, sid == os.Getpid(), err, st.Mode().Perm(), os.Args[0])
}

// serve is a server that runs one command until it is killed.
func serve(args []string) {
	processes, _ := strconv.ParseUint(os.Getenv("ZOO_PROCESSES"), 10, 64)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	var until func() time.Time
	if lease, err := time.ParseDuration(os.Getenv("ZOO_LEASE")); err == nil {
		until = func() time.Time { return clock.System{}.Now().Add(lease) }
	}
	p, err := Start(ctx, Options{
		Until: until, Limits: Limits{Processes: processes}, Grace: 100 * time.Millisecond,
		Path: "/proc/self/exe", Argv: append([]string{"zoo", zooArg}, args[2:]...),
		Dir: args[1], Stdout: os.Stdout, Stderr: os.Stderr, RunID: args[0],
	})
	if err != nil {
		fmt.Println("start:", err)
		return
	}
	fmt.Printf("shim %d\n", p.Identity().Pid)
	_, _ = p.Wait()
}

// output collects what a command writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// pid waits for "word N" in the output and returns N.
func (o *output) pid(t *testing.T, word string) int {
	t.Helper()
	var pid int
	await(t, word, func() bool {
		for line := range strings.Lines(o.String()) {
			if rest, ok := strings.CutPrefix(line, word+" "); ok && strings.HasSuffix(rest, "\n") {
				pid, _ = strconv.Atoi(strings.TrimSpace(rest))
				return pid > 0
			}
		}
		return false
	})
	return pid
}

// ready waits for all animals of a tree that say so. The innermost is the first, and one
// that has not said it yet dies of it when nobody reads any more.
func (o *output) ready(t *testing.T, args []string) {
	t.Helper()
	await(t, "all of the tree", func() bool {
		return strings.Count(o.String(), "ready") >= len(args)-strings.Count(strings.Join(args, " "), "leave")
	})
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
		default:
			pause(2 * time.Millisecond)
		}
	}
}

// living are the processes that carry a run's marker.
func living(t *testing.T, runID string) []proc {
	t.Helper()
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	return survivors(boot, []Survivor{{RunID: runID}})
}

func mustBeGone(t *testing.T, runID string) {
	t.Helper()
	if left := living(t, runID); len(left) > 0 {
		t.Errorf("%d processes of %s still exist: %v", len(left), runID, left)
	}
}

// zoo returns options that run an animal.
func zoo(t *testing.T, out *output, args ...string) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Path: self, Argv: append([]string{"zoo", zooArg}, args...),
		Dir: t.TempDir(), Stdout: out, Stderr: out, RunID: runID(t),
	}
	t.Cleanup(func() { // a failing test leaves nothing behind either
		_, _ = Sweep(context.Background(), clock.System{}, []Survivor{{RunID: o.RunID}})
	})
	return o
}

// runID is unique in the machine, because parallel runs of the tests would
// otherwise find each other's processes.
func runID(t *testing.T) string {
	return fmt.Sprintf("run_%s_%d", strings.ReplaceAll(t.Name(), "/", "_"), os.Getpid())
}

// TestNoMainDoesNotMultiply: without the refusal, a program that forgets Main
// would start itself for ever.
func TestNoMainDoesNotMultiply(t *testing.T) {
	t.Parallel()
	c := exec.CommandContext(t.Context(), selfPath(), ShimArg)
	c.Env = []string{noMain + "=1"}
	if err := c.Run(); err != nil {
		t.Errorf("it starts a supervisor: %v", err)
	}
}
