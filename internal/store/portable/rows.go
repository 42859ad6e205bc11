package portable

import (
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
