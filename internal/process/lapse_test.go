//go:build linux

package process

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/clock"
)

// A server that is frozen closes no pipe, so its shims must count for themselves.
func TestServerFrozen(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"plain":  {"deaf"},
		"orphan": {"keep", "leave-session", "deaf"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, _, id := leased(t, 6*time.Second, args...)
			if len(living(t, id)) < 2 {
				t.Fatal("there is no tree: the test tests nothing")
			}
			if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			await(t, "the end of the tree", func() bool { return len(living(t, id)) == 0 })
		})
	}
}

// The whole machine was frozen, shim and command too: on waking, the shim ends
// the tree before its server could tell it anything.
func TestEverythingFrozen(t *testing.T) {
	t.Parallel()
	cmd, _, id := leased(t, 6*time.Second, "keep", "deaf")
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	tree := living(t, id)
	for _, p := range tree {
		p.signal(unix.SIGSTOP)
	}
	begin, _ := uptime()
	await(t, "the lease's end", func() bool { now, _ := uptime(); return now > begin+6500*time.Millisecond })
	if n := len(living(t, id)); n != len(tree) {
		t.Fatalf("%d of %d stopped processes are left", n, len(tree))
	}
	for _, p := range tree {
		p.signal(unix.SIGCONT)
	}
	await(t, "the end of the tree", func() bool { return len(living(t, id)) == 0 })
}

func TestLapse(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "deaf")
	end := clock.System{}.Now().Add(6 * time.Second)
	o.Until = func() time.Time { return end }
	p := start(t.Context(), t, o)
	out.pid(t, "ready")
	if r, err := finish(t, p); !errors.Is(err, ErrLapsed) || r.Signal != "SIGKILL" {
		t.Errorf("%+v, %v; want ErrLapsed", r, err)
	}
	if (clock.System{}).Now().Before(end) {
		t.Error("it ended too early")
	}
	mustBeGone(t, o.RunID)
}

func TestNothingStartsAfterTheLapse(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "exit", "0")
	o.Until = func() time.Time { return clock.System{}.Now().Add(-time.Millisecond) }
	if _, err := Start(t.Context(), o); !errors.Is(err, ErrLapsed) {
		t.Errorf("Start: %v, want ErrLapsed", err)
	}
	mustBeGone(t, o.RunID)
}

// While the server says so, the command goes on, past every time that was told.
func TestALivingLeaseDoesNotLapse(t *testing.T) {
	t.Parallel()
	var out output
	o := zoo(t, &out, "sit")
	var asked atomic.Int32
	o.Until = func() time.Time {
		asked.Add(1)
		return clock.System{}.Now().Add(6 * time.Second)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := start(ctx, t, o)
	out.pid(t, "ready")
	first := asked.Load()
	await(t, "more than six seconds", func() bool { return asked.Load() >= first+7 })
	if len(living(t, o.RunID)) != 2 {
		t.Error("the tree of a living server has ended")
	}
	cancel()
	if _, err := finish(t, p); err != nil {
		t.Error(err)
	}
}
