package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// storeOn is the part of Runsheet that adds jobs, called in the process as a library is,
// without HTTP and the checks of a request.
func storeOn(tb testing.TB, s store.Store, err error) queue {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			tb.Error(err)
		}
	})
	ctx := context.Background()
	return queue{
		add: func(int) (string, error) {
			now := time.Now()
			j := job.Job{
				ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Name: "bench", Type: "noop", Params: json.RawMessage(`{}`),
				State: job.Queued, Priority: job.PriorityNormal, OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedBy: "bench", CreatedAt: now, QueuedAt: now,
			}
			_, err := s.Jobs.Add(ctx, store.AddJobs{Jobs: []job.Job{j}})
			return j.ID, err
		},
		waiting: func() ([]string, error) {
			var ids []string
			p := store.ListJobs{Tenant: access.DefaultTenant, States: []job.State{job.Queued}, Sort: store.SortNewest, Limit: bulk}
			for {
				page, err := s.Jobs.List(ctx, p)
				if err != nil {
					return nil, err
				}
				for _, j := range page.Jobs {
					ids = append(ids, j.ID)
				}
				if !page.More {
					return ids, nil
				}
				last := page.Jobs[len(page.Jobs)-1]
				p.After = &store.JobMark{Rank: last.Rank, CreatedAt: last.CreatedAt, ID: last.ID}
			}
		},
	}
}

func storeSQLite(tb testing.TB) queue {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), sqlite.Options{Path: filepath.Join(tb.TempDir(), "runsheet.db")})
	return storeOn(tb, s, err)
}

func storePostgres(tb testing.TB) queue {
	tb.Helper()
	s, err := postgres.Open(tb.Context(), postgres.Options{URL: testsvc.DurablePostgres(tb)})
	return storeOn(tb, s, err)
}

// BenchmarkStoreSQLite is Runsheet's store with the durability of its server.
func BenchmarkStoreSQLite(b *testing.B) { measure(b, workers, storeSQLite) }

// BenchmarkStorePostgres is the same on a PostgreSQL that syncs each commit.
func BenchmarkStorePostgres(b *testing.B) { measure(b, workers, storePostgres) }
