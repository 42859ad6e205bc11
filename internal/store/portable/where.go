package portable

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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

// contains restricts column to texts with the given part, any case. replace is
// used because LIKE differs between the engines.
func (w *where) contains(column, part string) {
	if part != "" {
		w.add("replace(lower("+column+"), %s, '') <> lower("+column+")", strings.ToLower(part))
	}
}

// labels restricts rows to those that have all the given labels. The column is
// JSON with sorted keys, in which `"k":"v"` occurs exactly when the label does.
func (w *where) labels(column string, labels map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pair := quote(k) + ":" + quote(labels[k])
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

// quote writes s as it stands inside a JSON document.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("portable: quote: " + err.Error()) // a string always encodes
	}
	return string(b)
}
