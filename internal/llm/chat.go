package llm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
)

// When a server that is busy or starting is asked again.
const (
	maxTries          = 3
	firstPause        = 500 * time.Millisecond // the second is three times as long
	defaultRetryAfter = 5 * time.Second
	maxRetryAfter     = 5 * time.Minute
)

// maxModel bounds the name of a model.
const maxModel = 256

// Chat asks a model and returns its whole answer. On an error the answer has no
// text, only the server, the model and the time.
//
// A server that cannot be reached or is busy is asked up to three times within
// about two seconds, because it may be starting. After it took the request
// nothing is repeated. When ctx ends, the connection is closed, so that the
// server stops, and the error is the cause.
func (p *Pool) Chat(ctx context.Context, r Request) (Answer, error) { return p.call(ctx, r, false) }

// Generate is Chat through Ollama's /api/generate: system messages become the
// system text, the others one prompt. Servers of kind OpenAI are asked as by Chat.
func (p *Pool) Generate(ctx context.Context, r Request) (Answer, error) { return p.call(ctx, r, true) }

func (p *Pool) call(ctx context.Context, r Request, plain bool) (a Answer, err error) {
	begun := p.clk.Now()
	who := Usage{Server: r.Server, Model: r.Model}
	defer func() {
		who.Total = p.clk.Now().Sub(begun)
		if err != nil {
			a = Answer{Usage: who}
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
		}
		a.Server, a.Model, a.Total = who.Server, who.Model, who.Total
		p.observe(Call{Err: err, Usage: a.Usage, Took: who.Total})
	}()
	if err := r.check(); err != nil {
		return a, err
	}
	s, err := p.choose(ctx, r)
	if err != nil {
		return a, err
	}
	who.Server = s.Name
	pause := firstPause
	for try := 1; ; try++ {
		if err = p.refuseRemote(ctx, s, r.Model); err == nil {
			a, err = p.once(ctx, s, r, plain)
		}
		if try == maxTries || !fault.Is(err, fault.LLMUnreachable) && !fault.Is(err, fault.LLMBusy) {
			return a, err
		}
		if clock.Sleep(ctx, p.clk, pause) != nil {
			return a, err
		}
		pause *= 3
	}
}

// check refuses what no server could make sense of.
func (r Request) check() error {
	bad := fault.New(fault.InvalidInput, "the request to a model is not valid")
	if r.Model == "" || len(r.Model) > maxModel || strings.ContainsFunc(r.Model, func(c rune) bool { return c <= ' ' || !unicode.IsPrint(c) }) {
		return bad.At("/model", "bad_model", "must be the name of a model")
	}
	if len(r.Messages) == 0 {
		return bad.At("/messages", "empty", "must have at least one message")
	}
	for _, m := range r.Messages {
		if m.Role != System && m.Role != User && m.Role != Assistant {
			return bad.At("/messages", "bad_role", "must have the roles system, user and assistant only")
		}
	}
	if len(r.Format) > 0 && !json.Valid(r.Format) {
		return bad.At("/format", "bad_format", "must be a JSON Schema or \"json\"")
	}
	if r.MaxTokens < 0 || r.ContextTokens < 0 {
		return bad.At("/max_tokens", "negative", "must not be negative")
	}
	return nil
}

// dialect is one way of asking and of reading the answer. It lives for one request.
type dialect interface {
	// path is where the body goes.
	path() string
	// body is the request on the wire.
	body() any
	// read takes a line of the stream and returns the text in it. What else it says goes
	// into u. over: the answer is whole, nothing need be read any more.
	read(line []byte, u *Usage) (text string, over bool, err error)
	// whole reports whether the answer is whole if the stream ends now.
	whole() bool
}

func (s *server) dialect(r Request, plain bool) dialect {
	switch {
	case s.Kind == OpenAI:
		return &openAIChat{s: s, r: r}
	case plain:
		return &ollamaGenerate{ollamaChat{s: s, r: r}}
	}
	return &ollamaChat{s: s, r: r}
}

// once asks once.
func (p *Pool) once(ctx context.Context, s *server, r Request, plain bool) (Answer, error) {
	d := s.dialect(r, plain)
	body, err := json.Marshal(d.body())
	if err != nil { // its text could quote the request
		return Answer{}, fault.New(fault.InvalidInput, "the request to a model cannot be encoded")
	}
	w := p.watch(ctx, s, p.times.FirstToken)
	defer w.stop()
	resp, err := s.send(w.ctx, http.MethodPost, d.path(), body)
	if err != nil {
		return Answer{}, err
	}
	// Closing breaks the connection off, which is how a server learns to stop.
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Answer{}, p.refusal(w.ctx, s, r.Model, resp)
	}
	var a Answer
	text := sink{r: r}
	lines := newLines(resp.Body)
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF) && d.whole():
			a.Text = text.end()
			return a, nil
		case errors.Is(err, io.EOF):
			return a, fault.Newf(fault.LLMBrokenStream, "LLM server %s ended the answer in the middle", s.Name)
		case errors.Is(err, errLine):
			return a, fault.Newf(fault.LLMBadAnswer, "LLM server %s sends lines of more than %d bytes", s.Name, maxLine)
		case err != nil:
			return a, s.explain(err)
		}
		piece, over, err := d.read(line, &a.Usage)
		if err != nil {
			return a, p.advise(w.ctx, s, r.Model, err)
		}
		if len(line) > 0 {
			w.beat(p.times.Idle)
		}
		if err := text.add(s, piece); err != nil {
			return a, err
		}
		if over {
			a.Text = text.end()
			return a, nil
		}
	}
}
