//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// parrot is a server of models that speaks OpenAI's chat completions, well or
// badly: each of its models is a way to fail. It repeats what it is asked where a
// client could be tempted to write it down.
type parrot struct {
	*httptest.Server
	// says is the text of its answers, one canary after another.
	says string

	mu      sync.Mutex
	asked   []question
	hanging map[string]int           // calls of a model that are in their middle
	gates   map[string]chan struct{} // closed: the calls of the model go on
}

// question is what a model was asked.
type question struct{ model, system, text string }

// manners are the models: what each does with a question that arrived.
func (p *parrot) manners() map[string]func(w http.ResponseWriter, r *http.Request, q question, format []byte) {
	return map[string]func(w http.ResponseWriter, r *http.Request, q question, format []byte){
		"polite": func(w http.ResponseWriter, _ *http.Request, q question, format []byte) {
			p.stream(w, p.structured(q, format))
			fmt.Fprint(w, "data: [DONE]\n\n")
		},
		"garbled": func(w http.ResponseWriter, _ *http.Request, _ question, _ []byte) {
			p.stream(w, `{"title": "`+p.says[:40]) // broken JSON in the middle of a text
		},
		"refuse": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) { complain(w, 400, q.text) },
		"flat":   func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) { http.Error(w, q.text, 400) },
		"long": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			complain(w, 400, "context length exceeded: "+q.text)
		},
		"absent": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			complain(w, 404, "model not found: "+q.text+p.says)
		},
		"lost": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) { http.Error(w, q.text, 404) },
		"sick": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) { complain(w, 500, q.text) },
		"busy": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			w.Header().Set("Retry-After", "1")
			complain(w, 503, q.text)
		},
		"locked": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+oneLine(q.text)+`"`)
			complain(w, 401, q.text)
		},
		"away": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			w.Header().Set("Location", "http://%zz/"+oneLine(q.text)) // which a client may quote
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"header": func(w http.ResponseWriter, _ *http.Request, q question, format []byte) {
			w.Header().Set("X-Prompt", oneLine(q.text))
			w.Header().Set("Set-Cookie", "prompt="+oneLine(q.text))
			p.stream(w, p.structured(q, format))
		},
		"page": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<p>", q.text, p.says)
		},
		"badjson": func(w http.ResponseWriter, _ *http.Request, _ question, _ []byte) {
			fmt.Fprint(w, `data: {"choices": [{"delta": {"content": `, p.says, "\n\n")
		},
		"badtype": func(w http.ResponseWriter, _ *http.Request, _ question, _ []byte) {
			fmt.Fprint(w, "data: ", object("choices", p.says), "\n\n") // a string in place of a list
		},
		"sorry": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			p.piece(w, p.says[:60])
			fmt.Fprintf(w, "data: {\"error\": %s}\n\n", object("message", q.text))
		},
		"broken": func(w http.ResponseWriter, _ *http.Request, _ question, _ []byte) {
			p.piece(w, p.says[:60])
			panic(http.ErrAbortHandler)
		},
		"status": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			raw(w, oneLine(q.text)+p.says+"\r\n\r\n")
		},
		"heading": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			raw(w, "HTTP/1.1 200 OK\r\n"+oneLine(q.text)+"\r\n\r\n")
		},
		"chunk": func(w http.ResponseWriter, _ *http.Request, q question, _ []byte) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+oneLine(q.text)+"\r\n")
		},
		"endless": func(w http.ResponseWriter, r *http.Request, _ question, _ []byte) {
			for r.Context().Err() == nil {
				p.piece(w, p.says)
			}
		},
		"hang":   p.hang,
		"hang-a": p.hang,
		"hang-b": p.hang,
		"hang-c": p.hang,
		"hang-d": p.hang,
	}
}

