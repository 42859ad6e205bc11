// Package strict reads JSON from strangers: nothing that two readers could
// understand differently gets through. Keys that come twice, NUL characters,
// bytes that are not UTF-8, text behind the document, numbers that no float can
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
	p := parser{dec: json.NewDecoder(bytes.NewReader(b))}
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

type parser struct{ dec *json.Decoder }

func malformed(pointer, code, detail string) error {
	return fault.New(fault.MalformedBody, detail).At(pointer, code, detail)
}

// value recurses at most MaxDepth levels.
func (p *parser) value(at string, depth int) (any, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, p.syntax(at, err)
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
		tok, err := p.dec.Token()
		if err != nil {
			return nil, p.syntax(at, err)
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
