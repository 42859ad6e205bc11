package sqlite

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// A reader that stays keeps SQLite from starting over in its log, which grows.
// Once the reader is gone and nothing is written, the log is emptied.
func TestIdleWriterTrimsTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "trim.db")
	st, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Health.Close() //nolint:errcheck // the test is over
	db, err := sql.Open("sqlite", modernDSN(path, nil, true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	reader, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // returns to the pool
	if _, err := reader.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reader.QueryRowContext(t.Context(), "SELECT count(*) FROM jobs").Scan(&n); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		fi, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	params := []byte(`{"x":"` + strings.Repeat("x", 200<<10) + `"}`)
	for size() < bigLog {
		now := time.Now()
		if _, err := st.Jobs.Add(t.Context(), store.AddJobs{Jobs: []job.Job{{
			ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Type: "x", Params: params, OnCrash: job.CrashFail,
		}}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := reader.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := st.Health.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for size() > 0 {
		if clock.Sleep(ctx, clock.System{}, 50*time.Millisecond) != nil {
			t.Fatalf("the log still has %d bytes", size())
		}
	}
}
