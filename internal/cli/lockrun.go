package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// lockGrace is how long a command may take to end before it is killed.
const lockGrace = 10 * time.Second

// exitHangup is what shells show of a program that SIGHUP ended.
const exitHangup = 128 + 1

// exited is the error of a command that did not end with 0: its exit code is
// ours, and it has said what was wrong.
type exited struct{ code int }

func (e *exited) Error() string { return "the command ended with exit code " + strconv.Itoa(e.code) }

func (a *app) lockRun() *cobra.Command {
	var h holdFlags
	c := &cobra.Command{
		Use: "run LOCK [flags] -- COMMAND ARG...", Short: "Hold a lock while a command runs", ValidArgsFunction: a.completeLocks(),
		Long: `Run takes a lock, runs a command, renews the lock meanwhile and gives it back. Its
exit code is the command's; 5 means that another holds the lock, or that it was lost:
then the command is asked to stop, and killed 10 seconds later. The command finds the
lock's token in RUNSHEET_LOCK_TOKEN and the name in RUNSHEET_LOCK.`,
		Example: "  runsheet lock run gpu:0 --wait -- python3 train.py\n  runsheet lock run backup --ttl 5m -- restic backup /srv",
		RunE: func(c *cobra.Command, args []string) error {
			before, command := argv(c, args)
			if len(before) != 1 || len(command) == 0 {
				return &usage{text: "name one lock, and a command behind --", hint: "usage: " + c.UseLine()}
			}
			program, err := exec.LookPath(command[0])
			if err != nil && !errors.Is(err, exec.ErrDot) {
				return usagef("%v", err)
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			// Without us the command would go on when the lock has expired.
			ctx, stop := hangup(c.Context())
			defer stop()
			err = cl.HoldLock(ctx, before[0], h.hold(filepath.Base(command[0])), func(held context.Context, token int64) error {
				env := append(os.Environ(), "RUNSHEET_LOCK="+before[0], "RUNSHEET_LOCK_TOKEN="+strconv.FormatInt(token, 10))
				return a.execute(held, program, command, env)
			})
			switch {
			case c.Context().Err() != nil:
				return c.Context().Err()
			case ctx.Err() != nil:
				return &exited{exitHangup}
			}
			if lost, is := errors.AsType[*client.LockLost](err); is {
				return lost // how the command ended that was stopped says nothing more
			}
			return err
		},
	}
	h.add(c)
	return c
}

// execute runs a command to its end. When ctx ends, the command and what it
// started are asked to stop, and killed after a while.
func (a *app) execute(ctx context.Context, program string, command, env []string) error {
	cmd := exec.CommandContext(ctx, program, command[1:]...)
	cmd.Args[0] = command[0]
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, a.in, a.out, a.err
	cmd.WaitDelay = lockGrace
	// In front of a terminal it stays in our process group: it gets what is typed,
	// also Ctrl-C.
	end := separate(cmd, !a.inTTY)
	err := cmd.Run()
	if ctx.Err() != nil {
		end()
	}
	if _, is := errors.AsType[*exec.ExitError](err); is {
		return &exited{codeOf(cmd.ProcessState)}
	}
	return err
}

// lostLock reports whether err says that a lock was lost.
func lostLock(err error) bool {
	_, is := errors.AsType[*client.LockLost](err)
	return is
}
