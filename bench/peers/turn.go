package main

import (
	"context"
	"fmt"

	"github.com/runsheet/runsheet/internal/bench/turn"
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

// take is a turn: one benchmark of a test binary in a process of its own.
func take(ctx context.Context, binary, dir, pattern string, runs int) (figures, error) {
	lines, err := turn.Benchmark(ctx, binary, dir, pattern, runs)
	if err != nil {
		return figures{}, err
	}
	return read(lines)
}

// read is what the one line of a turn says.
func read(lines []map[string]float64) (figures, error) {
	if len(lines) != 1 || lines[0]["nodes/s"] == 0 || lines[0]["cpu-us/node"] == 0 {
		return figures{}, fmt.Errorf("no figures, or more than one line of them: %v", lines)
	}
	return figures{StepsPerSecond: lines[0]["nodes/s"], CPUMicros: lines[0]["cpu-us/node"]}, nil
}
