//go:build unix

package llm

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
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/testsvc"
	"github.com/runsheet/runsheet/internal/testsvc/gguf"
)

func TestChatCountsAndStreams(t *testing.T) {
	t.Parallel()
	p := both(t, testsvc.Ollama(t))
	for _, server := range []string{"ollama", "openai"} {
		for name, do := range map[string]func(context.Context, Request) (Answer, error){"chat": p.Chat, "generate": p.Generate} {
			r := Request{Server: server, Model: testsvc.OllamaTiny, Messages: []Message{{User, "the robot"}}, MaxTokens: 8, Seed: new(int64(7))}
			var pieces []string
			r.OnToken = func(s string) { pieces = append(pieces, s) }
			a, err := do(t.Context(), r)
			if err != nil {
				t.Fatalf("%s %s: %v", server, name, err)
			}
			if a.Text == "" || strings.Join(pieces, "") != a.Text || len(pieces) < 2 {
				t.Errorf("%s %s: text %q in pieces %q", server, name, a.Text, pieces)
			}
			if a.Prompt == nil || *a.Prompt != 3 || a.Completion == nil || *a.Completion != 8 || a.Stop != StopLength {
				t.Errorf("%s %s: usage %+v, want 3 and 8 tokens", server, name, a.Usage)
			}
			if a.Server != server || a.Model != testsvc.OllamaTiny || a.Total <= 0 || server == "ollama" && (a.Generate <= 0 || a.Load <= 0) {
				t.Errorf("%s %s: usage %+v", server, name, a.Usage)
			}
			again, err := do(t.Context(), r)
			if err != nil || again.Text != a.Text {
				t.Errorf("%s %s: the same seed gives %q after %q, %v", server, name, again.Text, a.Text, err)
			}
		}
	}
}

