package ask_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// canary stands for what nobody may see.
const canary = "CANARY-7f3a"

// model answers by a function and remembers what it was asked.
type model struct {
	answer func(ctx context.Context, n int, r llm.Request) (llm.Answer, error)

	mu    sync.Mutex
	asked []llm.Request
}

func (m *model) Chat(ctx context.Context, r llm.Request) (llm.Answer, error) {
	m.mu.Lock()
	m.asked = append(m.asked, r)
	n := len(m.asked)
	m.mu.Unlock()
	return m.answer(ctx, n, r)
}

func says(texts ...string) *model {
	return &model{answer: func(_ context.Context, n int, r llm.Request) (llm.Answer, error) {
		text := texts[min(n, len(texts))-1]
		r.OnToken(text)
		return llm.Answer{Text: text, Usage: usage(10, 5)}, nil
	}}
}

func breaks(times int, err error) *model {
	return &model{answer: func(_ context.Context, n int, _ llm.Request) (llm.Answer, error) {
		if n <= times {
			return llm.Answer{Usage: llm.Usage{Server: "default"}}, err
		}
		return llm.Answer{Text: "yes", Usage: usage(10, 5)}, nil
	}}
}

func usage(prompt, completion int64) llm.Usage {
	return llm.Usage{
		Prompt: &prompt, Completion: &completion, Server: "default", Model: "tiny",
		Generate: time.Second, Total: 2 * time.Second, Stop: llm.StopNatural,
	}
}

type bundle struct {
	*ask.Asker
	clk  *clocktest.Manual
	host *tasktest.Host
}

func setup(m *model, d *directive.Content, o ask.Defaults) bundle {
	b := bundle{clk: clocktest.New(noon), host: &tasktest.Host{}}
	o.Model = "tiny"
	var a task.Attempt
	if d != nil {
		a.Directive = &directive.Snapshot{Name: "d", Version: 3, Content: *d}
	}
	b.Asker = ask.New(m, b.clk, a, b.host, o)
	return b
}

func question(text string) ask.Question {
	return ask.Question{Stage: "section", Messages: []llm.Message{{Role: llm.User, Content: text}}}
}

// move lets the clock run whenever somebody waits for it, until the test ends.
func (b bundle) move(t *testing.T, step time.Duration) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		poll := time.NewTicker(time.Millisecond)
		defer poll.Stop()
		for {
			select {
			case <-stop:
				return
			case <-poll.C:
				if b.clk.Timers() > 0 {
					b.clk.Advance(step)
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

func TestAQuestionIsAskedUnderItsDirectiveAndRecorded(t *testing.T) {
	t.Parallel()
	hot, cold, seed := 0.9, 0.1, int64(7)
	m := says("hello")
	b := setup(m, &directive.Content{System: "Be kind.", Server: "big", Temperature: &cold, ContextTokens: 4096},
		ask.Defaults{System: "You write.", Temperature: &hot, Seed: &seed})
	var streamed string
	q := question("hi")
	q.OnToken = func(s string) { streamed += s }
	a, err := b.Ask(t.Context(), q)
	if err != nil || a.Text != "hello" || streamed != "hello" {
		t.Fatalf("%q, streamed %q, %v", a.Text, streamed, err)
	}
	got := m.asked[0]
	want := []llm.Message{{Role: llm.System, Content: "Be kind.\n\nYou write."}, {Role: llm.User, Content: "hi"}}
	if diff := cmp.Diff(want, got.Messages); diff != "" {
		t.Error(diff)
	}
	if got.Server != "big" || got.Model != "tiny" || *got.Temperature != hot || *got.Seed != 7 || got.ContextTokens != 4096 {
		t.Errorf("asked %+v", got)
	}
	ten, five := int64(10), int64(5)
	wantCalls := []run.Call{{
		Server: "default", Model: "tiny", Stage: "section", Outcome: "ok", Prompt: &ten, Completion: &five,
		StartedAt: noon, Writing: time.Second, Total: 2 * time.Second,
	}}
	if diff := cmp.Diff(wantCalls, b.host.Calls()); diff != "" {
		t.Error(diff)
	}
	if s := b.Spent(); s != (ask.Spent{Calls: 1, Prompt: 10, Completion: 5, Writing: time.Second}) {
		t.Errorf("spent %+v", s)
	}
}

func TestTemperatureOfTheDirectiveHoldsWhereParamsSayNothing(t *testing.T) {
	t.Parallel()
	cold, warm := 0.0, 0.8
	for _, c := range []struct {
		d    *directive.Content
		want float64
	}{{&directive.Content{Temperature: &cold}, 0}, {nil, 0.8}} {
		m := says("x")
		b := setup(m, c.d, ask.Defaults{Fallback: &warm})
		if _, err := b.Ask(t.Context(), question("hi")); err != nil {
			t.Fatal(err)
		}
		if got := m.asked[0].Temperature; got == nil || *got != c.want {
			t.Errorf("temperature %v, want %v", got, c.want)
		}
	}
}

func TestWhatMayPassIsRepeatedAndWhatDoesNotIsFinal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		err   error
		times int
		calls int
		code  string
		final bool
		after time.Duration
	}{
		{"breaks once", fault.New(fault.LLMBrokenStream, ""), 1, 2, "", false, 0},
		{"breaks twice", fault.New(fault.LLMBrokenStream, ""), 2, 3, "", false, 0},
		{"always breaks", fault.New(fault.LLMBrokenStream, ""), 9, 3, "llm_broken_stream", false, 15 * time.Second},
		{"busy, come back in a minute", fault.New(fault.LLMBusy, "").WithRetryAfter(time.Minute), 9, 1, "llm_busy", false, time.Minute},
		{"too slow", fault.New(fault.LLMTimeout, ""), 9, 1, "llm_timeout", false, 15 * time.Second},
		{"no such model", fault.New(fault.LLMModelMissing, "no model tiny"), 9, 1, "llm_model_missing", true, 0},
		{"refused", fault.New(fault.LLMRequestRefused, ""), 9, 1, "llm_request_refused", true, 0},
		{"a plain error", errors.New("saw " + canary), 9, 1, "internal_error", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := breaks(c.times, c.err)
			b := setup(m, nil, ask.Defaults{})
			b.move(t, time.Second)
			_, err := b.Ask(t.Context(), question("hi"))
			if len(m.asked) != c.calls || len(b.host.Calls()) != c.calls {
				t.Errorf("%d calls, %d recorded, want %d", len(m.asked), len(b.host.Calls()), c.calls)
			}
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			v, ok := errors.AsType[*task.Verdict](err)
			if !ok || v.Code != c.code || v.Final != c.final || v.After != c.after {
				t.Errorf("%+v", v)
			}
			if err.Error() == "" || strings.Contains(err.Error(), canary) {
				t.Errorf("the message is %q", err)
			}
			if call := b.host.Calls()[0]; call.Outcome != c.code {
				t.Errorf("recorded as %q", call.Outcome)
			}
		})
	}
}

