package queue_test

import (
	"context"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

// TestTimeOfADirective: work of either kind ends when the time is over that its
// directive allows.
func TestTimeOfADirective(t *testing.T) {
	t.Parallel()
	endless := func(ctx context.Context, _ task.Attempt, _ task.Host) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	b := echoBundle(t, tasktest.Echo{Before: endless, Jobs: endless})
	d, err := b.store.Directives.Create(t.Context(), store.PutDirective{Directive: directive.Directive{
		ID: id.New(id.Directive, clock.System{}.Now()), Tenant: tenant, Name: "hasty", Version: 1,
		Content: directive.Content{Limits: directive.Limits{TimeMS: 20}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	under := run.Directive{ID: d.ID, Name: d.Name, Version: d.Version}
	e := b.start()
	got, err := ask(t, e, tasktest.Said{}, func(r *queue.DirectRequest) { r.Directive = under }).ended()
	if err != nil || got.Run.State != run.Failed || got.Run.Failure.Code != job.CodeTimeout || !strings.Contains(got.Run.Failure.Message, "20ms") {
		t.Errorf("direct request: %+v, %v", got.Run.Failure, err)
	}
	j := b.ended(b.add(func(j *job.Job) { j.Type, j.Directive = "echo", under }).ID)
	if r := b.runs(j.ID); j.State != job.Failed || r[0].Failure.Code != job.CodeTimeout || !strings.Contains(r[0].Failure.Message, "20ms") {
		t.Errorf("job: %s, %+v", j.State, r)
	}
}
