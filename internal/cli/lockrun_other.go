//go:build !unix

package cli

import (
	"context"
	"os"
	"os/exec"
)

// separate does nothing here: a command is killed when its context ends.
func separate(*exec.Cmd, bool) (end func()) { return func() {} }

// hangup changes nothing here.
func hangup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// codeOf is the exit code of a command.
func codeOf(s *os.ProcessState) int { return s.ExitCode() }
