package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// nodes are those of one run.
const nodes = 10

// kindOfSteps is a workflow whose nodes only compute. Runsheet writes the steps of such
// nodes together; those of nodes that must not be repeated are written one by one, the
// end of each before the next begins.
type kindOfSteps struct{ id, measure, profile, path, crash string }

var kindsOfSteps = []kindOfSteps{
	{"ten", "steps_%d_per_s", "steps_%d", "steps that may be repeated, written together", ""},
	{"ten_apart", "steps_apart_%d_per_s", "steps_apart_%d", "each step durable before the next begins", `,"on_crash":"fail"`},
}

func (k kindOfSteps) definition() []byte {
	list := make([]string, nodes)
	for i := range list {
		list[i] = fmt.Sprintf(`{"node_id":"n%d","type":"data","data_type":"set","config":{"values":{"x":%d}}%s}`, i, i, k.crash)
	}
	return []byte(fmt.Sprintf(`{"kind":"Workflow","workflow_id":%q,"nodes":[%s]}`, k.id, strings.Join(list, ",")))
}

// steps measures runs of workflows of ten nodes without work, from the moment when the
// queue may start them until the end of the last is durable.
func (b *bench) steps(ctx context.Context) error {
	return b.each(ctx, func() error {
		for _, at := range []int{1, 8, 32} {
			if err := b.stepsLimits(ctx, at); err != nil {
				return err
			}
			if err := b.with(ctx, at, func(s *server) error {
				for _, k := range kindsOfSteps {
					if err := s.stepsOf(ctx, k, at); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *server) stepsOf(ctx context.Context, k kindOfSteps, at int) error {
	if _, err := s.api.ApplyWorkflows(ctx, k.definition(), client.ApplyOptions{File: k.id + ".json"}, client.Call{}); err != nil {
		return err
	}
	if _, _, err := s.flows(ctx, k.id, at); err != nil { // what is made once is made
		return err
	}
	n := max(at, s.b.Jobs/(2*nodes))
	var ids []string
	var spent time.Duration
	if err := s.b.profiled(fmt.Sprintf(k.profile, at), func() (err error) {
		ids, spent, err = s.flows(ctx, k.id, n)
		return err
	}); err != nil {
		return err
	}
	for _, jobID := range ids {
		r, err := s.store.WorkflowRuns.Run(ctx, access.DefaultTenant, store.WorkflowRunID(jobID))
		if err != nil {
			return err
		}
		for i := range nodes {
			if n := r.State.Nodes[fmt.Sprintf("n%d", i)]; n.Status != workflow.NodeCompleted || n.Attempt != 1 {
				return fmt.Errorf("node n%d of run %s is %s after %d attempts", i, r.ID, n.Status, n.Attempt)
			}
		}
	}
	s.b.note(fmt.Sprintf(k.measure, at), fmt.Sprintf("store -> queue -> engine, %d runs at a time, %s", at, k.path), n*nodes, float64(n*nodes)/spent.Seconds())
	return nil
}

// flows runs a workflow n times.
func (s *server) flows(ctx context.Context, workflowID string, n int) (ids []string, spent time.Duration, err error) {
	if err := s.pause(ctx, true); err != nil {
		return nil, 0, err
	}
	params, err := json.Marshal(map[string]any{"workflow_id": workflowID, "version": 1})
	if err != nil {
		return nil, 0, err
	}
	ids, err = s.addJobs(ctx, n, func(j *job.Job) {
		j.Type, j.Name, j.Params, j.OnCrash = "workflow", workflowID, params, job.CrashResume
	})
	if err != nil {
		return nil, 0, err
	}
	began := clock.System{}.Now()
	if err := s.pause(ctx, false); err != nil {
		return nil, 0, err
	}
	if err := until(ctx, "the runs end", 2*time.Millisecond, func() (bool, error) { return s.none(ctx, job.Queued, job.Running) }); err != nil {
		return nil, 0, err
	}
	return ids, since(began), nil
}
