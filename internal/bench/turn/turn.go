// Package turn is what the comparisons with other programs share: benchmarks that are
// built once and run one at a time, each turn in a process of its own, and how the
// figures of many turns are told. The comparisons are modules of their own under bench/,
// because what they compare with is no business of the product; they say who takes turns
// and in which order.
//
//	err := turn.Build(ctx, ".", "peers.test")
//	lines, err := turn.Benchmark(ctx, "peers.test", ".", "^BenchmarkPeer$", 300)
package turn

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Build makes the test binary of the package in a folder.
func Build(ctx context.Context, dir, to string) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", to, ".")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the benchmarks of %s: %w\n%s", dir, err, text)
	}
	return nil
}

// Benchmark runs the benchmarks of a test binary that match a pattern, n rounds each, in
// a process of its own in a folder, and returns their figures by unit, a map for each
// benchmark.
func Benchmark(ctx context.Context, binary, dir, pattern string, n int) ([]map[string]float64, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", strconv.Itoa(n)+"x", "-test.timeout", "10m")
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return Parse(text)
}

// Parse reads the figures in the output of benchmarks. There is at least one line of
// them, or it is an error.
func Parse(text []byte) ([]map[string]float64, error) {
	var lines []map[string]float64
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		field := strings.Fields(in.Text())
		if len(field) < 4 || !strings.HasPrefix(field[0], "Benchmark") {
			continue
		}
		line := map[string]float64{}
		for i := 2; i+1 < len(field); i += 2 {
			n, err := strconv.ParseFloat(field[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", in.Text(), err)
			}
			line[field[i+1]] = n
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("no figures in:\n%s", text)
	}
	return lines, nil
}

// Save writes figures to a file as JSON.
func Save(file string, figures any) error {
	text, err := json.MarshalIndent(figures, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) // the figures are no secret
}

// Spread is the median of a list that is not empty, with its range, each as the verb of
// fmt says.
func Spread(verb string, list []float64) string {
	return fmt.Sprintf(verb+" ("+verb+"-"+verb+")", Median(list), slices.Min(list), slices.Max(list))
}

// Median of a list that is not empty.
func Median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	if n := len(list); n%2 == 0 {
		return (list[n/2-1] + list[n/2]) / 2
	}
	return list[len(list)/2]
}

// Machine is what figures depend on: processors, system and Go.
func Machine() string {
	model := "unknown processor"
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for in := bufio.NewScanner(f); in.Scan(); {
			if name, value, ok := strings.Cut(in.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	return fmt.Sprintf("%d cores (%s), %s %s, %s", runtime.NumCPU(), model, runtime.GOOS, strings.TrimSpace(string(kernel)), runtime.Version())
}

// Versions are those of modules in the module of a folder. A test binary does not know
// them: it names what the package imports without its tests.
func Versions(ctx context.Context, dir string, paths ...string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}"}, paths...)...)
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask for the versions of %s: %w", strings.Join(paths, ", "), err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if path, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			list[path] = version
		}
	}
	return list, nil
}
