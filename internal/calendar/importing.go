package calendar

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// maxImport bounds a file of overrides.
const maxImport = 1 << 20

// columns are the names of an override's parts in CSV and JSON.
var columns = []string{"date", "kind", "open", "close", "break_start", "break_end", "reason"}

// ReadOverrides reads a file of overrides: iCal, JSON or CSV, which it tells by
// the first character. cal gives the zone for times of an iCal file. Errors are
// faults of the code invalid_input that name file and line (JSON: the entry).
func ReadOverrides(file string, data []byte, cal *Calendar) ([]Override, error) {
	if len(data) > maxImport {
		return nil, fault.Newf(fault.InvalidInput, "%s: larger than %d bytes", file, maxImport)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch text := bytes.TrimLeft(data, " \t\r\n"); {
	case len(text) == 0:
		return nil, fault.Newf(fault.InvalidInput, "%s: the file is empty", file)
	case text[0] == '[':
		return readJSON(file, text)
	case bytes.HasPrefix(bytes.ToUpper(text[:min(len(text), 15)]), []byte("BEGIN:VCALENDAR")):
		return readICal(file, data, cal.loc)
	default:
		return readCSV(file, data)
	}
}

// readCSV reads a table whose first line names the columns: date and kind, and
// those of open, close, break_start, break_end and reason that are needed, in
// any order.
func readCSV(file string, data []byte) ([]Override, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	r.TrimLeadingSpace = true
	var names []string
	var list []Override
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault.Newf(fault.InvalidInput, "%s: %v", file, err)
		}
		line, _ := r.FieldPos(0)
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if names == nil {
			if why := checkColumns(row); why != "" {
				return nil, lineFault(file, line, "%s", why)
			}
			names = row
			continue
		}
		var o Override
		for i, name := range names {
			if err := o.set(name, row[i]); err != nil {
				return nil, lineFault(file, line, "%v", err)
			}
		}
		if list = append(list, o); len(list) > MaxOverrides {
			return nil, lineFault(file, line, "more than %d overrides", MaxOverrides)
		}
	}
	if names == nil {
		return nil, fault.Newf(fault.InvalidInput, "%s: the file has no line with the names of the columns", file)
	}
	return list, nil
}

// checkColumns returns what is wrong with the first line, or "".
func checkColumns(names []string) string {
	for i, n := range names {
		if !slices.Contains(columns, n) {
			return "unknown column " + quoted(n) + "; the columns are " + strings.Join(columns, ", ")
		}
		if slices.Contains(names[:i], n) {
			return "column " + n + " stands twice"
		}
	}
	if !slices.Contains(names, "date") || !slices.Contains(names, "kind") {
		return "the columns date and kind are needed"
	}
	return ""
}

// set fills one part of o.
func (o *Override) set(name, value string) error {
	switch name {
	case "date":
		d, err := ParseDate(value)
		if err != nil {
			return err
		}
		o.Date = d
	case "kind":
		o.Kind = OverrideKind(value)
		if o.Kind != OverrideClosed && o.Kind != OverrideOpen && o.Kind != OverrideHours {
			return errors.New(quoted(value) + " is none of closed, open, hours")
		}
	case "open":
		o.Open = value
	case "close":
		o.Close = value
	case "break_start":
		o.BreakStart = value
	case "break_end":
		o.BreakEnd = value
	case "reason":
		o.Reason = value
	}
	return nil
}

// readJSON reads an array of objects with the names of the columns.
func readJSON(file string, data []byte) ([]Override, error) {
	wrong := func(n int, format string, args ...any) error {
		return fault.Newf(fault.InvalidInput, "%s: entry %d: "+format, append([]any{file, n}, args...)...)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil { // the bracket
		return nil, wrong(1, "%v", err)
	}
	var list []Override
	for dec.More() {
		n := len(list) + 1
		if n > MaxOverrides {
			return nil, wrong(n, "more than %d overrides", MaxOverrides)
		}
		if t, err := dec.Token(); err != nil || t != json.Delim('{') {
			return nil, wrong(n, "it is no object")
		}
		o, err := readObject(dec)
		if err != nil {
			return nil, wrong(n, "%v", err)
		}
		list = append(list, o)
	}
	if _, err := dec.Token(); err != nil {
		return nil, wrong(len(list)+1, "the list does not end: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, wrong(len(list)+1, "something follows the list")
	}
	return list, nil
}

// readObject reads the rest of an object strictly: each name once, texts only.
func readObject(dec *json.Decoder) (Override, error) {
	var o Override
	var seen []string
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return o, err
		}
		name, _ := t.(string)
		if !slices.Contains(columns, name) {
			return o, errors.New("unknown name " + quoted(name) + "; the names are " + strings.Join(columns, ", "))
		}
		if slices.Contains(seen, name) {
			return o, errors.New(name + " stands twice")
		}
		seen = append(seen, name)
		if t, err = dec.Token(); err != nil {
			return o, err
		}
		switch value := t.(type) {
		case string:
			err = o.set(name, value)
		case nil: // as if it were not there
		default:
			err = errors.New(name + " is no text")
		}
		if err != nil {
			return o, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return o, err
	}
	for _, name := range columns[:2] {
		if !slices.Contains(seen, name) {
			return o, errors.New(name + " is missing")
		}
	}
	return o, nil
}
