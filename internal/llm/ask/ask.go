// Package ask is how job types talk to a language model during one attempt.
//
// An Asker puts the directive's instructions before each question, keeps to its
// limits on tokens, repeats a call that broke for a reason that may pass, and records each
// call, so that a job type only says what it wants:
//
//	a := ask.New(pool, clk, attempt, host, ask.Defaults{Model: p.Model, Seed: p.Seed})
//	answer, err := a.Ask(ctx, ask.Question{Stage: "section", Messages: messages, MaxTokens: 900})
//	if errors.Is(err, ask.ErrLimit) { end with what there is, or return err }
//	if err != nil { return err } // a verdict already
//
// Nothing that is asked or answered is logged or put into an error.
package ask

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// CodeLimit is the failure code of a run that reached a limit of its directive.
const CodeLimit = "directive_limit"

// ErrLimit is in the chain of an error for which nothing more may be asked under
// the directive. The error is a verdict with code directive_limit.
var ErrLimit = errors.New("a limit of the directive is reached")

// afterTime bounds the recording of a call whose attempt was stopped.
const afterTime = 5 * time.Second

// errEndless ends a call to a server that does not keep to MaxTokens: after so many
// bytes what has come is taken for the answer.
var errEndless = errors.New("the answer has no end")

// No tokenizer makes tokens that are longer than this on average.
const (
	tokenBytes = 64
	slackBytes = 4 << 10
)

// Chat asks a model. *llm.Pool is the one of production.
type Chat interface {
	Chat(ctx context.Context, r llm.Request) (llm.Answer, error)
}

// Recorder records calls: a task.Host, or what stands for it where no task asks.
type Recorder interface {
	// Call is durable when it returns.
	Call(ctx context.Context, c run.Call) error
}

// Defaults hold where a question says nothing.
type Defaults struct {
	// Model is required: Model, the function, completes params with it.
	Model string
	// System is the job type's own instruction. The directive's comes before it.
	System string
	// Temperature is what the params say, nil = nothing: then the directive's holds,
	// then Fallback, then the model's own.
	Temperature, Fallback *float64
	// Seed makes answers repeatable; nil = they are not.
	Seed *int64
}

// Question is one question to the model.
type Question struct {
	// Stage names the part of the work in the record of calls: "outline". No text of
	// a user's belongs into it.
	Stage string
	// Messages are the conversation without the system message.
	Messages []llm.Message
	// Format is a JSON Schema that the answer is to follow; nil = text.
	Format json.RawMessage
	// MaxTokens bounds the answer; 0 = only the directive does.
	MaxTokens int
	// Temperature and Seed are those of Defaults if nil.
	Temperature *float64
	Seed        *int64
	// Stop are texts at which the answer ends.
	Stop []string
	// OnToken gets the text as it comes; nil = nobody. A call that is repeated begins
	// anew.
	OnToken func(text string)
	// Shown says that what OnToken gets reaches a person: then a call is not repeated
	// once it has got something.
	Shown bool
}

// Spent is what an Asker has cost so far.
type Spent struct {
	// Calls counts those that were made, with repetitions and failures.
	Calls int
	// Tokens of prompts and completions; where a server does not count, they are
	// estimated from the text. For limits and speed only: what is recorded is what
	// servers say.
	Prompt, Completion int64
	// Writing is how long models took for the completions.
	Writing time.Duration
}

// Asker asks for one attempt. It is safe for concurrent use; with calls at the
// same time a limit on tokens can be passed by what they make together.
type Asker struct {
	chat Chat
	clk  clock.Clock
	host Recorder
	d    directive.Content
	o    Defaults

	mu    sync.Mutex
	spent Spent
}

// New returns the asker of an attempt. The directive's limit on time is the queue's to
// keep: it ends the attempt.
func New(chat Chat, clk clock.Clock, a task.Attempt, h Recorder, o Defaults) *Asker {
	k := &Asker{chat: chat, clk: clk, host: h, o: o}
	if a.Directive != nil {
		k.d = a.Directive.Content
	}
	return k
}

// Model is the model that is asked.
func (k *Asker) Model() string { return k.o.Model }

// ContextTokens is the room for a question and its answer that the directive
// sets; 0 = the server's own, which is often 2048 or 4096.
func (k *Asker) ContextTokens() int { return k.d.ContextTokens }

// Spent is what was spent so far.
func (k *Asker) Spent() Spent {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.spent
}

// Ask asks and records each call that it made. The error is a verdict of package
// task, with ErrLimit in its chain where the directive forbids more, or the cause
// for which ctx ended. No error has any text of the question or the answer.
func (k *Asker) Ask(ctx context.Context, q Question) (llm.Answer, error) {
	for try := 1; ; try++ {
		shown := false
		answer, err := k.once(ctx, q, func() { shown = true })
		if err == nil {
			return answer, nil
		}
		if _, ended := errors.AsType[*task.Verdict](err); ended {
			return llm.Answer{}, err
		}
		if ctx.Err() != nil {
			return llm.Answer{}, context.Cause(ctx)
		}
		wait, passes := again(err, try)
		if !passes || q.Shown && shown {
			return llm.Answer{}, verdict(err)
		}
		if clock.Sleep(ctx, k.clk, wait) != nil {
			return llm.Answer{}, context.Cause(ctx)
		}
	}
}

