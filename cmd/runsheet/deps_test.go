package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unwanted are packages that must never be linked into the product, and why.
// go.yaml.in/yaml/v3 comes with minio-go, which reads lifecycle rules by it; the
// linter keeps our own code from it. yaml/v2 comes with Prometheus's model, which
// nobody reads YAML with here. expvar comes with client_golang; it adds a
// route to http.DefaultServeMux, which nothing serves.
var unwanted = map[string]string{
	"testing":                                   "no test code in the product",
	"testing/synctest":                          "no test code in the product",
	"runtime/cgo":                               "the binary is static",
	"github.com/google/go-cmp/cmp":              "no test code in the product",
	"pgregory.net/rapid":                        "no test code in the product",
	"go.uber.org/goleak":                        "no test code in the product",
	"github.com/stretchr/testify":               "no test code in the product",
	"gopkg.in/yaml.v2":                          "one YAML parser is enough: goccy/go-yaml",
	"gopkg.in/yaml.v3":                          "one YAML parser is enough: goccy/go-yaml",
	"go.yaml.in/yaml/v4":                        "one YAML parser is enough: goccy/go-yaml",
	"sigs.k8s.io/yaml":                          "one YAML parser is enough: goccy/go-yaml",
	"github.com/mattn/go-sqlite3":               "needs cgo: modernc.org/sqlite",
	"github.com/ncruces/go-sqlite3":             "a second SQLite, for tests only",
	"github.com/sirupsen/logrus":                "log/slog",
	"go.uber.org/zap":                           "log/slog",
	"github.com/spf13/viper":                    "internal/config",
	"github.com/runsheet/runsheet/e2e":          "no test code in the product",
	"github.com/runsheet/runsheet/internal/gen": "no generator in the product",
	"github.com/jackc/pgx/v4":                   "the old major version",
	"github.com/lib/pq":                         "pgx is the driver",
	"github.com/golang-migrate/migrate":         "goose runs the migrations",
}

func TestLinkedPackages(t *testing.T) {
	t.Parallel()
	linked := deps(t, "list", "-deps", ".")
	if len(linked) < 20 {
		t.Fatalf("go list knows %d packages only: %q", len(linked), linked)
	}
	for _, p := range linked {
		if why := reject(p); why != "" {
			t.Errorf("%s is linked: %s", p, why)
		}
	}
}

// TestRejectNotices makes sure that the check can fail.
func TestRejectNotices(t *testing.T) {
	t.Parallel()
	for p, want := range map[string]bool{
		"testing": true, "gopkg.in/yaml.v3": true, "github.com/stretchr/testify/require": true,
		"github.com/runsheet/runsheet/internal/store/storetest": true, "github.com/runsheet/runsheet/internal/testsvc": true,
		"github.com/goccy/go-yaml": false, "github.com/runsheet/runsheet/internal/store": false, "testing/iotest": true,
	} {
		if got := reject(p) != ""; got != want {
			t.Errorf("reject(%s) = %v, want %v", p, got, want)
		}
	}
}

// TestDepsTxt compares the committed list with what is linked. The list is for
// Linux, so it is compared with that.
func TestDepsTxt(t *testing.T) {
	t.Parallel()
	committed, err := os.ReadFile("../../deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(committed)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			want = append(want, line)
		}
	}
	got := deps(t, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deps.txt is not what is linked; make generate writes it (-deps.txt +linked):\n%s", diff)
	}
}

// reject says why package p must not be linked, "" if it may.
func reject(p string) string {
	for bad, why := range unwanted {
		if p == bad || strings.HasPrefix(p, bad+"/") {
			return why
		}
	}
	if strings.HasPrefix(p, "github.com/runsheet/runsheet/") && (strings.HasSuffix(p, "test") || strings.HasSuffix(p, "/testsvc")) {
		return "no test code in the product"
	}
	return ""
}

// deps runs the go command for Linux without cgo and returns its lines, sorted.
func deps(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	lines := strings.Fields(string(out))
	slices.Sort(lines)
	return lines
}
