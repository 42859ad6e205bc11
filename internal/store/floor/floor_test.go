package floor_test

import (
	"path/filepath"
	"testing"

	"github.com/runsheet/runsheet/internal/store/floor"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestFloor does each kind of work on both databases. What it counts is checked by the
// package: rows that do not begin, a page with too few, and a table with others than were
// added are errors.
func TestFloor(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) (*floor.Table, error){
		"SQLite": func(t *testing.T) (*floor.Table, error) {
			return floor.SQLite(t.Context(), filepath.Join(t.TempDir(), "a b?.db"))
		},
		"PostgreSQL": func(t *testing.T) (*floor.Table, error) {
			return floor.PostgreSQL(t.Context(), testsvc.Postgres(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := f.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			work(t, f)
		})
	}
}

func work(t *testing.T, f *floor.Table) {
	t.Helper()
	if f.Opened <= 0 {
		t.Errorf("opened in %v", f.Opened)
	}
	if all, err := f.Alone(t.Context(), 3, 2); err != nil || len(all) != 3 {
		t.Fatalf("alone: %v, %v", all, err)
	}
	if all, err := f.Pairs(t.Context(), 3); err != nil || len(all) != 3 {
		t.Fatalf("pairs: %v, %v", all, err)
	}
	// 6 of 9 rows have not begun.
	if _, all, err := f.Together(t.Context(), 20, 4, 3); err != nil || len(all) != 20 {
		t.Fatalf("together: %v, %v", all, err)
	}
	if _, err := f.Rows(t.Context(), 25, 10); err != nil {
		t.Fatalf("rows: %v", err)
	}
	if _, err := f.Fire(t.Context(), 15, 10); err != nil {
		t.Fatalf("fire: %v", err)
	}
	// 9 + 60 + 25 + 15 rows are there, and 3 + 15 have begun.
	if all, err := f.Pages(t.Context(), 2, 50); err != nil || len(all) != 2 {
		t.Fatalf("pages: %v, %v", all, err)
	}
	if _, err := f.Scan(t.Context()); err != nil {
		t.Fatalf("scan: %v", err)
	}
	if _, err := f.Work(t.Context(), 91, 40); err != nil {
		t.Fatalf("work: %v", err)
	}
	if _, err := f.Work(t.Context(), 1, 1); err == nil {
		t.Error("a row was begun twice, or one that was never added")
	}
}
