package process

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/run"
)

// proc is one process as /proc shows it. Pid and start together name it until
// the next boot.
type proc struct {
	pid, parent int
	start       string // clock ticks since boot
}

// id leaves out what changes during a process's life.
func (p proc) id() proc { return proc{pid: p.pid, start: p.start} }

// signal sends sig to p if p is still the process it was. A pidfd pins the
// process, so that its number cannot pass to another one between the check and
// the signal.
func (p proc) signal(sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
	}
	if now, ok := readProc(p.pid); !ok || now.start != p.start {
		return
	}
	if err == nil && unix.PidfdSendSignal(fd, sig, nil, 0) == nil {
		return
	}
	_ = unix.Kill(p.pid, sig) // kernels before 5.3, and sandboxes without pidfd
}

// readProc reads one process. A zombie does not count: it does nothing any more.
func readProc(pid int) (proc, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, false
	}
	return parseStat(pid, string(b))
}

// parseStat reads proc_pid_stat(5). The name, field 2, may contain anything,
// also spaces and parentheses; it ends at the last parenthesis.
func parseStat(pid int, s string) (proc, bool) {
	i := strings.LastIndexByte(s, ')')
	if i < 0 {
		return proc{}, false
	}
	f := strings.Fields(s[i+1:])                       // f[0] is field 3
	const state, parent, threads, start = 0, 1, 17, 19 // fields 3, 4, 20, 22
	if len(f) <= start {
		return proc{}, false
	}
	// A process whose first thread ended shows as a zombie while others run.
	n, _ := strconv.Atoi(f[threads])
	if strings.ContainsAny(f[state], "ZXx") && n <= 1 {
		return proc{}, false
	}
	ppid, err := strconv.Atoi(f[parent])
	return proc{pid: pid, parent: ppid, start: f[start]}, err == nil
}

// scan lists the processes that can be seen.
func scan() []proc {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = d.Close() }()
	names, _ := d.Readdirnames(-1)
	var all []proc
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

// descendants are the processes of all below roots, roots excluded.
func descendants(all []proc, roots map[int]bool) []proc {
	below := map[int][]proc{}
	for _, p := range all {
		below[p.parent] = append(below[p.parent], p)
	}
	var out []proc
	seen := map[int]bool{}
	var todo []int
	for pid := range roots {
		todo = append(todo, pid)
		seen[pid] = true
	}
	for len(todo) > 0 {
		next := below[todo[0]]
		todo = todo[1:]
		for _, p := range next {
			if !seen[p.pid] {
				seen[p.pid] = true
				out = append(out, p)
				todo = append(todo, p.pid)
			}
		}
	}
	return out
}

// Identity names the process that has pid now, so that it can be recognised
// later, also after a reboot. It is false if there is none, or only a zombie.
func Identity(pid int) (run.Process, bool) {
	p, ok := readProc(pid)
	boot, err := bootID()
	if !ok || err != nil {
		return run.Process{}, false
	}
	return run.Process{Pid: pid, Start: boot + ":" + p.start}, true
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), err
}

// hasMarker reports whether one of markers ("KEY=value") is in the environment
// that p was started with.
func (p proc) hasMarker(markers map[string]bool) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	if err != nil || !bytes.Contains(b, []byte(MarkerVariable+"=")) {
		return false
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if markers[string(v)] {
			return true
		}
	}
	return false
}
