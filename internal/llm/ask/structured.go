package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/llm"
)

// ErrUnusable says that a model gave no usable structured answer, and none when it
// was told what was wrong. The job type goes on with something fixed.
var ErrUnusable = errors.New("the model gave no usable answer")

// Bounds of the repair question.
const (
	maxBroken = 4 << 10 // bytes of the broken answer that are shown to the model
	maxWrong  = 300     // bytes of what was wrong
)

// Structured asks for JSON that decode accepts. A model that answers something
// else is told what was wrong, once; after that the error is ErrUnusable. decode
// gets one JSON value and may be called twice; its error is shown to the model and
// to nobody else. Other errors are those of Ask.
func (k *Asker) Structured(ctx context.Context, q Question, decode func([]byte) error) error {
	answer, err := k.Ask(ctx, q)
	if err != nil {
		return err
	}
	wrong := accept(answer, decode)
	if wrong == nil {
		return nil
	}
	repair := q
	repair.Messages = append(slices.Clip(repair.Messages),
		llm.Message{Role: llm.Assistant, Content: shorten(answer.Text)},
		llm.Message{Role: llm.User, Content: "That answer cannot be used: " + Cut(wrong.Error(), maxWrong) +
			". Answer again with one JSON value of the form that was asked for, and nothing else."})
	if answer, err = k.Ask(ctx, repair); err != nil {
		return err
	}
	if accept(answer, decode) != nil {
		return ErrUnusable
	}
	return nil
}

func shorten(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return "(nothing)" // servers refuse an empty message
	}
	return Cut(s, maxBroken)
}

// accept finds the JSON in an answer and hands it to decode.
func accept(a llm.Answer, decode func([]byte) error) error {
	var wrong error
	for _, found := range candidates(a.Text) {
		if !json.Valid(found) {
			continue
		}
		if wrong = decode(found); wrong == nil {
			return nil
		}
	}
	switch {
	case wrong != nil:
		return wrong
	case strings.TrimSpace(a.Text) == "":
		return errors.New("it is empty")
	case a.Stop == llm.StopLength:
		return errors.New("it was cut off because it is too long; make it shorter")
	}
	return errors.New("it is not valid JSON")
}

// candidates are the parts of an answer that may be the JSON value: models put
// thoughts before it and fences around it.
func candidates(text string) [][]byte {
	if i := strings.LastIndex(text, "</think>"); i >= 0 {
		text = text[i+len("</think>"):]
	}
	b := bytes.TrimSpace([]byte(text))
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	out := [][]byte{b}
	if _, rest, ok := bytes.Cut(b, []byte("```")); ok {
		if _, inside, ok := bytes.Cut(rest, []byte("\n")); ok { // after the name of the language
			inside, _, _ = bytes.Cut(inside, []byte("```"))
			out = append(out, bytes.TrimSpace(inside))
		}
	}
	for _, pair := range []string{"{}", "[]"} {
		from, to := bytes.IndexByte(b, pair[0]), bytes.LastIndexByte(b, pair[1])
		if from >= 0 && to > from {
			out = append(out, b[from:to+1])
		}
	}
	return out
}