func TestChatEndsByItself(t *testing.T) {
	t.Parallel()
	s := testsvc.Ollama(t)
	s.Add(t, "json", gguf.Model{Name: "json", Corpus: `{ "title" : "Rain" , "parts" : [ 1 , 2 ] }`, End: 1})
	p := both(t, s)
	for _, server := range []string{"ollama", "openai"} {
		a, err := p.Chat(t.Context(), Request{
			Server: server, Model: "json", Messages: []Message{{User, "write"}}, Temperature: new(0.0), MaxTokens: 100,
			Format: json.RawMessage(`{"type":"object","properties":{"title":{"type":"string"},"parts":{"type":"array","items":{"type":"integer"}}},"required":["title","parts"]}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Title string
			Parts []int
		}
		if err := json.Unmarshal([]byte(a.Text), &got); err != nil || got.Title != "Rain" || len(got.Parts) != 2 || a.Stop != StopNatural {
			t.Errorf("%s: %q, %v, stop %s", server, a.Text, err, a.Stop)
		}
	}
}

func TestMissingModelNamesTheOthers(t *testing.T) {
	t.Parallel()
	p := both(t, testsvc.Ollama(t))
	for _, server := range []string{"ollama", "openai"} {
		r := ask("nope:1b")
		r.Server = server
		a, err := p.Chat(t.Context(), r)
		refuses(t, err, fault.LLMModelMissing, "nope:1b")
		refuses(t, err, fault.LLMModelMissing, "tiny:latest")
		if server == "ollama" {
			refuses(t, err, fault.LLMModelMissing, "ollama pull nope:1b")
		}
		if a.Text != "" || a.Server != server || a.Model != "nope:1b" {
			t.Errorf("answer %+v", a.Usage)
		}
	}
}

func TestCancelMakesTheServerStop(t *testing.T) {
	t.Parallel()
	s := testsvc.OwnOllama(t)
	p := both(t, s)
	gone := errors.New("the caller went")
	for _, server := range []string{"ollama", "openai"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		n := 0
		a, err := p.Chat(ctx, Request{
			Server: server, Model: testsvc.OllamaSlow, Messages: []Message{{User, "the robot"}}, MaxTokens: 100_000,
			OnToken: func(string) {
				if n++; n == 5 {
					cancel(gone)
				}
			},
		})
		if !errors.Is(err, gone) || a.Text != "" {
			t.Fatalf("%s: %v, %d bytes", server, err, len(a.Text))
		}
		// The server does one thing at a time, and the other would take an hour.
		ctx, stop := context.WithTimeout(t.Context(), testTime)
		if _, err := p.Chat(ctx, Request{Server: server, Model: testsvc.OllamaSlow, Messages: []Message{{User, "the"}}, MaxTokens: 1}); err != nil {
			t.Errorf("%s: the next request: %v", server, err)
		}
		stop()
	}
}

func TestFullQueueIsBusy(t *testing.T) {
	t.Parallel()
	s := testsvc.OwnOllama(t, "OLLAMA_MAX_QUEUE=1", "OLLAMA_MAX_LOADED_MODELS=1")
	p := both(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	busy, writing := make(chan error, 8), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		first := sync.OnceFunc(func() { close(writing) })
		r := ask(testsvc.OllamaSlow)
		r.Server, r.MaxTokens, r.OnToken = "ollama", 100_000, func(string) { first() }
		_, _ = p.Chat(ctx, r)
	})
	<-writing
	// The server waits for room to load another model, so that its queue fills.
	for range cap(busy) {
		all.Go(func() {
			r := ask(testsvc.OllamaTiny)
			r.Server, r.MaxTokens = "ollama", 1
			_, err := p.Chat(ctx, r)
			busy <- err
		})
	}
	if f := refusal(t, <-busy, fault.LLMBusy, "busy"); f.RetryAfter <= 0 {
		t.Errorf("retry after %s", f.RetryAfter)
	}
	cancel()
	all.Wait()
}

func TestAbsentServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := testsvc.OwnOllama(t)
	clk := clocktest.New(time.Now())
	p := pool(t, Options{Servers: []Server{{Name: "a", URL: s.URL}}, Clock: clk})
	s.Stop(t)
	done := make(chan error, 1)
	go func() {
		r := ask(testsvc.OllamaTiny)
		r.MaxTokens = 3
		_, err := p.Chat(t.Context(), r)
		done <- err
	}()
	// Only the pause after the first try has a timer for longer than a moment.
	s.Start(t)
	deadline := time.Now().Add(testTime)
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		case <-time.After(5 * time.Millisecond):
			clk.Advance(100 * time.Millisecond)
		}
		if time.Now().After(deadline) {
			t.Fatal("no answer")
		}
	}
}

func TestModelsAndHealth(t *testing.T) {
	t.Parallel()
	s := testsvc.OwnOllama(t)
	s.Alias(t, "same", testsvc.OllamaTiny)
	p := both(t, s)
	if _, err := p.Chat(t.Context(), Request{Model: testsvc.OllamaOther, Messages: []Message{{User, "the"}}, MaxTokens: 1}); err != nil {
		t.Fatal(err)
	}
	models, err := p.Models(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Model{}
	for _, m := range models {
		byName[m.Name] = m
	}
	tiny, same := byName["tiny:latest"], byName["same:latest"]
	if len(models) != 4 || tiny.Digest == "" || tiny.Digest != same.Digest || tiny.SizeBytes < 1<<20 || tiny.Family != "llama" || tiny.Remote {
		t.Errorf("models %+v", models)
	}
	if m, err := p.Show(t.Context(), "ollama", "tiny"); err != nil || m.ContextTokens == nil || *m.ContextTokens != 2048 || m.Digest != tiny.Digest {
		t.Errorf("show: %+v, %v", m, err)
	}
	_, err = p.Show(t.Context(), "openai", "nope")
	refuses(t, err, fault.LLMModelMissing, "same:latest")
	p = both(t, s) // which remembers no finding
	for _, h := range p.Health(t.Context()) {
		if !h.OK || h.Code != "" || h.URL != s.URL || len(h.Models) != 4 || h.Latency <= 0 || h.CheckedAt.IsZero() {
			t.Errorf("health %+v", h)
		}
		if h.Name == "ollama" && (h.Version != "0.17.4" || len(h.Loaded) != 1 || h.Loaded[0].Name != "other:latest" || h.Loaded[0].SizeBytes == 0 || h.Loaded[0].ExpiresAt.IsZero()) {
			t.Errorf("health %+v", h)
		}
	}
	if l, err := p.Loaded(t.Context(), "openai"); l != nil || err != nil {
		t.Errorf("loaded: %+v, %v", l, err)
	}
	s.Stop(t)
	if h := p.Health(t.Context()); !h[0].OK {
		t.Errorf("a fresh finding is not used again: %+v", h)
	}
	if h := both(t, s).Health(t.Context()); h[0].OK || h[0].Code != fault.LLMUnreachable || h[0].Detail == "" {
		t.Errorf("health of a stopped server: %+v", h)
	}
}

func TestChoosesTheServerWithTheModel(t *testing.T) {
	t.Parallel()
	s, mine := testsvc.Ollama(t), testsvc.OwnOllama(t)
	mine.Add(t, "mine", gguf.Model{Name: "mine"})
	var seen []Call
	var mu sync.Mutex
	p := pool(t, Options{
		Servers: []Server{{Name: "a", URL: s.URL}, {Name: "b", URL: mine.URL}},
		Observe: func(c Call) { mu.Lock(); defer mu.Unlock(); seen = append(seen, c) },
	})
	for model, want := range map[string]string{"mine": "b", "mine:latest": "b", testsvc.OllamaTiny: "a"} {
		a, err := p.Chat(t.Context(), Request{Model: model, Messages: []Message{{User, "the"}}, MaxTokens: 1})
		if err != nil || a.Server != want {
			t.Errorf("%s is asked of %q, %v; want %s", model, a.Server, err, want)
		}
	}
	_, err := p.Chat(t.Context(), ask("nowhere"))
	refuses(t, err, fault.LLMModelMissing, "server a has no model nowhere")
	if len(seen) != 4 || seen[3].Err == nil || seen[3].Usage.Server != "a" || seen[0].Took <= 0 {
		t.Errorf("observed %+v", seen)
	}
	_, err = p.Chat(t.Context(), Request{Server: "c", Model: "m", Messages: []Message{{User, "x"}}})
	refuses(t, err, fault.LLMServerUnknown, "a, b")
	if diff := cmp.Diff([]string{"a", "b"}, []string{p.Servers()[0].Name, p.Servers()[1].Name}); diff != "" {
		t.Error(diff)
	}
}
