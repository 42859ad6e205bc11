//go:build unix

package llm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
)

// line is a line of Ollama's stream with a piece of text.
func line(text string) string {
	return fmt.Sprintf(`{"message":{"content":%q},"done":false}`+"\n", text)
}

// event is an event of OpenAI's stream with a piece of text.
func event(text string) string {
	return fmt.Sprintf(`data: {"choices":[{"delta":{"content":%q},"finish_reason":null}]}`+"\n\n", text)
}

const (
	done    = `{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":2,"eval_count":3,"context":[1,2,3]}` + "\n"
	stopped = `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind Kind
		body string
		text string
		want string // prompt, completion, stop
	}{
		"ollama":                 {Ollama, line("a") + "\n" + line("b") + done, "ab", "2 3 stop"},
		"ollama without counts":  {Ollama, line("a") + `{"done":true,"done_reason":"length"}`, "a", "? ? length"},
		"ollama negative counts": {Ollama, `{"done":true,"prompt_eval_count":-1,"eval_count":0}`, "", "? 0 stop"},
		"more after the end":     {Ollama, line("a") + done + "rubbish", "a", "2 3 stop"},
		"thoughts":               {Ollama, line("\n<th") + line("ink>"+promptCanary+"</thi") + line("nk>\n") + line("\n a b") + done, "a b", "2 3 stop"},
		"almost thoughts":        {Ollama, line("<t") + line("h>") + done, "<th>", "2 3 stop"},
		"begun thoughts":         {Ollama, line("<thin") + done, "<thin", "2 3 stop"},
		"nothing but thoughts":   {Ollama, line("<think>x</think>") + done, "", "2 3 stop"},
		"later mark":             {Ollama, line("a <think> b") + done, "a <think> b", "2 3 stop"},
		"openai": {
			OpenAI, ": ping\n\n" + event("a") + event("b") + stopped + `data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":5}}` + "\n\ndata: [DONE]\n\n",
			"ab", "4 5 stop",
		},
		"openai without the end mark": {OpenAI, event("a") + stopped, "a", "? ? stop"},
		"openai with timings":         {OpenAI, event("a") + `data:{"choices":[{"finish_reason":"length"}],"timings":{"prompt_ms":5}}` + "\n\n", "a", "? ? length"},
	} {
		f := fakeServer(t, c.kind, says(http.StatusOK, c.body))
		r := ask("m")
		told := ""
		r.OnToken = func(s string) { told += s }
		a, err := f.Chat(t.Context(), r)
		number := func(n *int64) string {
			if n == nil {
				return "?"
			}
			return fmt.Sprint(*n)
		}
		got := number(a.Prompt) + " " + number(a.Completion) + " " + a.Stop
		if err != nil || a.Text != c.text || got != c.want || told != c.text && name != "begun thoughts" {
			t.Errorf("%s: %v, %q, told %q, %s; want %q, %s", name, err, a.Text, told, got, c.text, c.want)
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	quote := strings.ReplaceAll(`{"error":"Q"}`, "Q", promptCanary+" and "+answerCanary)
	for name, c := range map[string]struct {
		kind   Kind
		status int
		body   string
		code   fault.Code
		say    string
	}{
		"no end":                {Ollama, 200, line(answerCanary), fault.LLMBrokenStream, "in the middle"},
		"openai no end":         {OpenAI, 200, event(answerCanary), fault.LLMBrokenStream, "in the middle"},
		"empty":                 {Ollama, 200, "", fault.LLMBrokenStream, ""},
		"half a line":           {Ollama, 200, line("a") + `{"message":{"content":"` + answerCanary, fault.LLMBadAnswer, ""},
		"wrong type":            {Ollama, 200, `{"message":"` + answerCanary + `"}`, fault.LLMBadAnswer, ""},
		"a page":                {Ollama, 200, "<html>" + promptCanary, fault.LLMBadAnswer, ""},
		"a page for openai":     {OpenAI, 200, "<html>" + promptCanary, fault.LLMBrokenStream, ""},
		"error in the middle":   {Ollama, 200, line(answerCanary) + quote, fault.LLMServerFailed, "with an error"},
		"openai error":          {OpenAI, 200, event("a") + "data: " + quote, fault.LLMServerFailed, ""},
		"openai nested error":   {OpenAI, 200, `{"error":{"message":"` + promptCanary + `"}}`, fault.LLMServerFailed, ""},
		"no memory":             {Ollama, 500, `{"error":"model requires more system memory (9 GiB) than ` + promptCanary + `"}`, fault.LLMServerFailed, "memory"},
		"failure":               {Ollama, 500, quote, fault.LLMServerFailed, "500 Internal Server Error"},
		"bad request":           {Ollama, 400, quote, fault.LLMRequestRefused, "400 Bad Request"},
		"too long":              {OpenAI, 400, `{"error":{"message":"` + promptCanary + ` exceeds the context size"}}`, fault.LLMRequestRefused, "longer than the context"},
		"no such model":         {OpenAI, 404, `{"error":{"message":"The model does not exist: ` + promptCanary + `"}}`, fault.LLMModelMissing, "There are: m."},
		"no such path":          {Ollama, 404, "404 page not found", fault.LLMRequestRefused, "kind"},
		"quoted in bad request": {Ollama, 400, `{"error":"model not found ` + promptCanary + `"}`, fault.LLMRequestRefused, "400"},
		"a key is wanted":       {OpenAI, 401, quote, fault.LLMRequestRefused, "key"},
		"redirect":              {OpenAI, 302, "", fault.LLMRequestRefused, "URL"},
		"busy":                  {Ollama, 503, quote, fault.LLMBusy, "503"},
		"too many":              {OpenAI, 429, quote, fault.LLMBusy, "429"},
		"endless":               {Ollama, 200, strings.Repeat(line("a"), 4*3+1025), fault.LLMBadAnswer, "3 tokens"},
		"endless line":          {Ollama, 200, `{"x":"` + strings.Repeat(answerCanary, maxLine/len(answerCanary)+1) + `"}`, fault.LLMBadAnswer, "lines"},
		"endless text":          {Ollama, 200, strings.Repeat(line(strings.Repeat("a", 1<<20)), 17), fault.LLMBadAnswer, "more than"},
	} {
		f := fakeServer(t, c.kind, says(c.status, c.body))
		if c.code == fault.LLMBusy { // only pauses may be short: a slow machine must not look like a silent server
			passing(t, f.clk, 100*time.Millisecond)
		}
		r := ask("m")
		r.MaxTokens = 3
		a, err := f.Chat(t.Context(), r)
		if fault.From(err) == nil || a.Text != "" {
			t.Errorf("%s: %v, %d bytes of text", name, err, len(a.Text))
			continue
		}
		t.Run(name, func(t *testing.T) { refuses(t, err, c.code, c.say) })
	}
}

func TestBusyServerIsAskedThreeTimes(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	f := fakeServer(t, Ollama, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 3 {
			fmt.Fprint(w, line("a")+done)
			return
		}
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	passing(t, f.clk, 100*time.Millisecond)
	if a, err := f.Chat(t.Context(), ask("m")); err != nil || a.Text != "a" || a.Total < time.Second {
		t.Errorf("%v after %d tries, %s", err, n.Load(), a.Total)
	}
	n.Store(3)
	_, err := f.Chat(t.Context(), ask("m"))
	if f := refusal(t, err, fault.LLMBusy, ""); n.Load() != 6 || f.RetryAfter != 90*time.Second {
		t.Errorf("%d tries, retry after %s", n.Load()-3, f.RetryAfter)
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before string
		step   time.Duration // small where the beginning has to come before its time is over
		want   string
	}{
		"at first":      {"", time.Second, "sent nothing for 10m0s"},
		"in the middle": {line(answerCanary), 50 * time.Millisecond, "fell silent in the middle of the answer for 2m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := make(chan struct{})
			f := fakeServer(t, Ollama, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, c.before)
				if c.before != "" {
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done() // the connection was closed
				close(left)
			})
			passing(t, f.clk, c.step)
			_, err := f.Chat(t.Context(), ask("m"))
			refuses(t, err, fault.LLMTimeout, c.want)
			<-left
		})
	}
}

