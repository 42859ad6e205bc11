package action_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/nodetest"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/process"
	"github.com/runsheet/runsheet/internal/workflow"
)

func TestMain(m *testing.M) {
	if process.Main(os.Args[1:]) {
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

func client(t *testing.T, allow ...string) *outbound.Client {
	t.Helper()
	c, err := outbound.New(outbound.Options{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func kinds(list ...node.Node) workflow.Kinds {
	var out []workflow.Kind
	for _, n := range list {
		out = append(out, n.Kind())
	}
	return workflow.NewKinds(out...)
}

// got is what the server of the tests received.
type got struct {
	method, body string
	header       http.Header
	length       int64
}

// serve answers /STATUS with that status, and other paths by name.
func serve(t *testing.T) (url string, last func() got) {
	t.Helper()
	ch := make(chan got, 20)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		ch <- got{r.Method, string(b), r.Header.Clone(), r.ContentLength}
		switch r.URL.Path {
		case "/json":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Set-Cookie", "session=abc")
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
			w.WriteHeader(201)
			_, _ = io.WriteString(w, `{"id": 9007199254740993, "price": 1.5, "list": [1]}`)
		case "/bad-json":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id": `)
		case "/422":
			w.WriteHeader(422)
			_, _ = io.WriteString(w, "name is missing; you sent "+r.Header.Get("Authorization")+strings.Repeat("x", 5000))
		case "/429":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		case "/503":
			w.WriteHeader(503)
		case "/302":
			http.Redirect(w, r, "/json", http.StatusFound)
		case "/307":
			http.Redirect(w, r, "/json", http.StatusTemporaryRedirect)
		case "/404":
			w.WriteHeader(404)
		case "/huge":
			_, _ = w.Write(make([]byte, 11<<20))
		case "/slow":
			<-r.Context().Done()
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, func() got {
		t.Helper()
		select {
		case g := <-ch:
			return g
		case <-t.Context().Done():
			return got{}
		}
	}
}

func apiCall(t *testing.T, config map[string]any) (node.Result, *nodetest.Host, error) {
	t.Helper()
	h := nodetest.New(t)
	_, _ = h.Artifact(t.Context(), "story.md", "text/markdown", strings.NewReader("# Story"))
	_, _ = h.Artifact(t.Context(), "big", "", strings.NewReader(strings.Repeat("b", 3<<20)))
	a := action.NewAPICall(client(t, "127.0.0.1:*"), nil)
	c := nodetest.CallOf(t, h, kinds(a), "  - {node_id: a, type: action, action_type: api_call, config: {url: 'http://x'}}\n", config)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := a.Run(ctx, c)
	return r, h, err
}

func TestAPICallResult(t *testing.T) {
	t.Parallel()
	url, last := serve(t)
	r, h, err := apiCall(t, map[string]any{
		"url": url + "/json?token=geheim99", "body": map[string]any{"a": int64(1), "b": "<ü>"}, "auth": map[string]any{"bearer": "geheimnis1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := last()
	if g.method != "POST" || g.body != `{"a":1,"b":"<ü>"}` || g.header.Get("Content-Type") != "application/json" ||
		g.header.Get("Idempotency-Key") != nodetest.RunID+":a" || g.header.Get("Authorization") != "Bearer geheimnis1" {
		t.Errorf("sent %+v", g)
	}
	v := r.Value.(map[string]any)
	if d := cmp.Diff(map[string]any{"id": int64(9007199254740993), "price": 1.5, "list": []any{int64(1)}}, v["body"]); d != "" {
		t.Error(d)
	}
	headers := v["headers"].(map[string]any)
	if v["status"] != int64(201) || headers["set-cookie"] != outbound.Masked || headers["content-type"] != "application/json" ||
		strings.Contains(headers["x-echo"].(string), "geheim") {
		t.Errorf("got %+v", v)
	}
	if _, ok := v["duration_ms"].(int64); !ok {
		t.Errorf("duration_ms is %T", v["duration_ms"])
	}
	if strings.Contains(h.LogText(), "geheim") {
		t.Errorf("the log tells: %s", h.LogText())
	}
}

func TestAPICallRequests(t *testing.T) {
	t.Parallel()
	url, last := serve(t)
	for name, c := range map[string]struct {
		config map[string]any
		want   func(g got) bool
	}{
		"own key":  {map[string]any{"method": "PUT", "headers": map[string]any{"idempotency-key": "mine"}}, func(g got) bool { return g.header.Get("Idempotency-Key") == "mine" }},
		"get":      {map[string]any{}, func(g got) bool { return g.method == "GET" && g.header.Get("Idempotency-Key") == nodetest.RunID+":a" }},
		"text":     {map[string]any{"body": "plain", "headers": map[string]any{"Content-Type": "text/plain"}}, func(g got) bool { return g.body == "plain" }},
		"string":   {map[string]any{"body": "plain"}, func(g got) bool { return g.body == `"plain"` }},
		"null":     {map[string]any{"method": "POST", "body": nil}, func(g got) bool { return g.body == "" }},
		"basic":    {map[string]any{"auth": map[string]any{"basic": map[string]any{"username": "u", "password": "p"}}}, func(g got) bool { return g.header.Get("Authorization") == "Basic dTpw" }},
		"header":   {map[string]any{"auth": map[string]any{"header": map[string]any{"name": "X-Api-Key", "value": "k"}}}, func(g got) bool { return g.header.Get("X-Api-Key") == "k" }},
		"artifact": {map[string]any{"body_from": "art_story.md", "headers": map[string]any{"Content-Type": "text/markdown"}}, func(g got) bool { return g.method == "POST" && g.body == "# Story" && g.length == 7 }},
		"stream":   {map[string]any{"body_from": "art_big"}, func(g got) bool { return len(g.body) == 3<<20 && g.length == -1 }},
		"number":   {map[string]any{"headers": map[string]any{"X-N": int64(5)}}, func(g got) bool { return g.header.Get("X-N") == "5" }},
	} {
		c.config["url"] = url + "/json"
		if _, _, err := apiCall(t, c.config); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if g := last(); !c.want(g) {
			t.Errorf("%s: sent %+v", name, g)
		}
	}
}

func TestAPICallFailures(t *testing.T) {
	t.Parallel()
	url, _ := serve(t)
	for name, c := range map[string]struct {
		config      map[string]any
		code, class string
		final       bool
		after       time.Duration
	}{
		"refused":      {map[string]any{"url": "/422", "auth": map[string]any{"bearer": "geheimnis1"}}, "http_422", "http_4xx", true, 0},
		"not yet":      {map[string]any{"url": "/404"}, "http_404", "http_4xx", false, 0},
		"too many":     {map[string]any{"url": "/429"}, "http_429", node.ClassRateLimited, false, 7 * time.Second},
		"server":       {map[string]any{"url": "/503"}, "http_503", node.ClassServerError, false, 0},
		"redirect":     {map[string]any{"url": "/302"}, "http_302", "http_3xx", true, 0},
		"expect":       {map[string]any{"url": "/json", "expect": []any{int64(200), "204-205"}}, "http_201", "http_2xx", true, 0},
		"huge":         {map[string]any{"url": "/huge"}, "response_too_large", "", true, 0},
		"unreachable":  {map[string]any{"url": "http://127.0.0.1:1/"}, "target_unreachable", node.ClassTimeout, false, 0},
		"loopback":     {map[string]any{"url": "http://[::1]:80/"}, "target_not_allowed", "", true, 0},
		"metadata":     {map[string]any{"url": "http://169.254.169.254/latest"}, "target_not_allowed", "", true, 0},
		"private":      {map[string]any{"url": "http://10.0.0.1/"}, "target_not_allowed", "", true, 0},
		"in disguise":  {map[string]any{"url": "http://0x7f000001/"}, "invalid_input", "", true, 0},
		"file":         {map[string]any{"url": "file:///etc/passwd"}, "invalid_input", "", true, 0},
		"smuggled":     {map[string]any{"url": "/json", "headers": map[string]any{"X": "a\r\nHost: b"}}, "invalid_config", "", true, 0},
		"host":         {map[string]any{"url": "/json", "headers": map[string]any{"Host": "b"}}, "invalid_config", "", true, 0},
		"method":       {map[string]any{"url": "/json", "method": "CONNECT"}, "invalid_config", "", true, 0},
		"two auths":    {map[string]any{"url": "/json", "auth": map[string]any{"bearer": "a", "header": map[string]any{}}}, "invalid_config", "", true, 0},
		"no artifact":  {map[string]any{"url": "/json", "body_from": "art_none"}, "artifact_gone", "", false, 0},
		"stream again": {map[string]any{"url": "/307", "body_from": "art_big", "follow_redirects": true}, "redirect_not_allowed", "", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if u := c.config["url"].(string); strings.HasPrefix(u, "/") {
				c.config["url"] = url + u
			}
			_, h, err := apiCall(t, c.config)
			f := nodetest.Failure(t, err)
			if f.Code != c.code || f.Class != c.class || f.Final != c.final || f.After != c.after {
				t.Errorf("got %+v: %v", f, err)
			}
			if len(f.Error()) > 400 || strings.Contains(f.Error()+h.LogText(), "geheim") {
				t.Errorf("it tells too much: %s", f)
			}
		})
	}
}

func TestAPICallRedirectAndBadJSON(t *testing.T) {
	t.Parallel()
	url, _ := serve(t)
	r, _, err := apiCall(t, map[string]any{"url": url + "/302", "follow_redirects": true})
	if err != nil || r.Value.(map[string]any)["status"] != int64(201) {
		t.Errorf("got %v, %v", r.Value, err)
	}
	// The request has had its effect: what came back is given as it is.
	r, _, err = apiCall(t, map[string]any{"url": url + "/bad-json", "method": "POST"})
	if err != nil || r.Value.(map[string]any)["body"] != `{"id": ` {
		t.Errorf("got %v, %v", r.Value, err)
	}
}

// A time limit is a failure of the class timeout; a cancel is what was asked for.
func TestAPICallEnds(t *testing.T) {
	t.Parallel()
	a := action.NewAPICall(client(t, "127.0.0.1:*"), nil)
	slow := func() (c node.Call, last func() got) {
		url, last := serve(t)
		return nodetest.CallOf(t, nodetest.New(t), kinds(a), "  - {node_id: a, type: http, config: {url: 'http://x'}}\n", map[string]any{"url": url + "/slow"}), last
	}
	c, _ := slow() // on a busy machine the time is over before the request is sent
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := a.Run(ctx, c)
	if f := nodetest.Failure(t, err); f.Class != node.ClassTimeout || f.Code != "target_timeout" {
		t.Errorf("got %+v", f)
	}
	c, last := slow()
	why := errors.New("somebody asked")
	stopped, stop := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := a.Run(stopped, c)
		done <- err
	}()
	last() // it is under way
	stop(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	a := action.NewAPICall(client(t), nil)
	for url, want := range map[string]string{"https://API.example.com/x?y": "api.example.com:443", "http://api.example.com:81": "api.example.com:81", "http://10.0.0.1": "", "ftp://x": ""} {
		got, err := a.Target(map[string]any{"url": url})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", url, got, err)
		}
	}
}

func TestCheckAPICall(t *testing.T) {
	t.Parallel()
	k := kinds(action.NewAPICall(client(t), nil))
	for config, want := range map[string]string{
		"url: 'https://x.example', expect: [200-299, 304, '{{ 5 }}'], headers: {A: '{{ secrets.T }}'}": "",
		"url: 'ftp://x'":                                               "http:// or https://",
		"url: 'https://u:p@x.example'":                                 "user name",
		"url: 'https://x.example', expect: [99]":                       "neither a status",
		"url: 'https://x.example', expect: ['x']":                      "neither a status",
		"url: 'https://x.example', body: 1, body_from: a":              "exclude each other",
		"url: 'https://x.example', headers: {Host: x}":                 "belongs to the connection",
		"url: 'https://x.example', headers: {a: x, A: y}":              "comes twice",
		"url: 'https://x.example', auth: {}":                           "auth must have one",
		"url: 'https://x.example', method: TRACE":                      "must be one of",
		"url: 'https://x.example', auth: {basic: {username: '{{x}}'}}": "needs password",
	} {
		_, problems := nodetest.Check(k, "  - {node_id: a, type: http, config: {"+config+"}}\n")
		switch {
		case want == "" && len(problems) > 0:
			t.Errorf("%s: %v", config, problems)
		case want != "" && (len(problems) == 0 || !strings.Contains(problems[0].Text, want)):
			t.Errorf("%s: %v, want %s", config, problems, want)
		}
	}
}
