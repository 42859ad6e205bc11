package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// contestant is one engine on one database.
type contestant struct {
	Name     string `json:"name"`
	Database string `json:"database"` // with its durability
	engine   string // of the database: contestants of one are compared
	product  bool   // Runsheet: what the others of the same engine are compared with
	ours     bool   // Runsheet in another way
	bench    string // pattern of the benchmark, without its concurrency
	part     int    // a slow one makes only this part of the runs; 0 is all
}

// contestants are all that are measured.
func contestants() []contestant {
	return []contestant{
		{Name: "Runsheet", Database: "SQLite FULL", engine: "sqlite", product: true, bench: "^BenchmarkRuns$/^sqlite$"},
		{Name: "Runsheet, each node apart", Database: "SQLite FULL", engine: "sqlite", ours: true, bench: "^BenchmarkRunsApart$/^sqlite$"},
		{Name: "DBOS, one connection", Database: "SQLite FULL", engine: "sqlite", bench: "^BenchmarkDBOSFullTuned$"},
		{Name: "DBOS, its 8 connections", Database: "SQLite FULL", engine: "sqlite", bench: "^BenchmarkDBOSFull$"},
		{Name: "DBOS as it comes", Database: "SQLite NORMAL, syncs no commit", engine: "sqlite", bench: "^BenchmarkDBOSDefault$"},
		{Name: "go-workflows", Database: "SQLite FULL", engine: "sqlite", bench: "^BenchmarkGoWorkflows$", part: 4},
		{Name: "Runsheet", Database: "PostgreSQL", engine: "postgres", product: true, bench: "^BenchmarkRuns$/^postgres$"},
		{Name: "Runsheet, each node apart", Database: "PostgreSQL", engine: "postgres", ours: true, bench: "^BenchmarkRunsApart$/^postgres$"},
		{Name: "DBOS as it comes", Database: "PostgreSQL", engine: "postgres", bench: "^BenchmarkDBOSPostgres$"},
		{Name: "go-workflows", Database: "PostgreSQL", engine: "postgres", bench: "^BenchmarkGoWorkflowsPostgres$", part: 4},
	}
}

// concurrency is how many runs are at work at once, one turn each.
func concurrency() []int { return []int{1, 8, 32} }

func (c contestant) pattern(at int) string { return fmt.Sprintf("%s/^concurrent=%d$", c.bench, at) }

// figures are what one turn gave.
type figures struct {
	StepsPerSecond float64 `json:"steps_per_second"`
	CPUMicros      float64 `json:"cpu_us_per_step"` // of the process, without a database server
}

// turn runs one benchmark of a test binary in a process of its own.
func turn(ctx context.Context, binary, dir, pattern string, runs int) (figures, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", strconv.Itoa(runs)+"x", "-test.timeout", "10m")
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err != nil {
		return figures{}, fmt.Errorf("%w\n%s", err, text)
	}
	return parse(text)
}

// parse reads the one line of figures in a benchmark's output.
func parse(text []byte) (figures, error) {
	var f figures
	lines := 0
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		field := strings.Fields(in.Text())
		if len(field) < 4 || !strings.HasPrefix(field[0], "Benchmark") {
			continue
		}
		lines++
		for i := 2; i+1 < len(field); i += 2 {
			n, err := strconv.ParseFloat(field[i], 64)
			if err != nil {
				return f, fmt.Errorf("%q: %w", in.Text(), err)
			}
			switch field[i+1] {
			case "nodes/s":
				f.StepsPerSecond = n
			case "cpu-us/node":
				f.CPUMicros = n
			}
		}
	}
	if lines != 1 || f.StepsPerSecond == 0 || f.CPUMicros == 0 {
		return f, fmt.Errorf("no figures, or more than one line of them, in:\n%s", text)
	}
	return f, nil
}
