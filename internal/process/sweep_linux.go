package process

import (
	"context"
	"fmt"
	"os"

	"github.com/runsheet/runsheet/internal/clock"
)

// Sweep kills what is left of dead attempts and returns when it is gone: the
// recorded supervisors, every process that carries the marker of such a run, and
// all their descendants. It returns how many processes it killed.
//
// A process is never chosen by its number alone, and neither this process nor
// one above it is ever chosen. The error says that something was still alive
// after five seconds, or when ctx ended.
func Sweep(ctx context.Context, clk clock.Clock, dead []Survivor) (killed int, err error) {
	if len(dead) == 0 {
		return 0, nil
	}
	boot, err := bootID()
	if err != nil {
		return 0, fmt.Errorf("read boot id: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	victims := map[proc]bool{}
	for {
		left := freezeAndKill(func() []proc { return survivors(boot, dead) })
		for _, p := range left {
			victims[p.id()] = true
		}
		if len(left) == 0 {
			return len(victims), nil
		}
		if clock.Sleep(ctx, clk, sweepPause) != nil {
			return len(victims), fmt.Errorf("%d processes of dead attempts are still alive, the first is %d", len(left), left[0].pid)
		}
	}
}

// survivors finds the living processes of dead attempts.
func survivors(boot string, dead []Survivor) []proc {
	markers := map[string]bool{}
	recorded := map[int]string{}
	for _, d := range dead {
		switch {
		case d.Part != "":
			markers[PartVariable+"="+d.Part] = true
		case d.RunID != "":
			markers[MarkerVariable+"="+d.RunID] = true
		}
		if d.Process.Pid > 1 {
			recorded[d.Process.Pid] = d.Process.Start
		}
	}
	all := scan()
	safe := lineage(all)
	roots := map[int]bool{}
	var out []proc
	for _, p := range all {
		if safe[p.pid] {
			continue
		}
		start, known := recorded[p.pid]
		if (known && start == boot+":"+p.start) || p.hasMarker(markers) {
			roots[p.pid] = true
			out = append(out, p)
		}
	}
	for _, p := range descendants(all, roots) {
		if !safe[p.pid] {
			out = append(out, p)
		}
	}
	return out
}

// lineage is this process and everything above it.
func lineage(all []proc) map[int]bool {
	parent := map[int]int{}
	for _, p := range all {
		parent[p.pid] = p.parent
	}
	safe := map[int]bool{1: true}
	for pid := os.Getpid(); pid > 0 && !safe[pid]; pid = parent[pid] {
		safe[pid] = true
	}
	return safe
}
