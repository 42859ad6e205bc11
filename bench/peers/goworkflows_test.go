package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cschleiden/go-workflows/backend"
	"github.com/cschleiden/go-workflows/backend/monoprocess"
	"github.com/cschleiden/go-workflows/backend/postgres"
	"github.com/cschleiden/go-workflows/backend/sqlite"
	"github.com/cschleiden/go-workflows/client"
	"github.com/cschleiden/go-workflows/core"
	"github.com/cschleiden/go-workflows/worker"
	"github.com/cschleiden/go-workflows/workflow"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// last tells who waits for run n that its last step has run. go-workflows itself looks
// for the end of a run at growing intervals of up to a second, which would measure
// that wait.
type last struct{ runs sync.Map }

func (l *last) step(_ context.Context, n, i int) (int, error) {
	if i == steps-1 {
		if done, ok := l.runs.Load(n); ok {
			close(done.(chan struct{}))
		}
	}
	return n, nil
}

// inGoWorkflows starts go-workflows with its wake-ups in the process, and with as many
// pollers as there are runs at once.
func inGoWorkflows(tb testing.TB, over backend.Backend, at int) run {
	tb.Helper()
	mono := monoprocess.NewMonoprocessBackend(over)
	o := worker.DefaultOptions
	o.WorkflowPollers, o.ActivityPollers = max(2, at), max(2, at)
	o.WorkflowPollingInterval, o.ActivityPollingInterval = 10*time.Millisecond, 10*time.Millisecond
	w := worker.New(mono, &o)
	var l last
	if err := w.RegisterActivity(l.step); err != nil {
		tb.Fatal(err)
	}
	tenSteps := func(ctx workflow.Context, n int) (int, error) {
		for i := range steps {
			if _, err := workflow.ExecuteActivity[int](ctx, workflow.DefaultActivityOptions, l.step, n, i).Get(ctx); err != nil {
				return 0, err
			}
		}
		return n, nil
	}
	if err := w.RegisterWorkflow(tenSteps); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := w.Start(ctx); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cancel()
		if err := w.WaitForCompletion(); err != nil {
			tb.Error(err)
		}
		if err := over.Close(); err != nil {
			tb.Error(err)
		}
	})
	c := client.New(mono)
	var mu sync.Mutex
	serial := 0
	return func(int) error {
		mu.Lock()
		serial++
		n := serial
		mu.Unlock()
		done := make(chan struct{})
		l.runs.Store(n, done)
		instance, err := c.CreateWorkflowInstance(ctx, client.WorkflowInstanceOptions{InstanceID: fmt.Sprint("run-", n)}, tenSteps, n)
		if err != nil {
			return err
		}
		select {
		case <-done:
		case <-time.After(time.Minute):
			return fmt.Errorf("run %d did not come to its last step", n)
		}
		for {
			state, err := over.GetWorkflowInstanceState(ctx, instance)
			if err != nil || state == core.WorkflowInstanceStateFinished {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
}

var quiet = backend.WithLogger(slog.New(slog.DiscardHandler))

// BenchmarkGoWorkflows is go-workflows on a SQLite file as it opens that itself: one
// connection, and the driver's default, which is FULL.
func BenchmarkGoWorkflows(b *testing.B) {
	measure(b, func(b *testing.B, at int) run {
		b.Helper()
		return inGoWorkflows(b, goWorkflowsFile(b.TempDir()), at)
	})
}

func goWorkflowsFile(dir string) backend.Backend {
	return sqlite.NewSqliteBackend(filepath.Join(dir, "peer.db"), sqlite.WithBackendOptions(quiet))
}

// BenchmarkGoWorkflowsPostgres is go-workflows on a PostgreSQL that syncs each commit,
// with connections for its pollers and clients.
func BenchmarkGoWorkflowsPostgres(b *testing.B) {
	measure(b, func(b *testing.B, at int) run {
		b.Helper()
		u, err := url.Parse(testsvc.DurablePostgres(b))
		if err != nil {
			b.Fatal(err)
		}
		over := postgres.NewPostgresBackend(u.Query().Get("host"), 5432, "runsheet", "''", u.Path[1:], postgres.WithBackendOptions(quiet),
			postgres.WithPostgresOptions(func(db *sql.DB) {
				db.SetMaxOpenConns(40)
				db.SetMaxIdleConns(40)
			}))
		return inGoWorkflows(b, over, at)
	})
}
