package dump_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/dump"
	"github.com/runsheet/runsheet/internal/store/migrations"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// lite is an empty, migrated SQLite file.
func lite(t *testing.T) dump.Source {
	t.Helper()
	db, closeAll, err := sqlite.Offline(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	return ready(t, db, closeAll, err, migrations.SQLite)
}

// pg is an empty, migrated PostgreSQL database.
func pg(t *testing.T) dump.Source {
	t.Helper()
	db, closeAll, err := postgres.Offline(t.Context(), postgres.Options{URL: testsvc.Postgres(t), AllowUnsafe: true})
	return ready(t, db, closeAll, err, migrations.Postgres)
}

func ready(t *testing.T, db *sql.DB, closeAll func() error, err error, e migrations.Engine) dump.Source {
	t.Helper()
	if err == nil {
		err = migrations.Up(t.Context(), db, e)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := closeAll(); err != nil {
			t.Error(err)
		}
	})
	return dump.Source{DB: db, Engine: e}
}

func schema(t *testing.T) *dump.Schema {
	t.Helper()
	s, err := dump.SchemaOf(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content is the form of every table.
func content(t *testing.T, s *dump.Schema, src dump.Source) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, table := range s.Tables {
		var b bytes.Buffer
		if _, err := s.Write(t.Context(), src, table, &b); err != nil {
			t.Fatal(err)
		}
		out[table.Name] = b.String()
	}
	return out
}

// load fills an empty database.
func load(t *testing.T, s *dump.Schema, to dump.Source, tables map[string]string) error {
	t.Helper()
	tx, err := to.DB.(*sql.DB).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() // no effect after a commit
	l := dump.Loader{Schema: s, Tx: tx, Engine: to.Engine}
	if err := l.Begin(t.Context()); err != nil {
		return err
	}
	for _, table := range s.Tables {
		if err := l.Load(t.Context(), table, strings.NewReader(tables[table.Name])); err != nil {
			return err
		}
	}
	if err := l.End(t.Context()); err != nil {
		return err
	}
	return tx.Commit()
}

// TestEnginesHaveTheSameSchema fails when a table or a column exists in one
// engine only and is not in the mapping, or when PostgreSQL would sort text
// otherwise than SQLite.
func TestEnginesHaveTheSameSchema(t *testing.T) {
	t.Parallel()
	s, to := schema(t), pg(t)
	want := map[string]bool{}
	for _, table := range s.Tables {
		for _, c := range table.Columns {
			if table.Name != "counters" {
				want[fmt.Sprintf("%s.%s %s not null %v", table.Name, c.Name, c.Type, c.NotNull)] = true
			}
		}
	}
	rows, err := to.DB.QueryContext(t.Context(), `SELECT table_name, column_name, data_type, is_nullable = 'NO', coalesce(collation_name, '')
		FROM information_schema.columns WHERE table_schema = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() // shows in rows.Err
	got := map[string]bool{}
	types := map[string]dump.Type{"bigint": dump.Integer, "integer": dump.Integer, "text": dump.Text, "bytea": dump.Bytes}
	for rows.Next() {
		var table, column, kind, collation string
		var notNull bool
		if err := rows.Scan(&table, &column, &kind, &notNull, &collation); err != nil {
			t.Fatal(err)
		}
		if dump.Exempt(table, column) {
			continue
		}
		if kind == "text" && collation != "C" {
			t.Errorf("%s.%s has collation %q: rows would come in another order", table, column, collation)
		}
		if table == "events" && column == "seq" {
			notNull = true // until it is read, see from
		}
		got[fmt.Sprintf("%s.%s %s not null %v", table, column, types[kind], notNull)] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the engines differ (-sqlite +postgres); extend the mapping or the migration:\n%s", d)
	}
	triggers, err := names(t.Context(), to.DB, `SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'`)
	if err != nil || len(triggers) > 0 {
		t.Errorf("triggers that are off: %v %v", triggers, err)
	}
}

func names(ctx context.Context, q dump.Querier, query string) ([]string, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // shows in rows.Err
	var out []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// TestRoundTrip carries random rows of every table from engine to engine and
// back: each dump equals the first one, byte for byte.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := schema(t)
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			first := lite(t)
			fill(t, s, first, rand.New(rand.NewPCG(seed, 1)))
			want := content(t, s, first)
			for i, to := range []dump.Source{pg(t), lite(t), lite(t), pg(t), pg(t)} {
				if used, err := s.Used(t.Context(), to); err != nil || len(used) > 0 {
					t.Fatalf("a new database counts as used: %v %v", used, err)
				}
				if err := load(t, s, to, want); err != nil {
					t.Fatalf("load %d: %v", i, err)
				}
				if d := cmp.Diff(want, content(t, s, to)); d != "" {
					t.Fatalf("dump %d (-want +got):\n%s", i, d)
				}
				if used, err := s.Used(t.Context(), to); err != nil || len(used) == 0 {
					t.Errorf("a full database counts as new: %v", err)
				}
				if left, err := names(t.Context(), to.DB, triggersOf[to.Engine]); err != nil || to.Engine == migrations.Postgres && len(left) > 0 {
					t.Errorf("triggers that are off: %v %v", left, err)
				}
			}
		})
	}
}

