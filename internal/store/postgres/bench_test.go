package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/storetest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func openBench(b *testing.B) store.Store {
	b.Helper()
	s, err := postgres.Open(b.Context(), postgres.Options{URL: testsvc.DurablePostgres(b), MaxConns: 32})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Health.Close() })
	return s
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, openBench) }

func BenchmarkStep(b *testing.B) { storetest.BenchStep(b, openBench) }

// BenchmarkCommit measures what 32 clients pay when each transaction also takes
// a lock until its commit, or sends a notification. It is why this package does
// neither.
func BenchmarkCommit(b *testing.B) {
	for name, extra := range map[string]string{
		"plain":  "",
		"lock":   "SELECT pg_advisory_xact_lock(1)",
		"notify": "SELECT pg_notify('x', 'y')",
	} {
		b.Run(name, func(b *testing.B) {
			url := testsvc.DurablePostgres(b)
			if _, err := connect(b, url).Exec(b.Context(), `CREATE TABLE e (id bigint GENERATED ALWAYS AS IDENTITY, data text)`); err != nil {
				b.Fatal(err)
			}
			const clients = 32
			var conns [clients]*pgx.Conn
			for i := range conns {
				conns[i] = connect(b, url)
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for _, conn := range conns {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if err := commitOne(b.Context(), conn, extra); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}

func commitOne(ctx context.Context, conn *pgx.Conn, extra string) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if extra != "" {
		if _, err := tx.Exec(ctx, extra); err != nil {
			return fmt.Errorf("extra: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO e (data) VALUES ('an event')`); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return tx.Commit(ctx)
}
