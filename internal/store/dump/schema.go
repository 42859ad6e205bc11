// Package dump reads and writes the rows of a whole database in a form that is
// the same for both engines, byte for byte: what backup, restore and migrate
// have in common.
//
// The form of a table is JSON Lines: a line with the names of its columns in
// alphabetical order, then one line for each row, by primary key, an array with
// the values in the order of the columns. Integers are numbers, text is a string,
// NULL is null, a blob is {"base64": "..."}, and so is text that is not UTF-8,
// with the key "text".
//
// Which tables and columns there are is not written down anywhere: it is what
// the migrations of a version make of an empty SQLite database. What differs
// between the engines, and what is left out, is listed in mapping.go, and a test
// fails when a table or a column exists in one engine only and is not there.
package dump

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/store/migrations"

	_ "modernc.org/sqlite" // the driver named "sqlite"
)

// Type is how the values of a column are kept.
type Type string

// The types of columns.
const (
	Integer Type = "integer"
	Text    Type = "text"
	Bytes   Type = "bytes"
)

// Column is one column of a table.
type Column struct {
	Name    string
	Type    Type
	NotNull bool
}

// Table is one table.
type Table struct {
	Name    string
	Columns []Column // by name
	Key     []string // the columns of the primary key, in its order
	// Counts says that the key is numbered by the database, which must go on
	// above the highest number ever given.
	Counts bool
	refs   []string
}

func (t Table) names() []string {
	var out []string
	for _, c := range t.Columns {
		out = append(out, c.Name)
	}
	return out
}

// Schema is the tables of one version.
type Schema struct {
	Version int64
	// Tables are in an order in which each refers only to earlier ones. Counters,
	// which is no table of the database, comes last.
	Tables []Table
	// fresh has the SHA-256 of each table as the migrations leave it.
	fresh map[string]string
}

// Querier is a transaction, a connection or a database.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// SchemaOf returns the schema of a version; 0 = the newest.
func SchemaOf(ctx context.Context, version int64) (*Schema, error) {
	newest, err := migrations.Newest()
	if err != nil {
		return nil, err
	}
	if version == 0 {
		version = newest
	}
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("open memory: %w", err)
	}
	defer func() { _ = db.Close() }() // it was never anywhere else
	db.SetMaxOpenConns(1)
	if err := migrations.UpTo(ctx, db, migrations.SQLite, version); err != nil {
		return nil, err
	}
	s := &Schema{Version: version, fresh: map[string]string{}}
	if err := s.discover(ctx, db); err != nil {
		return nil, err
	}
	sums, err := s.Sums(ctx, Source{DB: db, Engine: migrations.SQLite})
	if err != nil {
		return nil, err
	}
	for _, sum := range sums {
		s.fresh[sum.Name] = sum.SHA256
	}
	return s, nil
}

// discover reads the tables of a migrated SQLite database.
func (s *Schema) discover(ctx context.Context, q Querier) error {
	rows, err := q.QueryContext(ctx, `SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	var all []Table
	for rows.Next() {
		var t Table
		var text string
		if err := rows.Scan(&t.Name, &text); err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		if _, out := omitted[t.Name]; !out {
			t.Counts = strings.Contains(strings.ToUpper(text), "AUTOINCREMENT")
			all = append(all, t)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	for i := range all {
		if err := all[i].describe(ctx, q); err != nil {
			return fmt.Errorf("describe table %s: %w", all[i].Name, err)
		}
	}
	s.Tables, err = order(all)
	s.Tables = append(s.Tables, counters)
	return err
}

func (t *Table) describe(ctx context.Context, q Querier) error {
	rows, err := q.QueryContext(ctx, `SELECT name, upper(type), "notnull", pk FROM pragma_table_info($1) ORDER BY name`, t.Name)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	place := map[string]int{}
	for rows.Next() {
		var c Column
		var declared string
		var pk int
		if err := rows.Scan(&c.Name, &declared, &c.NotNull, &pk); err != nil {
			return err
		}
		if pk > 0 {
			t.Key = append(t.Key, c.Name)
			place[c.Name] = pk
			c.NotNull = true
		}
		if _, out := omittedColumns[t.Name+"."+c.Name]; out {
			continue
		}
		switch declared {
		case "INT", "INTEGER":
			c.Type = Integer
		case "TEXT":
			c.Type = Text
		case "BLOB":
			c.Type = Bytes
		default:
			return fmt.Errorf("column %s has type %s, which the form of dumps does not know", c.Name, declared)
		}
		t.Columns = append(t.Columns, c)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(t.Key) == 0 {
		return fmt.Errorf("it has no primary key, which gives the rows their order")
	}
	slices.SortFunc(t.Key, func(a, b string) int { return place[a] - place[b] })
	refs, err := q.QueryContext(ctx, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`, t.Name)
	if err != nil {
		return err
	}
	defer func() { _ = refs.Close() }() // a failed close shows in refs.Err
	for refs.Next() {
		var to string
		if err := refs.Scan(&to); err != nil {
			return err
		}
		t.refs = append(t.refs, to)
	}
	return refs.Err()
}

// order sorts tables so that each comes behind those that it refers to.
func order(all []Table) ([]Table, error) {
	var out []Table
	done := map[string]bool{}
	for len(out) < len(all) {
		before := len(out)
		for _, t := range all {
			if done[t.Name] || slices.ContainsFunc(t.refs, func(r string) bool { return !done[r] }) {
				continue
			}
			out, done[t.Name] = append(out, t), true
		}
		if len(out) == before {
			return nil, fmt.Errorf("tables refer to each other, or to one that is left out: none of the rest can be loaded first")
		}
	}
	return out, nil
}

// Table returns the table with that name.
func (s *Schema) Table(name string) (Table, bool) {
	i := slices.IndexFunc(s.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return s.Tables[i], true
}
