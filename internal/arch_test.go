// Package internal_test checks the sources as a whole: who imports whom, and
// how long things are.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/runsheet/runsheet"

// lattice says who may import whom. A package imports lower rings freely and
// its own ring only along the edges named below. Names are paths below
// internal; those of the module's root begin with a slash; "x/*" means all
// packages below x.
//
// A new package gets a line here. An edge that a build seems to need is first
// of all a question: which of the two packages does the thing belong to?
const lattice = `
ring 0 kit: clock clock/clocktest id fault fsm decimal rank envvar /ui
	clock/clocktest -> clock
	id -> fault

ring 1 domain: bench/report order job claim run schedule calendar timetable crontab agenda workflow workflow/source workflow/expression workflow/schema workflow/plan workflow/draw approval directive access audit trade deploy event forecast webhook secret
	job -> run event order approval
	claim -> job
	run schedule calendar workflow approval directive access trade deploy -> event
	schedule -> calendar
	timetable -> schedule calendar
	crontab -> schedule
	agenda -> schedule event
	trade -> approval
	workflow -> run workflow/source workflow/expression event
	workflow/expression -> workflow/source
	workflow/schema workflow/plan workflow/draw -> workflow workflow/source workflow/expression workflow/plan
	webhook -> job run event approval

ring 2 ports: store store/floor store/portable store/sqlite store/postgres store/migrations store/storetest store/dump
ring 2 ports: bus bus/mem bus/redis bus/bustest checkpoint checkpoint/checkpointtest runlog filelock testsvc testsvc/gguf testsvc/pg bench/turn
ring 2 ports: blob blob/s3 blob/blobtest archive
ring 2 ports: certificate certificate/certificatetest reserve sharedread together
	store/portable -> store together
	store/sqlite store/postgres -> store store/portable store/migrations store/dump
	store/dump -> store/migrations
	store/sqlite blob runlog -> filelock
	runlog -> blob
	testsvc -> testsvc/gguf
	testsvc/pg -> testsvc
	store/storetest -> store
	bus/mem bus/redis bus/bustest -> bus
	checkpoint -> store
	checkpoint/checkpointtest -> checkpoint store
	blob/s3 blob/blobtest -> blob
	reserve -> store

ring 3 engines: queue planner engine engine/rehearsal task task/* node node/* inbox trader trader/paper rollout courier llm llm/ask process extract extract/extracttest outbound identity vault
ring 3 engines: garbage tally health backup feed oidc almanac task/logtriage/logline task/logtriage/drain task/logtriage/docker
	queue -> task
	task/* -> task
	task/command -> process
	task/http -> outbound
	task/research -> extract
	extract -> process
	task/story task/research task/logtriage -> llm llm/ask outbound
	task/logtriage -> task/logtriage/logline task/logtriage/drain task/logtriage/docker
	llm/ask -> llm task
	task/workflow -> engine
	engine -> node task
	engine/rehearsal -> engine node node/data node/judgment node/stop node/wait task
	node/* -> node task
	node/action node/notification node/data -> outbound process llm llm/ask node/exchange
	node/exchange -> node outbound
	node/action -> task/command
	node/judgment -> llm llm/ask
	node/kinds -> node/action node/approval node/data node/deploy node/judgment node/mapping node/notification node/rollback node/stop node/subworkflow node/wait node
	trader/paper -> trader
	rollout courier llm identity -> outbound
	oidc -> outbound identity

ring 4 edges: api api/wire api/strict api/guard api/viewer metrics config doctor export /client
	doctor -> config /client
	export => /client
	api -> api/wire api/strict api/guard api/viewer metrics
	api/wire -> api/strict
	/client => api/wire fault

ring 5 command line: cli cli/top
	cli => cli/top engine/rehearsal node/kinds workflow workflow/source workflow/schema workflow/draw /client config api/wire schedule calendar timetable crontab runlog archive fault id clock audit certificate doctor export bench/report

ring 6 whole: app bench
	bench -> app

ring 7 commands: /cmd/runsheet gen/* testsvc/pg
`

// pure lists what rings 0 and 1 may not use: they do no I/O and wait for
// nothing. clock is the one place that does.
var pure = []string{
	"context", "os", "os/exec", "net", "net/http", "database/sql", "log", "log/slog", "sync", "sync/atomic", "testing",
}

// exceptions to pure and to "rings 0 and 1 use the standard library only".
var exceptions = map[string][]string{
	"clock":           {"context"},
	"clock/clocktest": {"sync"},
	// What was found out once is kept where everybody may read it; nobody waits.
	"schedule":  {"sync/atomic"},
	"timetable": {"sync/atomic"},
	// The two parsers of definitions, which compute and nothing else; no other package of the domain sees them.
	"workflow/source": {"github.com/goccy/go-yaml", "github.com/goccy/go-yaml/ast", "github.com/goccy/go-yaml/parser"},
	"workflow/expression": {
		"github.com/expr-lang/expr", "github.com/expr-lang/expr/ast", "github.com/expr-lang/expr/builtin", "github.com/expr-lang/expr/conf",
		"github.com/expr-lang/expr/file", "github.com/expr-lang/expr/parser", "github.com/expr-lang/expr/types", "github.com/expr-lang/expr/vm",
	},
	"decimal": {"github.com/cockroachdb/apd/v3", "database/sql/driver"},
}

