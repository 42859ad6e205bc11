package turn_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/bench/turn"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := turn.Parse([]byte("goos: linux\nBenchmarkA/b-2 \t 300\t 17794394 ns/op\t 434.1 us/job\nBenchmarkA/c-2 \t 300\t 5 ns/op\t 1.5 jobs/s\nPASS\n"))
	want := []map[string]float64{{"ns/op": 17794394, "us/job": 434.1}, {"ns/op": 5, "jobs/s": 1.5}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{"", "PASS\n", "BenchmarkA 1 x ns/op\n"} {
		if got, err := turn.Parse([]byte(text)); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	for want, list := range map[string][]float64{"2.0 (1.0-9.0)": {9, 1, 2}, "2.5 (1.0-4.0)": {4, 1, 3, 2}, "7.0 (7.0-7.0)": {7}} {
		if got := turn.Spread("%.1f", list); got != want {
			t.Errorf("Spread(%v) = %q, want %q", list, got, want)
		}
	}
}

func TestBuildAndBenchmark(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module a\n",
		"a_test.go": "package a\nimport \"testing\"\nfunc BenchmarkA(b *testing.B) { b.ReportMetric(float64(b.N), \"rounds\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "a.test")
	if err := turn.Build(t.Context(), dir, binary); err != nil {
		t.Fatal(err)
	}
	lines, err := turn.Benchmark(t.Context(), binary, dir, "^BenchmarkA$", 3)
	if err != nil || len(lines) != 1 || lines[0]["rounds"] != 3 {
		t.Errorf("%v, %v, want one line of 3 rounds", lines, err)
	}
	if lines, err := turn.Benchmark(t.Context(), binary, dir, "^BenchmarkB$", 3); err == nil {
		t.Errorf("no benchmark matches, and there are figures: %v", lines)
	}
	if err := turn.Build(t.Context(), filepath.Join(dir, "none"), binary); err == nil {
		t.Error("a folder that is not there was built")
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	if got, err := turn.Versions(t.Context(), ".", "github.com/google/go-cmp"); err != nil || len(got) != 1 || got["github.com/google/go-cmp"] == "" {
		t.Errorf("versions: %v, %v", got, err)
	}
	if got, err := turn.Versions(t.Context(), ".", "example.com/none"); err == nil {
		t.Errorf("a module that nobody has is at %v", got)
	}
}
