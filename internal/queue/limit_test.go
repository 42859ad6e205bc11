package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// TestTheTimeOfADirective: work that knows it ends by itself with what it has; other
// work is stopped soon after.
func TestTheTimeOfADirective(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		knows bool
		own   time.Duration
		code  string
	}{
		"ends by itself":                    {true, 0, ""},
		"never ends":                        {false, 0, job.CodeTimeout},
		"the job's own, which is shorter":   {true, time.Second, job.CodeTimeout},
		"the job's own, which is longer":    {true, time.Hour, ""},
		"the job's own is long, never ends": {false, time.Hour, job.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clk *clocktest.Manual
			b := setup(t, func(ctx context.Context, a task.Attempt, _ task.Host) error {
				if !c.knows {
					<-ctx.Done()
					return nil
				}
				timer := clk.NewTimer(a.Directive.Content.Limits.Time())
				defer timer.Stop()
				select {
				case <-timer.C():
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			clk = hurried(b)
			d, err := b.store.Directives.Create(t.Context(), store.PutDirective{Directive: directive.Directive{
				ID: "dir_1", Tenant: tenant, Name: "brief", Content: directive.Content{Limits: directive.Limits{TimeMS: 20_000}},
				CreatedAt: clk.Now(), UpdatedAt: clk.Now(),
			}})
			if err != nil {
				t.Fatal(err)
			}
			b.start()
			j := b.ended(b.add(func(j *job.Job) {
				j.Timeout, j.Directive = c.own, run.Directive{ID: d.ID, Name: d.Name, Version: d.Version}
			}).ID)
			if j.Failure.Code != c.code {
				t.Errorf("%s, %+v", j.State, j.Failure)
			}
		})
	}
}
