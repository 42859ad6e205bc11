package dump

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/store/migrations"
)

// Source is a database to read from. DB must show one state for as long as it is
// used: a transaction, a database that nobody writes to, or a copy.
type Source struct {
	DB     Querier
	Engine migrations.Engine
}

// Sum tells what a table holds.
type Sum struct {
	Name   string
	Rows   int64
	Bytes  int64
	SHA256 string
}

// Write writes a table to w and sums it up.
func (s *Schema) Write(ctx context.Context, src Source, t Table, w io.Writer) (Sum, error) {
	sum := Sum{Name: t.Name}
	hash := sha256.New()
	put := func(line []byte) error {
		hash.Write(line)
		sum.Bytes += int64(len(line))
		_, err := w.Write(line)
		return err
	}
	names, err := json.Marshal(t.names())
	if err != nil {
		return sum, err
	}
	if err := put(append(names, '\n')); err != nil {
		return sum, err
	}
	row := func(line []byte) error {
		sum.Rows++
		return put(line)
	}
	if t.Name == counters.Name {
		err = s.writeCounters(ctx, src, row)
	} else {
		err = writeRows(ctx, src, t, row)
	}
	sum.SHA256 = hex.EncodeToString(hash.Sum(nil))
	if err != nil {
		return sum, fmt.Errorf("read table %s: %w", t.Name, err)
	}
	return sum, nil
}

// Sums reads all tables and returns what they hold.
func (s *Schema) Sums(ctx context.Context, src Source) ([]Sum, error) {
	var out []Sum
	for _, t := range s.Tables {
		sum, err := s.Write(ctx, src, t, io.Discard)
		if err != nil {
			return nil, err
		}
		out = append(out, sum)
	}
	return out, nil
}

// Used returns the names of the tables that hold something else than what the
// migrations put there; none for a database that nobody has used.
func (s *Schema) Used(ctx context.Context, src Source) ([]string, error) {
	sums, err := s.Sums(ctx, src)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, sum := range sums {
		if s.fresh[sum.Name] != sum.SHA256 {
			out = append(out, sum.Name)
		}
	}
	return out, nil
}

func (s *Schema) writeCounters(ctx context.Context, src Source, row func([]byte) error) error {
	all, err := s.counts(ctx, src.DB, src.Engine)
	if err != nil {
		return err
	}
	for _, c := range all {
		var line encoder
		line.text(c.name)
		line.integer(c.value)
		if err := row(line.end()); err != nil {
			return err
		}
	}
	return nil
}

func writeRows(ctx context.Context, src Source, t Table, row func([]byte) error) error {
	query := "SELECT " + strings.Join(t.names(), ", ") + " FROM " + t.from(src.Engine) + " ORDER BY " + strings.Join(t.Key, ", ")
	rows, err := src.DB.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // a failed close shows in rows.Err
	values := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		switch c.Type {
		case Integer:
			values[i] = &sql.NullInt64{}
		case Text:
			values[i] = &sql.NullString{}
		case Bytes:
			values[i] = &sql.Null[[]byte]{}
		}
	}
	var line encoder
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return err
		}
		for i, c := range t.Columns {
			switch v := values[i].(type) {
			case *sql.NullInt64:
				if v.Valid {
					line.integer(v.Int64)
					continue
				}
			case *sql.NullString:
				if v.Valid {
					line.text(v.String)
					continue
				}
			case *sql.Null[[]byte]:
				if v.Valid || c.NotNull { // drivers may not tell an empty blob from NULL
					line.blob("base64", v.V)
					continue
				}
			}
			line.raw("null")
		}
		if err := row(line.end()); err != nil {
			return err
		}
	}
	return rows.Err()
}

// encoder builds one line.
type encoder struct{ b bytes.Buffer }

func (e *encoder) next() {
	if e.b.Len() == 0 {
		e.b.WriteByte('[')
	} else {
		e.b.WriteByte(',')
	}
}

func (e *encoder) raw(s string) {
	e.next()
	e.b.WriteString(s)
}

func (e *encoder) integer(n int64) { e.raw(strconv.FormatInt(n, 10)) }

func (e *encoder) text(s string) {
	if !utf8.ValidString(s) {
		e.blob("text", []byte(s))
		return
	}
	e.next()
	enc := json.NewEncoder(&e.b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)           // a string can be encoded
	e.b.Truncate(e.b.Len() - 1) // without the line end of Encode
}

func (e *encoder) blob(key string, b []byte) {
	e.next()
	e.b.WriteString(`{"` + key + `":"` + base64.StdEncoding.EncodeToString(b) + `"}`)
}

// end returns the line, which is valid until the next value.
func (e *encoder) end() []byte {
	e.b.WriteString("]\n")
	line := e.b.Bytes()
	e.b.Reset()
	return line
}
