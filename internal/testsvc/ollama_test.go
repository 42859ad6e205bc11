//go:build unix

package testsvc

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestOllamaEndsWithItsRunners(t *testing.T) {
	t.Parallel()
	s := OwnOllama(t)
	if err := s.post("/api/generate", map[string]any{"model": OllamaTiny, "prompt": "once", "stream": false, "options": map[string]any{"num_predict": 1}}); err != nil {
		t.Fatal(err)
	}
	group, err := s.group()
	if err != nil {
		t.Fatal(err)
	}
	if n := members(t, group); n != 3 {
		t.Errorf("%d processes, want the guardian, the server and a runner", n)
	}
	s.Stop(t)
	must(t, await(func(context.Context) error {
		if n := members(t, group); n > 0 {
			return os.ErrExist
		}
		return nil
	}))
	s.Start(t)
	if err := s.do(t.Context(), http.MethodGet, "/api/tags", nil); err != nil {
		t.Error(err)
	}
}

// members counts the living processes of a group.
func members(t *testing.T, group int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("no /proc")
	}
	n := 0
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ") // state, parent, group
		if f := strings.Fields(rest); len(f) > 2 && f[0] != "Z" && f[2] == strconv.Itoa(group) {
			n++
		}
	}
	return n
}
