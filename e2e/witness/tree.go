package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// plant leaves processes behind that would live for an hour. All hold the locks
// and standard output. The shape says how they try to stay:
//
//	plain       a child, waited for by nobody
//	setsid      in a session of its own
//	double      a grandchild whose parent has ended
//	daemon      the same in a session of its own
//	deaf        ignores every signal that can be ignored
//	leave       as daemon, and the main process ends at once
func plant(shape, dir string, locks []*os.File) {
	cmd := exec.Command(os.Args[0], dir, "3600000", "child="+shape) //nolint:gosec,noctx // it must outlive this process
	cmd.ExtraFiles = locks
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: shape == "setsid" || shape == "daemon" || shape == "leave"}
	if err := cmd.Start(); err != nil {
		fail(err)
	}
	if shape == "double" || shape == "daemon" || shape == "leave" {
		if err := cmd.Wait(); err != nil {
			fail(err)
		}
	}
}

// child is what plant starts.
func child(shape string, d time.Duration) {
	switch shape {
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
	case "double", "daemon", "leave": // once more, and this one ends
		cmd := exec.Command(os.Args[0], os.Args[1], os.Args[2], "child=last") //nolint:gosec,noctx // it must outlive this process
		cmd.ExtraFiles = inherited()
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: shape != "double"}
		if err := cmd.Start(); err != nil {
			fail(err)
		}
		return
	}
	time.Sleep(d)
}

// inherited are the lock files that plant handed on.
func inherited() []*os.File {
	var out []*os.File
	for fd := uintptr(3); fd < 6; fd++ {
		if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && strings.HasSuffix(name, ".lock") {
			out = append(out, os.NewFile(fd, name))
		}
	}
	return out
}
