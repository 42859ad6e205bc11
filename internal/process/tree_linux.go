package process

import (
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// selfPath is this binary, also when its file was replaced by an upgrade.
func selfPath() string { return "/proc/self/exe" }

// uptime is the time since the machine started, the same for all its processes.
// It goes on while the machine sleeps.
func uptime() (time.Duration, bool) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano()), err == nil
}

// Shield keeps the memory, the environment and the open files of this process
// from commands that run as the same user: tokens and passwords of the server are
// in them. It does not help against root. On other systems it does nothing.
func Shield() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// adoptOrphans makes this process the parent of every descendant whose own
// parent dies. A wait that finds no child then proves that there is no
// descendant.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// commandAttr puts the command into its own session, and kills it should the
// shim be killed.
func commandAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
}

// groupLeft: adoption has the last word here.
func groupLeft(int) bool { return false }

// dropPrivileges makes set-uid programs and file capabilities useless to the
// command and its children. It also makes the kernel choose them before the
// server when memory runs out, where the kernel lets us.
func dropPrivileges() error {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// closeOthers keeps every file but the standard three from the command.
func closeOthers() {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	files, _ := os.ReadDir("/proc/self/fd") // kernels before 5.11
	for _, f := range files {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// signalTree sends sig to every descendant of the shim, whatever its session.
// Stopped ones are continued so that they can obey.
func signalTree(_ int, sig unix.Signal) {
	for _, p := range descendants(scan(), map[int]bool{os.Getpid(): true}) {
		p.signal(sig)
		p.signal(unix.SIGCONT)
	}
}

// killTree makes one pass at killing every descendant of the shim. It is
// repeated until the kernel says that none is left.
func killTree(int) {
	freezeAndKill(func() []proc { return descendants(scan(), map[int]bool{os.Getpid(): true}) })
}

// freezeAndKill stops what find finds until it finds nothing new, and then kills
// it all. Killing at once would lose against a fork bomb: each death frees a
// place under the process limit for another child.
func freezeAndKill(find func() []proc) []proc {
	const rounds = 50
	frozen := map[proc]bool{}
	var all []proc
	for range rounds {
		all = find()
		fresh := 0
		for _, p := range all {
			if !frozen[p.id()] {
				frozen[p.id()] = true
				fresh++
				p.signal(unix.SIGSTOP)
			}
		}
		if fresh == 0 {
			break
		}
	}
	for _, p := range all {
		p.signal(unix.SIGKILL)
	}
	return all
}
