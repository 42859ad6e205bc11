package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/store"
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
	if err := errors.Join(os.WriteFile(path, b, 0o600), os.Remove(path+".lock")); err != nil {
		t.Fatal(err)
	}
	if st, err := Open(t.Context(), Options{Path: path}); err == nil {
		t.Error("a damaged file was opened")
		_ = st.Health.Close()
	}
}

// TestCheckedAfterACrash: the file of a server that closed it is not read at the next
// start, unless it is another file by then; that of one which did not is.
func TestCheckedAfterACrash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "closed.db")
	open := func() (store.Store, error) { return Open(t.Context(), Options{Path: path}) }
	mark := func() string {
		b, err := os.ReadFile(path + ".lock")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	st, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if m := mark(); m != "" {
		t.Errorf("an open database is marked %q", m)
	}
	if err := st.Health.Close(); err != nil {
		t.Fatal(err)
	}
	closed := mark()
	if !strings.HasPrefix(closed, "closed ") {
		t.Fatalf("a closed database is marked %q", closed)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := damage(t, path)
	put := func(b []byte, at time.Time, mark string) {
		_, _ = os.Remove(path+"-wal"), os.Remove(path+"-shm") // of the one before
		if err := errors.Join(os.WriteFile(path, b, 0o600), os.Chtimes(path, at, at), os.WriteFile(path+".lock", []byte(mark), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		at      time.Time
		mark    string
		checked bool
	}{
		"closed":               {info.ModTime(), closed, false},
		"crashed":              {info.ModTime(), "", true},
		"written by another":   {info.ModTime().Add(time.Second), closed, true},
		"something else there": {info.ModTime(), "closed", true},
	} {
		put(damaged, c.at, c.mark)
		st, err := open()
		if !c.checked {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := st.Jobs.List(t.Context(), store.ListJobs{Tenant: access.DefaultTenant, Sort: store.SortCreated, Limit: 1}); err == nil {
				t.Fatalf("%s: what is damaged is read", name)
			}
			_ = st.Health.Close() // it is damaged
			if m := mark(); m != "" {
				t.Errorf("%s: a file that gave an error is marked %q", name, m)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "the database is damaged") {
			t.Fatalf("%s: %v", name, err)
		}
		if m := mark(); m != "" {
			t.Errorf("%s: a file that was refused is marked %q", name, m)
		}
	}
}

// TestClosedWithALog: a log with something in it is not in the file yet, so that nobody
// says that the file is whole; an empty one says nothing.
func TestClosedWithALog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "closed.db")
	st, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Health.Close(); err != nil {
		t.Fatal(err)
	}
	for log, whole := range map[string]bool{"of a power loss": false, "": true} {
		if err := os.WriteFile(path+"-wal", []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
		if m := closedMark(path); (m != "") != whole {
			t.Errorf("with the log %q the mark is %q", log, m)
		}
	}
}

// damage is the content of a database file, but for a page that nothing reads at the
// start: whoever checks it finds that.
func damage(t *testing.T, path string) []byte {
	t.Helper()
	db, err := sql.Open("sqlite", modernDSN(path, nil, true)+"&mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	var page int
	if err := errors.Join(db.QueryRowContext(t.Context(), `SELECT rootpage FROM sqlite_schema WHERE name = 'jobs_created'`).Scan(&page), db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[(page-1)*4096:][:4096])
	return b
}
