package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// bundle is the job type, a server that it may reach, and a host.
type bundle struct {
	task *Task
	host *tasktest.Host
	url  string
}

func setup(t *testing.T, h http.HandlerFunc) *bundle {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1:*"}, MaxResponse: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return &bundle{New(Options{Client: c, Clock: clocktest.New(noon)}), &tasktest.Host{}, s.URL}
}

// run makes an attempt with a fresh host. "{url}" in params is the server's.
func (b *bundle) run(ctx context.Context, t *testing.T, params string) error {
	t.Helper()
	b.host = &tasktest.Host{}
	params = strings.ReplaceAll(params, "{url}", b.url)
	if err := valid(t, params); err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	return b.task.Run(ctx, task.Attempt{JobID: "job_1", RunID: "run_1", Number: 1, IdempotencyKey: "job_1", Params: json.RawMessage(params)}, b.host)
}

// valid checks params against the schema.
func valid(t *testing.T, params string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader((&Task{}).Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	sch, err := c.Compile("s.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(params))
	if err != nil {
		t.Fatalf("%s: %v", params, err)
	}
	return sch.Validate(value)
}

func TestRequest(t *testing.T) {
	t.Parallel()
	var got string
	b := setup(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h := r.Header
		got = fmt.Sprintf("%s %s|%s|%s|%s|%s", r.Method, r.URL, h.Get("Content-Type"), h.Get("Idempotency-Key"), h.Get("X-A"), body)
	})
	for params, want := range map[string]string{
		`{"url":"{url}/p?q=1#f"}`: "GET /p?q=1||||",
		`{"url":"{url}","method":"POST","body":{"a": [1, "<é>"]},"headers":{"x-a":"a"}}`:                  `POST /|application/json|job_1|a|{"a": [1, "<é>"]}`,
		`{"url":"{url}","method":"PUT","body":"plain"}`:                                                   "PUT /|text/plain; charset=utf-8|job_1||plain",
		`{"url":"{url}","method":"PATCH","body":[],"headers":{"content-type":"application/merge-patch"}}`: "PATCH /|application/merge-patch|job_1||[]",
		`{"url":"{url}","method":"POST","body":null,"headers":{"idempotency-key":"mine"}}`:                "POST /||mine||",
		`{"url":"{url}","method":"DELETE","body":false}`:                                                  "DELETE /|application/json|job_1||false",
		`{"url":"{url}","method":"OPTIONS","body":""}`:                                                    "OPTIONS /||||",
	} {
		if err := b.run(t.Context(), t, params); err != nil || got != want {
			t.Errorf("%s: %v, got %q, want %q", params, err, got, want)
		}
	}
}

func TestResponseIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Date", "today")
		h.Set("Set-Cookie", "sid=canary")
		h.Set("X-Auth-Token", "canary")
		h.Set("X-Echo", "you sent "+r.Header.Get("Authorization")+" and "+r.Header.Get("X-Api-Key"))
		h.Set("Link", "</next?token=canary>")
		h.Set("X-Long", strings.Repeat("é", 600))
		h.Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"a":1}`)
	})
	err := b.run(t.Context(), t, `{"url":"{url}/canary?canary=canary","method":"POST","body":"canary","headers":{"Authorization":"Bearer canary-123","X-Api-Key":"canary-456"}}`)
	if err != nil {
		t.Fatal(err)
	}
	out := b.host.Outputs()
	headers := map[string]string{}
	if err := json.Unmarshal([]byte(out["headers"]), &headers); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{
		"date": "today", "content-type": "application/json", "content-length": "7", "set-cookie": outbound.Masked, "x-auth-token": outbound.Masked,
		"x-echo": "you sent " + outbound.Masked + " and " + outbound.Masked, "link": "</next", "x-long": strings.Repeat("é", 512) + "...",
	}, headers); diff != "" {
		t.Error(diff)
	}
	delete(out, "headers")
	if diff := cmp.Diff(map[string]string{"status": "201", "origin": b.url, "body_bytes": "7"}, out); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]tasktest.File{"response": {MediaType: "application/json", Content: `{"a":1}`}}, b.host.Artifacts()); diff != "" {
		t.Error(diff)
	}
	if want := "POST " + b.url + "\n201 Created\n"; b.host.LogText() != want {
		t.Errorf("log %q, want %q", b.host.LogText(), want)
	}
	if all := fmt.Sprint(b.host.LogText(), b.host.Outputs(), b.host.ProgressList()); strings.Contains(all, "canary") {
		t.Errorf("a secret shows: %s", all)
	}
}

func TestBodySizes(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, strings.Repeat("x", n))
	})
	for n, kept := range map[int]int{0: 0, 1: 1, maxBody: maxBody, maxBody + 1: maxBody, 1 << 20: maxBody} {
		if err := b.run(t.Context(), t, fmt.Sprintf(`{"url":"{url}/%d"}`, n)); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		out := b.host.Outputs()
		if got := len(b.host.Artifacts()["response"].Content); got != kept || out["body_bytes"] != fmt.Sprint(n) || (out["body_truncated"] == "true") != (n > kept) {
			t.Errorf("%d: %d bytes kept, outputs %v", n, got, out)
		}
		if _, ok := b.host.Artifacts()["response"]; ok != (n > 0) {
			t.Errorf("%d: artifact exists: %v", n, ok)
		}
	}
	v := task.VerdictOf(b.run(t.Context(), t, fmt.Sprintf(`{"url":"{url}/%d"}`, 1<<20+1)))
	if v == nil || v.Code != "response_too_large" || !v.Final {
		t.Errorf("verdict %+v", v)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
			t.Error(err)
		}
		if s := r.URL.Query().Get("after"); s != "" {
			w.Header().Set("Retry-After", s)
		}
		if status/100 == 3 {
			w.Header().Set("Location", "/204")
		}
		w.WriteHeader(status)
	})
	for _, c := range []struct {
		path, more string
		code       string // "" = completed
		final      bool
		after      time.Duration
		say        string
	}{
		{"/200", ``, "", false, 0, ""},
		{"/299", ``, "", false, 0, ""},
		{"/404", `,"expect":[404]`, "", false, 0, ""},
		{"/404", `,"expect":[200,404]`, "", false, 0, ""},
		{"/302", `,"redirects":1`, "", false, 0, ""},
		{"/302", ``, "http_status", true, 0, "redirects"},
		{"/302", `,"expect":[302]`, "", false, 0, ""},
		{"/200", `,"expect":[201]`, "http_status", true, 0, "status 200 OK, expected 201"},
		{"/404", ``, "http_status", true, 0, "status 404 Not Found, expected 200 to 299"},
		{"/401?after=5", ``, "http_status", true, 0, "401"},
		{"/500", ``, "http_status", false, 0, "500"},
		{"/408", ``, "http_status", false, 0, "408"},
		{"/425", ``, "http_status", false, 0, "425"},
		{"/429?after=90", ``, "http_status", false, 90 * time.Second, "429"},
		{"/503?after=Sat,+31+Jan+2026+12:05:00+GMT", ``, "http_status", false, 5 * time.Minute, "503"},
		{"/503?after=Sat,+31+Jan+2026+11:00:00+GMT", ``, "http_status", false, 0, "503"},
		{"/503?after=2000000000", ``, "http_status", false, 24 * time.Hour, "503"},
		{"/503?after=Sun,+31+Jan+2027+12:00:00+GMT", ``, "http_status", false, 24 * time.Hour, "503"},
		{"/503?after=-5", ``, "http_status", false, 0, "503"},
		{"/503?after=soon", ``, "http_status", false, 0, "503"},
	} {
		err := b.run(t.Context(), t, `{"url":"{url}`+c.path+`"`+c.more+`}`)
		v := task.VerdictOf(err)
		if c.code == "" {
			if err != nil {
				t.Errorf("%s %s: %v", c.path, c.more, err)
			}
			continue
		}
		if v == nil || v.Code != c.code || v.Final != c.final || v.After != c.after || !strings.Contains(v.Error(), c.say) {
			t.Errorf("%s %s: %+v, want %+v", c.path, c.more, v, c)
		}
		if b.host.Outputs()["status"] != c.path[1:4] {
			t.Errorf("%s: outputs %v", c.path, b.host.Outputs())
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-r.Context().Done()
		case "/cut":
			w.Header().Set("Content-Length", "9")
			fmt.Fprint(w, "half")
		case "/inside":
			http.Redirect(w, r, "http://169.254.169.254/canary", http.StatusFound)
		}
	})
	for _, c := range []struct {
		params, code string
		final        bool
	}{
		{`{"url":"{url}/hang?canary","timeout":"PT0.05S"}`, "target_timeout", false},
		{`{"url":"{url}/cut?canary"}`, "target_broken", false},
		{`{"url":"http://127.0.0.1:1/canary"}`, "target_unreachable", false},
		{`{"url":"{url}/inside","redirects":3}`, "target_not_allowed", true},
		{`{"url":"http://10.0.0.1/canary"}`, "target_not_allowed", true},
		{`{"url":"https://canary:canary@example.com/"}`, "invalid_input", true},
		{`{"url":"{url}","headers":{"X":"canary\n"}}`, "invalid_input", true},
	} {
		v := task.VerdictOf(b.run(t.Context(), t, c.params))
		if v == nil || v.Code != c.code || v.Final != c.final {
			t.Errorf("%s: %+v", c.params, v)
		}
		if strings.Contains(fmt.Sprint(v, b.host.LogText()), "canary") {
			t.Errorf("%s: a secret shows: %v %s", c.params, v, b.host.LogText())
		}
	}
	if err := b.run(t.Context(), t, `{"url":"{url}/cut"}`); err == nil || b.host.Artifacts()["response"].Content != "half" {
		t.Errorf("%v; what came is lost: %v", err, b.host.Artifacts())
	}
	b.host = &tasktest.Host{}
	err := b.task.Run(t.Context(), task.Attempt{Params: json.RawMessage(`{}`)}, b.host)
	if v := task.VerdictOf(err); v == nil || !v.Final || v.Code != "invalid_input" {
		t.Errorf("without url: %+v", v)
	}
}

func TestArtifactErrorFails(t *testing.T) {
	t.Parallel()
	b := setup(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") })
	h := &tasktest.Host{ArtifactErr: errors.New("disk full")}
	err := b.task.Run(t.Context(), task.Attempt{Params: json.RawMessage(`{"url":"` + b.url + `"}`)}, h)
	if v := task.VerdictOf(err); v == nil || v.Code != "artifact_error" || v.Final {
		t.Errorf("verdict %+v", v)
	}
}

// TestStop stops attempts before and during the response, and sees that the
// server's side ends too.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		arrived, ended := make(chan struct{}), make(chan struct{})
		b := setup(t, func(w http.ResponseWriter, r *http.Request) {
			if begun {
				fmt.Fprint(w, "part")
				w.(http.Flusher).Flush()
			}
			close(arrived)
			<-r.Context().Done()
			close(ended)
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- b.run(ctx, t, `{"url":"{url}","method":"POST"}`) }()
		<-arrived
		cancel(task.ErrCancelled)
		if err := <-result; !errors.Is(err, task.ErrCancelled) {
			t.Errorf("begun %v: %v", begun, err)
		}
		<-ended
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	for params, want := range map[string]string{
		`{}`:                        "",
		`{"url":"{url}"}`:           "",
		`{"url":"https://[::1]/"}`:  "/url target_not_allowed",
		`{"url":"http://0x7f.1/"}`:  "/url invalid_input",
		`{"url":"file:///etc"}`:     "/url invalid_input",
		`{"url":"http://x:99999/"}`: "/url invalid_input",
		`{"headers":{"Host":"a","X":"a\r\nb","a/b~c":"","X-A":"1","x-a":"2"}}`: "/headers/Host bad_header,/headers/X bad_header,/headers/a~1b~0c bad_header,/headers/x-a duplicate",
		`{"expect":[300,200]}`:                    "/expect bad_range",
		`{"expect":[200.0]}`:                      "/expect wrong_type",
		`{"timeout":"2h"}`:                        "/timeout bad_duration",
		`{"timeout":"0s"}`:                        "/timeout bad_duration",
		`{"timeout":"-5s"}`:                       "/timeout bad_duration",
		`{"timeout":"soon"}`:                      "/timeout bad_duration",
		`{"timeout":"PT1H"}`:                      "",
		`{"method":"HEAD","body":"x"}`:            "/body not_allowed",
		`{"method":"HEAD","body":null}`:           "",
		`{"url":"http://example.com/","body":{}}`: "",
	} {
		params = strings.ReplaceAll(params, "{url}", b.url)
		var got []string
		if err := b.task.Check(json.RawMessage(params)); err != nil {
			for _, f := range fault.From(err).Fields {
				got = append(got, f.Pointer+" "+f.Code)
			}
			if len(got) == 0 {
				t.Errorf("%s: %v has no pointer", params, err)
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", params, got, want)
		}
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for _, params := range []string{
		`{}`, `{"url":""}`, `{"url":1}`, `{"url":"x","method":"TRACE"}`, `{"url":"x","method":"CONNECT"}`, `{"url":"x","method":"get"}`,
		`{"url":"x","headers":{"a":1}}`, `{"url":"x","headers":[]}`, `{"url":"x","expect":[]}`, `{"url":"x","expect":[200,201,202]}`,
		`{"url":"x","expect":[199]}`, `{"url":"x","expect":[600]}`, `{"url":"x","expect":["200"]}`, `{"url":"x","timeout":30}`,
		`{"url":"x","redirects":4}`, `{"url":"x","redirects":-1}`, `{"url":"x","insecure":true}`, `{"url":"x","Method":"GET"}`, `[]`, `null`,
	} {
		if valid(t, params) == nil {
			t.Errorf("%s is valid", params)
		}
	}
	var doc struct {
		Examples   []json.RawMessage
		Properties map[string]struct{ Description string }
	}
	if err := json.Unmarshal((&Task{}).Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	b := setup(t, nil)
	for _, e := range doc.Examples {
		if err := errors.Join(valid(t, string(e)), b.task.Check(e)); err != nil {
			t.Errorf("example %s: %v", e, err)
		}
	}
	if len(doc.Examples) == 0 {
		t.Error("the schema has no example")
	}
	for name, p := range doc.Properties {
		if p.Description == "" {
			t.Errorf("%s is not described", name)
		}
	}
	for _, name := range b.task.Privileged() {
		if !slices.Contains(slices.Collect(maps.Keys(doc.Properties)), name) {
			t.Errorf("privileged %s is no param", name)
		}
	}
	if b.task.Type() != "http" || b.task.OnCrash() != job.CrashAsk || b.task.Locks(nil) != nil {
		t.Errorf("%s %s %v", b.task.Type(), b.task.OnCrash(), b.task.Locks(nil))
	}
}
