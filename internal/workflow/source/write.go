package source

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// JSON returns a value as JSON in the order of its pairs, indented by two blanks if
// pretty is set, with a line end then.
func (v *Value) JSON(pretty bool) []byte {
	var b bytes.Buffer
	v.json(&b)
	if !pretty {
		return b.Bytes()
	}
	var out bytes.Buffer
	// What json wrote is well-formed.
	_ = json.Indent(&out, b.Bytes(), "", "  ")
	out.WriteByte('\n')
	return out.Bytes()
}

func (v *Value) json(b *bytes.Buffer) {
	switch v.Kind {
	case Null:
		b.WriteString("null")
	case Bool:
		b.WriteString(strconv.FormatBool(v.Bool))
	case Int:
		b.WriteString(strconv.FormatInt(v.Int, 10))
	case Float:
		text, _ := json.Marshal(v.Float) // it is finite
		if !bytes.ContainsRune(text, '.') {
			// As a whole number it would be too large for one; and without a point, YAML takes
			// 1e+19 for a text.
			text = strconv.AppendFloat(nil, v.Float, 'e', -1, 64)
			if e := bytes.IndexByte(text, 'e'); !bytes.ContainsRune(text, '.') {
				text = slices.Concat(text[:e], []byte(".0"), text[e:])
			}
		}
		b.Write(text)
	case String:
		quote(b, v.Str)
	case List:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.json(b)
		}
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		for i, p := range v.Pairs {
			if i > 0 {
				b.WriteByte(',')
			}
			quote(b, p.Key)
			b.WriteByte(':')
			p.Value.json(b)
		}
		b.WriteByte('}')
	}
}

// quote writes a string without the escapes that HTML would need.
func quote(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can be encoded
	b.Truncate(b.Len() - 1)
}

// YAML returns a value as YAML in the order of its pairs. What it writes is read as
// the same value: the library's writer does not promise that for all texts.
func (v *Value) YAML() []byte {
	w := yamlWriter{}
	switch {
	case v.Kind == List && len(v.Items) > 0, v.Kind == Map && len(v.Pairs) > 0:
		w.block(v, 0)
	default:
		w.scalar(v, 0)
		w.b.WriteByte('\n')
	}
	return w.b.Bytes()
}

type yamlWriter struct{ b bytes.Buffer }

func (w *yamlWriter) indent(n int) { w.b.WriteString(strings.Repeat("  ", n)) }

// block writes a list or an object that is not empty, from the beginning of a line.
func (w *yamlWriter) block(v *Value, depth int) {
	if v.Kind == List {
		for _, item := range v.Items {
			w.indent(depth)
			w.b.WriteString("-")
			w.item(item, depth)
		}
		return
	}
	for i, p := range v.Pairs {
		if i > 0 || w.fresh() {
			w.indent(depth)
		}
		w.pair(p, depth)
	}
}

// fresh reports whether the text ends with a line.
func (w *yamlWriter) fresh() bool {
	return w.b.Len() == 0 || w.b.Bytes()[w.b.Len()-1] == '\n'
}

func (w *yamlWriter) pair(p Pair, depth int) {
	w.text(p.Key)
	w.b.WriteByte(':')
	switch {
	case p.Value.Kind == Map && len(p.Value.Pairs) > 0, p.Value.Kind == List && len(p.Value.Items) > 0:
		w.b.WriteByte('\n')
		w.block(p.Value, depth+1)
	default:
		w.b.WriteByte(' ')
		w.scalar(p.Value, depth+1)
		w.b.WriteByte('\n')
	}
}

// item writes what stands behind a dash: the first pair of an object in the same
// line.
func (w *yamlWriter) item(v *Value, depth int) {
	switch {
	case v.Kind == Map && len(v.Pairs) > 0:
		w.b.WriteByte(' ')
		w.block(v, depth+1)
	case v.Kind == List && len(v.Items) > 0:
		w.b.WriteByte('\n')
		w.block(v, depth+1)
	default:
		w.b.WriteByte(' ')
		w.scalar(v, depth+1)
		w.b.WriteByte('\n')
	}
}

func (w *yamlWriter) scalar(v *Value, depth int) {
	switch v.Kind {
	case String:
		if literal(v.Str) {
			w.literal(v.Str, depth)
			return
		}
		w.text(v.Str)
	case List:
		w.b.WriteString("[]")
	case Map:
		w.b.WriteString("{}")
	case Null, Bool, Int, Float:
		v.json(&w.b)
	}
}

// plainText are texts that no reader of YAML takes for anything else.
var plainText = regexp.MustCompile(`^([0-9]+(ms|d|h|m|s))+$|^[A-Za-z_/][A-Za-z0-9_./@%+=-]*( [A-Za-z0-9_./(@%+=][A-Za-z0-9_./@%+=()-]*)*$`)

// reserved are words that some reader takes for something else than a text.
var reserved = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"}

// text writes a string in one line, with quotes where they are needed. JSON's are
// YAML's too.
func (w *yamlWriter) text(s string) {
	if plainText.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) {
		w.b.WriteString(s)
		return
	}
	quote(&w.b, s)
}

// literal reports whether a text can stand as a block of lines: it has several, and
// nothing that a block would change.
func literal(s string) bool {
	body, ended := strings.CutSuffix(s, "\n")
	lines := strings.Split(body, "\n")
	if len(lines) < 2 && !ended || body == "" {
		return false
	}
	for _, line := range lines {
		if line == "" || line[0] == ' ' || strings.TrimRight(line, " ") != line {
			return false
		}
		for _, c := range line {
			if !unicode.IsPrint(c) {
				return false
			}
		}
	}
	return true
}

func (w *yamlWriter) literal(s string, depth int) {
	w.b.WriteByte('|')
	body, ended := strings.CutSuffix(s, "\n")
	if !ended {
		w.b.WriteByte('-')
	}
	for line := range strings.SplitSeq(body, "\n") {
		w.b.WriteByte('\n')
		w.indent(depth)
		w.b.WriteString(line)
	}
}

// Sorted returns v with the pairs of all its objects in alphabetic order.
func (v *Value) Sorted() *Value {
	plain, err := Of(v.Plain())
	if err != nil { // Plain returns what Of takes
		return v
	}
	return plain
}
