package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"
)

// jsonReader goes through the tokens of a JSON text.
type jsonReader struct {
	name   string
	text   string
	dec    *json.Decoder
	lines  []int // offsets at which lines begin
	values int
	// last is the position of the offset counted.
	last    Pos
	counted int
}

func readJSON(name, text string) (*Value, error) {
	r := &jsonReader{name: name, text: text, dec: json.NewDecoder(strings.NewReader(text)), lines: []int{0}}
	r.dec.UseNumber()
	for i := range len(text) {
		if text[i] == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	behind := r.next()
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, r.wrong(behind, "there is text behind the document")
	}
	return v, nil
}

// next is the offset at which the next token begins.
func (r *jsonReader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[at]) >= 0 {
		at++
	}
	return at
}

// pos counts the characters of a line on from where it was asked last: a document may be
// one long line.
func (r *jsonReader) pos(offset int) Pos {
	offset = min(offset, len(r.text))
	line := sort.SearchInts(r.lines, offset+1)
	if line != r.last.Line || offset < r.counted {
		r.last, r.counted = Pos{Line: line, Column: 1}, r.lines[line-1]
	}
	r.last.Column += utf8.RuneCountInString(r.text[r.counted:offset])
	r.counted = offset
	return r.last
}

func (r *jsonReader) wrong(offset int, text string) error {
	return &Error{File: r.name, Pos: r.pos(offset), Text: text}
}

func (r *jsonReader) token() (json.Token, int, error) {
	at := r.next()
	t, err := r.dec.Token()
	if err == nil {
		return t, at, nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, at, r.wrong(at, "this is no JSON: "+strings.TrimPrefix(syntax.Error(), "json: "))
	}
	return nil, at, r.wrong(len(r.text), "the text ends in the middle")
}

func (r *jsonReader) value(depth int) (*Value, error) {
	t, at, err := r.token()
	if err != nil {
		return nil, err
	}
	v := &Value{Pos: r.pos(at)}
	if r.values++; r.values > MaxValues || depth > MaxDepth {
		return nil, r.wrong(at, "the document is too large or too deep")
	}
	switch t := t.(type) {
	case bool:
		v.Kind, v.Bool = Bool, t
	case string:
		v.Kind, v.Str = String, t
	case json.Number:
		return v, r.number(v, t, at)
	case json.Delim:
		if t == '[' {
			return v, r.list(v, depth)
		}
		return v, r.object(v, depth)
	}
	return v, nil
}

func (r *jsonReader) number(v *Value, n json.Number, at int) error {
	if i, err := n.Int64(); err == nil {
		v.Kind, v.Int, v.Float = Int, i, float64(i)
		return nil
	}
	f, err := n.Float64()
	if err != nil || !strings.ContainsAny(n.String(), ".eE") { // a whole number that would not stay as it is
		return r.wrong(at, "the number is too large")
	}
	v.set(f)
	return nil
}

func (r *jsonReader) list(v *Value, depth int) error {
	v.Kind = List
	for r.dec.More() {
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
	}
	_, _, err := r.token()
	return err
}

func (r *jsonReader) object(v *Value, depth int) error {
	v.Kind = Map
	seen := map[string]bool{}
	for r.dec.More() {
		t, at, err := r.token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if seen[key] {
			return r.wrong(at, fmt.Sprintf("the key %q is there twice", key))
		}
		seen[key] = true
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		v.Pairs = append(v.Pairs, Pair{Key: key, Pos: r.pos(at), Value: item})
	}
	_, _, err := r.token()
	return err
}
