package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maragu.dev/goqite"
	"maragu.dev/goqite/jobs"
)

const goqiteJob = "noop"

// goqitePoll is how often its runner looks for jobs, and how long it sleeps when as many
// run as may.
const goqitePoll = time.Millisecond

// goqiteSchema is the file that goqite's documents tell a program to copy, as it stands in
// the module.
var goqiteSchema = sync.OnceValues(func() (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "maragu.dev/goqite").Output()
	if err != nil {
		return "", err
	}
	schema, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema_sqlite.sql"))
	return string(schema), err
})

// goqiteIn is goqite with its runner of jobs.
func goqiteIn(synchronous string) start {
	return func(tb testing.TB) queue {
		tb.Helper()
		db, reader := sqliteFile(tb, synchronous)
		schema, err := goqiteSchema()
		if err != nil {
			tb.Fatal(err)
		}
		ctx := context.Background() // that of a test is over before the runner stops
		if _, err := db.ExecContext(ctx, schema); err != nil {
			tb.Fatal(err)
		}
		q := goqite.New(goqite.NewOpts{DB: db, Name: "jobs"})
		message := func(n int) goqite.Message { return goqite.Message{Body: []byte(strconv.Itoa(n))} }
		return queue{
			add: func(n int) (string, error) {
				id, err := jobs.Create(ctx, q, goqiteJob, message(n))
				return string(id), err
			},
			addMany: func(from, to int) error {
				tx, err := db.BeginTx(ctx, nil)
				if err != nil {
					return err
				}
				defer func() { _ = tx.Rollback() }() // after a commit it does nothing
				for n := from; n < to; n++ {
					if _, err := jobs.CreateTx(ctx, tx, q, goqiteJob, message(n)); err != nil {
						return err
					}
				}
				return tx.Commit()
			},
			waiting: func() ([]string, error) { return texts(reader, "select id from goqite where received = 0") },
			open:    func() (bool, error) { return yes(reader, "select exists (select 1 from goqite)") },
			work: func(workers int, ran func(n int)) (func() error, error) {
				r := jobs.NewRunner(jobs.NewRunnerOpts{Limit: workers, PollInterval: goqitePoll, Queue: q})
				r.Register(goqiteJob, func(_ context.Context, body []byte) error {
					n, err := strconv.Atoi(string(body))
					if err == nil {
						ran(n)
					}
					return err
				})
				ctx, cancel := context.WithCancel(ctx)
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					r.Start(ctx)
				}()
				return func() error {
					cancel()
					<-stopped
					return nil
				}, nil
			},
		}
	}
}

// BenchmarkGoqiteFull is goqite with the durability of Runsheet.
func BenchmarkGoqiteFull(b *testing.B) { measure(b, workers, goqiteIn("FULL")) }

// BenchmarkGoqiteNormal is goqite without a sync for each commit, which is what the driver
// of its documents does with a write-ahead log.
func BenchmarkGoqiteNormal(b *testing.B) { measure(b, workers, goqiteIn("NORMAL")) }