// once makes one call and records it.
func (k *Asker) once(ctx context.Context, q Question, got func()) (llm.Answer, error) {
	r, err := k.request(q)
	if err != nil {
		return llm.Answer{}, err
	}
	bounded, stop := context.WithCancelCause(ctx)
	var heard heard
	r.OnToken = func(text string) {
		if heard.note(text, k.clk.Now()); r.MaxTokens > 0 && heard.text.Len() > tokenBytes*r.MaxTokens+slackBytes {
			stop(errEndless)
			return
		}
		if q.OnToken != nil {
			got()
			q.OnToken(text)
		}
	}
	start := k.clk.Now()
	answer, err := k.chat.Chat(bounded, r)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(bounded), errEndless) {
		answer.Text, answer.Stop, err = heard.text.String(), llm.StopLength, nil
	}
	stop(nil)
	k.add(r, answer, err, &heard)
	if recorded := k.record(ctx, q, r, answer, err, start); recorded != nil {
		// A call that nobody counts must not lead to more of them.
		return llm.Answer{}, recorded
	}
	return answer, err
}

// request is what is sent, or an error that ErrLimit is in.
func (k *Asker) request(q Question) (llm.Request, error) {
	r := llm.Request{
		Server: k.d.Server, Model: k.o.Model, Format: q.Format, MaxTokens: q.MaxTokens, Stop: q.Stop,
		ContextTokens: k.d.ContextTokens, Seed: q.Seed, Temperature: q.Temperature,
	}
	for _, t := range []*float64{k.o.Temperature, k.d.Temperature, k.o.Fallback} {
		if r.Temperature == nil {
			r.Temperature = t
		}
	}
	if r.Seed == nil {
		r.Seed = k.o.Seed
	}
	if system := join(k.d.System, k.o.System); system != "" {
		r.Messages = append(r.Messages, llm.Message{Role: llm.System, Content: system})
	}
	r.Messages = append(r.Messages, q.Messages...)
	if n := k.d.Limits.CallTokens; n > 0 && (r.MaxTokens == 0 || n < int64(r.MaxTokens)) {
		r.MaxTokens = int(n)
	}
	if limit := k.d.Limits.Tokens; limit > 0 {
		s := k.Spent()
		left := limit - s.Prompt - s.Completion - promptEstimate(r)
		if left <= 0 {
			return r, overLimit()
		}
		if r.MaxTokens == 0 || left < int64(r.MaxTokens) {
			r.MaxTokens = int(left)
		}
	}
	return r, nil
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n\n" + b
}

func overLimit() error { return task.Fatal(CodeLimit, ErrLimit) }

// heard is what came of an answer, counted.
type heard struct {
	text        strings.Builder
	pieces      int64
	first, last time.Time
}

func (h *heard) note(text string, at time.Time) {
	if text == "" {
		return
	}
	h.text.WriteString(text)
	if h.pieces++; h.first.IsZero() {
		h.first = at
	}
	h.last = at
}

// add counts a call.
func (k *Asker) add(r llm.Request, a llm.Answer, err error, h *heard) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spent.Calls++
	if err != nil && h.pieces == 0 {
		return // the server did nothing, as far as anybody knows
	}
	prompt, completion := promptEstimate(r), max(h.pieces, Estimate(a.Text))
	if a.Prompt != nil {
		prompt = *a.Prompt
	}
	if a.Completion != nil {
		completion = *a.Completion
	}
	took := a.Generate
	if took <= 0 {
		took = h.last.Sub(h.first)
	}
	k.spent.Prompt += prompt
	k.spent.Completion += completion
	k.spent.Writing += took
}

// record hands the call to the host.
func (k *Asker) record(ctx context.Context, q Question, r llm.Request, a llm.Answer, err error, start time.Time) error {
	c := run.Call{
		Server: a.Server, Model: r.Model, Stage: q.Stage, Outcome: outcome(ctx, err),
		Prompt: a.Prompt, Completion: a.Completion, StartedAt: start,
		Load: a.Load, Reading: a.PromptTime, Writing: a.Generate, Total: a.Total,
	}
	if c.Server == "" {
		c.Server = r.Server
	}
	if c.Total == 0 {
		c.Total = k.clk.Now().Sub(start)
	}
	if err != nil && untouched(err) {
		zero := int64(0)
		c.Prompt, c.Completion = &zero, &zero
	}
	// What was spent is recorded even if the attempt has just been stopped.
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterTime)
	if ctx.Err() == nil {
		cancel()
		rctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	if err := k.host.Call(rctx, c); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// untouched reports whether a call failed before any model worked for it.
func untouched(err error) bool {
	return slices.Contains([]fault.Code{
		fault.LLMServerUnknown, fault.LLMRefusedRemote, fault.LLMUnreachable, fault.LLMBusy,
		fault.LLMModelMissing, fault.LLMRequestRefused, fault.InvalidInput,
	}, fault.From(err).Code)
}

// outcome is the word for how a call ended.
func outcome(ctx context.Context, err error) string {
	if err == nil {
		return run.CallOK
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return string(f.Code)
	}
	if v, ok := errors.AsType[*task.Verdict](err); ok {
		return v.Code
	}
	for _, c := range []struct {
		cause error
		word  string
	}{{task.ErrCancelled, "cancelled"}, {task.ErrTimeout, "timeout"}, {task.ErrShutdown, "interrupted"}, {task.ErrLeaseLost, "interrupted"}} {
		if errors.Is(context.Cause(ctx), c.cause) {
			return c.word
		}
	}
	return string(fault.InternalError)
}

// Estimate guesses how many tokens a text has: about four letters of an alphabet
// to a token, one Chinese, Japanese or Korean character to one.
func Estimate(text string) int64 {
	var narrow, wide int64
	for _, r := range text {
		if r < 0x1100 {
			narrow++
		} else {
			wide++
		}
	}
	return wide + (narrow+3)/4
}

func promptEstimate(r llm.Request) int64 {
	var n int64
	for _, m := range r.Messages {
		n += Estimate(m.Content) + 4 // and the marks of a turn
	}
	return n
}

// Cut shortens a text to at most max bytes, at the end of a character.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[:max(limit, 0)]
	for len(s) > 0 {
		if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}
