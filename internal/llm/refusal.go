package llm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
)

// Bounds on what is done about a refusal.
const (
	maxRefusal = 64 << 10
	maxNamed   = 20 // models in a hint
	adviceTime = 2 * time.Second
)

// meaning is what we make of an error text of a server. Such texts can repeat the
// prompt, so they are compared and never shown.
type meaning struct {
	has  []string // all of them, lower case
	code fault.Code
	say  string
}

// meanings are read-only. The first that fits counts.
func meanings() []meaning {
	return []meaning{
		{[]string{"model", "not found"}, fault.LLMModelMissing, ""},
		{[]string{"model", "does not exist"}, fault.LLMModelMissing, ""},
		{[]string{"server busy"}, fault.LLMBusy, "is busy"},
		{[]string{"loading model"}, fault.LLMBusy, "is loading the model"},
		{[]string{"more system memory"}, fault.LLMServerFailed, "has not enough memory for the model"},
		{[]string{"out of memory"}, fault.LLMServerFailed, "has not enough memory for the model"},
		{[]string{"does not support chat"}, fault.LLMRequestRefused, "says that the model is not made for chat"},
		{[]string{"does not support generate"}, fault.LLMRequestRefused, "says that the model is not made for text"},
		{[]string{"does not support thinking"}, fault.LLMRequestRefused, "says that the model cannot think"},
		{[]string{"context", "exceed"}, fault.LLMRequestRefused, "says that the request is longer than the context of the model"},
		{[]string{"context length"}, fault.LLMRequestRefused, "says that the request is longer than the context of the model"},
	}
}

// refusal makes a fault of a response that is not 200.
func (p *Pool) refusal(ctx context.Context, s *server, model string, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	if err != nil {
		body = nil
	}
	err = s.said(resp.StatusCode, errorText(body))
	if f := fault.From(err); f.Code == fault.LLMBusy {
		err = f.WithRetryAfter(retryAfter(resp.Header))
	}
	return p.advise(ctx, s, model, err)
}

// said makes a fault of an error that a server announced; status 0 = in the middle of
// an answer.
func (s *server) said(status int, text string) error {
	lower := strings.ToLower(text)
	for _, m := range meanings() {
		fits := true
		for _, part := range m.has {
			fits = fits && strings.Contains(lower, part)
		}
		// Only a 404 speaks of the name: "not found" may also be in a quoted prompt.
		if fits && (m.code != fault.LLMModelMissing || status == http.StatusNotFound) {
			return fault.Newf(m.code, "LLM server %s %s", s.Name, m.say).WithRetryAfter(waitFor(m.code))
		}
	}
	answers := "LLM server " + s.Name + " answers " + strings.TrimSpace(strconv.Itoa(status)+" "+http.StatusText(status))
	switch {
	case status == 0:
		return fault.Newf(fault.LLMServerFailed, "LLM server %s ended the answer with an error", s.Name)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return fault.New(fault.LLMBusy, answers).WithRetryAfter(defaultRetryAfter)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.New(fault.LLMRequestRefused, answers+": it wants a key, or another one")
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status >= 300 && status < 400:
		return fault.Newf(fault.LLMRequestRefused, "%s: its URL or its kind, %s, is wrong", answers, s.Kind)
	case status >= 500:
		return fault.New(fault.LLMServerFailed, answers)
	}
	return fault.New(fault.LLMRequestRefused, answers)
}

func waitFor(c fault.Code) time.Duration {
	if c == fault.LLMBusy {
		return defaultRetryAfter
	}
	return 0
}

// errorText finds the error in a body: {"error": "..."} or {"error": {"message":
// "..."}}.
func errorText(body []byte) string {
	var flat struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &flat) == nil {
		return flat.Error
	}
	var nested struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &nested) == nil {
		return nested.Error.Message
	}
	return ""
}

// advise completes the fault of a missing model: which there are, and how to get
// it.
func (p *Pool) advise(ctx context.Context, s *server, model string, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code != fault.LLMModelMissing {
		return err
	}
	f = fault.Newf(fault.LLMModelMissing, "LLM server %s has no model %s", s.Name, model)
	var hints []string
	if s.Kind == Ollama {
		hints = append(hints, "Get it with: ollama pull "+model+".")
	}
	w := p.watch(ctx, s, adviceTime)
	defer w.stop()
	if models, err := p.models(w.ctx, s); err == nil {
		names := make([]string, 0, maxNamed)
		for _, m := range models[:min(len(models), maxNamed)] {
			names = append(names, m.Name)
		}
		if len(models) > maxNamed {
			names = append(names, "and "+strconv.Itoa(len(models)-maxNamed)+" more")
		}
		if len(names) == 0 {
			hints = append(hints, "The server has no models.")
		} else {
			hints = append(hints, "There are: "+strings.Join(names, ", ")+".")
		}
	}
	return f.WithHint(strings.Join(hints, " "))
}
