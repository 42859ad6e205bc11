package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/engine"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// This file is api.RunningWorkflows: what happens to runs that have begun when another
// version is used.

const (
	// maxRunning is how many runs one request changes at most.
	maxRunning = 10_000
	// maxObstacles is how many obstacles are told.
	maxObstacles = 50
	// switchTries is how often a run is looked at again that works just now.
	switchTries = 25
	switchPause = 200 * time.Millisecond
)

// Prepare implements api.RunningWorkflows.
func (w *workflows) Prepare(ctx context.Context, c api.RunningChange) (func(context.Context) (int, error), error) {
	runs, err := w.active(ctx, c)
	if err != nil {
		return nil, err
	}
	if c.Mode == api.RunningCancel {
		return func(ctx context.Context) (int, error) {
			for i, r := range runs {
				if err := w.a.cancelJob(ctx, c.Tenant, r.JobID, c.By); err != nil {
					return i, err
				}
			}
			return len(runs), nil
		}, nil
	}
	var obstacles []string
	for _, r := range runs {
		list, _, err := w.obstacles(ctx, c, r.ID)
		if err != nil {
			return nil, err
		}
		if r.Job.State == job.Running {
			list = append(list, "it is at work now")
		}
		for _, text := range list {
			obstacles = append(obstacles, "run "+r.ID+": "+text)
		}
		if len(obstacles) >= maxObstacles {
			break
		}
	}
	if len(obstacles) > 0 {
		f := fault.Newf(fault.RunningNotPossible, "not all runs can go on with version %d: %s", c.Version, obstacles[0])
		for _, text := range obstacles[:min(len(obstacles), maxObstacles)] {
			f = f.At("/running", "obstacle", text)
		}
		return nil, f
	}
	return func(ctx context.Context) (int, error) {
		for i, r := range runs {
			if err := w.migrate(ctx, c, r.ID); err != nil {
				return i, err
			}
		}
		return len(runs), nil
	}, nil
}

// active are the runs of other versions that have not ended.
func (w *workflows) active(ctx context.Context, c api.RunningChange) ([]store.WorkflowRun, error) {
	p := store.ListWorkflowRuns{
		Tenant: c.Tenant, WorkflowID: c.WorkflowID, Statuses: []string{store.WorkflowPending, store.WorkflowWaiting, store.WorkflowRunning}, Limit: 500,
	}
	var out []store.WorkflowRun
	for {
		page, err := w.a.store.WorkflowRuns.List(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Runs {
			p.Before = r.ID
			if r.Version != c.Version {
				out = append(out, r)
			}
		}
		if !page.More {
			return out, nil
		}
		if len(out) > maxRunning {
			return nil, fault.Newf(fault.RunningNotPossible, "more than %d runs would be changed", maxRunning).At("/running", "too_many", "cancel or finish some of them first")
		}
	}
}

// obstacles lists why a run cannot go on with another version, and returns it as it is
// now.
func (w *workflows) obstacles(ctx context.Context, c api.RunningChange, id string) ([]string, store.WorkflowRun, error) {
	r, err := w.a.store.WorkflowRuns.Run(ctx, c.Tenant, id)
	if err != nil {
		return nil, r, err
	}
	from, err := w.Graph(ctx, c.Tenant, r.WorkflowID, r.Version)
	if err != nil {
		return nil, r, err
	}
	to, err := w.Graph(ctx, c.Tenant, r.WorkflowID, c.Version)
	if err != nil {
		return nil, r, err
	}
	list := workflow.Obstacles(r.State, from, to, w.kinds)
	if r.State.Phase != workflow.PhaseRunning && r.State.Phase != "" {
		list = append(list, "it is about to end")
	}
	var in engine.Params
	if err := json.Unmarshal(r.Job.Params, &in); err != nil {
		return nil, r, fmt.Errorf("read the params of %s: %w", r.JobID, err)
	}
	given, _ := workflow.Plain(in.Inputs).(map[string]any)
	if given == nil {
		given = map[string]any{}
	}
	return append(list, inputFaults(to, given, in.Sealed)...), r, nil
}

// inputFaults tells which inputs of a run another version does not take. Sealed ones
// are there, but only the run can look at them.
func inputFaults(g *workflow.Graph, given map[string]any, sealed map[string]string) []string {
	_, err := g.Definition.Complete(given, "/inputs")
	if err == nil {
		return nil
	}
	var out []string
	for _, f := range fault.From(err).Fields {
		name := strings.TrimPrefix(f.Pointer, "/inputs/")
		if _, hidden := sealed[name]; !hidden {
			out = append(out, "inputs."+name+": "+f.Detail)
		}
	}
	return out
}

// migrate lets a run go on with another version. One that has begun to work meanwhile
// is waited for, for a moment.
func (w *workflows) migrate(ctx context.Context, c api.RunningChange, id string) error {
	var err error
	for range switchTries {
		var r store.WorkflowRun
		var list []string
		if list, r, err = w.obstacles(ctx, c, id); err != nil {
			return err
		}
		if r.Job.State.Terminal() || r.Version == c.Version {
			return nil
		}
		if len(list) > 0 {
			return fault.Newf(fault.RunningNotPossible, "version %d is active, but run %s has gone on meanwhile and keeps version %d: %s", c.Version, id, r.Version, list[0])
		}
		now := w.a.o.Clock.Now()
		err = w.a.store.WorkflowRuns.Switch(ctx, store.SwitchWorkflow{
			Tenant: c.Tenant, ID: id, Seq: r.Seq, From: r.Version, To: c.Version, At: now,
			Audit: &audit.Entry{
				Tenant: c.Tenant, At: now, Actor: audit.Actor{Name: c.By}, Action: audit.WorkflowRunMigrated, Object: id, ObjectName: r.Job.Name,
				Detail: map[string]string{"from_version": strconv.Itoa(r.Version), "version": strconv.Itoa(c.Version), "reason": c.Reason},
			},
		})
		if err == nil || fault.Is(err, fault.AlreadyFinished) {
			return nil
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
		if err := clock.Sleep(ctx, w.a.o.Clock, switchPause); err != nil {
			return err
		}
	}
	return fault.Wrap(err, fault.RunningNotPossible, fmt.Sprintf("version %d is active, but run %s works all the time: repeat the request", c.Version, id))
}
