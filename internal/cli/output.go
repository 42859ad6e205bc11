package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/runlog"
)

// allFields is the value of --json without one.
const allFields = "*"

// fields is the --json flag: which fields to print. Nil = no JSON.
type fields []string

func (f *fields) String() string { return strings.Join(*f, ",") }
func (f *fields) Type() string   { return "fields" }
func (f *fields) Set(s string) error {
	*f = nil
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return fmt.Errorf("a field's name is missing")
		}
		*f = append(*f, name)
	}
	return nil
}

// pick returns v as JSON with only the wanted fields, in the wanted order.
func (f fields) pick(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil || slices.Contains(f, allFields) {
		return b, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range f {
		value, ok := all[name]
		if !ok {
			e := usagef("there is no field %q", name)
			e.hint = "fields: " + strings.Join(sortedKeys(all), ", ")
			return nil, e
		}
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", name, value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// view is how a kind of thing is shown.
type view[T any] struct {
	id      func(T) string
	columns []string
	row     func(T) []string
	// detail are the lines of `get`; nil = the row under the column names.
	detail func(T) []pair
	// status is the column that is coloured, -1 = none.
	status int
	// spare are columns that a narrow terminal can do without, the least
	// important first.
	spare []string
	// note says that the last column is a sentence, which gets a line of its own
	// where it does not fit.
	note bool
}

type pair struct{ name, value string }

// printList writes many things.
func printList[T any](a *app, v view[T], items []T) error {
	switch {
	case a.quiet:
		for _, item := range items {
			if _, err := fmt.Fprintln(a.out, v.id(item)); err != nil {
				return err
			}
		}
		return nil
	case a.json != nil:
		var out bytes.Buffer
		out.WriteByte('[')
		for i, item := range items {
			b, err := a.json.pick(item)
			if err != nil {
				return err
			}
			if i > 0 {
				out.WriteByte(',')
			}
			out.Write(b)
		}
		out.WriteByte(']')
		return a.writeJSON(out.Bytes())
	}
	rows := make([][]string, len(items))
	for i, item := range items {
		rows[i] = v.row(item)
	}
	return a.table(newSheet(v, rows))
}

// printOne writes one thing.
func printOne[T any](a *app, v view[T], item T) error {
	switch {
	case a.quiet:
		_, err := fmt.Fprintln(a.out, v.id(item))
		return err
	case a.json != nil:
		b, err := a.json.pick(item)
		if err != nil {
			return err
		}
		return a.writeJSON(b)
	}
	pairs := []pair(nil)
	if v.detail != nil {
		pairs = v.detail(item)
	} else {
		for i, value := range v.row(item) {
			pairs = append(pairs, pair{strings.ToLower(v.columns[i]), value})
		}
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		if p.value != "" && p.value != "null" {
			fmt.Fprintf(w, "%s\t%s\n", p.name, clean(p.value)) // Flush returns it
		}
	}
	return w.Flush()
}

// plain is JSON for reading: without the escapes that protect HTML.
func plain(raw json.RawMessage) string {
	var (
		v   any
		out bytes.Buffer
	)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if dec.Decode(&v) != nil || enc.Encode(v) != nil {
		return string(raw)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func (a *app) writeJSON(b []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := a.out.Write(out.Bytes())
	return err
}

// clean makes text of others safe for a terminal, on one line.
func clean(s string) string {
	var strip runlog.Stripper
	out := strip.Flush(strip.Strip(nil, []byte(s)))
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(string(out))
}

// watchEvery is how often --watch looks.
const watchEvery = time.Second

// show loads and prints a list, once or, with watch, at each change: then each
// new or changed thing is one line of JSON. A list that reached its limit (0 =
// none) says so.
func show[T any](ctx context.Context, a *app, v view[T], watch bool, limit int, load func(context.Context) ([]T, error)) error {
	if !watch {
		items, err := load(ctx)
		if err != nil {
			return err
		}
		if err := printList(a, v, items); err != nil {
			return err
		}
		if limit > 0 && len(items) == limit && !a.quiet {
			a.talk("the list was cut at --limit %d", limit)
		}
		return nil
	}
	if a.json == nil {
		a.json = fields{allFields}
	}
	seen := map[string][]byte{}
	for {
		items, err := load(ctx)
		if err != nil {
			return err
		}
		for _, item := range items {
			line, err := a.json.pick(item)
			if err != nil {
				return err
			}
			if id := v.id(item); !bytes.Equal(seen[id], line) {
				seen[id] = line
				if _, err := a.out.Write(append(slices.Clip(line), '\n')); err != nil {
					return err
				}
			}
		}
		if err := clock.Sleep(ctx, a.Clock, watchEvery); err != nil {
			return err
		}
	}
}