func TestCausesOfTheCaller(t *testing.T) {
	t.Parallel()
	f := fakeServer(t, Ollama, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	why := errors.New("time of the run is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	if _, err := f.Chat(ctx, ask("m")); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	f := fakeServer(t, Ollama, says(200, done))
	for name, change := range map[string]func(*Request){
		"no model":    func(r *Request) { r.Model = "" },
		"odd model":   func(r *Request) { r.Model = "a\nb" },
		"no messages": func(r *Request) { r.Messages = nil },
		"odd role":    func(r *Request) { r.Messages = []Message{{promptCanary, promptCanary}} },
		"odd format":  func(r *Request) { r.Format = []byte("{" + promptCanary) },
		"negative":    func(r *Request) { r.MaxTokens = -1 },
	} {
		r := ask("m")
		change(&r)
		_, err := f.Chat(t.Context(), r)
		t.Run(name, func(t *testing.T) { refuses(t, err, fault.InvalidInput, "") })
	}
}

func TestRemoteIsRefused(t *testing.T) {
	t.Parallel()
	for url, code := range map[string]fault.Code{
		"http://127.0.0.1:1": "", "http://[::1]:1": "", "http://192.168.1.5:11434": "", "http://ollama.lan:11434/api-below": "",
		"http://localhost:11434": "", "http://100.64.0.9": "",
		"http://8.8.8.8:11434": fault.LLMRefusedRemote, "https://[2600::1]": fault.LLMRefusedRemote, "http://169.254.169.254": "",
		"http://user:secret@127.0.0.1": fault.InvalidInput, "ftp://127.0.0.1": fault.InvalidInput, "http://127.0.0.1/?key=1": fault.InvalidInput,
		"http://127.1": fault.InvalidInput, "http://224.0.0.1": fault.InvalidInput, "": fault.InvalidInput,
	} {
		_, err := New(Options{Servers: []Server{{Name: "s", URL: url}}})
		if f := fault.From(err); f == nil && code != "" || f != nil && f.Code != code || f != nil && strings.Contains(f.Error(), "secret") {
			t.Errorf("%s: %v, want %q", url, err, code)
		}
	}
	if _, err := New(Options{Servers: []Server{{Name: "s", URL: "http://8.8.8.8"}}, AllowRemote: true}); err != nil {
		t.Error(err)
	}
	// What a name leads to is known only when it is used, and one public address is
	// enough.
	p := pool(t, Options{Servers: []Server{{Name: "s", URL: "http://models.lan:1"}}, resolver: answers{"127.0.0.1", "8.8.8.8"}})
	_, err := p.Chat(t.Context(), ask("m"))
	refuses(t, err, fault.LLMRefusedRemote, "")
	f := fakeServer(t, Ollama, says(200, done))
	for _, model := range []string{"far:1b", "gpt:120b-cloud", "x:cloud"} {
		_, err := f.Chat(t.Context(), ask(model))
		refuses(t, err, fault.LLMRefusedRemote, "cloud")
	}
}

// answers is a resolver that always says the same.
type answers []string

func (a answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	out := make([]netip.Addr, len(a))
	for i, s := range a {
		out[i] = netip.MustParseAddr(s)
	}
	return out, nil
}

func TestServersAreChecked(t *testing.T) {
	t.Parallel()
	for _, s := range []Server{{}, {Name: "a b", URL: "http://127.0.0.1"}, {Name: "a", Kind: "grpc", URL: "http://127.0.0.1"}} {
		if err := CheckServer(s); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	one := Server{Name: "a", URL: "http://127.0.0.1"}
	if _, err := New(Options{Servers: []Server{one, one}}); !fault.Is(err, fault.InvalidInput) {
		t.Errorf("twice the same name: %v", err)
	}
	if _, err := pool(t, Options{}).Chat(t.Context(), ask("m")); !fault.Is(err, fault.LLMServerUnknown) {
		t.Errorf("no server: %v", err)
	}
}

func TestKeyIsSentAndNotShown(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("heron-key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := fakeServer(t, OpenAI, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer heron-key" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprint(w, event("a")+stopped)
	})
	p := pool(t, Options{Servers: []Server{{Name: "s", Kind: OpenAI, URL: f.srv.URL, KeyFile: file}}})
	if _, err := p.Chat(t.Context(), ask("m")); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("two\nheron-keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := p.Chat(t.Context(), ask("m"))
	if f := refusal(t, err, fault.InvalidInput, "key file"); strings.Contains(f.Error(), "heron") {
		t.Errorf("the key shows: %v", f)
	}
}

// TestRemoteIsRefusedInDoubt: as long as the server does not tell which of its models
// are in the cloud, nothing is sent; nor is a finding of its absence believed.
func TestRemoteIsRefusedInDoubt(t *testing.T) {
	t.Parallel()
	var sent atomic.Bool
	var tells atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"version":"9.9"}`) })
	mux.HandleFunc("GET /api/tags", func(w http.ResponseWriter, _ *http.Request) {
		if !tells.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"models":[{"name":"mine:latest","remote_host":"https://far.example"}]}`)
	})
	mux.HandleFunc("POST /api/chat", func(w http.ResponseWriter, _ *http.Request) { sent.Store(true); fmt.Fprint(w, done) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	p := pool(t, Options{Servers: []Server{{Name: "s", URL: srv.URL}}, Clock: clocktest.New(time.Unix(1e9, 0))})
	_, err := p.Chat(t.Context(), ask("mine"))
	refuses(t, err, fault.LLMServerFailed, "")
	tells.Store(true)
	_, err = p.Chat(t.Context(), ask("mine"))
	refuses(t, err, fault.LLMRefusedRemote, "cloud")
	if sent.Load() {
		t.Error("the text was sent")
	}
	o := fakeServer(t, OpenAI, func(http.ResponseWriter, *http.Request) { sent.Store(true) })
	for _, model := range []string{"gpt:120b-cloud", "gpt:120b-CLOUD", "x:Cloud"} {
		_, err := o.Chat(t.Context(), ask(model))
		refuses(t, err, fault.LLMRefusedRemote, "cloud")
	}
	if sent.Load() {
		t.Error("the text was sent")
	}
}

// TestEndlessBlanks: what may be the beginning of a mark is bounded, too.
func TestEndlessBlanks(t *testing.T) {
	t.Parallel()
	k, s := sink{}, &server{Server: Server{Name: "s"}}
	for range maxBlanks {
		if err := k.add(s, "  "); err != nil {
			refuses(t, err, fault.LLMBadAnswer, "blanks")
			return
		}
	}
	t.Errorf("%d blanks are held", len(k.held))
}
