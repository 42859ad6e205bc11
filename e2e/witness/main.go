// Command witness is the independent observer of the crash tests: a job that
// reports to a file of its own, never to the system under test.
//
//	witness DIR MILLIS [fork|chat]
//
// It locks DIR/<job id>.lock for as long as any of its processes lives, so that
// a second attempt that runs beside the first, or beside its orphans, is seen
// as an overlap. It appends one line for each start and end to DIR/log:
//
//	start JOB RUN ATTEMPT PID
//	overlap JOB RUN ATTEMPT PID
//	end JOB RUN ATTEMPT PID
//
// With fork it leaves a background child in a session of its own that would
// outlive everything, and holds the lock too. With chat it writes 200 kB to its
// output.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fail("usage: witness DIR MILLIS [fork]")
	}
	dir := os.Args[1]
	ms, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err)
	}
	if len(os.Args) == 4 && os.Args[3] == "orphan" {
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return
	}
	lock, err := os.OpenFile(filepath.Join(dir, os.Getenv("RUNSHEET_JOB_ID")+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		fail(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		say(dir, "overlap")
		os.Exit(3)
	}
	say(dir, "start")
	if len(os.Args) == 4 && os.Args[3] == "fork" {
		child := exec.Command(os.Args[0], dir, "3600000", "orphan") //nolint:gosec,noctx // the orphan must outlive this process
		child.ExtraFiles = []*os.File{lock}
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			fail(err)
		}
	}
	fmt.Println("::progress 1/2 working")
	if len(os.Args) == 4 && os.Args[3] == "chat" {
		for range 2000 {
			fmt.Println("a line of a hundred bytes, such as jobs write by the thousand when they have nothing better to say..")
		}
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	say(dir, "end")
}

// say appends one line under a lock, in one write.
func say(dir, what string) {
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		fail(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		fail(err)
	}
	if _, err := fmt.Fprintf(f, "%s %s %s %s %d\n", what, os.Getenv("RUNSHEET_JOB_ID"), os.Getenv("RUNSHEET_RUN_ID"),
		os.Getenv("RUNSHEET_ATTEMPT"), os.Getpid()); err != nil {
		fail(err)
	}
}

func fail(v any) {
	fmt.Fprintln(os.Stderr, "witness:", v)
	os.Exit(4)
}
