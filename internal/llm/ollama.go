package llm

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// wireMessage is a message as both kinds of servers take it.
type wireMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// ollamaRequest is the body of /api/chat and /api/generate.
type ollamaRequest struct {
	Model    string          `json:"model"`
	Messages []wireMessage   `json:"messages,omitempty"`
	System   string          `json:"system,omitempty"`
	Prompt   string          `json:"prompt,omitempty"`
	Stream   bool            `json:"stream"`
	Think    bool            `json:"think"` // a model that can think does so unless told not to
	Format   json.RawMessage `json:"format,omitempty"`
	Options  ollamaOptions   `json:"options"`
}

type ollamaOptions struct {
	NumPredict  int      `json:"num_predict,omitempty"`
	NumCtx      int      `json:"num_ctx,omitempty"`
	Temperature *float64 `json:"temperature,omitempty"`
	Seed        *int64   `json:"seed,omitempty"`
	Stop        []string `json:"stop,omitempty"`
}

// ollamaLine is a line of the answer. The field context, which is prompt and answer
// as numbers, and thinking are not decoded, so that nobody can keep them.
type ollamaLine struct {
	Message struct {
		Content string `json:"content"`
	} `json:"message"`
	Response   string `json:"response"`
	Done       bool   `json:"done"`
	DoneReason string `json:"done_reason"`
	Error      string `json:"error"`

	LoadDuration       int64  `json:"load_duration"` // this and the next two in nanoseconds
	PromptEvalDuration int64  `json:"prompt_eval_duration"`
	EvalDuration       int64  `json:"eval_duration"`
	PromptEvalCount    *int64 `json:"prompt_eval_count"`
	EvalCount          *int64 `json:"eval_count"`
}

// ollamaChat speaks to /api/chat.
type ollamaChat struct {
	s *server
	r Request
}

func (*ollamaChat) path() string { return "/api/chat" }

func (o *ollamaChat) body() any {
	r := o.request()
	r.Messages = wireMessages(o.r.Messages)
	return r
}

func (o *ollamaChat) request() ollamaRequest {
	return ollamaRequest{
		Model: o.r.Model, Stream: true, Think: o.r.Think, Format: o.r.Format,
		Options: ollamaOptions{o.r.MaxTokens, o.r.ContextTokens, o.r.Temperature, o.r.Seed, o.r.Stop},
	}
}

func wireMessages(all []Message) []wireMessage {
	out := make([]wireMessage, len(all))
	for i, m := range all {
		out[i] = wireMessage(m)
	}
	return out
}

func (o *ollamaChat) read(line []byte, u *Usage) (string, bool, error) {
	if len(line) == 0 {
		return "", false, nil
	}
	var l ollamaLine
	if json.Unmarshal(line, &l) != nil { // its text could quote the answer
		return "", false, fault.Newf(fault.LLMBadAnswer, "LLM server %s does not answer as %s does", o.s.Name, o.s.Kind)
	}
	if l.Error != "" {
		return "", false, o.s.said(0, l.Error)
	}
	if l.Done {
		u.Prompt, u.Completion = count(l.PromptEvalCount), count(l.EvalCount)
		u.Load, u.PromptTime, u.Generate = nanos(l.LoadDuration), nanos(l.PromptEvalDuration), nanos(l.EvalDuration)
		u.Stop = stopReason(l.DoneReason)
	}
	return l.Message.Content + l.Response, l.Done, nil
}

// whole: an answer ends with a line that says done, and nothing is read after it.
func (*ollamaChat) whole() bool { return false }

// ollamaGenerate speaks to /api/generate, whose answers differ by one field.
type ollamaGenerate struct{ ollamaChat }

func (*ollamaGenerate) path() string { return "/api/generate" }

func (o *ollamaGenerate) body() any {
	r := o.request()
	var system, prompt []string
	for _, m := range o.r.Messages {
		if m.Role == System {
			system = append(system, m.Content)
		} else {
			prompt = append(prompt, m.Content)
		}
	}
	r.System, r.Prompt = strings.Join(system, "\n\n"), strings.Join(prompt, "\n\n")
	return r
}

// stopReason knows two words; all others mean that the model ended.
func stopReason(s string) string {
	if s == StopLength {
		return StopLength
	}
	return StopNatural
}

// count is nil for what cannot be a count.
func count(n *int64) *int64 {
	if n != nil && *n < 0 {
		return nil
	}
	return n
}

func nanos(n int64) time.Duration { return time.Duration(max(0, n)) }