// pkg is what "go list" tells of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func TestArchitecture(t *testing.T) {
	t.Parallel()
	l := parse(t, lattice)
	for _, p := range list(t, "./...") {
		name := short(p.ImportPath)
		if strings.HasPrefix(name, "/e2e") || name == "" || name == "/internal" || strings.Contains(name, "/node_modules/") {
			continue // tests only, or of the browser's packages
		}
		ring, known := l.ring(name)
		if !known {
			t.Errorf("package %s is not in the lattice: give it a ring in internal/arch_test.go", name)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module+"/") {
				if why := l.foreign(name, ring, imp); why != "" {
					t.Errorf("%s imports %s: %s", name, imp, why)
				}
				continue
			}
			if to := short(imp); !l.allows(name, ring, to) {
				t.Errorf("%s imports %s: the lattice in internal/arch_test.go has no such edge", name, to)
			}
		}
	}
}

// TestLatticeForbids makes sure that the check can fail.
func TestLatticeForbids(t *testing.T) {
	t.Parallel()
	l := parse(t, lattice)
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"job", "run", true},
		{"run", "job", false},
		{"job", "store", false},
		{"store", "job", true},
		{"queue", "task", true},
		{"task", "queue", false},
		{"task/command", "process", true},
		{"task/command", "task", true},
		{"queue", "task/command", false},
		{"api", "queue", true},
		{"api", "cli", false},
		{"cli", "store", false},
		{"cli", "/client", true},
		{"store/sqlite", "store/postgres", false},
		{"app", "store/sqlite", true},
		{"queue", "api", false},
		{"process", "run", true},
	} {
		ring, known := l.ring(c.from)
		if !known {
			t.Fatalf("%s has no ring", c.from)
		}
		if got := l.allows(c.from, ring, c.to); got != c.want {
			t.Errorf("%s -> %s: allowed = %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if l.foreign("job", 1, "context") == "" || l.foreign("job", 1, "github.com/x/y") == "" {
		t.Error("a domain package may use context or a foreign module")
	}
	if _, known := l.ring("util"); known {
		t.Error("util is known")
	}
}

type graph struct {
	rings map[string]int
	// edges are permissions beside those of the rings; only is the complete list
	// of what a package may import.
	edges, only map[string][]string
}

// parse reads the lattice. "a b -> c d" permits edges; "a => b c" also forbids
// all others.
func parse(t *testing.T, text string) *graph {
	t.Helper()
	g := &graph{rings: map[string]int{}, edges: map[string][]string{}, only: map[string][]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "ring "):
			head, names, ok := strings.Cut(line, ":")
			if !ok || len(head) < 6 {
				t.Fatalf("lattice: %q", line)
			}
			for n := range strings.FieldsSeq(names) {
				g.rings[n] = int(head[5] - '0')
			}
		default:
			table := g.edges
			from, to, ok := strings.Cut(line, "->")
			if !ok {
				if from, to, ok = strings.Cut(line, "=>"); !ok {
					t.Fatalf("lattice: %q", line)
				}
				table = g.only
			}
			for f := range strings.FieldsSeq(from) {
				if _, known := g.rings[f]; !known {
					if _, known = g.rings[path.Dir(f)+"/*"]; !known {
						t.Fatalf("lattice: %q: %s has no ring", line, f)
					}
				}
				table[f] = append(table[f], strings.Fields(to)...)
			}
		}
	}
	return g
}

func (g *graph) ring(name string) (int, bool) {
	if r, ok := g.rings[name]; ok {
		return r, true
	}
	r, ok := g.rings[path.Dir(name)+"/*"]
	return r, ok
}

func (g *graph) allows(from string, ring int, to string) bool {
	if only, ok := g.only[from]; ok {
		return slices.Contains(only, to)
	}
	if r, ok := g.ring(to); ok && r < ring {
		return true
	}
	return slices.Contains(g.edges[from], to) || slices.Contains(g.edges[path.Dir(from)+"/*"], to)
}

// foreign says why a package may not import one of another module or of the
// standard library; "" if it may.
func (g *graph) foreign(name string, ring int, imp string) string {
	if ring > 1 || name == "/ui" || slices.Contains(exceptions[name], imp) {
		return ""
	}
	if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
		return "rings 0 and 1 use the standard library only"
	}
	if slices.Contains(pure, imp) {
		return "rings 0 and 1 are pure"
	}
	return ""
}

func short(importPath string) string {
	rest := strings.TrimPrefix(importPath, module)
	if name, ok := strings.CutPrefix(rest, "/internal/"); ok {
		return name
	}
	return rest
}

// list asks the go command about packages of this module.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e", "-json=ImportPath,Imports,Standard"}, args...)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list knows no package")
	}
	return all
}
