package export

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// toYAML writes v, which encodes to JSON, as YAML 1.2. It is written here so that
// numbers keep their text, keys are sorted, and a text of several lines is a
// block: a changed line of a script is a changed line of the file.
func toYAML(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	w := &writer{}
	w.value(tree, 0, false)
	return bytes.TrimPrefix(w.Bytes(), []byte("\n")), nil
}

type writer struct{ bytes.Buffer }

func (w *writer) newline(depth int) { w.WriteString("\n" + strings.Repeat("  ", depth)) }

// value writes what follows a colon or a dash. item says that it follows a dash,
// where a map begins on the same line.
func (w *writer) value(v any, depth int, item bool) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			w.WriteString(" {}")
		}
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i == 0 && item {
				w.WriteByte(' ')
			} else {
				w.newline(depth)
			}
			w.WriteString(scalar(k) + ":")
			w.value(v[k], depth+1, false)
		}
		w.end(depth)
	case []any:
		if len(v) == 0 {
			w.WriteString(" []")
		}
		for i, e := range v {
			if i == 0 && item {
				w.WriteByte(' ')
			} else {
				w.newline(depth)
			}
			w.WriteByte('-')
			w.value(e, depth+1, true)
		}
		w.end(depth)
	case string:
		if block(v) {
			w.WriteString(" |")
			if !strings.HasSuffix(v, "\n") {
				w.WriteByte('-')
			}
			for line := range strings.SplitSeq(strings.TrimSuffix(v, "\n"), "\n") {
				if line == "" {
					w.WriteByte('\n')
					continue
				}
				w.newline(max(depth, 1))
				w.WriteString(line)
			}
			return
		}
		w.WriteString(" " + scalar(v))
	case json.Number:
		w.WriteString(" " + v.String())
	case bool:
		w.WriteString(map[bool]string{true: " true", false: " false"}[v])
	case nil:
		w.WriteString(" null")
	}
}

func (w *writer) end(depth int) {
	if depth == 0 {
		w.WriteByte('\n')
	}
}

// plainText is what no reader takes for anything but text.
var plainText = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@%+-]*( [A-Za-z0-9_./@%+-]+)*$`)

// scalar is a text on one line. JSON's quotes are YAML's too.
func scalar(s string) string {
	if plainText.MatchString(s) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("export: " + err.Error()) // texts always encode
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// block reports whether a text survives as a block: no line ends with a space,
// the first one does not begin with one, nothing needs an escape.
func block(s string) bool {
	body := strings.TrimSuffix(s, "\n")
	if !strings.Contains(body, "\n") || strings.HasPrefix(s, "\n") || strings.HasPrefix(s, " ") || strings.HasSuffix(body, "\n") {
		return false
	}
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasSuffix(line, " ") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f || r > 0x7e }) {
			return false
		}
	}
	return true
}
