//go:build unix && !linux

package process

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/run"
)

// selfPath is this binary. If it cannot be found the start fails with that path.
func selfPath() string {
	p, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return p
}

// uptime is the time since the machine started, the same for all its processes.
func uptime() (time.Duration, bool) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano()), err == nil
}

// Shield does nothing on this system.
func Shield() error { return nil }

// adoptOrphans: there is no such thing here; the process group is the tree.
func adoptOrphans() error { return nil }

func commandAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// groupLeft reports whether the command's process group has a member. Its number
// is not given to a new process while it has.
func groupLeft(command int) bool { return command > 1 && unix.Kill(-command, 0) == nil }

// dropPrivileges: there is no no_new_privs here.
func dropPrivileges() error { return nil }

// closeOthers keeps inherited files from the command. Go opens its own
// close-on-exec, so only the first few can be someone else's.
func closeOthers() {
	for fd := 3; fd < 1024; fd++ {
		unix.CloseOnExec(fd)
	}
}

func signalTree(command int, sig unix.Signal) {
	if groupLeft(command) {
		_ = unix.Kill(-command, sig)
		_ = unix.Kill(-command, unix.SIGCONT)
	}
}

func killTree(command int) { signalTree(command, unix.SIGKILL) }

// Sweep waits until the recorded supervisors are gone: a supervisor whose server
// died kills its process group by itself. It kills one that does not within two
// seconds, and then reports an error, because its group cannot be found.
func Sweep(ctx context.Context, clk clock.Clock, dead []Survivor) (killed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	for _, d := range dead {
		if d.Process.Pid <= 1 || d.Process.Pid == os.Getpid() {
			continue
		}
		for same(d.Process) {
			if clock.Sleep(ctx, clk, sweepPause) != nil {
				if same(d.Process) {
					_ = unix.Kill(d.Process.Pid, unix.SIGKILL)
					killed++
				}
				return killed, fmt.Errorf("supervisor %d of a dead attempt did not end by itself", d.Process.Pid)
			}
		}
	}
	return killed, nil
}

func same(p run.Process) bool {
	now, ok := Identity(p.Pid)
	return ok && now == p
}
