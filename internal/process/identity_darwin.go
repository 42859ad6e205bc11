package process

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/runsheet/runsheet/internal/run"
)

// Identity names the process that has pid now, so that it can be recognised
// later, also after a reboot. It is false if there is none.
func Identity(pid int) (run.Process, bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return run.Process{}, false
	}
	t := k.Proc.P_starttime
	return run.Process{Pid: pid, Start: fmt.Sprintf("%d.%06d", t.Sec, t.Usec)}, true
}
