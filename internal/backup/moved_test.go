package backup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/backup"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

func TestElsewhere(t *testing.T) {
	t.Parallel()
	for mark, refused := range map[string]map[string]bool{
		"":             {"postgres://h/x": false},
		"was migrated": {"postgres://h/x": false},
		"was migrated to /srv/a on b at 1/runsheet.db at 2026-01-01T00:00:00Z": {"postgres://h/x": false},
		"was migrated to x on h:5432 at 2026-01-01T00:00:00Z": {
			"postgres://ann:geheim@h/x?sslmode=disable": false, "postgresql://bob@h:5432/x": false,
			"postgres://ann:geheim@h/y": true, "postgres://ann:geheim@h:5433/x": true, "postgres://ann:geheim@g/x": true,
		},
		"was being migrated to x on h:5432 at 2026-01-01T00:00:00Z": {"postgres://h/x": false, "postgres://h/y": true},
	} {
		dir := t.TempDir()
		if mark != "" {
			ok(t, os.WriteFile(filepath.Join(dir, "runsheet.db.moved"), []byte(mark+"\n"), 0o600))
		}
		for url, want := range refused {
			err := backup.Elsewhere(dir, url)
			if fault.Is(err, fault.StoreMoved) != want || err != nil != want || err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("%q, %s: %v", mark, url, err)
			}
		}
	}
}

// TestElsewhereReadsTheMark: it understands what Migrate writes.
func TestElsewhereReadsTheMark(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, false), newHouse(t, true)
	end(t, from.mustOpen())
	_, err := backup.Migrate(t.Context(), backup.MigrateOptions{From: from.place(), To: to.place(), Clock: clock.System{}, AllowUnsafe: true})
	ok(t, err)
	ok(t, backup.Elsewhere(from.dir, to.url))
	if err := backup.Elsewhere(from.dir, "postgres://other/x"); !fault.Is(err, fault.StoreMoved) {
		t.Errorf("another database: %v", err)
	}
}
