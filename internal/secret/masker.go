package secret

import (
	"io"
	"slices"
)

// Mask stands where a value was.
const Mask = "***"

// Masker replaces the values of secrets in texts by Mask, in every form that
// package secret knows: raw, base64 at all three alignments, escaped for URLs,
// JSON, HTML and Go, and hexadecimal. Values of several lines are also found line
// by line. Values, and lines, shorter than eight characters are not found.
//
// The nil Masker masks nothing and costs nothing. A Masker is immutable, so it may
// be used by many at a time.
type Masker struct{ a *automaton }

// NewMasker masks values. It is nil if there is nothing to mask.
func NewMasker(values ...string) *Masker {
	var all []string
	for _, v := range values {
		all = append(all, forms(v)...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return &Masker{newAutomaton(slices.Compact(all))}
}

// String returns s with each value replaced.
func (m *Masker) String(s string) string {
	if m == nil || s == "" {
		return s
	}
	b := []byte(s)
	_, spans := m.a.find(0, b, 0, nil)
	if len(spans) == 0 {
		return s
	}
	return string(replace(nil, b, spans))
}

// Bytes is String for bytes. The result may be b itself; b is not changed.
func (m *Masker) Bytes(b []byte) []byte {
	if m == nil {
		return b
	}
	_, spans := m.a.find(0, b, 0, nil)
	if len(spans) == 0 {
		return b
	}
	return replace(nil, b, spans)
}

// Value returns a value of JSON (as encoding/json decodes into any) in which all
// texts are masked, keys of objects included. v is not changed.
func (m *Masker) Value(v any) any {
	if m == nil {
		return v
	}
	switch v := v.(type) {
	case string:
		return m.String(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = m.Value(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[m.String(k)] = m.Value(x)
		}
		return out
	}
	return v
}

func replace(out, b []byte, spans []span) []byte {
	at := 0
	for _, s := range spans {
		out = append(append(out, b[at:s.from]...), Mask...)
		at = s.to
	}
	return append(out, b[at:]...)
}

// Writer masks what is written through it, also values that several writes bring.
// It holds back what may be the beginning of a value, never more than the longest
// form of one, until the rest or Flush comes. It must not be used by several at a
// time.
type Writer struct {
	m  *Masker
	to io.Writer
	// held was not passed on, at is the automaton's state after it. spans are places in
	// held; begun says that the Mask of the first was passed on.
	held  []byte
	at    int32
	spans []span
	begun bool
	out   []byte
	err   error
}

// Writer returns a writer that passes on to w what is masked.
func (m *Masker) Writer(w io.Writer) *Writer { return &Writer{m: m, to: w} }

// Write implements io.Writer. After an error every write fails with it.
func (w *Writer) Write(p []byte) (int, error) {
	if w.m == nil {
		return w.to.Write(p)
	}
	if w.err != nil {
		return 0, w.err
	}
	b, from := p, 0
	if len(w.held) > 0 {
		from = len(w.held)
		w.held = append(w.held, p...)
		b = w.held
	}
	w.at, w.spans = w.m.a.find(w.at, b, from, w.spans)
	if err := w.pass(b, len(b)-int(w.m.a.depth[w.at])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pass passes b on up to keep, and holds the rest. What the automaton finds later
// begins at keep or after it.
func (w *Writer) pass(b []byte, keep int) error {
	out, at := w.out[:0], 0
	rest := w.spans[:0]
	begun := w.begun
	w.begun = false
	for i, s := range w.spans {
		shown := i == 0 && begun
		if s.from < keep {
			out = append(out, b[at:s.from]...)
			at = min(s.to, keep)
			if !shown {
				out = append(out, Mask...)
			}
			shown = true
		}
		if s.to > keep || s.to == keep && shown { // a value that follows at once has no Mask of its own
			w.begun = w.begun || shown
			rest = append(rest, span{max(0, s.from-keep), s.to - keep})
		}
	}
	w.out, w.spans = append(out, b[at:keep]...), rest
	w.held = append(w.held[:0], b[keep:]...)
	if len(w.out) == 0 {
		return nil
	}
	if _, err := w.to.Write(w.out); err != nil {
		w.err = err
		return err
	}
	return nil
}

// Flush passes on what is held back. What comes after it is another text.
func (w *Writer) Flush() error {
	if w.m == nil || w.err != nil {
		return w.err
	}
	err := w.pass(w.held, len(w.held))
	w.at, w.spans, w.begun = 0, nil, false
	return err
}
