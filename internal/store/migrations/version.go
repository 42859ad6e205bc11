package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
)

// Versions tells which schema db has and which one this program knows. It
// changes nothing; the error of a database that was never migrated is about a
// missing table.
func Versions(ctx context.Context, db *sql.DB, e Engine) (have, known int64, err error) {
	names, err := fs.Glob(files, string(e)+"/*.sql")
	if err != nil {
		return 0, 0, err
	}
	for _, name := range names {
		var n int64
		if _, err := fmt.Sscanf(name[len(e)+1:], "%d_", &n); err != nil {
			return 0, 0, fmt.Errorf("number of migration %s: %w", name, err)
		}
		known = max(known, n)
	}
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&have); err != nil {
		return 0, known, fmt.Errorf("read schema version: %w", err)
	}
	return have, known, nil
}
