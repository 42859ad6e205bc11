package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/claim"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/workflow"
)

const (
	// sockets is how many WebSockets one caller may have open, as the server has it.
	sockets = 5
	// maxChanges bounds the changes of one run.
	maxChanges = 100
	// changeGap is the mean time between two changes.
	changeGap = 50 * time.Millisecond
)

// events measures the time from the beginning of a step of a run of a workflow, before
// it is written durably, until each viewer has read of it. The measurement makes the
// steps itself, so that it knows when they begin; the server sends them.
func (b *bench) events(ctx context.Context) error {
	seed := uint64(0)
	return b.each(ctx, func() error {
		seed++
		for _, n := range b.Viewers {
			if err := b.viewersLimit(ctx, n, rand.New(rand.NewPCG(3, seed))); err != nil {
				return err
			}
			if err := b.with(ctx, 0, func(s *server) error { return s.show(ctx, n, rand.New(rand.NewPCG(3, seed))) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *server) show(ctx context.Context, viewers int, r *rand.Rand) (err error) {
	f, err := s.holdFlow(ctx)
	if err != nil {
		return err
	}
	h := &hall{got: make(chan seen, viewers), changes: min(s.b.Jobs, maxChanges)}
	defer h.close()
	if err := h.fill(ctx, s, f.runID, viewers); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%d viewers have not seen %d changes after %v", viewers, h.changes, patience))
	defer cancel()
	var all []time.Duration
	if err := s.b.profiled(fmt.Sprintf("events_%d", viewers), func() (err error) {
		all, err = h.changesSeen(ctx, r, f.step)
		return err
	}); err != nil {
		return err
	}
	s.b.delays(viewersNames(viewers), "step of a run, durable -> feed -> WebSocket read", viewers, all)
	return nil
}

func viewersNames(viewers int) (names [3]string) {
	for i, p := range percentiles {
		names[i] = fmt.Sprintf("viewers_%d_p%v_ms", viewers, p)
	}
	return names
}

// changesSeen makes the changes with step, each when all have seen the one before, and
// returns how long each viewer had to wait for each.
func (h *hall) changesSeen(ctx context.Context, r *rand.Rand, step func(ctx context.Context, node string) error) (all []time.Duration, err error) {
	for i := range h.changes {
		if err := clock.Sleep(ctx, clock.System{}, time.Duration(r.ExpFloat64()*float64(changeGap))); err != nil {
			return nil, context.Cause(ctx)
		}
		at := clock.System{}.Now()
		if err := step(ctx, node(i)); err != nil {
			return nil, err
		}
		for range h.viewers {
			select {
			case x := <-h.got:
				if x.err != nil {
					return nil, fmt.Errorf("a viewer: %w", x.err)
				}
				all = append(all, x.at.Sub(at))
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	return all, nil
}

func node(i int) string { return fmt.Sprintf("n%d", i) }

// hall is where the viewers are.
type hall struct {
	viewers []*viewer
	reading sync.WaitGroup
	got     chan seen
	changes int
}

// seen is when a viewer has read of a change.
type seen struct {
	at  time.Time
	err error
}

// fill lets viewers in, as so many users as it takes.
func (h *hall) fill(ctx context.Context, s *server, runID string, n int) error {
	token := ""
	for i := range n {
		if i%sockets == 0 {
			made, err := s.api.CreateToken(ctx, client.TokenInput{Name: fmt.Sprintf("viewer %d", i/sockets), Roles: []string{string(access.Viewer)}})
			if err != nil {
				return err
			}
			token = made.Token
		}
		v, err := s.subscribe(ctx, runID, token)
		if err != nil {
			return fmt.Errorf("viewer %d of %d: %w", i+1, n, err)
		}
		h.viewers = append(h.viewers, v)
		h.reading.Go(func() { h.read(v) })
	}
	return nil
}

// read tells of each change in turn. The channel has room for all viewers, and nobody
// is told of a change before all have seen the one before.
func (h *hall) read(v *viewer) {
	for i := range h.changes {
		err := v.await(node(i))
		h.got <- seen{clock.System{}.Now(), err}
		if err != nil {
			return
		}
	}
}

func (h *hall) close() {
	for _, v := range h.viewers {
		_ = v.conn.Close() // whoever still reads ends
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.reading.Wait()
	}()
	for {
		select {
		case <-h.got: // nobody wants them any more
		case <-done:
			return
		}
	}
}

// flow is a run of a workflow whose steps are made here.
type flow struct {
	store   store.Store
	runID   string
	claimed store.Claimed
	state   workflow.State
	seq     int64
}

const flowName = "shown"

// holdFlow adds a run and takes it. The server has no worker, so that its queue leaves
// the run alone.
func (s *server) holdFlow(ctx context.Context) (*flow, error) {
	ids, err := s.addJobs(ctx, 1, func(j *job.Job) {
		j.Type, j.Name, j.Params, j.OnCrash = "workflow", flowName, json.RawMessage(`{"workflow_id":"`+flowName+`","version":1}`), job.CrashResume
	})
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	now := clock.System{}.Now()
	holder := store.Instance{ID: id.New(id.Instance, now), HostID: id.New("host", now), Hostname: host, Pid: os.Getpid(), StartedAt: now}
	if err := s.store.Leases.Register(ctx, holder, patience); err != nil {
		return nil, err
	}
	c, err := s.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: holder.ID, Room: 1, Decide: func(x job.Snapshot) job.Decision {
		x.Workers = 1
		return claim.Decide(x)
	}})
	if err != nil {
		return nil, err
	}
	if len(c.Started) != 1 || c.Started[0].Job.ID != ids[0] {
		return nil, errors.New("the run that is to be shown does not start")
	}
	return &flow{store: s.store, runID: store.WorkflowRunID(ids[0]), claimed: c.Started[0], state: workflow.Begin()}, nil
}

// step begins a node.
func (f *flow) step(ctx context.Context, node string) error {
	now := clock.System{}.Now()
	before := f.state.Clone()
	f.state.Nodes[node] = workflow.NodeState{Status: workflow.NodeRunning, Attempt: 1, ReadyAt: now, StartedAt: now, Now: now}
	f.seq++
	_, err := f.store.WorkflowRuns.Step(ctx, store.WorkflowStep{
		RunID: f.runID, JobID: f.claimed.Job.ID, Epoch: f.claimed.Job.Epoch, Seq: f.seq, CheckpointID: id.New(id.Checkpoint, now), NodeID: node, At: now,
		Delta: workflow.Difference(before, f.state, nil),
		Events: []event.Event{{
			Tenant: access.DefaultTenant, Type: event.WorkflowNodeStarted, At: now, JobID: f.claimed.Job.ID, RunID: f.claimed.Run.ID,
			Data: map[string]string{"workflow_run_id": f.runID, "workflow_id": flowName, "node_id": node, "previous_state": "READY", "new_state": "RUNNING", "reason": ""},
		}},
	})
	if err != nil {
		return fmt.Errorf("step %d: %w", f.seq, err)
	}
	return nil
}