func TestACallThatReachedNoModelHasZerosAndOneThatBrokeHasUnknowns(t *testing.T) {
	t.Parallel()
	for code, known := range map[fault.Code]bool{fault.LLMModelMissing: true, fault.LLMTimeout: false} {
		b := setup(breaks(9, fault.New(code, "")), nil, ask.Defaults{})
		if _, err := b.Ask(t.Context(), question("hi")); err == nil {
			t.Fatal("no error")
		}
		c := b.host.Calls()[0]
		if (c.Prompt != nil) != known || (c.Completion != nil) != known {
			t.Errorf("%s: counts %v %v", code, c.Prompt, c.Completion)
		}
	}
}

func TestWhatAPersonHasSeenIsNotRepeated(t *testing.T) {
	t.Parallel()
	m := &model{answer: func(_ context.Context, _ int, r llm.Request) (llm.Answer, error) {
		r.OnToken("half")
		return llm.Answer{}, fault.New(fault.LLMBrokenStream, "")
	}}
	b := setup(m, nil, ask.Defaults{})
	q := question("hi")
	q.OnToken, q.Shown = func(string) {}, true
	if _, err := b.Ask(t.Context(), q); task.VerdictOf(err).Code != "llm_broken_stream" || len(m.asked) != 1 {
		t.Errorf("%v after %d calls", err, len(m.asked))
	}
}

func TestTheEndOfTheAttemptEndsACallAndItIsStillRecorded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	m := &model{answer: func(ctx context.Context, _ int, _ llm.Request) (llm.Answer, error) {
		cancel(task.ErrCancelled)
		return llm.Answer{}, context.Cause(ctx)
	}}
	b := setup(m, nil, ask.Defaults{})
	if _, err := b.Ask(ctx, question("hi")); !errors.Is(err, task.ErrCancelled) {
		t.Errorf("%v", err)
	}
	if c := b.host.Calls(); len(c) != 1 || c[0].Outcome != "cancelled" {
		t.Errorf("recorded %+v", c)
	}
}

