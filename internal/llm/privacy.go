package llm

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// The types that hold text show how much of it there is, and not more, to fmt
// with any verb, to slog and to encoding/json. Whoever means the text names the
// field. This guards against the careless line of a debugging session; a value
// inside an unexported field of another type is beyond it, so keep none there.

// shown describes a message without its text.
func (m Message) shown() string {
	role := m.Role
	if role != System && role != User && role != Assistant {
		role = "?"
	}
	return fmt.Sprintf("llm.Message{%s, %d bytes}", role, len(m.Content))
}

// Format implements fmt.Formatter for all verbs.
func (m Message) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.shown()) }

// LogValue implements slog.LogValuer.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.shown()) }

// MarshalJSON hides the text from encoders.
func (m Message) MarshalJSON() ([]byte, error) { return json.Marshal(m.shown()) }

// shown describes a request without its text.
func (r Request) shown() string {
	size := 0
	for _, m := range r.Messages {
		size += len(m.Content)
	}
	return fmt.Sprintf("llm.Request{%s, %d messages, %d bytes}", r.Model, len(r.Messages), size)
}

// String implements fmt.Stringer. The verbs that do not ask for it reach the
// messages, which guard themselves.
func (r Request) String() string { return r.shown() }

// GoString implements fmt.GoStringer.
func (r Request) GoString() string { return r.shown() }

// LogValue implements slog.LogValuer.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.shown()) }

// MarshalJSON hides the text from encoders.
func (r Request) MarshalJSON() ([]byte, error) { return json.Marshal(r.shown()) }

// shown describes an answer without its text.
func (a Answer) shown() string {
	tokens := "?"
	if a.Completion != nil {
		tokens = fmt.Sprint(*a.Completion)
	}
	return fmt.Sprintf("llm.Answer{%s, %s tokens, %d bytes}", a.Model, tokens, len(a.Text))
}

// Format implements fmt.Formatter for all verbs.
func (a Answer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.shown()) }

// LogValue implements slog.LogValuer.
func (a Answer) LogValue() slog.Value { return slog.StringValue(a.shown()) }

// MarshalJSON hides the text from encoders.
func (a Answer) MarshalJSON() ([]byte, error) { return json.Marshal(a.shown()) }
