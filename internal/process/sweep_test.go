//go:build linux

package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/run"
)

// server starts a second server that runs an animal, and returns it with its
// output.
func server(t *testing.T, args ...string) (*exec.Cmd, *output, string) {
	t.Helper()
	return leased(t, 0, args...)
}

// leased is server with a lease that is renewed while the server runs; 0 = none.
func leased(t *testing.T, lease time.Duration, args ...string) (*exec.Cmd, *output, string) {
	t.Helper()
	out := &output{}
	o := zoo(t, out)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", append([]string{zooArg, "server", o.RunID, o.Dir}, args...)...)
	if lease > 0 {
		cmd.Env = append(os.Environ(), "ZOO_LEASE="+lease.String())
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	copied := make(chan struct{})
	go func() { forward(out, r); close(copied) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-copied
		_ = r.Close()
	})
	out.pid(t, "shim")
	out.ready(t, args)
	return cmd, out, o.RunID
}

// freeze stops a process, and returns when each of its threads has stopped: on a busy
// machine they go on for a while after the signal was sent.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "the process to be stopped", func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("process %d has no threads: %v", pid, err)
		}
		for _, name := range threads {
			stat, err := os.ReadFile(name)
			if err != nil || !strings.Contains(string(stat), ") T ") {
				return false
			}
		}
		return true
	})
}

// kill -9 of the server ends the whole tree, without anybody's help.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"plain":   {"deaf"},
		"session": {"keep", "deaf"},
		"orphan":  {"keep", "leave-session", "deaf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, _, id := server(t, args...)
			if len(living(t, id)) < 2 {
				t.Fatal("there is no tree: the test tests nothing")
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			await(t, "the end of the tree", func() bool { return len(living(t, id)) == 0 })
		})
	}
}

// When the shim is killed together with the server, the next server's sweep ends
// what is left.
func TestSweepAfterShimAndServerWereKilled(t *testing.T) {
	t.Parallel()
	cmd, out, id := server(t, "keep", "leave-session", "deaf")
	shim := out.pid(t, "shim")
	ident, ok := Identity(shim)
	if !ok {
		t.Fatal("no shim")
	}
	// Stopped first, the shim cannot do its work when its server dies.
	freeze(t, shim)
	_ = cmd.Process.Kill()
	_ = unix.Kill(shim, unix.SIGKILL)
	await(t, "the shim's end", func() bool { now, ok := Identity(shim); return !ok || now != ident })
	if len(living(t, id)) == 0 {
		t.Fatal("nothing survived: the test tests nothing")
	}
	n, err := Sweep(t.Context(), clock.System{}, []Survivor{{RunID: id, Process: ident}})
	if err != nil || n == 0 {
		t.Errorf("killed %d, %v", n, err)
	}
	mustBeGone(t, id)
	if n, err := Sweep(t.Context(), clock.System{}, []Survivor{{RunID: id, Process: ident}}); n != 0 || err != nil {
		t.Errorf("the second sweep killed %d, %v", n, err)
	}
}

// A stopped shim is found by its record alone.
func TestSweepByRecord(t *testing.T) {
	t.Parallel()
	cmd, out, id := server(t, "keep", "deaf")
	shim := out.pid(t, "shim")
	ident, _ := Identity(shim)
	freeze(t, shim)
	_ = cmd.Process.Kill()
	if n, err := Sweep(t.Context(), clock.System{}, []Survivor{{Process: ident}}); n < 3 || err != nil {
		t.Errorf("killed %d, %v; want the shim, the command and its child", n, err)
	}
	mustBeGone(t, id)
}

// A pid alone proves nothing, and neither does a marker that only looks alike.
func TestSweepSparesOthers(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "sit")
	ctx, cancel := context.WithCancel(t.Context())
	p := start(ctx, t, o)
	out.pid(t, "ready")
	other := p.Identity()
	other.Start = "another-boot:" + other.Start
	me, _ := Identity(os.Getpid())
	n, err := Sweep(t.Context(), clock.System{}, []Survivor{
		{Process: other},
		{Process: run.Process{Pid: p.Identity().Pid}},
		{RunID: o.RunID + "0"},
		{RunID: o.RunID[:len(o.RunID)-1]},
		{},
		{Process: me}, // never itself
	})
	if n != 0 || err != nil {
		t.Errorf("killed %d, %v", n, err)
	}
	if len(living(t, o.RunID)) != 2 {
		t.Error("the tree of a living run was hurt")
	}
	cancel()
	if _, err := finish(t, p); err != nil {
		t.Error(err)
	}
}

// A fork bomb under a process limit ends when it is asked to. The kernel does
// not limit root, so a server of another user runs it.
func TestForkBomb(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root to become a user without other processes")
	}
	const nobody = 61234
	out := &output{}
	id := runID(t)
	t.Cleanup(func() { _, _ = Sweep(context.Background(), clock.System{}, []Survivor{{RunID: id}}) })
	cmd := exec.Command("/proc/self/exe", zooArg, "server", id, "/", "bomb")
	cmd.Env = append(os.Environ(), "ZOO_PROCESSES=60")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the explosion", func() bool { return len(living(t, id)) >= 8 })
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "the end of the bomb", func() bool { return len(living(t, id)) == 0 })
}
