package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	found "github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/bench/turn"
)

const (
	// clients add jobs at the same time, workers run them.
	clients, workers = 32, 64
)

// names are the figures that are compared, named as `runsheet bench` names them.
func names() []string {
	return []string{found.Insert, found.Bulk, found.Drain, found.StartP50, found.StartP95}
}

// figures are what one turn gave, by name.
type figures map[string]float64

// String is one line of them.
func (f figures) String() string {
	var b strings.Builder
	for _, name := range names() {
		if x, ok := f[name]; ok {
			fmt.Fprintf(&b, " %s %.4g", name, x)
		}
	}
	return b.String()
}

// tools are the programs that take turns.
type tools struct {
	runsheet  string
	postgres  string // a PostgreSQL server for Runsheet; libraries start their own
	libraries string // test binary of this package
}

// take is a turn of a contestant at a scenario, with n jobs.
func (t tools) take(ctx context.Context, c contestant, s scenario, n int) (figures, error) {
	if c.product {
		return t.ours(ctx, c, s, n)
	}
	parts := s.parts
	if c.only != "" {
		parts = []string{c.only}
	}
	lines, err := turn.Benchmark(ctx, t.libraries, ".", "^"+c.bench+"$/^("+strings.Join(parts, "|")+")$", n)
	if err != nil {
		return nil, err
	}
	f := figures{}
	for _, line := range lines {
		for _, name := range names() {
			if x, ok := line[name]; ok {
				f[name] = x
			}
		}
	}
	if len(f) == 0 {
		return nil, fmt.Errorf("no figures of ours in %v", lines)
	}
	return f, nil
}

// durable is what Runsheet says of databases that sync each commit.
var durable = map[string]string{onSQLite: "synchronous=FULL", onPostgres: "fsync=on synchronous_commit=on"}

// ours is a turn of Runsheet.
func (t tools) ours(ctx context.Context, c contestant, s scenario, n int) (f figures, err error) {
	args := []string{
		"bench", "--json", "--runs", "1", "--scenario", s.name, "--jobs", strconv.Itoa(n),
		"--clients", strconv.Itoa(clients), "--workers", strconv.Itoa(workers),
	}
	if c.beside == onPostgres {
		url, stop, bad := t.serve(ctx)
		if bad != nil {
			return nil, bad
		}
		defer func() { err = errors.Join(err, stop()) }()
		args = append(args, "--database-url", url)
	}
	cmd := exec.CommandContext(ctx, t.runsheet, args...)
	cmd.Env = append(os.Environ(), "RUNSHEET_BENCH_DATABASE_URL=") // only what the arguments say
	text, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return nil, err
	}
	return read(text, c.beside)
}

// read takes the figures out of a report, which is one of the engine.
func read(text []byte, engine string) (figures, error) {
	var r found.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	if r.Engine != engine || r.Durability != durable[engine] {
		return nil, fmt.Errorf("measured on %s with %s, not on %s with %s", r.Engine, r.Durability, engine, durable[engine])
	}
	f := figures{}
	for _, m := range r.Measures {
		if slices.Contains(names(), m.Name) {
			f[m.Name] = m.Median
		}
	}
	if len(f) == 0 {
		return nil, errors.New("the report has none of the figures")
	}
	return f, nil
}

// serve starts a PostgreSQL server with a new data folder, the same that the libraries
// get, and returns a URL of it.
func (t tools) serve(ctx context.Context) (url string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, t.postgres)
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	var says strings.Builder
	cmd.Stderr = &says
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the server ended")
		}
		return "", nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), stop(), errors.New(says.String()))
	}
	return strings.TrimSpace(line), stop, nil
}

// versions are those of what decides the figures.
func versions(ctx context.Context) (map[string]string, error) {
	list, err := turn.Versions(ctx, ".", "github.com/riverqueue/river", "github.com/riverqueue/river/riverdriver/riverpgxv5",
		"github.com/riverqueue/river/riverdriver/riversqlite", "maragu.dev/goqite", "github.com/hibiken/asynq", "github.com/redis/go-redis/v9")
	if err != nil {
		return nil, err
	}
	for of, dir := range map[string]string{"Runsheet": root, "the others": "."} {
		shared, err := turn.Versions(ctx, dir, "modernc.org/sqlite", "github.com/jackc/pgx/v5")
		if err != nil {
			return nil, err
		}
		for path, version := range shared {
			list[path+" of "+of] = version
		}
	}
	text, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if v := regexp.MustCompile(` v=([\w.]+)`).FindSubmatch(text); err == nil && v != nil {
		list["Redis"] = string(v[1])
	}
	return list, nil
}
