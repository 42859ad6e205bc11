//go:build unix

package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	specFd  = 3
	readyFd = 4

	// execReady is said right before execve, so that a death of this stage is
	// never taken for an exit of the command.
	execReady = "ready\n"
)

// execMain is stage 2: it turns this process into the command. It returns only
// if that failed.
func execMain() {
	if !isPipe(specFd) || !isPipe(readyFd) {
		fmt.Fprintln(os.Stderr, "runsheet: this argument is for internal use")
		return
	}
	// Some of what follows belongs to a thread and must be the one that execs.
	runtime.LockOSThread()
	unix.CloseOnExec(readyFd)
	ready := os.NewFile(readyFd, "ready")
	err := become(ready)
	st := status{Error: err.Error(), Permanent: true}
	var no syscall.Errno
	if !errors.As(err, &no) || no == unix.EAGAIN || no == unix.ENOMEM || no == unix.ETXTBSY || no == unix.EMFILE || no == unix.ENFILE {
		st.Permanent = false
	}
	_ = json.NewEncoder(ready).Encode(st)
	os.Exit(127)
}

func become(ready *os.File) error {
	var sp spec
	f := os.NewFile(specFd, "spec")
	if err := json.NewDecoder(f).Decode(&sp); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	_ = f.Close()
	if err := os.Chdir(sp.Dir); err != nil {
		return err
	}
	unix.Umask(0o077)
	closeOthers()
	if err := dropPrivileges(); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	// Last, because the Go runtime lives under these limits until execve.
	if err := setLimits(sp.Limits); err != nil {
		return err
	}
	if _, err := ready.WriteString(execReady); err != nil {
		return err
	}
	if err := syscall.Exec(sp.Path, sp.Argv, sp.Env); err != nil {
		return &os.PathError{Op: "exec", Path: sp.Path, Err: err}
	}
	return nil
}

func setLimits(l Limits) error {
	set := func(what string, resource int, soft, hard uint64) error {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(resource, &now); err != nil {
			return fmt.Errorf("limit %s: %w", what, err)
		}
		// A limit that is already tighter stays.
		hard = min(hard, now.Max)
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: min(soft, hard), Max: hard}); err != nil {
			return fmt.Errorf("limit %s to %d: %w", what, soft, err)
		}
		return nil
	}
	if err := set("core", unix.RLIMIT_CORE, 0, 0); err != nil { // memory may hold secrets
		return err
	}
	const killAfter = 5 // seconds of CPU between SIGXCPU and SIGKILL
	for _, r := range []struct {
		what       string
		resource   int
		soft, more uint64
	}{
		{"cpu_seconds", unix.RLIMIT_CPU, l.CPUSeconds, killAfter},
		{"open_files", unix.RLIMIT_NOFILE, l.OpenFiles, 0},
		{"file_size_bytes", unix.RLIMIT_FSIZE, l.FileSizeBytes, 0},
		{"processes", unix.RLIMIT_NPROC, l.Processes, 0},
		{"memory_bytes", unix.RLIMIT_AS, l.MemoryBytes, 0},
	} {
		if r.soft == 0 {
			continue
		}
		if err := set(r.what, r.resource, r.soft, r.soft+r.more); err != nil {
			return err
		}
	}
	return nil
}
