package portable

import (
	"context"
	"fmt"
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

// table is where rows are inserted.
type table struct {
	name    string
	columns []column
	// tail follows the rows, such as what to do with those that are there.
	tail string
}

// column is a column that holds whole numbers, or texts.
type column struct {
	name   string
	number bool
}

// tableOf describes a table; the names of columns that hold numbers end with "#".
func tableOf(name, tail string, columns ...string) table {
	t := table{name: name, tail: tail}
	for _, c := range columns {
		plain, number := strings.CutSuffix(c, "#")
		t.columns = append(t.columns, column{plain, number})
	}
	return t
}

func (t table) names() string {
	var b strings.Builder
	for i, c := range t.columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name)
	}
	return b.String()
}

// maxInsert bounds the rows that are inserted in one statement column by column.
const maxInsert = 1000

// insert adds rows, in their order, with the next statements. Their values are strings
// and, in columns of numbers, int and int64.
func (d *db) insert(ctx context.Context, tx Tx, t table, list [][]any) error {
	if !d.Columnwise() {
		return inChunks(d, len(t.columns), list, func(part [][]any) error {
			r := newRows(len(t.columns))
			for _, values := range part {
				r.add(values...)
			}
			return tx.Later(ctx, `INSERT INTO `+t.name+` (`+t.names()+`) VALUES `+r.String()+t.tail, r.args...)
		})
	}
	var q strings.Builder
	q.WriteString(`INSERT INTO ` + t.name + ` (` + t.names() + `) SELECT * FROM unnest(`)
	for i, c := range t.columns {
		if i > 0 {
			q.WriteString(", ")
		}
		kind := "text"
		if c.number {
			kind = "bigint"
		}
		fmt.Fprintf(&q, "$%d::%s[]", i+1, kind)
	}
	// With a name, so that a tail may say that it means the table.
	q.WriteString(`) AS added` + t.tail)
	for len(list) > 0 {
		part := list[:min(len(list), maxInsert)]
		list = list[len(part):]
		args := make([]any, len(t.columns))
		for i, c := range t.columns {
			if c.number {
				args[i] = numbersOf(part, i)
			} else {
				args[i] = textsOf(part, i)
			}
		}
		if err := tx.Later(ctx, q.String(), args...); err != nil {
			return err
		}
	}
	return nil
}

func textsOf(list [][]any, i int) []string {
	out := make([]string, len(list))
	for n, row := range list {
		out[n] = row[i].(string)
	}
	return out
}

func numbersOf(list [][]any, i int) []int64 {
	out := make([]int64, len(list))
	for n, row := range list {
		switch v := row[i].(type) {
		case int:
			out[n] = int64(v)
		case int64:
			out[n] = v
		default:
			panic(fmt.Sprintf("portable: %T in a column of numbers", v))
		}
	}
	return out
}
