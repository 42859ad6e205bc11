package main

import (
	"context"

	"github.com/runsheet/runsheet/internal/bench"
	"github.com/runsheet/runsheet/internal/bench/report"
	"github.com/runsheet/runsheet/internal/cli"
)

func measure(ctx context.Context, b cli.Bench) (report.Report, error) {
	return bench.Run(ctx, bench.Options{
		DatabaseURL: b.DatabaseURL, Jobs: b.Jobs, Clients: b.Clients, Workers: b.Workers, Runs: b.Runs, GoalSizes: b.GoalSizes, Profiles: b.Profiles, Scenarios: b.Scenarios,
		Server: b.Server, Version: version, Say: b.Say,
	})
}
