package guard_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/api/guard"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
)

type requestID struct{}

// bundle is a guard around a handler, what it logged and what it failed with.
type bundle struct {
	http.Handler
	log    *bytes.Buffer
	failed *error
}

func setup(next http.HandlerFunc, change ...func(*guard.Options)) bundle {
	b := bundle{log: &bytes.Buffer{}, failed: new(error)}
	o := guard.Options{
		Next:  next,
		Clock: clocktest.New(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)),
		Log:   slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Fail: func(w http.ResponseWriter, r *http.Request, err error) {
			*b.failed = err
			id, _ := r.Context().Value(requestID{}).(string)
			http.Error(w, id, http.StatusTeapot)
		},
		WithRequestID: func(ctx context.Context, id string) context.Context { return context.WithValue(ctx, requestID{}, id) },
	}
	for _, c := range change {
		c(&o)
	}
	b.Handler = guard.New(o)
	return b
}

func (b bundle) do(t *testing.T, method, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestHosts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hosts []string
		host  string
		good  bool
	}{
		"name":                  {nil, "localhost", true},
		"port":                  {nil, "localhost:8420", true},
		"case and final dot":    {nil, "LocalHost.:8420", true},
		"v4":                    {nil, "127.0.0.1:8420", true},
		"v4 of the block":       {nil, "127.1.2.3", true},
		"v6":                    {nil, "[::1]:8420", true},
		"v6 without port":       {nil, "[::1]", true},
		"none":                  {nil, "", false},
		"other":                 {nil, "evil.example", false},
		"loopback as prefix":    {nil, "127.0.0.1.evil.example", false},
		"localhost as prefix":   {nil, "localhost.evil.example:8420", false},
		"localhost as suffix":   {nil, "evillocalhost", false},
		"user part":             {nil, "localhost@evil.example", false},
		"other address":         {nil, "10.0.0.1", false},
		"every address":         {nil, "0.0.0.0:8420", false},
		"number for loopback":   {nil, "2130706433", false},
		"configured":            {[]string{"jobs.example"}, "Jobs.Example:443", true},
		"not what is below it":  {[]string{"jobs.example"}, "x.jobs.example", false},
		"every name":            {[]string{"*"}, "evil.example", true},
		"star is no wildcard":   {[]string{"*.example"}, "evil.example", false},
		"configured v6 address": {[]string{"fd00::1"}, "[fd00::1]:8420", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(ok, func(o *guard.Options) { o.Hosts = c.hosts })
			w := b.do(t, "GET", "http://localhost/api/jobs", "Host", c.host)
			if (w.Code == http.StatusNoContent) != c.good || fault.Is(*b.failed, fault.HostNotAllowed) == c.good {
				t.Errorf("status %d, %v", w.Code, *b.failed)
			}
		})
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method  string
		headers []string
		good    bool
	}{
		"a program":              {"POST", nil, true},
		"own page":               {"POST", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost"}, true},
		"other page":             {"POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, false},
		"other port":             {"POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:1"}, false},
		"old browser":            {"DELETE", []string{"Origin", "http://evil.example"}, false},
		"a file or sandbox":      {"PATCH", []string{"Origin", "null"}, false},
		"reading is for the CSP": {"GET", []string{"Sec-Fetch-Site", "cross-site"}, true},
	} {
		b := setup(ok)
		w := b.do(t, c.method, "http://localhost/api/jobs", c.headers...)
		if (w.Code == http.StatusNoContent) != c.good || fault.Is(*b.failed, fault.CrossOrigin) == c.good {
			t.Errorf("%s: status %d, %v", name, w.Code, *b.failed)
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other origins may read the answer", name)
		}
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	b := setup(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered <- struct{}{}
			<-leave
		}
		ok(w, r)
	}, func(o *guard.Options) { o.MaxInFlight = 1 })
	done := make(chan int)
	go func() { done <- b.do(t, "GET", "http://localhost/slow").Code }()
	<-entered
	if w := b.do(t, "GET", "http://localhost/api/jobs"); w.Code != http.StatusTeapot || !fault.Is(*b.failed, fault.TooManyRequests) {
		t.Errorf("beyond the bound: %d %v", w.Code, *b.failed)
	}
	for _, p := range []string{"/livez", "/readyz"} {
		if w := b.do(t, "GET", "http://localhost"+p); w.Code != http.StatusNoContent {
			t.Errorf("%s was refused: %d", p, w.Code)
		}
	}
	close(leave)
	if code := <-done; code != http.StatusNoContent {
		t.Errorf("the first request: %d", code)
	}
	if w := b.do(t, "GET", "http://localhost/api/jobs"); w.Code != http.StatusNoContent {
		t.Errorf("the slot was not given back: %d", w.Code)
	}
}

