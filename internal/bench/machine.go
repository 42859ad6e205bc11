package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/bench/report"
)

// machine is what the system tells of itself; beyond processors and name, only Linux
// does.
func machine() report.Machine {
	m := report.Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	if release := text("/proc/sys/kernel/osrelease"); release != "" {
		m.OS += " " + release
	}
	m.CPU = field("/proc/cpuinfo", "model name")
	kb, _, _ := strings.Cut(field("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kb, 10, 64); err == nil {
		m.MemoryBytes = n << 10
	}
	return m
}

// load is that of the last 1, 5 and 15 minutes.
func load() []float64 {
	out := []float64{}
	for i, word := range strings.Fields(text("/proc/loadavg")) {
		if x, err := strconv.ParseFloat(word, 64); err == nil && i < 3 {
			out = append(out, x)
		}
	}
	return out
}

func text(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// field is the value of the first line "name : value" of a file of the kernel, "" if
// there is none.
func field(file, name string) string {
	for line := range strings.Lines(text(file)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
