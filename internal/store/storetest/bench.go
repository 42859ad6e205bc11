package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

// Bench measures the hot methods of a store. open is called once for each
// measurement.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("Add/clients=%d", clients), func(b *testing.B) { BenchAdd(b, open(b), clients) })
	}
	for _, n := range []int{1, 50} {
		b.Run(fmt.Sprintf("ClaimFinish/batch=%d", n), func(b *testing.B) { benchClaimFinish(b, open(b), n) })
	}
}

// BenchStep measures steps of workflows' runs: a node that completes, with its
// attempt, its output and one event. Each of the runs makes one step after the other.
func BenchStep(b *testing.B, open func(b *testing.B) store.Store) {
	for _, runs := range []int{1, 8, 32, 128} {
		b.Run(fmt.Sprintf("runs=%d", runs), func(b *testing.B) { benchStep(b, open(b), runs) })
	}
}

func benchStep(b *testing.B, s store.Store, runs int) {
	pool(b, s, runs)
	fs := make([]*flow, runs)
	for i := range fs {
		fs[i] = begun(b, s)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(func() {
			for i := 0; left.Add(-1) >= 0; i++ {
				if err := f.benchStep(b, fmt.Sprintf("node%02d", i%20)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
}

func (f *flow) benchStep(b *testing.B, node string) error {
	at := base.Add(time.Duration(f.seq) * time.Millisecond)
	n := workflow.NodeState{Status: workflow.NodeCompleted, Attempt: 1, Outcome: "success", ReadyAt: at, StartedAt: at, EndedAt: at, Now: at, Order: 1}
	p := store.WorkflowStep{
		RunID: f.id, JobID: f.Job.ID, Epoch: f.Job.Epoch, Seq: f.seq + 1, CheckpointID: fmt.Sprintf("cp_%s_%d", f.id, f.seq+1), NodeID: node, At: at,
		Delta: workflow.Delta{
			Rest: f.state, Nodes: map[string]workflow.NodeState{node: n, "next": {Status: workflow.NodeRunning, Attempt: 1, StartedAt: at, Now: at}},
			Outputs: map[string]map[string]any{node: {"status": 200, "body": "0123456789012345678901234567890123456789"}},
		},
		Attempts: []store.NodeAttempt{{RunID: f.id, NodeID: node, Number: int(f.seq) + 1, Epoch: f.Job.Epoch, StartedAt: at, EndedAt: at, Status: n.Status, Outcome: "success"}},
		Events: []event.Event{{
			Tenant: tenant, Type: "workflow.node.completed", At: at, JobID: f.Job.ID, RunID: f.Run.ID,
			Data: map[string]string{"workflow_run_id": f.id, "workflow_id": "wf_a", "node_id": node, "new_state": "COMPLETED"},
		}},
	}
	_, err := f.s.WorkflowRuns.Step(b.Context(), p)
	f.seq++
	return err
}

// BenchAdd lets clients add one job at a time, each waiting for its answer.
func BenchAdd(b *testing.B, s store.Store, clients int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.Jobs.Add(b.Context(), store.AddJobs{Jobs: []job.Job{newJob()}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// benchClaimFinish drains jobs, n at a time.
func benchClaimFinish(b *testing.B, s store.Store, n int) {
	pool(b, s, n)
	for done := 0; done < b.N; done += 1000 {
		js := make([]job.Job, min(1000, b.N-done))
		for i := range js {
			js[i] = newJob()
		}
		add(b, s, js...)
	}
	b.ResetTimer()
	for done := 0; done < b.N; {
		c, err := s.Jobs.Claim(b.Context(), store.ClaimJobs{Instance: "a", Now: base, Room: n, Decide: firstRunnable})
		if err != nil || len(c.Started) == 0 {
			b.Fatalf("claimed %d, %v", len(c.Started), err)
		}
		items := make([]store.Finish, len(c.Started))
		for i, x := range c.Started {
			items[i] = ending(b, x, job.Succeeded{At: base})
		}
		for _, err := range s.Jobs.Finish(b.Context(), items) {
			if err != nil {
				b.Fatal(err)
			}
		}
		done += len(items)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
