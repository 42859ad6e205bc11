package portable

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// where collects the conditions of a list query and their arguments.
type where struct {
	conds []string
	args  []any
}

// add appends a condition in which %s stands for the next placeholder, one
// for each argument.
func (w *where) add(cond string, args ...any) {
	marks := make([]any, len(args))
	for i, a := range args {
		w.args = append(w.args, a)
		marks[i] = fmt.Sprintf("$%d", len(w.args))
	}
	w.conds = append(w.conds, fmt.Sprintf(cond, marks...))
}

// in restricts column to values; an empty list does not filter.
func in[S ~string](w *where, column string, values []S) {
	if len(values) == 0 {
		return
	}
	marks := make([]string, len(values))
	for i, v := range values {
		w.args = append(w.args, string(v))
		marks[i] = fmt.Sprintf("$%d", len(w.args))
	}
	w.conds = append(w.conds, column+" IN ("+strings.Join(marks, ", ")+")")
}

// OneOf is Saving.OneOf with a list of parameters.
func OneOf(column string, n int, list []string) (cond string, args []any) {
	var b strings.Builder
	b.WriteString(column + " IN (")
	for i, v := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(n+i))
		args = append(args, v)
	}
	b.WriteByte(')')
	return b.String(), args
}

// contains restricts a folded column to texts with the given part, any case.
// replace is used because LIKE differs between the engines.
func (w *where) contains(column, part string) {
	if part != "" {
		w.add("replace("+column+", %s, '') <> "+column, fold(part))
	}
}

// fold makes texts that differ in case only equal. It is stored in a column of
// its own, because both engines' lower() knows ASCII only. Upper case first: so
// that "ς" and "σ" meet.
func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// labels restricts rows to those that have all the given labels. The column
// was written by encodeLabels, so `"k":"v"` occurs in it exactly when the label
// does.
func (w *where) labels(column string, labels map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pair := quoteLabel(k) + ":" + quoteLabel(labels[k])
		w.add("replace("+column+", %s, '') <> "+column, pair)
	}
}

// between restricts a time column; zero times do not filter. Both bounds are
// exclusive.
func (w *where) between(column string, after, before time.Time) {
	if !after.IsZero() {
		w.add(column+" > %s", clock.Millis(after))
	}
	if !before.IsZero() {
		w.add(column+" < %s", clock.Millis(before))
	}
}

func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

// encodeLabels writes labels as JSON in which quotes and colons stand only
// where JSON itself needs them, so that the text of one pair cannot be found
// across the borders of others.
func encodeLabels(labels map[string]string) string {
	if labels == nil {
		return ""
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, k := range slices.Sorted(maps.Keys(labels)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoteLabel(k) + ":" + quoteLabel(labels[k]))
	}
	b.WriteByte('}')
	return b.String()
}

func quoteLabel(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("portable: quote: " + err.Error()) // a string always encodes
	}
	// The first pair keeps a backslash together with the one that escapes it.
	return `"` + strings.NewReplacer(`\\`, `\\`, `\"`, `\u0022`, `:`, `\u003a`).Replace(string(b[1:len(b)-1])) + `"`
}
