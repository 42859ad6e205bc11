package data

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	sqlite "modernc.org/sqlite"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/expression"
)

// Bounds of a query.
const (
	defaultRows  = 1000
	maxQueryRows = 10_000
	maxQuerySize = 8 << 20
)

// Query reads from a database, in a transaction that cannot write. It implements
// node.Node. Make one with NewQuery.
type Query struct{ databases map[string]string }

// NewQuery returns the node. databases are URLs by their names in workflows:
// postgres://... or sqlite:///absolute/path. They are in no error.
func NewQuery(databases map[string]string) Query { return Query{maps.Clone(databases)} }

// Kind implements node.Node.
func (Query) Kind() workflow.Kind {
	return kind("query", "reads from a database",
		workflow.Field{Name: "source", Type: workflow.FieldString, Required: true, Doc: "a name of sources.databases"},
		workflow.Field{Name: "sql", Type: workflow.FieldString, Required: true, Constant: true, Doc: "one statement that reads; values come from args, as $1, $2, ..."},
		workflow.Field{Name: "args", Type: workflow.FieldList},
		workflow.Field{Name: "max_rows", Type: workflow.FieldInteger, Doc: "1000 without it; 10000 at most; more rows are an error"})
}

// Declared are the sources that can be written down and not yet read.
func Declared() []node.Node {
	return []node.Node{node.Declare(kind("signals", "computes the signals of a strategy",
		workflow.Field{Name: "strategy", Type: workflow.FieldString, Required: true},
		workflow.Field{Name: "as_of", Type: workflow.FieldString, Doc: "now without it"}))}
}

// reads is how statements begin that read.
var reads = regexp.MustCompile(`(?is)^\s*(select|with|values|table|explain)\b`)

// Run implements node.Node.
func (q Query) Run(ctx context.Context, c node.Call) (node.Result, error) {
	name, _ := c.Config["source"].(string)
	text, _ := c.Config["sql"].(string)
	address, known := q.databases[name]
	if !known {
		names := slices.Sorted(maps.Keys(q.databases))
		return node.Result{}, node.Fatal("source_unknown", fmt.Errorf("there is no source %q in sources.databases%s", name, near(name, names)))
	}
	if !reads.MatchString(text) {
		return node.Result{}, node.Fatal("invalid_config", errors.New("sql must be one statement that reads: select, with, values"))
	}
	limit := int64(defaultRows)
	if n, ok := c.Config["max_rows"].(int64); ok {
		limit = n
	}
	if limit < 1 || limit > maxQueryRows {
		return node.Result{}, node.Fatal("invalid_config", fmt.Errorf("max_rows must be from 1 to %d", maxQueryRows))
	}
	args, err := arguments(c.Config["args"])
	if err != nil {
		return node.Result{}, err
	}
	conn, finish, err := connect(ctx, address)
	if err != nil {
		return node.Result{}, unasked(ctx, err)
	}
	defer finish()
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return node.Result{}, unasked(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // it has only read
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return node.Result{}, unasked(ctx, err)
	}
	defer rows.Close()
	value, err := collect(rows, int(limit))
	if err != nil {
		return node.Result{}, unasked(ctx, err)
	}
	return node.Result{Value: value}, nil
}

func near(name string, names []string) string {
	if n := expression.Nearest(name, names); n != "" {
		return "; did you mean " + n + "?"
	}
	return ""
}

// arguments are plain values; lists and objects are refused, because each database
// would read them in its own way.
func arguments(v any) ([]any, error) {
	list, _ := v.([]any)
	for i, x := range list {
		switch x.(type) {
		case nil, string, int64, float64, bool:
		default:
			return nil, node.Fatal("invalid_config", fmt.Errorf("args: number %d is no plain value; json() makes a text of it", i+1))
		}
	}
	return slices.Clone(list), nil
}

// attached is SQLITE_LIMIT_ATTACHED: a statement must not open other files.
const attached = 7

// connect opens one connection, which finish closes.
func connect(ctx context.Context, address string) (conn *sql.Conn, finish func(), err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, errAddress
	}
	var db *sql.DB
	switch u.Scheme {
	case "postgres", "postgresql":
		cfg, err := pgx.ParseConfig(address)
		if err != nil {
			return nil, nil, errAddress
		}
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
		cfg.RuntimeParams["application_name"] = "runsheet workflow query"
		db = stdlib.OpenDB(*cfg)
	case "sqlite", "file":
		db, err = sql.Open("sqlite", (&url.URL{Scheme: "file", Path: u.Path, RawQuery: "mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(5000)&_pragma=trusted_schema(0)"}).String())
		if err != nil {
			return nil, nil, errAddress
		}
	default:
		return nil, nil, errAddress
	}
	db.SetMaxOpenConns(1)
	closeDB := func() { _ = db.Close() } // nothing was written
	if conn, err = db.Conn(ctx); err == nil && (u.Scheme == "sqlite" || u.Scheme == "file") {
		_, err = sqlite.Limit(conn, attached, 0)
	}
	if err != nil {
		closeDB()
		return nil, nil, err
	}
	return conn, closeDB, nil
}

var (
	errAddress = errors.New("its address in sources.databases must be postgres://... or sqlite:///path")
	errRows    = errors.New("it gives more rows than max_rows")
	errSize    = fmt.Errorf("it gives more than %d MiB", maxQuerySize>>20)
)

// unasked is how an attempt ends whose query did not work. What a database says may
// have values in it, and its address a password: only the code is shown.
func unasked(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch {
	case errors.Is(err, errRows), errors.Is(err, errSize):
		return node.Fatal("too_large", fmt.Errorf("the query cannot be used: %w", err))
	case errors.Is(err, errAddress):
		return node.Fatal("invalid_config", fmt.Errorf("the source cannot be used: %w", err))
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		f := node.Fatal("query_failed", fmt.Errorf("the database refused the query: SQLSTATE %s", e.Code))
		// Connection, resources, intervention, serialization: they may pass.
		f.Final = !slices.Contains([]string{"08", "53", "57", "40"}, e.Code[:min(2, len(e.Code))])
		return f
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		f := node.Fatal("query_failed", fmt.Errorf("the database refused the query: SQLite code %d", e.Code()))
		f.Final = e.Code()&0xff != 5 // busy
		return f
	}
	return node.Fail("query_failed", node.ClassServerError, errors.New("the database could not be reached or asked"))
}

// collect makes objects of rows, by the names of columns.
func collect(rows *sql.Rows, limit int) (map[string]any, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	list, size := []any{}, 0
	cells, into := make([]any, len(names)), make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if len(list) == limit {
			return nil, errRows
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(map[string]any, len(names))
		for i, name := range names {
			v := plain(cells[i])
			if s, ok := v.(string); ok {
				size += len(s)
			}
			size += len(name) + 8
			row[name] = v
		}
		if size > maxQuerySize {
			return nil, errSize
		}
		list = append(list, row)
	}
	columns := make([]any, len(names))
	for i, n := range names {
		columns[i] = n
	}
	return map[string]any{"rows": list, "columns": columns, "count": int64(len(list))}, rows.Err()
}

// plain makes a value of JSON of what a driver gives.
func plain(v any) any {
	switch x := v.(type) {
	case nil, string, int64, bool:
		return x
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Sprint(x)
		}
		return x
	case int32:
		return int64(x)
	case float32:
		return float64(x)
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	}
	return strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD")
}
