package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/runsheet/runsheet/internal/store/migrations"
)

// omitted are the tables that are never carried over, and why. Read-only.
var omitted = map[string]string{
	"goose_db_version": "the target's migrations write their own",
	"schema_checksums": "the target's migrations write their own, and the files differ between the engines",
	"sessions":         "people log in again: a copy of the store must not be a copy of their logins",
	"turns":            "held by living processes, of which there are none",
	"direct_requests":  "their callers are gone",
}

// Local are the tables that belong to the place of a store, not to its content:
// migrate carries them over, backups leave them out. Read-only.
var Local = map[string]string{
	"body_key":   "makes hashes of private bodies guessable; a restored store makes another",
	"blob_place": "names the folder or bucket of the artifacts; a restored store has another",
}

// omittedColumns are columns that the mapping replaces. Read-only.
var omittedColumns = map[string]string{
	"queue.next_seq": "counters: job_place",
}

// postgresOnly are the tables and columns of PostgreSQL that SQLite does not
// have. Read-only.
var postgresOnly = map[string]string{
	"event_log":       "counters: events",
	"events.event_id": "equals seq when it is loaded",
}

// counters is no table: it has the numbers that the engines keep in different
// places. Its rows are job_place, the first place in the order of jobs that was
// never given, rounded up to a whole block, and for each table with Counts the
// highest number that was given.
var counters = Table{
	Name: "counters", Key: []string{"name"},
	Columns: []Column{{"name", Text, true}, {"value", Integer, true}},
}

const jobPlace = "job_place"

// placeBlock is the increment of PostgreSQL's job_seq.
const placeBlock = 100_000

// from is what a table's rows are selected from.
func (t Table) from(e migrations.Engine) string {
	if e != migrations.Postgres || t.Name != "events" {
		return t.Name
	}
	// Events that nobody has read yet have no number. They get the one that the
	// next reader would give them.
	cols := strings.Join(t.names(), ", ")
	cols = strings.Replace(", "+cols+",", ", seq,", `, coalesce(seq, (SELECT last_seq FROM event_log WHERE id = 1)
		+ row_number() OVER (PARTITION BY seq IS NULL ORDER BY event_id)) AS seq,`, 1)
	return "(SELECT " + strings.Trim(cols, ", ") + " FROM events) AS events"
}

// count is one row of counters.
type count struct {
	name  string
	value int64
}

// counts reads the counters, by name.
func (s *Schema) counts(ctx context.Context, q Querier, e migrations.Engine) ([]count, error) {
	var out []count
	add := func(name, query string, args ...any) error {
		var n sql.NullInt64
		if err := q.QueryRowContext(ctx, query, args...).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read counter %s: %w", name, err)
		}
		out = append(out, count{name, n.Int64})
		return nil
	}
	for _, t := range s.Tables {
		var err error
		switch {
		case !t.Counts:
		case e == migrations.SQLite:
			err = add(t.Name, `SELECT seq FROM sqlite_sequence WHERE name = $1`, t.Name)
		case t.Name == "events":
			err = add(t.Name, `SELECT last_seq + (SELECT count(*) FROM events WHERE seq IS NULL) FROM event_log WHERE id = 1`)
		default:
			err = add(t.Name, `SELECT pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass)`, t.Name, t.Key[0])
		}
		if err != nil {
			return nil, err
		}
	}
	if e == migrations.SQLite {
		return out, add(jobPlace, fmt.Sprintf(`SELECT (next_seq / %d + 1) * %d FROM queue WHERE id = 1`, placeBlock, placeBlock))
	}
	return out, add(jobPlace, fmt.Sprintf(`SELECT CASE WHEN is_called THEN last_value + %d ELSE last_value END FROM job_seq`, placeBlock))
}

// setCount makes the engine go on behind a counter.
func setCount(ctx context.Context, tx Querier, e migrations.Engine, t Table, c count) error {
	if c.value < 0 || c.value > 1<<62 {
		return fmt.Errorf("counter %s has the value %d", c.name, c.value)
	}
	do := func(query string, args ...any) error {
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("set counter %s: %w", c.name, err)
		}
		return nil
	}
	// Changing a sequence by ALTER is part of the transaction; setval is not.
	switch {
	case c.name == jobPlace && e == migrations.SQLite:
		return do(`UPDATE queue SET next_seq = $1 WHERE id = 1`, c.value-1)
	case c.name == jobPlace:
		return do(fmt.Sprintf(`ALTER SEQUENCE job_seq RESTART WITH %d`, max(c.value, 1)))
	case e == migrations.SQLite:
		if err := do(`DELETE FROM sqlite_sequence WHERE name = $1`, c.name); err != nil || c.value == 0 {
			return err
		}
		return do(`INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)`, c.name, c.value)
	case c.name == "events":
		if err := do(`UPDATE event_log SET last_seq = $1 WHERE id = 1`, c.value); err != nil {
			return err
		}
		return do(fmt.Sprintf(`ALTER TABLE events ALTER COLUMN event_id RESTART WITH %d`, c.value+1))
	}
	return do(fmt.Sprintf(`ALTER TABLE %s ALTER COLUMN %s RESTART WITH %d`, t.Name, t.Key[0], c.value+1))
}