// newParrot starts one that answers with the words of says.
func newParrot(t *testing.T, says string) *parrot {
	p := &parrot{says: says, hanging: map[string]int{}, gates: map[string]chan struct{}{}}
	for _, m := range p.models() {
		p.gates[m] = make(chan struct{})
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// models are the names of what it has.
func (p *parrot) models() []string {
	var out []string
	for name := range p.manners() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// ServeHTTP implements http.Handler.
func (p *parrot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		var list []map[string]string
		for _, m := range p.models() {
			list = append(list, map[string]string{"id": m, "object": "model"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": list})
		return
	}
	var in struct {
		Model    string
		Messages []struct{ Role, Content string }
		Format   struct {
			Schema struct{ Schema json.RawMessage } `json:"json_schema"`
		} `json:"response_format"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	q := question{model: in.Model}
	for _, m := range in.Messages {
		if m.Role == "system" {
			q.system += m.Content
		} else {
			q.text += m.Content + "\n"
		}
	}
	p.mu.Lock()
	p.asked = append(p.asked, q)
	p.mu.Unlock()
	if do := p.manners()[in.Model]; do != nil {
		do(w, r, q, in.Format.Schema.Schema)
		return
	}
	complain(w, http.StatusNotFound, "model not found")
}

// questions are all that it was asked.
func (p *parrot) questions() []question {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// hang says a few words and waits until it is released or the caller is gone.
func (p *parrot) hang(w http.ResponseWriter, r *http.Request, q question, format []byte) {
	p.piece(w, p.says[:60])
	p.mu.Lock()
	p.hanging[q.model]++
	gate := p.gates[q.model]
	p.mu.Unlock()
	select {
	case <-gate:
		p.stream(w, p.structured(q, format))
	case <-r.Context().Done():
	}
	p.mu.Lock()
	p.hanging[q.model]--
	p.mu.Unlock()
}

// hangs reports how many calls of a model are in their middle.
func (p *parrot) hangs(model string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hanging[model]
}

// release lets all calls of a model go on, those that come too.
func (p *parrot) release(model string) { close(p.gates[model]) }

// structured is an answer of the form that is asked for.
func (p *parrot) structured(q question, format []byte) string {
	word := strings.Fields(p.says)
	var v any
	switch f := string(format); {
	case strings.Contains(f, `"findings"`):
		_, part, _ := strings.Cut(q.text, "==========\n")
		part, _, _ = strings.Cut(part, "\n==========")
		quote := strings.Fields(part)
		v = map[string]any{
			"findings":       []any{map[string]any{"text": p.says[:80], "quote": strings.Join(quote[:min(9, len(quote))], " "), "question": 1}},
			"open_questions": []string{word[1]}, "tags": []string{word[2]},
		}
	case strings.Contains(f, `"keep"`):
		v = map[string]any{"keep": []int{1}}
	case strings.Contains(f, `"clusters"`):
		v = map[string]any{"clusters": []any{map[string]any{"id": "1", "severity": "error", "cause": p.says[:80], "suggestion": word[3]}}}
	case strings.Contains(f, `"sections"`):
		v = map[string]any{"title": word[0], "sections": []any{map[string]any{"heading": word[1], "summary": p.says[:80]}}}
	default:
		return p.says
	}
	b, _ := json.Marshal(v) // it always encodes
	return string(b)
}

// stream sends a whole answer in pieces.
func (p *parrot) stream(w http.ResponseWriter, text string) {
	for len(text) > 0 {
		n := min(7, len(text))
		p.piece(w, text[:n])
		text = text[n:]
	}
	fmt.Fprint(w, `data: {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 11, "completion_tokens": 22}}`, "\n\n")
}

func (p *parrot) piece(w http.ResponseWriter, text string) {
	b, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]string{"content": text}}}})
	fmt.Fprintf(w, "data: %s\n\n", b)
	_ = http.NewResponseController(w).Flush()
}

func complain(w http.ResponseWriter, code int, text string) {
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"error": %s}`, object("message", text))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// raw answers with what is no HTTP.
func raw(w http.ResponseWriter, text string) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = c.Write([]byte(text))
	_ = c.Close()
}

// awaitHang waits until a call of the model is in its middle.
func (p *parrot) awaitHang(ctx context.Context, t *testing.T, model string) {
	t.Helper()
	eventually(t, patience, model+" is asked", func() bool { return ctx.Err() != nil || p.hangs(model) > 0 })
}
