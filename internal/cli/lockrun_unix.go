//go:build unix

package cli

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// separate makes a command stop politely when its context ends. With group, it
// gets a process group, so that what it started stops too. The function that it
// returns kills what is left of the group.
func separate(cmd *exec.Cmd, group bool) (end func()) {
	target := func() int { return cmd.Process.Pid }
	if group {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		target = func() int { return -cmd.Process.Pid }
	}
	cmd.Cancel = func() error { return syscall.Kill(target(), syscall.SIGTERM) }
	return func() {
		if group && cmd.Process != nil {
			_ = syscall.Kill(target(), syscall.SIGKILL) // nothing is left, in the usual case
		}
	}
}

// hangup returns a context that also ends when the terminal or the connection
// goes, unless somebody (nohup) has said that this does not matter.
func hangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// codeOf is the exit code of a command as shells know it.
func codeOf(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}
