package migrations_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // a driver
	_ "modernc.org/sqlite"             // a driver

	"github.com/runsheet/runsheet/internal/store/migrations"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// described are queries whose rows are all that a schema has, and what is in it.
var described = map[migrations.Engine][]string{
	migrations.SQLite: {
		`SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_master`,
		`SELECT 'queue ' || quote(workers) || quote(paused) || quote(epoch) || quote(next_seq) || quote(revision) || quote(rules) || quote(loaded) FROM queue`,
		`SELECT 'tenant ' || tenant_id || name || quote(created_ms) || quote(version) FROM tenants`,
	},
	migrations.Postgres: {
		`SELECT table_name || '.' || column_name || ' ' || ordinal_position || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') || ' ' || coalesce(collation_name, '')
			FROM information_schema.columns WHERE table_schema = 'public'`,
		`SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'`,
		`SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace`,
		`SELECT sequencename || ' ' || increment_by || ' ' || coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = 'public' AND sequencename <> 'goose_db_version_id_seq'`,
		`SELECT tgrelid::regclass || ' ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal`,
		`SELECT proname || ' ' || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace`,
		`SELECT 'queue ' || queue::text FROM queue`,
		`SELECT 'tenant ' || tenants::text FROM tenants`,
		`SELECT 'log ' || event_log::text FROM event_log`,
	},
}

var recorded = []string{
	`SELECT 'applied ' || version_id FROM goose_db_version`,
	`SELECT 'checksum ' || version || name || sha256 FROM schema_checksums`,
}

// TestFreshIsAllMigrations: what a new database gets at once is what all migrations make
// of one, one after the other, and they are recorded the same.
func TestFreshIsAllMigrations(t *testing.T) {
	t.Parallel()
	newest, err := migrations.Newest()
	if err != nil {
		t.Fatal(err)
	}
	for engine, queries := range described {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			var schemas [2][]string
			for i, version := range []int64{0, newest} { // 0 is the newest, too, but at once
				db := empty(t, engine)
				if err := migrations.UpTo(t.Context(), db, engine, version); err != nil {
					t.Fatal(err)
				}
				if err := migrations.Up(t.Context(), db, engine); err != nil {
					t.Errorf("what was made is refused: %v", err)
				}
				if pending, err := migrations.Pending(t.Context(), db, engine); err != nil || pending {
					t.Errorf("migrations are missing: %v, %v", pending, err)
				}
				for _, q := range slices.Concat(queries, recorded) {
					schemas[i] = append(schemas[i], texts(t, db, q)...)
				}
				slices.Sort(schemas[i])
			}
			if len(schemas[0]) < 200 {
				t.Errorf("the schema has %d parts", len(schemas[0]))
			}
			for _, one := range schemas[0] {
				if !slices.Contains(schemas[1], one) {
					t.Errorf("only at once: %s", one)
				}
			}
			for _, one := range schemas[1] {
				if !slices.Contains(schemas[0], one) {
					t.Errorf("only one after the other: %s", one)
				}
			}
		})
	}
}

func empty(t *testing.T, engine migrations.Engine) *sql.DB {
	t.Helper()
	driver, name := "sqlite", "file:"+filepath.Join(t.TempDir(), "runsheet.db")
	if engine == migrations.Postgres {
		driver, name = "pgx", testsvc.Postgres(t)
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func texts(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	var out []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		out = append(out, one)
	}
	if err := rows.Err(); err != nil || len(out) == 0 && query[:16] == "SELECT 'applied " {
		t.Fatalf("%s: %d rows, %v", query, len(out), err)
	}
	return out
}
