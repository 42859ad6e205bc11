// Package strict reads JSON from strangers: nothing that two readers could
// understand differently gets through. Keys that come twice, NUL characters,
// bytes that are not UTF-8, halves of surrogate pairs, text behind the document, numbers that no float can
// hold and nesting beyond 64 levels are refused, each with a JSON pointer to the
// place.
//
// It also checks documents against JSON Schemas and turns what is wrong into
// faults with pointers.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
)

// MaxDepth is how many levels of objects and arrays a document may have.
const MaxDepth = 64

// Parse reads one JSON document. Numbers stay json.Number, so none loses
// digits. The fault is malformed_body or duplicate_key.
func Parse(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, malformed("", "encoding", "must be UTF-8")
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, malformed("", "required", "the body is empty; it must be a JSON document")
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(b)), src: b}
	p.dec.UseNumber()
	v, err := p.value("", 0)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("", "trailing", "there is text behind the JSON document")
	}
	return v, nil
}

// Decode reads a document that met its schema into v.
func Decode(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fault.FromJSON(err, "the input does not meet its schema")
	}
	return nil
}

type parser struct {
	dec *json.Decoder
	src []byte
}

// token is the decoder's, except that it refuses an escaped half of a surrogate
// pair, which stands for no character: the decoder makes U+FFFD of it, others
// keep it or fail.
func (p *parser) token(at string) (json.Token, error) {
	from := p.dec.InputOffset()
	tok, err := p.dec.Token()
	if err != nil {
		return nil, p.syntax(at, err)
	}
	if s, ok := tok.(string); ok && strings.ContainsRune(s, utf8.RuneError) && halved(p.src[from:p.dec.InputOffset()]) {
		return nil, malformed(at, "encoding", "must not contain half of a surrogate pair")
	}
	return tok, nil
}

// halved reports whether the text of a JSON string escapes half a pair.
func halved(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		r := escaped(text[i:])
		switch {
		case !utf16.IsSurrogate(r):
			i++ // the character behind the backslash may be one itself
		case utf16.DecodeRune(r, escaped(text[min(i+6, len(text)):])) == utf8.RuneError:
			return true
		default:
			i += 11
		}
	}
	return false
}

// escaped is the value of a \uXXXX at the beginning of text; 0 = there is none.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(n)
}

func malformed(pointer, code, detail string) error {
	return fault.New(fault.MalformedBody, detail).At(pointer, code, detail)
}

// value recurses at most MaxDepth levels.
func (p *parser) value(at string, depth int) (any, error) {
	tok, err := p.token(at)
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Delim:
		if depth >= MaxDepth {
			return nil, malformed(at, "too_deep", "nested deeper than "+strconv.Itoa(MaxDepth)+" levels")
		}
		if t == '{' {
			return p.object(at, depth+1)
		}
		return p.array(at, depth+1)
	case json.Number:
		if !sane(t.String()) {
			return nil, malformed(at, "out_of_range", "the number is out of range")
		}
		return t, nil
	case string:
		if strings.ContainsRune(t, 0) {
			return nil, malformed(at, "nul", "must not contain the NUL character")
		}
		return t, nil
	default: // bool or nil
		return t, nil
	}
}

// sane refuses numbers that a float cannot hold and those whose exact value
// would cost memory: exact arithmetic on 1e-999999999 needs gigabytes.
func sane(n string) bool {
	_, exponent, found := strings.Cut(strings.ToLower(n), "e")
	if found {
		if e, err := strconv.Atoi(exponent); err != nil || e < -400 || e > 400 {
			return false
		}
	}
	_, err := strconv.ParseFloat(n, 64)
	return err == nil && len(n) <= 1000
}

func (p *parser) object(at string, depth int) (any, error) {
	m := map[string]any{}
	for p.dec.More() {
		tok, err := p.token(at)
		if err != nil {
			return nil, err
		}
		key, ok := tok.(string)
		if !ok {
			return nil, malformed(at, "syntax", "an object's keys must be strings")
		}
		here := at + "/" + Escape(key)
		if strings.ContainsRune(key, 0) {
			return nil, malformed(at, "nul", "a key must not contain the NUL character")
		}
		if _, twice := m[key]; twice {
			return nil, fault.Newf(fault.DuplicateKey, "the key %q comes twice", short(key)).At(here, "duplicate", "comes twice")
		}
		if m[key], err = p.value(here, depth); err != nil {
			return nil, err
		}
	}
	if _, err := p.dec.Token(); err != nil {
		return nil, p.syntax(at, err)
	}
	return m, nil
}

func (p *parser) array(at string, depth int) (any, error) {
	a := []any{}
	for p.dec.More() {
		v, err := p.value(at+"/"+strconv.Itoa(len(a)), depth)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	if _, err := p.dec.Token(); err != nil {
		return nil, p.syntax(at, err)
	}
	return a, nil
}

func (p *parser) syntax(at string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed(at, "syntax", "the document ends too early")
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return malformed(at, "syntax", "not JSON: "+s.Error()+" at byte "+strconv.FormatInt(p.dec.InputOffset(), 10))
	}
	return malformed(at, "syntax", "not JSON")
}

// Escape writes a key as a reference token of a JSON pointer (RFC 6901).
func Escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(short(key), "~", "~0"), "/", "~1")
}

func short(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