// TestPanic: the caller gets a failure that says nothing, the log a line that
// finds the place and repeats nothing of the request. The slot is free again.
func TestPanic(t *testing.T) {
	t.Parallel()
	const secret = "rst_topsecret"
	for name, c := range map[string]struct {
		panics func()
		logged string
	}{
		"text":    {func() { panic("cannot read " + secret) }, "panic=string"},
		"error":   {func() { panic(fault.New(fault.Conflict, secret)) }, "panic=*fault.Error"},
		"runtime": {func() { _ = []string{}[len(secret):][0] }, `panic="runtime error: slice bounds out of range`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/"+secret)
				w.Header().Set("Content-Length", "99")
				c.panics()
			}, func(o *guard.Options) { o.MaxInFlight = 1 })
			for range 2 {
				w := b.do(t, "GET", "http://localhost/boom?q="+secret, "Authorization", "Bearer "+secret)
				if w.Code != http.StatusTeapot || w.Header().Get("Location") != "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
					t.Fatalf("status %d, %v", w.Code, w.Header())
				}
				id := w.Header().Get("X-Request-Id")
				if strings.TrimSpace(w.Body.String()) != id || !strings.Contains(b.log.String(), "msg=\"request panicked\" request_id="+id) {
					t.Errorf("request id %q: answer %q, log %s", id, w.Body, b.log)
				}
			}
			if log := b.log.String(); !strings.Contains(log, c.logged) || !strings.Contains(log, "guard_test.go") || strings.Contains(log, secret) {
				t.Errorf("log: %s", log)
			}
			if err := *b.failed; err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("failed with %v", err)
			}
		})
	}
}

// TestBrokenAnswerIsCut: an answer that ends early must not look complete,
// whether or not it is compressed.
func TestBrokenAnswerIsCut(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]any{"panic": "x", "abort": http.ErrAbortHandler} {
		for _, encoding := range []string{"identity", "gzip"} {
			b := setup(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				_, _ = io.WriteString(w, "half")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				panic(p)
			})
			srv := httptest.NewUnstartedServer(b)
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
			srv.Start()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", encoding)
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, encoding, err)
			}
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%s, %s: the answer looks complete", name, encoding)
			}
			_ = res.Body.Close()
			srv.Close()
			if logged := strings.Contains(b.log.String(), "request panicked"); logged == (name == "abort") {
				t.Errorf("%s: panic logged: %v", name, logged)
			}
		}
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	b := setup(ok)
	w := b.do(t, "GET", "http://localhost/a%0Amsg=forged?token=hidden", "Authorization", "Bearer hidden", "X-Request-Id", "mine")
	log := b.log.String()
	if strings.Contains(log, "hidden") || strings.Count(log, "\n") != 1 || !strings.Contains(log, "status=204") {
		t.Errorf("log: %q", log)
	}
	if id := w.Header().Get("X-Request-Id"); !strings.HasPrefix(id, "req_") || !strings.Contains(log, id) {
		t.Errorf("request id %q", id)
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("text ", 1000)
	for name, c := range map[string]struct {
		media   string
		body    string
		headers []string
		gzip    bool
	}{
		"text":              {"text/plain", long, []string{"Accept-Encoding", "br, gzip;q=0.5"}, true},
		"problem":           {"application/problem+json", long, []string{"Accept-Encoding", "GZIP"}, true},
		"not asked":         {"text/plain", long, nil, false},
		"refused":           {"text/plain", long, []string{"Accept-Encoding", "gzip;q=0"}, false},
		"other name":        {"text/plain", long, []string{"Accept-Encoding", "xgzip"}, false},
		"content of a job":  {"application/octet-stream", long, []string{"Accept-Encoding", "gzip"}, false},
		"events":            {"text/event-stream", long, []string{"Accept-Encoding", "gzip"}, false},
		"a part":            {"text/plain", long, []string{"Accept-Encoding", "gzip", "Range", "bytes=0-1"}, false},
		"nothing":           {"text/plain", "", []string{"Accept-Encoding", "gzip"}, true},
		"found by its look": {"", long, []string{"Accept-Encoding", "gzip"}, true},
	} {
		b := setup(func(w http.ResponseWriter, _ *http.Request) {
			if c.media != "" {
				w.Header().Set("Content-Type", c.media)
			}
			_, _ = io.WriteString(w, c.body)
		})
		w := b.do(t, "GET", "http://localhost/", c.headers...)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.gzip {
			t.Errorf("%s: compressed %v", name, got)
			continue
		}
		body := io.Reader(w.Body)
		if c.gzip {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body = z
		}
		if text, err := io.ReadAll(body); err != nil || string(text) != c.body {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}
