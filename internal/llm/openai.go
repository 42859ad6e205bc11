package llm

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// openAIRequest is the body of /v1/chat/completions.
type openAIRequest struct {
	Model          string          `json:"model"`
	Messages       []wireMessage   `json:"messages"`
	Stream         bool            `json:"stream"`
	StreamOptions  streamOptions   `json:"stream_options"`
	MaxTokens      int             `json:"max_tokens,omitempty"`
	Temperature    *float64        `json:"temperature,omitempty"`
	Seed           *int64          `json:"seed,omitempty"`
	Stop           []string        `json:"stop,omitempty"`
	ResponseFormat *responseFormat `json:"response_format,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type responseFormat struct {
	Type       string      `json:"type"`
	JSONSchema *jsonSchema `json:"json_schema,omitempty"`
}

type jsonSchema struct {
	Name   string          `json:"name"`
	Schema json.RawMessage `json:"schema"`
	Strict bool            `json:"strict"`
}

// openAIChunk is the data of one event of the answer.
type openAIChunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		PromptTokens     *int64 `json:"prompt_tokens"`
		CompletionTokens *int64 `json:"completion_tokens"`
	} `json:"usage"`
	// Timings is what llama.cpp adds.
	Timings *struct {
		PromptMS    float64 `json:"prompt_ms"`
		PredictedMS float64 `json:"predicted_ms"`
	} `json:"timings"`
	Error json.RawMessage `json:"error"`
}

// openAIChat speaks to /v1/chat/completions.
type openAIChat struct {
	s        *server
	r        Request
	finished bool
}

func (*openAIChat) path() string { return "/v1/chat/completions" }

func (o *openAIChat) body() any {
	r := openAIRequest{
		Model: o.r.Model, Messages: wireMessages(o.r.Messages), Stream: true, StreamOptions: streamOptions{true},
		MaxTokens: o.r.MaxTokens, Temperature: o.r.Temperature, Seed: o.r.Seed, Stop: o.r.Stop,
	}
	if f := bytes.TrimSpace(o.r.Format); len(f) > 0 {
		r.ResponseFormat = &responseFormat{Type: "json_object"}
		if f[0] == '{' {
			r.ResponseFormat = &responseFormat{"json_schema", &jsonSchema{"answer", f, true}}
		}
	}
	return r
}

// read takes a line of an event stream. An event has one line of data here; other
// lines are comments and empty ones.
func (o *openAIChat) read(line []byte, u *Usage) (string, bool, error) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		if len(line) > 0 && line[0] == '{' { // an error that came without its wrapping
			data, ok = line, true
		}
		if !ok {
			return "", false, nil
		}
	}
	data = bytes.TrimSpace(data)
	if string(data) == "[DONE]" {
		u.Stop = stopReason(u.Stop)
		return "", true, nil
	}
	var c openAIChunk
	if json.Unmarshal(data, &c) != nil { // its text could quote the answer
		return "", false, fault.Newf(fault.LLMBadAnswer, "LLM server %s does not answer as one of kind %s does", o.s.Name, o.s.Kind)
	}
	if len(c.Error) > 0 && string(c.Error) != "null" {
		return "", false, o.s.said(0, errorText(data))
	}
	if c.Usage != nil {
		u.Prompt, u.Completion = count(c.Usage.PromptTokens), count(c.Usage.CompletionTokens)
	}
	if c.Timings != nil {
		u.PromptTime, u.Generate = millis(c.Timings.PromptMS), millis(c.Timings.PredictedMS)
	}
	var text strings.Builder // one choice is asked for
	for _, choice := range c.Choices {
		text.WriteString(choice.Delta.Content)
		if choice.FinishReason != "" {
			u.Stop, o.finished = stopReason(choice.FinishReason), true
		}
	}
	return text.String(), false, nil
}

// whole: not all servers end with [DONE], but all say why they finished.
func (o *openAIChat) whole() bool { return o.finished }

func millis(ms float64) time.Duration { return time.Duration(max(0, ms) * float64(time.Millisecond)) }
