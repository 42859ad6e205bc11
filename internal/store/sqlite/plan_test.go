package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlans: SQLite has no statistics here, so that the index which gives an order may
// seem as good as the one that finds the few rows.
func TestPlans(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plans.db")
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
	for query, index := range map[string]string{
		`SELECT job_id FROM jobs WHERE tenant = 't' AND retry_of <> '' AND retry_of = 'r' ORDER BY created_ms DESC, job_id DESC LIMIT 2`: "jobs_retried",
		`SELECT body FROM templates WHERE tenant = 't' AND name = 'n' AND deleted_ms = 0`:                                                "templates_name (tenant=? AND name=?)",
		`SELECT body FROM directives WHERE tenant = 't' AND name = 'n' AND deleted_ms = 0`:                                               "directives_name (tenant=? AND name=?)",
	} {
		plan := planOf(t, db, query)
		if text := strings.Join(plan, "; "); !strings.Contains(text, index) || strings.Contains(text, "TEMP B-TREE") {
			t.Errorf("%s: %s, want %s alone", query, text, index)
		}
	}
}

func planOf(t *testing.T, db *sql.DB, query string) (plan []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	for rows.Next() {
		var id, parent, unused int
		var text string
		if err := rows.Scan(&id, &parent, &unused, &text); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