var triggersOf = map[migrations.Engine]string{
	migrations.Postgres: `SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'`,
	migrations.SQLite:   `SELECT name FROM sqlite_master WHERE type = 'trigger'`,
}

// fill puts random rows into every table of a SQLite database: values that fit
// the columns, and nothing else that a table may mean.
func fill(t *testing.T, s *dump.Schema, to dump.Source, r *rand.Rand) {
	t.Helper()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := to.DB.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	for _, table := range s.Tables {
		if table.Name == "counters" {
			continue
		}
		refs, orphan := references(t, s, to, table.Name)
		ddl := must(names(t.Context(), to.DB, `SELECT sql FROM sqlite_master WHERE name = '`+table.Name+`'`))(t)[0]
		n := r.IntN(40)
		if strings.Contains(ddl, "(id = 1)") || orphan {
			n = 0 // a row that is there already, one that only a server makes, or none to refer to
		}
		for i := range n {
			var cols, marks []string
			var args []any
			given := map[string]any{}
			for _, ref := range refs {
				row := ref.rows[r.IntN(len(ref.rows))]
				for i, c := range ref.columns {
					given[c] = row[i]
				}
			}
			for _, c := range table.Columns {
				cols, marks = append(cols, c.Name), append(marks, fmt.Sprintf("$%d", len(marks)+1))
				switch {
				case given[c.Name] != nil:
					args = append(args, given[c.Name])
				case slices.Contains(table.Key, c.Name) && c.Type == dump.Integer:
					args = append(args, int64(i)*1000+r.Int64N(1000)+1)
				default:
					args = append(args, value(r, c))
				}
			}
			exec(`INSERT OR IGNORE INTO `+table.Name+` (`+strings.Join(cols, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, args...)
		}
	}
	exec(`UPDATE queue SET workers = $1, next_seq = $2, paused_reason = $3 WHERE id = 1`, 1+r.IntN(9), r.Int64N(1<<40), value(r, dump.Column{Type: dump.Text, NotNull: true}))
	exec(`DELETE FROM events WHERE seq > $1`, r.IntN(20_000)) // retention: the counter is above what is left
}

// reference is a foreign key: its columns, and what the rows that they may name have
// for them.
type reference struct {
	columns []string
	rows    [][]any
}

// references returns the foreign keys of a table; orphan says that there is no row for
// one of them.
func references(t *testing.T, s *dump.Schema, to dump.Source, table string) (refs []reference, orphan bool) {
	t.Helper()
	for _, line := range must(names(t.Context(), to.DB, `SELECT group_concat("from") || ' ' || "table" || ' ' || coalesce(group_concat("to"), '')
		FROM pragma_foreign_key_list('`+table+`') GROUP BY id`))(t) {
		part := strings.Split(line, " ")
		if part[2] == "" {
			other, _ := s.Table(part[1])
			part[2] = other.Key[0]
		}
		ref := reference{columns: strings.Split(part[0], ",")}
		for _, row := range must(names(t.Context(), to.DB, `SELECT json_array(`+part[2]+`) FROM `+part[1]))(t) {
			var values []any
			d := json.NewDecoder(strings.NewReader(row))
			d.UseNumber()
			if err := d.Decode(&values); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				if n, ok := v.(json.Number); ok {
					values[i], _ = n.Int64()
				}
			}
			ref.rows = append(ref.rows, values)
		}
		refs, orphan = append(refs, ref), orphan || len(ref.rows) == 0
	}
	return refs, orphan
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func value(r *rand.Rand, c dump.Column) any {
	if !c.NotNull && r.IntN(3) == 0 {
		return nil
	}
	switch c.Type {
	case dump.Integer:
		return r.Int64N(2) // every CHECK of the schema allows 1, and most 0
	case dump.Bytes:
		b := make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case dump.Text:
	}
	parts := []string{"a", "Z", "ä", "ß", "日本", "\n", "\t", `"`, `\`, "'", "<&>", "\u2028", "😀", " ", "\x01", "~", strings.Repeat("x", 100)}
	var b strings.Builder
	for range 3 + r.IntN(6) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String() + fmt.Sprint(r.Uint32())
}

// TestNumbersGoOn: what the engines number by themselves goes on above all that
// was ever given, on both, in both directions.
func TestNumbersGoOn(t *testing.T) {
	t.Parallel()
	s, from := schema(t), lite(t)
	for _, q := range []string{
		`UPDATE queue SET next_seq = 250007`,
		`INSERT INTO events (seq, tenant, type, at_ms, job_id, run_id, template_id, data) VALUES (41, 'default', 't', 1, '', '', '', '')`,
		`INSERT INTO events (seq, tenant, type, at_ms, job_id, run_id, template_id, data) VALUES (77, 'default', 't', 1, '', '', '', '')`,
		`DELETE FROM events WHERE seq = 77`,
	} {
		if _, err := from.DB.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	there, back := pg(t), lite(t)
	if err := load(t, s, there, content(t, s, from)); err != nil {
		t.Fatal(err)
	}
	number := func(src dump.Source, query string) (n int64) {
		t.Helper()
		if err := src.DB.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := number(there, `SELECT nextval('job_seq')`); n != 300_000 {
		t.Errorf("next place on PostgreSQL: %d", n)
	}
	insert := `INSERT INTO events (tenant, type, at_ms, job_id, run_id, template_id, data) VALUES ('default', 'new', 1, '', '', '', '') RETURNING `
	if n := number(there, insert+"event_id"); n != 78 {
		t.Errorf("next event on PostgreSQL: %d", n)
	}
	if n := number(there, `SELECT last_seq FROM event_log`); n != 77 {
		t.Errorf("last event on PostgreSQL: %d", n)
	}
	if err := load(t, s, back, content(t, s, there)); err != nil {
		t.Fatal(err)
	}
	// The event above has not been read, and so got its number on the way.
	if n := number(back, `SELECT max(seq) FROM events WHERE type = 'new'`); n != 78 {
		t.Errorf("the unread event became %d", n)
	}
	if n := number(back, insert+"seq"); n != 79 {
		t.Errorf("next event on SQLite: %d", n)
	}
	if n := number(back, `UPDATE queue SET next_seq = next_seq + 1 RETURNING next_seq`); n != 400_000 {
		t.Errorf("next place on SQLite: %d", n)
	}
}

// TestLoadRefuses: rows that do not fit are faults, not guesses.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	s := schema(t)
	good := content(t, s, lite(t))
	for what, edit := range map[string]func(map[string]string){
		"other columns":  func(m map[string]string) { m["jobs"] = `["job_id"]` + "\n" },
		"nothing":        func(m map[string]string) { m["overtaken"] = "\n" },
		"no list":        func(m map[string]string) { m["overtaken"] += "{}\n" },
		"too few values": func(m map[string]string) { m["overtaken"] += "[1]\n" },
		"wrong types":    func(m map[string]string) { m["overtaken"] += `["1","x","r",2,3]` + "\n" },
		"null":           func(m map[string]string) { m["overtaken"] += `[1,"x","r",2,null]` + "\n" },
		"cut row":        func(m map[string]string) { m["overtaken"] += `[1,"x","r",2,3]` },
		"bad counter":    func(m map[string]string) { m["counters"] += `["sqlite_master",1]` + "\n" },
		"bad base64":     func(m map[string]string) { m["overtaken"] += `[1,{"text":"%"},"r",2,3]` + "\n" },
	} {
		m := maps.Clone(good)
		edit(m)
		to := lite(t)
		if err := load(t, s, to, m); !fault.Is(err, fault.BackupInvalid) {
			t.Errorf("%s: err = %v, want backup_invalid", what, err)
		}
		if used, err := s.Used(t.Context(), to); err != nil || len(used) > 0 {
			t.Errorf("%s: rows are left in %v, %v", what, used, err)
		}
	}
}

// TestTextThatIsNotText survives on SQLite; PostgreSQL cannot store NUL and says
// so.
func TestTextThatIsNotText(t *testing.T) {
	t.Parallel()
	s, from := schema(t), lite(t)
	if _, err := from.DB.ExecContext(t.Context(), `INSERT INTO overtaken (rank, job_id, starts, affinity, since_ms) VALUES ($1, $2, 1, 0, 1)`, "a\xffb", "n\x00l"); err != nil {
		t.Fatal(err)
	}
	want := content(t, s, from)
	to := lite(t)
	if err := load(t, s, to, want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, content(t, s, to)); d != "" {
		t.Error(d)
	}
	if err := load(t, s, pg(t), want); !fault.Is(err, fault.BackupInvalid) || !strings.Contains(err.Error(), "job_id") {
		t.Errorf("err = %v", err)
	}
}
