//go:build !unix

package cli

import (
	"os"
	"os/exec"
)

// separate does nothing here: a command is killed when its context ends.
func separate(*exec.Cmd, bool) (end func()) { return func() {} }

// codeOf is the exit code of a command.
func codeOf(s *os.ProcessState) int { return s.ExitCode() }
