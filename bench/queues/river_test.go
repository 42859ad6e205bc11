package main

import (
	"context"
	"database/sql"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// riverJob is a job without work.
type riverJob struct {
	N int `json:"n"`
}

func (riverJob) Kind() string { return "noop" }

type riverWorker struct {
	river.WorkerDefaults[riverJob]
	ran func(n int)
}

func (w *riverWorker) Work(_ context.Context, j *river.Job[riverJob]) error {
	w.ran(j.Args.N)
	return nil
}

// riverOn is River on any database. ids and open look at it with a connection of their own.
func riverOn[TTx any](tb testing.TB, driver riverdriver.Driver[TTx], poll time.Duration, ids func(query string) ([]string, error), open func(query string) (bool, error)) queue {
	tb.Helper()
	quiet := slog.New(slog.DiscardHandler)
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := m.Migrate(tb.Context(), rivermigrate.DirectionUp, nil); err != nil {
		tb.Fatal(err)
	}
	ctx := context.Background() // that of a test is over before the client stops
	adder := func(cooldown time.Duration) *river.Client[TTx] {
		c, err := river.NewClient(driver, &river.Config{Logger: quiet, FetchCooldown: cooldown})
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}
	// Each wake-up costs: those who only add take the default of one in 100 ms.
	many, prompt := adder(river.FetchCooldownDefault), adder(riverCooldown)
	add := func(c *river.Client[TTx]) func(n int) (string, error) {
		return func(n int) (string, error) {
			r, err := c.Insert(ctx, riverJob{n}, nil)
			if err != nil {
				return "", err
			}
			return strconv.FormatInt(r.Job.ID, 10), nil
		}
	}
	return queue{
		add: add(many), prompt: add(prompt),
		addMany: func(from, to int) error {
			list := make([]river.InsertManyParams, 0, to-from)
			for n := from; n < to; n++ {
				list = append(list, river.InsertManyParams{Args: riverJob{n}})
			}
			_, err := many.InsertManyFast(ctx, list)
			return err
		},
		waiting: func() ([]string, error) { return ids("select id from river_job where state = 'available'") },
		open: func() (bool, error) {
			// All states but completed, named so that an index finds them.
			return open("select exists (select 1 from river_job where state in ('available', 'cancelled', 'discarded', 'pending', 'retryable', 'running', 'scheduled'))")
		},
		work: func(workers int, ran func(n int)) (func() error, error) {
			all := river.NewWorkers()
			river.AddWorker(all, &riverWorker{ran: ran})
			c, err := river.NewClient(driver, &river.Config{
				Logger: quiet, Workers: all, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
				FetchCooldown: riverCooldown, FetchPollInterval: poll,
			})
			if err != nil {
				return nil, err
			}
			return func() error { return c.Stop(ctx) }, c.Start(ctx)
		},
	}
}

// riverCooldown is the shortest that River takes, between two fetches of workers and between
// two wake-ups that one who adds jobs sends.
const riverCooldown = river.FetchCooldownMin

func riverPostgres(tb testing.TB) queue {
	tb.Helper()
	config, err := pgxpool.ParseConfig(testsvc.DurablePostgres(tb))
	if err != nil {
		tb.Fatal(err)
	}
	config.MaxConns = clients
	pool, err := pgxpool.NewWithConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return riverOn(tb, riverpgxv5.New(pool), 20*time.Millisecond, func(query string) ([]string, error) {
		rows, err := pool.Query(context.Background(), query)
		if err != nil {
			return nil, err
		}
		numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		ids := make([]string, 0, len(numbers))
		for _, n := range numbers {
			ids = append(ids, strconv.FormatInt(n, 10))
		}
		return ids, err
	}, func(query string) (yes bool, err error) {
		err = pool.QueryRow(context.Background(), query).Scan(&yes)
		return yes, err
	})
}

func riverSQLite(tb testing.TB) queue {
	tb.Helper()
	db, reader := sqliteFile(tb, "FULL")
	return riverOn[*sql.Tx](tb, riversqlite.New(db), time.Millisecond,
		func(query string) ([]string, error) { return texts(reader, query) },
		func(query string) (bool, error) { return yes(reader, query) })
}

// BenchmarkRiver is River on a PostgreSQL that syncs each commit.
func BenchmarkRiver(b *testing.B) { measure(b, workers, riverPostgres) }

// BenchmarkRiverMany has as many workers as River's own benchmark.
func BenchmarkRiverMany(b *testing.B) { measure(b, 2000, riverPostgres) }

// BenchmarkRiverSQLite is River on SQLite with the durability of Runsheet.
func BenchmarkRiverSQLite(b *testing.B) { measure(b, workers, riverSQLite) }
