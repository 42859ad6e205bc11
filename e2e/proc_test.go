//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// witnesses maps the pids of living witness processes to their start times.
func witnesses() map[int]string {
	out := map[int]string{}
	for _, pid := range pids() {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && exe == built.witness {
			if st := stat(pid); st != nil && st[0] != "Z" {
				out[pid] = st[19]
			}
		}
	}
	return out
}

// witnessesIn are the living witness processes, children included, that report
// to a folder.
func witnessesIn(dir string) []int { return slices.Collect(maps.Keys(witnessesOf(dir))) }

// witnessesOf is witnessesIn with the times at which they started.
func witnessesOf(dir string) map[int]string {
	out := witnesses()
	maps.DeleteFunc(out, func(pid int, _ string) bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err != nil || !strings.Contains(string(b), "\x00"+dir+"\x00")
	})
	return out
}

// descendants lists all processes below one.
func descendants(root int) []int {
	parents := map[int]int{}
	for _, pid := range pids() {
		if st := stat(pid); st != nil {
			parents[pid], _ = strconv.Atoi(st[1])
		}
	}
	var out []int
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == root {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// children lists the direct children of a process.
func children(parent int) []int {
	var out []int
	for _, pid := range pids() {
		if st := stat(pid); st != nil && st[1] == strconv.Itoa(parent) {
			out = append(out, pid)
		}
	}
	return out
}

func pids() []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	var out []int
	for _, d := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(d)); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// stat returns the fields of /proc/pid/stat from the state on: [0] is the
// state, [1] the parent, [19] the start time.
func stat(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	if !ok {
		return nil
	}
	return strings.Fields(rest)
}
