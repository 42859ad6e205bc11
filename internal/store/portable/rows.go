package portable

import (
	"context"
	"reflect"
	"strconv"
	"strings"
)

// rows collects the rows of a VALUES list, so that one statement writes many:
// what a statement costs, above all a round trip, is then paid once.
type rows struct {
	columns int
	casts   []string
	args    []any
}

// newRows begins a list of rows. casts are the types of the columns, needed where
// the list stands by itself and not in an INSERT; nil = none.
func newRows(columns int, casts ...string) *rows { return &rows{columns: columns, casts: casts} }

func (r *rows) add(values ...any) {
	if len(values) != r.columns {
		panic("portable: a row has " + strconv.Itoa(len(values)) + " values, want " + strconv.Itoa(r.columns))
	}
	r.args = append(r.args, values...)
}

// String is the list with its placeholders. A column's type is that of the first row.
func (r *rows) String() string {
	var b strings.Builder
	b.Grow(len(r.args) * 7)
	for i := range r.args {
		column := i % r.columns
		switch {
		case i == 0:
			b.WriteByte('(')
		case column == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		mark := "$" + strconv.Itoa(i+1)
		if i < len(r.casts) {
			mark = "CAST(" + mark + " AS " + r.casts[i] + ")"
		}
		b.WriteString(mark)
	}
	b.WriteByte(')')
	return b.String()
}

// maxRows bounds the rows of one statement.
const maxRows = 64

// fewRows are rows that are worth a statement of their own number, where a statement
// costs a message and its parameters little.
const fewRows = 16

// inChunks gives list to f in parts of 64, 32, 16 and so on: few sizes, because each is a
// statement of its own that is kept prepared, and few parts. columns is how many
// parameters a row takes.
func inChunks[T any](e Engine, columns int, list []T, f func(part []T) error) error {
	if len(list) > 0 && len(list) <= fewRows && e.MaxParams() >= maxRows*columns {
		return f(list)
	}
	for size := maxRows; len(list) > 0; {
		for size > 1 && (size > len(list) || size*columns > e.MaxParams()) {
			size /= 2
		}
		if err := f(list[:size]); err != nil {
			return err
		}
		list = list[size:]
	}
	return nil
}

// column is a column that holds texts, or whole numbers, which may be NULL.
type column struct {
	name           string
	number, absent bool
}

// columnsOf describes columns. The names of those that hold numbers end with "#", where
// they may be NULL with "#?".
func columnsOf(names ...string) []column {
	var list []column
	for _, n := range names {
		var c column
		n, c.absent = strings.CutSuffix(n, "?")
		c.name, c.number = strings.CutSuffix(n, "#")
		list = append(list, c)
	}
	return list
}

func namesOf(list []column) string {
	var b strings.Builder
	for i, c := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name)
	}
	return b.String()
}

// table is where rows are inserted.
type table struct {
	name    string
	columns []column
	// tail follows the rows, such as what to do with those that are there.
	tail string
}

func tableOf(name, tail string, columns ...string) table {
	return table{name, columnsOf(columns...), tail}
}

const (
	// maxInsert bounds the rows that one statement writes column by column, and
	// maxBytes the texts in them.
	maxInsert = 1000
	maxBytes  = 4 << 20
)

// insert adds rows, in their order, with the next statements.
func (d *db) insert(ctx context.Context, tx Tx, t table, list [][]any) error {
	if !d.Columnwise() {
		return inChunks(d, len(t.columns), list, func(part [][]any) error {
			r := newRows(len(t.columns))
			for _, values := range part {
				r.add(values...)
			}
			return tx.Later(ctx, `INSERT INTO `+t.name+` (`+namesOf(t.columns)+`) VALUES `+r.String()+t.tail, r.args...)
		})
	}
	// The rows have a name, so that what a tail says is about the table.
	query := `INSERT INTO ` + t.name + ` (` + namesOf(t.columns) + `) SELECT * FROM ` + unnest(t.columns) + ` AS added` + t.tail
	return inParts(list, func(part [][]any) error { return tx.Later(ctx, query, columnwise(t.columns, part)...) })
}

// unnest is the SQL of rows that come as a list for each column.
func unnest(columns []column) string {
	var b strings.Builder
	b.WriteString("unnest(")
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		mark := "$" + strconv.Itoa(i+1) + "::text[]"
		if c.number {
			mark = "$" + strconv.Itoa(i+1) + "::bigint[]"
		}
		if i == 0 {
			// The planner must not know how many rows come: it would make a new plan for
			// few each time, which takes longer than they do.
			mark = "(SELECT " + mark + ")"
		}
		b.WriteString(mark)
	}
	b.WriteByte(')')
	return b.String()
}

// inParts gives rows to f in parts that are not too long for one statement.
func inParts(list [][]any, f func(part [][]any) error) error {
	for len(list) > 0 {
		n := 0
		for size := 0; n < min(len(list), maxInsert) && size < maxBytes; n++ {
			for _, v := range list[n] {
				if text, is := v.(string); is {
					size += len(text)
				}
			}
		}
		if err := f(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// columnwise turns rows into a list for each column.
func columnwise(columns []column, list [][]any) []any {
	args := make([]any, len(columns))
	for i, c := range columns {
		switch {
		case c.absent:
			out := make([]*int64, len(list))
			for n, row := range list {
				if row[i] != nil {
					v := wholeNumber(row[i])
					out[n] = &v
				}
			}
			args[i] = out
		case c.number:
			out := make([]int64, len(list))
			for n, row := range list {
				out[n] = wholeNumber(row[i])
			}
			args[i] = out
		default:
			out := make([]string, len(list))
			for n, row := range list {
				out[n] = row[i].(string)
			}
			args[i] = out
		}
	}
	return args
}

func wholeNumber(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	}
	return reflect.ValueOf(v).Int()
}
