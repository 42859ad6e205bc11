//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// say runs the command line as the user of the server's data folder would.
func (s *server) say(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(ctx, built.runsheet, args...)
	cmd.Env = []string{"RUNSHEET_DATA=" + s.data, "PATH=" + os.Getenv("PATH"), "HOME=" + s.data}
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), talk.String(), exit.ExitCode()
	}
	if err != nil {
		s.t.Fatalf("runsheet %v: %v", args, err)
	}
	return out.String(), talk.String(), 0
}

// says is say that must end with the given code; it returns stdout.
func (s *server) says(code int, args ...string) string {
	s.t.Helper()
	out, talk, got := s.say(args...)
	if got != code {
		s.t.Errorf("runsheet %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, talk)
	}
	return strings.TrimSpace(out)
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	s := newServer(t, "", "--allow-command", "/bin/sh,/bin/echo,/bin/sleep")
	s.says(7, "job", "ls")
	s.start()

	if got := s.says(0, "job", "add", "--follow", "--name", "hello", "--", "/bin/echo", "hello", "--wait"); got != "hello --wait" {
		t.Errorf("output %q", got)
	}
	s.says(1, "job", "add", "--wait", "--", "/bin/sh", "-c", "exit 3")
	s.says(9, "job", "add", "--wait", "--", "/bin/sh", "-c", "exit 99")
	s.says(2, "job", "add", "--", "/bin/not-allowed")
	s.says(3, "job", "get", "job_01jh0000000000000000000000")
	s.says(4, "job", "ls", "--url", s.url)

	slow := s.says(0, "job", "add", "--", "/bin/sleep", "600")
	s.says(2, "job", "wach", slow)
	s.says(2, "job", "cancel", slow)
	s.says(0, "job", "cancel", "--yes", slow)
	s.says(9, "job", "watch", slow)
	s.says(5, "job", "hold", slow)

	s.says(0, "template", "add", "recipe", "--param", `artifacts=["*.txt"]`, "--", "/bin/sh", "-c", "echo $0 >out.txt", "a")
	s.says(5, "template", "add", "recipe", "--", "/bin/echo")
	s.says(0, "template", "set", "recipe", "--priority", "high")
	s.says(5, "template", "set", "recipe", "--priority", "low", "--if-version", "1")
	s.says(0, "job", "add", "--template", "recipe", "--wait")
	run := s.says(0, "run", "ls", "-q", "--limit", "1")
	dir := filepath.Join(t.TempDir(), "saved")
	s.says(0, "run", "artifacts", run, "--save", dir)
	if b, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || string(b) != "a\n" {
		t.Errorf("artifact %q, %v", b, err)
	}

	s.says(0, "worker", "scale", "3")
	if got := s.says(0, "worker", "ls", "-q"); got != "1\n2\n3" {
		t.Errorf("slots %q", got)
	}
	s.says(0, "queue", "pause", "--reason", "test")
	key := []string{"job", "add", "--idempotency-key", "once", "--", "/bin/echo"}
	if first, second := s.says(0, key...), s.says(0, key...); first != second {
		t.Errorf("one key made %s and %s", first, second)
	}
	if got := s.says(0, "job", "ls", "--status", "queued", "--json=waiting,status"); !strings.Contains(got, `"code": "paused"`) {
		t.Errorf("queued jobs: %s", got)
	}
	s.says(6, "job", "add", "--wait=100ms", "--", "/bin/echo")
	s.says(0, "queue", "resume")
}

// TestWaitOutlivesTheServer restarts the server, on the same port, under a
// --wait: the person who waits sees the job's end.
func TestWaitOutlivesTheServer(t *testing.T) {
	// Not in parallel: while its server is gone, the port must not be given to
	// another test's server, which would refuse the token.
	s := newServer(t, "", "--allow-command", "/bin/sleep,/bin/echo", "--listen", testsvc.FreeAddr(t))
	s.start()
	s.says(0, "queue", "pause")
	id := s.says(0, "job", "add", "--", "/bin/echo")

	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	talk := &syncBuffer{}
	cmd := exec.CommandContext(ctx, built.runsheet, "job", "watch", id)
	cmd.Env, cmd.Stderr = []string{"RUNSHEET_DATA=" + s.data}, talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the wait shows the job", func() bool { return strings.Contains(talk.tail(8000), "paused") })
	s.kill()
	eventually(t, time.Minute, "the wait notices", func() bool { return strings.Contains(talk.tail(8000), "still trying") })
	s.start()
	s.says(0, "queue", "resume")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the wait ended with %v:\n%s", err, talk.tail(8000))
	}
}

func TestInterruptedWaitLeavesTheJob(t *testing.T) {
	t.Parallel()
	s := newServer(t, "", "--allow-command", "/bin/sleep")
	s.start()
	talk := &syncBuffer{}
	cmd := exec.CommandContext(context.Background(), built.runsheet, "job", "add", "--wait", "--", "/bin/sleep", "600")
	cmd.Env, cmd.Stderr = []string{"RUNSHEET_DATA=" + s.data}, talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the job runs", func() bool { return strings.Contains(talk.tail(8000), "running") })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 130 || !strings.Contains(talk.tail(8000), "the job goes on") {
		t.Errorf("ended with %v:\n%s", err, talk.tail(8000))
	}
	if got := s.says(0, "job", "ls", "-q", "--status", "RUNNING"); !strings.HasPrefix(got, "job_") {
		t.Errorf("running jobs: %q", got)
	}
}
