package dump

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/migrations"
)

// maxLine bounds one row in bytes; the largest value is a checkpoint or an answer.
const maxLine = 256 << 20

// Limits of one INSERT.
const (
	batchRows   = 500
	batchParams = 30_000
	batchBytes  = 1 << 20
)

// Loader fills a migrated database that nobody has used, in one transaction that
// belongs to the caller: Begin, then Load for each table in the order of the
// schema, then End. On PostgreSQL it needs the rights of the tables' owner.
type Loader struct {
	Schema *Schema
	Tx     Querier
	Engine migrations.Engine

	triggers []string // statements that bring SQLite's triggers back
}

// Begin takes away what the migrations put into the tables, and switches off
// triggers: rows come as they are, whatever may be done to them later.
func (l *Loader) Begin(ctx context.Context) error {
	if err := l.disarm(ctx); err != nil {
		return fmt.Errorf("switch off triggers: %w", err)
	}
	for _, t := range slices.Backward(l.Schema.Tables) {
		if t.Name == counters.Name {
			continue
		}
		if _, err := l.Tx.ExecContext(ctx, `DELETE FROM `+t.Name); err != nil {
			return fmt.Errorf("empty table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (l *Loader) disarm(ctx context.Context) error {
	if l.Engine == migrations.Postgres {
		return l.alter(ctx, "DISABLE")
	}
	rows, err := l.Tx.QueryContext(ctx, `SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	var names []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		names, l.triggers = append(names, name), append(l.triggers, text)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, n := range names {
		if _, err := l.Tx.ExecContext(ctx, `DROP TRIGGER `+n); err != nil {
			return err
		}
	}
	return nil
}

// alter switches the triggers of all tables on PostgreSQL.
func (l *Loader) alter(ctx context.Context, to string) error {
	for _, t := range l.Schema.Tables {
		if t.Name == counters.Name {
			continue
		}
		if _, err := l.Tx.ExecContext(ctx, `ALTER TABLE `+t.Name+` `+to+` TRIGGER USER`); err != nil {
			return err
		}
	}
	return nil
}

// End switches the triggers on again.
func (l *Loader) End(ctx context.Context) error {
	if l.Engine == migrations.Postgres {
		if err := l.alter(ctx, "ENABLE"); err != nil {
			return fmt.Errorf("switch on triggers: %w", err)
		}
		return nil
	}
	for _, text := range l.triggers {
		if _, err := l.Tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("switch on triggers: %w", err)
		}
	}
	return nil
}

// Load inserts the rows that r holds. What is wrong with them is a fault with
// code backup_invalid.
func (l *Loader) Load(ctx context.Context, t Table, r io.Reader) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	first, err := line(lines)
	if err != nil {
		return fmt.Errorf("load table %s: %w", t.Name, err)
	}
	want, err := json.Marshal(t.names())
	if err != nil {
		return err
	}
	if !bytes.Equal(first, want) {
		return fault.Newf(fault.BackupInvalid, "table %s of the backup has other columns than schema %d: %.200s", t.Name, l.Schema.Version, first)
	}
	b := &inserts{Loader: l, table: t}
	for n := 1; ; n++ {
		text, err := line(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = b.add(ctx, text)
		}
		if err != nil {
			return fmt.Errorf("load table %s, row %d: %w", t.Name, n, err)
		}
	}
	return b.flush(ctx)
}

// line reads one line without its end.
func line(r *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(out)+len(part) > maxLine {
			return nil, fault.Newf(fault.BackupInvalid, "a row has more than %d bytes", maxLine)
		}
		out = append(out, part...)
		switch {
		case err == nil:
			return out[:len(out)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(out) > 0:
			return nil, fault.New(fault.BackupInvalid, "the last row is cut off")
		default:
			return nil, err
		}
	}
}

// inserts collects rows for one statement.
type inserts struct {
	*Loader
	table Table
	rows  int
	size  int
	args  []any
}

func (b *inserts) add(ctx context.Context, text []byte) error {
	values, err := decodeRow(b.table, text)
	if err != nil {
		return err
	}
	if b.table.Name == counters.Name {
		return b.setCounter(ctx, values)
	}
	if b.Engine == migrations.Postgres {
		for i, v := range values {
			if s, ok := v.(string); ok && strings.ContainsRune(s, 0) {
				return fault.Newf(fault.BackupInvalid, "column %s holds a NUL character, which PostgreSQL cannot store", b.table.Columns[i].Name)
			}
		}
	}
	b.args = append(b.args, values...)
	b.rows++
	b.size += len(text)
	if b.rows >= batchRows || len(b.args)+len(values) > batchParams || b.size >= batchBytes {
		return b.flush(ctx)
	}
	return nil
}

func (b *inserts) setCounter(ctx context.Context, values []any) error {
	name, _ := values[0].(string)
	value, _ := values[1].(int64)
	t, ok := b.Schema.Table(name)
	if name != jobPlace && (!ok || !t.Counts) {
		return fault.Newf(fault.BackupInvalid, "there is no counter %q", name)
	}
	return setCount(ctx, b.Tx, b.Engine, t, count{name, value})
}

// flush inserts what was collected.
func (b *inserts) flush(ctx context.Context) error {
	if b.rows == 0 {
		return nil
	}
	names := b.table.names()
	per := len(names)
	var q strings.Builder
	q.WriteString("INSERT INTO " + b.table.Name + " (" + strings.Join(names, ", "))
	mirror := -1 // the column whose value event_id gets too
	if b.Engine == migrations.Postgres && b.table.Name == "events" {
		mirror = slices.Index(names, "seq")
		q.WriteString(", event_id")
	}
	counted := b.Engine == migrations.SQLite && b.table.Name == "queue"
	if counted {
		q.WriteString(", next_seq") // counters comes later
	}
	q.WriteString(")")
	if b.Engine == migrations.Postgres {
		q.WriteString(" OVERRIDING SYSTEM VALUE")
	}
	q.WriteString(" VALUES ")
	for row := range b.rows {
		if row > 0 {
			q.WriteString(", ")
		}
		q.WriteString("(")
		for i := range per {
			if i > 0 {
				q.WriteString(", ")
			}
			q.WriteString("$" + strconv.Itoa(row*per+i+1))
		}
		if mirror >= 0 {
			q.WriteString(", $" + strconv.Itoa(row*per+mirror+1))
		}
		if counted {
			q.WriteString(", 0")
		}
		q.WriteString(")")
	}
	_, err := b.Tx.ExecContext(ctx, q.String(), b.args...)
	b.rows, b.size, b.args = 0, 0, b.args[:0]
	if err != nil {
		return fmt.Errorf("insert into %s: %w", b.table.Name, err)
	}
	return nil
}

// decodeRow reads the values of one line.
func decodeRow(t Table, text []byte) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || len(raw) != len(t.Columns) {
		return nil, fault.Newf(fault.BackupInvalid, "it is not a list of %d values", len(t.Columns))
	}
	out := make([]any, len(raw))
	for i, c := range t.Columns {
		v, ok := decodeValue(c, raw[i])
		if !ok {
			return nil, fault.Newf(fault.BackupInvalid, "the value of column %s does not fit it", c.Name)
		}
		out[i] = v
	}
	return out, nil
}

func decodeValue(c Column, raw json.RawMessage) (any, bool) {
	if string(raw) == "null" {
		return nil, !c.NotNull
	}
	if len(raw) > 0 && raw[0] == '{' {
		var b map[string]string
		if json.Unmarshal(raw, &b) != nil || len(b) != 1 {
			return nil, false
		}
		key := "base64"
		if c.Type == Text {
			key = "text"
		}
		data, err := base64.StdEncoding.DecodeString(b[key])
		if _, has := b[key]; !has || err != nil || c.Type == Integer {
			return nil, false
		}
		if c.Type == Text {
			return string(data), true
		}
		return data, true
	}
	switch c.Type {
	case Integer:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return n, err == nil
	case Text:
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil && raw[0] == '"'
	case Bytes:
	}
	return nil, false
}
