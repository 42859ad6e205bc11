package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// TestSnapshotHoldsNobody: whoever reads a snapshot, however long, keeps neither
// writers nor the emptying of the log waiting, and sees one moment.
func TestSnapshotHoldsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "runsheet.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	}()
	scale := func(n int) {
		t.Helper()
		if _, err := s.Queue.Scale(t.Context(), store.Scale{Workers: n, Tenant: "default", At: time.Unix(1, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	scale(7)
	tmp := t.TempDir()
	err = s.Snapshots.Snapshot(t.Context(), tmp, func(ctx context.Context, snap store.Snapshot) error {
		for i := range 3000 { // some 12 MB of log, were it not emptied
			scale(1 + i%9)
		}
		if st, err := os.Stat(filepath.Join(dir, "runsheet.db-wal")); err != nil || st.Size() > 8<<20 {
			t.Errorf("the log has %d bytes, %v", st.Size(), err)
		}
		var w tally
		if _, err := snap.Write(ctx, "queue", &w); err != nil {
			return err
		}
		if want := `,7]`; string(w[len(w)-4:len(w)-1]) != want {
			t.Errorf("the snapshot moved: %s", w)
		}
		if snap.Engine() != "sqlite" || snap.Schema() < 1 {
			t.Errorf("engine %s, schema %d", snap.Engine(), snap.Schema())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

type tally []byte

func (w *tally) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// TestSnapshotOfClosed refuses.
func TestSnapshotOfClosed(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "runsheet.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Health.Close(); err != nil {
		t.Fatal(err)
	}
	err = s.Snapshots.Snapshot(t.Context(), t.TempDir(), func(context.Context, store.Snapshot) error { return nil })
	if !fault.Is(err, fault.StorageUnavailable) {
		t.Errorf("err = %v", err)
	}
}
