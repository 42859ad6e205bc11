//go:build unix

package llm

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/testsvc"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

// Canaries that must not come out anywhere but where they are asked for.
const (
	promptCanary = "heron-in-the-prompt"
	answerCanary = "otter-in-the-answer"
)

// testTime ends what hangs.
const testTime = 60 * time.Second

// both returns a pool with the real server under two names, one for each kind.
func both(t *testing.T, s *testsvc.OllamaServer) *Pool {
	t.Helper()
	return pool(t, Options{Servers: []Server{{Name: "ollama", URL: s.URL}, {Name: "openai", Kind: OpenAI, URL: s.URL + "/v1"}}})
}

func pool(t *testing.T, o Options) *Pool {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fake is a server for what a real one cannot be made to do.
type fake struct {
	*Pool
	clk *clocktest.Manual
	srv *httptest.Server
}

func fakeServer(t *testing.T, kind Kind, chat http.HandlerFunc) *fake {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"9.9"}`) })
	mux.HandleFunc("GET /api/tags", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"models":[{"name":"m:latest"},{"name":"far:1b","remote_host":"https://far.example"}]}`)
	})
	mux.HandleFunc("GET /api/ps", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"models":[]}`) })
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":"m"}]}`) })
	for _, path := range []string{"/api/chat", "/api/generate", "/v1/chat/completions"} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			// A server sees that its client has gone only when it has read the body.
			_, _ = io.Copy(io.Discard, r.Body)
			chat(w, r)
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	clk := clocktest.New(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	return &fake{pool(t, Options{Servers: []Server{{Name: "fake", Kind: kind, URL: srv.URL}}, Clock: clk}), clk, srv}
}

// says answers with the same text always.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// ask is a request with a canary in it.
func ask(model string) Request {
	return Request{Model: model, Messages: []Message{{System, "you are " + promptCanary}, {User, "the robot"}}}
}

// passing moves a clock on whenever somebody waits on it, until the test ends.
func passing(t *testing.T, clk *clocktest.Manual, step time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clock.Sleep(ctx, clock.System{}, time.Millisecond) == nil {
			if clk.Timers() > 0 {
				clk.Advance(step)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// refuses checks that err has the code, says what it should, and not what it must
// not.
func refuses(t *testing.T, err error, code fault.Code, say string) {
	t.Helper()
	_ = refusal(t, err, code, say)
}

// refusal is refuses for who wants to look at the fault.
func refusal(t *testing.T, err error, code fault.Code, say string) *fault.Error {
	t.Helper()
	f := fault.From(err)
	if f == nil || f.Code != code || !strings.Contains(f.Detail+" "+f.Hint, say) {
		t.Fatalf("error %v, want %s with %q", err, code, say)
	}
	if all := fmt.Sprintf("%v %+v %#v %s %s", err, err, f, f.Detail, f.Hint); strings.Contains(all, promptCanary) || strings.Contains(all, answerCanary) {
		t.Errorf("the error shows what was said: %s", all)
	}
	return f
}
