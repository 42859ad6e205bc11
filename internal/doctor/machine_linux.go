package doctor

import (
	"os"

	"golang.org/x/sys/unix"
)

// isolation tells what the kernel offers to bound jobs. Nothing here fails: jobs
// run without it, with limits of processes only.
func (e *exam) isolation() {
	groups, landlock := "cgroup v2 not mounted", "no Landlock"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		groups = "cgroup v2"
	}
	// With no attributes and flag 1 the call tells the version: landlock(7).
	if v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); errno == 0 {
		landlock = "Landlock"
		if v == 0 {
			landlock = "no Landlock"
		}
	}
	e.ok("isolation", "%s, %s", groups, landlock)
}
