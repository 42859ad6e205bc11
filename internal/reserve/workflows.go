package reserve

import (
	"context"

	"github.com/runsheet/runsheet/internal/store"
)

type workflows struct {
	store.Workflows
	known store.Keys
	g     *Guard
}

// Apply brings something new.
func (w workflows) Apply(ctx context.Context, p store.ApplyWorkflow) (done store.AppliedWorkflow, err error) {
	err = w.g.fresh(ctx, w.known, p.Key, func() error {
		done, err = w.Workflows.Apply(ctx, p)
		return err
	})
	return done, err
}

// Activate may be the way out of trouble.
func (w workflows) Activate(ctx context.Context, p store.ActivateWorkflow) (done store.MovedWorkflow, err error) {
	err = w.g.need(func() error {
		done, err = w.Workflows.Activate(ctx, p)
		return err
	})
	return done, err
}

func (w workflows) Archive(ctx context.Context, p store.ArchiveWorkflow) (done store.Workflow, err error) {
	err = w.g.need(func() error {
		done, err = w.Workflows.Archive(ctx, p)
		return err
	})
	return done, err
}

// workflowRuns belong to accepted work: a step that could not be written would be
// done again.
type workflowRuns struct {
	store.WorkflowRuns
	g *Guard
}

func (w workflowRuns) Enter(ctx context.Context, p store.EnterWorkflow) (t store.Turn, err error) {
	err = w.g.need(func() error {
		t, err = w.WorkflowRuns.Enter(ctx, p)
		return err
	})
	return t, err
}

func (w workflowRuns) Step(ctx context.Context, p store.WorkflowStep) (s store.WorkflowSignals, err error) {
	err = w.g.need(func() error {
		s, err = w.WorkflowRuns.Step(ctx, p)
		return err
	})
	return s, err
}

func (w workflowRuns) Wake(ctx context.Context, p store.WakeNode) error {
	return w.g.need(func() error { return w.WorkflowRuns.Wake(ctx, p) })
}

func (w workflowRuns) Pause(ctx context.Context, p store.PauseWorkflow) (r store.WorkflowRun, err error) {
	err = w.g.need(func() error {
		r, err = w.WorkflowRuns.Pause(ctx, p)
		return err
	})
	return r, err
}

type workflowLog struct {
	store.WorkflowLog
	g *Guard
}

func (w workflowLog) Forget(ctx context.Context, p store.ForgetCheckpoints) (n int, err error) {
	err = w.g.need(func() error {
		n, err = w.WorkflowLog.Forget(ctx, p)
		return err
	})
	return n, err
}
