package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that takes longer than the limit is no reason not to start.
func TestQuickCheckHasALimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "check.db")
	st, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Health.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", modernDSN(path, nil, true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	if err := quickCheck(t.Context(), db, -time.Second); err != nil {
		t.Errorf("a check without time: %v", err)
	}
	if err := quickCheck(t.Context(), db, time.Minute); err != nil {
		t.Errorf("a sound file: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := quickCheck(ended, db, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("a start that was called off: %v", err)
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "damaged.db")
	st, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Health.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 5 * 4096; i < len(b); i++ { // the first pages hold the schema
		b[i] ^= 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := Open(t.Context(), Options{Path: path}); err == nil {
		t.Error("a damaged file was opened")
		_ = st.Health.Close()
	}
}
