package llm

import (
	"fmt"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// Marks around the thoughts of a model, where a server does not part them from
// the answer.
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// maxBlanks bounds what may stand before an answer.
const maxBlanks = 64 << 10

// sink gathers an answer, bounds it, passes it on, and drops thoughts at its
// beginning.
type sink struct {
	r      Request
	text   strings.Builder
	pieces int
	// held is what may be the beginning of a mark and is not part of the answer yet.
	held string
	// begun: the answer proper has begun. thinking: between the marks.
	begun, thinking, thought bool
}

// add takes what came.
func (k *sink) add(s *server, piece string) error {
	if piece == "" {
		return nil
	}
	// Some servers make several pieces of a token, so that this is no exact bound: it
	// ends those that do not know the parameter.
	if k.pieces++; k.r.MaxTokens > 0 && k.pieces > 4*k.r.MaxTokens+1024 {
		return fault.Newf(fault.LLMBadAnswer, "LLM server %s does not stop at the %d tokens that it was asked for", s.Name, k.r.MaxTokens)
	}
	if !k.begun {
		if piece = k.begin(piece); piece == "" {
			if len(k.held) > maxBlanks {
				return fault.Newf(fault.LLMBadAnswer, "the answer of LLM server %s begins with more than %d blanks", s.Name, maxBlanks)
			}
			return nil
		}
	}
	if k.text.Len()+len(piece) > maxText {
		return fault.Newf(fault.LLMBadAnswer, "the answer of LLM server %s has more than %d bytes", s.Name, maxText)
	}
	k.text.WriteString(piece)
	return k.tell(piece)
}

// begin returns what of the beginning belongs to the answer.
func (k *sink) begin(piece string) string {
	k.held += piece
	if !k.thinking {
		start := strings.TrimLeft(k.held, " \r\n\t")
		if !k.thought && strings.HasPrefix(thinkOpen, start) && len(start) < len(thinkOpen) {
			return "" // may become the mark
		}
		if k.thought || !strings.HasPrefix(start, thinkOpen) {
			if k.thought { // the blank lines between thoughts and answer are neither's
				k.held = start
			}
			k.begun = k.held != ""
			return k.take()
		}
		k.thinking, k.held = true, start[len(thinkOpen):]
	}
	_, rest, closed := strings.Cut(k.held, thinkClose)
	if !closed {
		// Only the end can be a part of the mark.
		k.held = k.held[max(0, len(k.held)-len(thinkClose)+1):]
		return ""
	}
	k.thinking, k.thought, k.held = false, true, ""
	if rest == "" {
		return ""
	}
	return k.begin(rest)
}

func (k *sink) take() string {
	s := k.held
	k.held = ""
	return s
}

// end returns the whole text. What was held is part of it unless it was a thought.
func (k *sink) end() string {
	if !k.begun && !k.thinking && k.held != "" {
		k.text.WriteString(k.take())
	}
	return k.text.String()
}

// tell passes text on. A panic of the receiver ends here, without its value.
func (k *sink) tell(piece string) (err error) {
	if k.r.OnToken == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fmt.Errorf("the receiver of tokens panicked with a %T", v), fault.InternalError, "internal error")
		}
	}()
	k.r.OnToken(piece)
	return nil
}
