package backup

import (
	"path/filepath"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

// Elsewhere returns an error when the mark in a data folder says that its queue
// went to another PostgreSQL database than that of url: a server with this folder
// would serve a queue that is not the one of its logs and artifacts.
func Elsewhere(folder, url string) error {
	path := filepath.Join(folder, database)
	why, err := sqlite.Marked(path)
	if err != nil || why == "" {
		return err
	}
	named := target(why)
	if named == "" || named == postgres.Describe(url) {
		return nil
	}
	return fault.Newf(fault.StoreMoved, "the queue of %s is not in the database %s: %s", folder, postgres.Describe(url), why).
		WithHint("give the URL of the database that it was migrated to; if it is the same one by another name, or another one is meant, move " + path +
			" and " + sqlite.MarkPath(path) + " out of the folder")
}

// target is the PostgreSQL database that a mark names, as MigrateOptions.why has
// written it; "" if it names none.
func target(why string) string {
	_, rest, found := strings.Cut(why, "migrated to ")
	end := strings.LastIndex(rest, " at ")
	if !found || end < 0 || filepath.IsAbs(rest) || !strings.Contains(rest[:end], " on ") {
		return ""
	}
	return rest[:end]
}
