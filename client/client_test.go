package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
)

// server answers with the given handlers in turn, the last one for ever, and
// records the requests.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
	body []string
}

// requests is what has arrived so far.
func (s *server) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *server) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.body)
}

func serve(t *testing.T, answers ...http.HandlerFunc) (*server, *client.Client) {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.seen, s.body = append(s.seen, r), append(s.body, string(b))
		answer := answers[min(len(s.seen), len(answers))-1]
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{URL: s.URL + "/", Token: "rst_secret"})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestPostIsRepeatedWithOneKey(t *testing.T) {
	t.Parallel()
	busy := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "0")
		say(503, `{"code":"storage_busy","status":503}`)(w, r)
	}
	s, c := serve(t, hangUp, busy, say(409, `{"code":"idempotency_in_flight"}`), say(201, `{"job_id":"job_1","status":"QUEUED"}`))
	job, err := c.AddJob(t.Context(), client.JobInput{JobType: "command"}, client.Call{Wait: 30 * time.Second})
	if err != nil || job.JobID != "job_1" {
		t.Fatalf("%+v, %v", job, err)
	}
	if len(s.requests()) != 4 {
		t.Fatalf("%d requests", len(s.requests()))
	}
	key := s.requests()[0].Header.Get("Idempotency-Key")
	for i, r := range s.requests() {
		h := r.Header
		if h.Get("Idempotency-Key") != key || len(key) < 20 {
			t.Errorf("request %d has key %q", i, h.Get("Idempotency-Key"))
		}
		if h.Get("Authorization") != "Bearer rst_secret" || h.Get("Prefer") != "wait=30" || r.URL.Path != "/api/jobs" {
			t.Errorf("request %d: %s %v", i, r.URL, h)
		}
		if s.bodies()[i] != s.bodies()[0] {
			t.Errorf("body %d differs", i)
		}
	}
	if _, err := c.AddJob(t.Context(), client.JobInput{}, client.Call{IdempotencyKey: "mine"}); err != nil {
		t.Fatal(err)
	}
	if got := s.requests()[4].Header.Get("Idempotency-Key"); got != "mine" {
		t.Errorf("own key: %q", got)
	}
}

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, hangUp)
	c, err := client.New(client.Options{URL: s.URL, Retries: 2})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Job(t.Context(), "job_1")
	var un *client.Unreachable
	if !errors.As(err, &un) || un.URL != s.URL {
		t.Errorf("err = %v", err)
	}
	if len(s.requests()) != 3 {
		t.Errorf("%d requests, want 3", len(s.requests()))
	}
}

func TestPatchIsNotRepeatedWhenItMayHaveArrived(t *testing.T) {
	t.Parallel()
	s, c := serve(t, hangUp)
	_, err := c.EditTemplate(t.Context(), "nightly", map[string]any{"priority": 1}, client.Call{IfMatch: `"3"`})
	var un *client.Unreachable
	if !errors.As(err, &un) || len(s.requests()) != 1 {
		t.Errorf("%d requests, %v", len(s.requests()), err)
	}
	h := s.requests()[0].Header
	if h.Get("If-Match") != `"3"` || h.Get("Content-Type") != "application/merge-patch+json" || h.Get("Idempotency-Key") != "" {
		t.Errorf("%v", h)
	}
}

func TestDeleteWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	gone := say(404, `{"code":"not_found"}`)
	_, c := serve(t, hangUp, gone)
	if err := c.DeleteTemplate(t.Context(), "x", client.Call{}); err != nil {
		t.Errorf("the second attempt found nothing: %v", err)
	}
	_, c = serve(t, gone)
	var p *client.Problem
	if err := c.DeleteTemplate(t.Context(), "x", client.Call{}); !errors.As(err, &p) {
		t.Errorf("nothing to delete: %v", err)
	}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	_, c := serve(t, say(422, `{"type":"/problems/invalid_input","title":"Invalid input","status":422,"detail":"no","code":"invalid_input",
		"request_id":"req_1","hint":"try","errors":[{"pointer":"/params/argv","code":"required","detail":"is missing"}]}`))
	_, err := c.AddJob(t.Context(), client.JobInput{}, client.Call{})
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != "invalid_input" || p.Status != 422 || p.Hint != "try" || p.Errors[0].Pointer != "/params/argv" {
		t.Fatalf("%#v", err)
	}
	if want := "invalid_input: no; /params/argv: is missing"; p.Error() != want {
		t.Errorf("Error() = %q, want %q", p, want)
	}
	_, c = serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusForbidden) })
	if _, err := c.Workers(t.Context()); !errors.As(err, &p) || p.Status != 403 {
		t.Errorf("a stranger's answer: %v", err)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s, c := serve(t,
		say(200, `{"items":[{"job_id":"job_1"},{"job_id":"job_2"}],"next_cursor":"c&1"}`),
		say(200, `{"items":[{"job_id":"job_3"}],"next_cursor":null}`),
		say(200, `{"items":[{"job_id":"job_1"}],"next_cursor":"c"}`),
		say(500, `{"code":"internal_error"}`))
	f := client.JobFilter{Status: []string{"QUEUED", "RUNNING"}, Labels: map[string]string{"b": "2", "a": "1:x"}, Query: "q q", PageSize: 2}
	jobs, err := client.Collect(c.Jobs(t.Context(), f), 0)
	if err != nil || len(jobs) != 3 || jobs[2].JobID != "job_3" {
		t.Fatalf("%v, %v", jobs, err)
	}
	want := []string{
		"/api/jobs?label=a%3A1%3Ax&label=b%3A2&limit=2&q=q+q&status=QUEUED%2CRUNNING",
		"/api/jobs?cursor=c%261&label=a%3A1%3Ax&label=b%3A2&limit=2&q=q+q&status=QUEUED%2CRUNNING",
	}
	if diff := cmp.Diff(want, []string{s.requests()[0].URL.String(), s.requests()[1].URL.String()}); diff != "" {
		t.Error(diff)
	}
	jobs, err = client.Collect(c.Jobs(t.Context(), f), 0)
	if err == nil || len(jobs) != 1 {
		t.Errorf("an error on the second page: %d jobs, %v", len(jobs), err)
	}
	if first, err := client.Collect(c.Jobs(t.Context(), client.JobFilter{}), 0); err == nil {
		t.Error("the error is lost:", first)
	}
}

func TestContextEndsARetry(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, c := serve(t, func(http.ResponseWriter, *http.Request) {
		cancel()
		panic(http.ErrAbortHandler)
	})
	if _, err := c.Job(ctx, "job_1"); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"", "localhost:8420", "ftp://x", "http://", "http://u:p@h", "http://h?x=1", "http://h#x"} {
		if _, err := client.New(client.Options{URL: u}); err == nil {
			t.Errorf("%q was accepted", u)
		}
	}
	if _, err := client.New(client.Options{URL: "http://h", Token: "a\nb"}); err == nil {
		t.Error("a token with a newline was accepted")
	}
}

func Example() {
	// A server of the real thing's shape.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api") {
		case "POST /jobs":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"job_id":"job_1","status":"QUEUED"}`)
		case "GET /jobs/job_1":
			fmt.Fprint(w, `{"job_id":"job_1","status":"COMPLETED","run_id":"run_1"}`)
		case "GET /job-runs/run_1/logs":
			fmt.Fprintln(w, "hello")
		}
	}))
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(client.Options{URL: server.URL, Token: "rst_..."})
	if err != nil {
		panic(err)
	}
	job, err := c.AddJob(ctx, client.JobInput{
		JobType: "command",
		Params:  json.RawMessage(`{"argv":["/bin/echo","hello"]}`),
	}, client.Call{})
	if err != nil {
		panic(err)
	}
	job, err = c.WaitJob(ctx, job.JobID, nil)
	if err != nil {
		panic(err)
	}
	log, err := c.RunLog(ctx, *job.RunID, client.LogOptions{})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: %s", job.Status, text)
	// Output: COMPLETED: hello
}