func TestLimitsOfTheDirective(t *testing.T) {
	t.Parallel()
	m := says("x")
	b := setup(m, &directive.Content{Limits: directive.Limits{Tokens: 40, CallTokens: 20}}, ask.Defaults{})
	q := question("hi") // about 5 tokens
	q.MaxTokens = 500
	for range 2 { // 15 each
		if _, err := b.Ask(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if got := []int{m.asked[0].MaxTokens, m.asked[1].MaxTokens}; got[0] != 20 || got[1] != 20 {
		t.Errorf("bounds %v", got)
	}
	if _, err := b.Ask(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	if got := m.asked[2].MaxTokens; got != 5 { // 40 - 2*15 - 5
		t.Errorf("the third call may make %d tokens", got)
	}
	_, err := b.Ask(t.Context(), q)
	if !ask.Limited(err) || task.VerdictOf(err).Code != ask.CodeLimit || !task.VerdictOf(err).Final || len(m.asked) != 3 {
		t.Errorf("%v after %d calls", err, len(m.asked))
	}
}

func TestUnknownCountsStillUseUpALimit(t *testing.T) {
	t.Parallel()
	m := &model{answer: func(context.Context, int, llm.Request) (llm.Answer, error) {
		return llm.Answer{Text: strings.Repeat("word ", 40)}, nil
	}}
	b := setup(m, &directive.Content{Limits: directive.Limits{Tokens: 60}}, ask.Defaults{})
	if _, err := b.Ask(t.Context(), question("hi")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ask(t.Context(), question("hi")); !ask.Limited(err) {
		t.Errorf("%v", err)
	}
	if c := b.host.Calls()[0]; c.Prompt != nil || c.Completion != nil {
		t.Error("an estimate was recorded as a count")
	}
}

func TestAnAnswerWithoutAnEndIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	m := &model{answer: func(ctx context.Context, _ int, r llm.Request) (llm.Answer, error) {
		for ctx.Err() == nil {
			r.OnToken("and on ")
		}
		return llm.Answer{Usage: llm.Usage{Server: "default"}}, context.Cause(ctx)
	}}
	b := setup(m, nil, ask.Defaults{})
	q := question("hi")
	q.MaxTokens = 10
	a, err := b.Ask(t.Context(), q)
	if err != nil || a.Stop != llm.StopLength || len(a.Text) < 640 || len(a.Text) > 8<<10 {
		t.Fatalf("%d bytes, %v", len(a.Text), err)
	}
	if c := b.host.Calls(); len(c) != 1 || c[0].Outcome != run.CallOK || c[0].Completion != nil {
		t.Errorf("recorded %+v", c)
	}
}

func TestStructuredAnswersAreFoundRepairedOnceOrGivenUp(t *testing.T) {
	t.Parallel()
	good := `{"title":"A"}`
	for _, c := range []struct {
		name    string
		answers []string
		calls   int
		want    error
	}{
		{"plain", []string{good}, 1, nil},
		{"fenced, after thoughts", []string{"<think>{\"x\":1}</think>Sure!\n```json\n" + good + "\n```\nDone."}, 1, nil},
		{"in prose", []string{"Here it is: " + good + " - enjoy"}, 1, nil},
		{"repaired", []string{"no idea", good}, 2, nil},
		{"refused by decode, repaired", []string{`{"title":""}`, good}, 2, nil},
		{"empty", []string{"", ""}, 2, ask.ErrUnusable},
		{"garbage", []string{"}{", "]["}, 2, ask.ErrUnusable},
		{"cut off", []string{`{"title":"A`, `{"title":`}, 2, ask.ErrUnusable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := says(c.answers...)
			b := setup(m, nil, ask.Defaults{})
			q := question("outline")
			q.Format = json.RawMessage(`{"type":"object"}`)
			var got struct{ Title string }
			err := b.Structured(t.Context(), q, func(raw []byte) error {
				got.Title = ""
				if err := json.Unmarshal(raw, &got); err != nil {
					return err
				}
				if got.Title == "" {
					return errors.New("title is empty")
				}
				return nil
			})
			if !errors.Is(err, c.want) || len(m.asked) != c.calls {
				t.Fatalf("%v after %d calls", err, len(m.asked))
			}
			if err == nil && got.Title != "A" {
				t.Errorf("title %q", got.Title)
			}
			if c.calls == 2 {
				if msgs := m.asked[1].Messages; len(msgs) != 3 || msgs[1].Role != llm.Assistant || msgs[1].Content == "" {
					t.Errorf("repair has %d messages", len(msgs))
				}
			}
		})
	}
}

func TestModelComesFromParamsThenDirectiveThenServer(t *testing.T) {
	t.Parallel()
	d := &directive.Snapshot{Content: directive.Content{Model: "of-directive"}}
	for _, c := range []struct {
		params    string
		d         *directive.Snapshot
		byDefault string
		want      string
	}{
		{`{"model":"mine","topic":"x"}`, d, "srv", `{"model":"mine","topic":"x"}`},
		{`{"topic":"x"}`, d, "srv", `{"model":"of-directive","topic":"x"}`},
		{`{"topic":"x","model":""}`, &directive.Snapshot{}, "srv", `{"model":"srv","topic":"x"}`},
		{``, nil, "srv", `{"model":"srv"}`},
	} {
		got, err := ask.Model(json.RawMessage(c.params), c.d, c.byDefault)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s %v", c.params, got, err)
		}
	}
	_, err := ask.Model(json.RawMessage(`{}`), nil, "")
	f := fault.From(err)
	if f.Code != fault.InvalidInput || len(f.Fields) != 1 || f.Fields[0].Pointer != "/model" || f.Hint == "" {
		t.Errorf("%+v", f)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	gpu := func(string) []string { return []string{"gpu:0", "gpu:0"} }
	if got := ask.Locks(json.RawMessage(`{"model":"qwen3:30b"}`), gpu); !cmp.Equal(got, []string{"gpu:0", "model:qwen3:30b"}) {
		t.Error(got)
	}
	if got := ask.Locks(json.RawMessage(`{}`), gpu); got != nil {
		t.Error(got)
	}
}

func TestCutKeepsCharactersWhole(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"abc": "abc", "한국어": "한", "aaaaé": "aaaa"} {
		if got := ask.Cut(in, 5); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
