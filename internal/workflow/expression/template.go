package expression

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Template is a string of a document in which {{ }} stands for values. A text that
// is one {{ }} as a whole keeps the value's type. It is safe for concurrent use.
type Template struct {
	text  string
	parts []part
}

// part is a piece of text, or an expression.
type part struct {
	text string
	expr *Expr
	// at is where the expression begins in the template, in characters.
	at int
}

// ParseTemplate reads a text. The offset of an *Error counts from the beginning of
// the text.
func ParseTemplate(text string, names Names) (*Template, error) {
	t := &Template{text: text}
	rest, at := text, 0
	for {
		i := strings.Index(rest, "{{")
		if i < 0 {
			break
		}
		if i > 0 {
			t.parts = append(t.parts, part{text: rest[:i]})
		}
		at += runes(rest[:i]) + 2
		body := rest[i+2:]
		end := closing(body)
		if end < 0 {
			return nil, &Error{Offset: at - 2, Text: "{{ without }}"}
		}
		e, err := Compile(body[:end], names)
		if err != nil {
			if wrong, ok := err.(*Error); ok { //nolint:errorlint // it is ours and bare
				wrong.Offset += at
			}
			return nil, err
		}
		t.parts = append(t.parts, part{expr: e, at: at})
		at += runes(body[:end]) + 2
		rest = body[end+2:]
	}
	if rest != "" {
		t.parts = append(t.parts, part{text: rest})
	}
	return t, nil
}

func runes(s string) int { return len([]rune(s)) }

// closing is where the }} of a {{ is: strings and objects inside may have braces of
// their own.
func closing(s string) int {
	depth := 0
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}' && i+1 < len(s) && s[i+1] == '}':
			return i
		}
	}
	return -1
}

// Constant reports whether the text has no expression.
func (t *Template) Constant() bool {
	for _, p := range t.parts {
		if p.expr != nil {
			return false
		}
	}
	return true
}

// Text returns the template as it was written.
func (t *Template) Text() string { return t.text }

// Refs returns what the template reads. Offsets count from its beginning.
func (t *Template) Refs() []Ref {
	var out []Ref
	for _, p := range t.parts {
		if p.expr == nil {
			continue
		}
		for _, r := range p.expr.refs {
			r.Offset += p.at
			out = append(out, r)
		}
	}
	return out
}

// Eval computes the value of the template.
func (t *Template) Eval(env Env) (any, error) {
	if len(t.parts) == 1 && t.parts[0].expr != nil {
		return t.parts[0].expr.Eval(env)
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.expr.Eval(env)
		if err != nil {
			return nil, err
		}
		text, err := show(v)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
		if b.Len() > MaxResult {
			return nil, &Error{Text: "the text is larger than 1 MiB"}
		}
	}
	return b.String(), nil
}

// show is how a value looks inside of a text: strings as they are, null as nothing,
// everything else as JSON.
func show(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	data, err := json.Marshal(v)
	return string(data), err
}
