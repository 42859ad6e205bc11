package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/store"
)

// serve puts the handler behind a real server, which streams need.
func (b *bundle) serve() *httptest.Server {
	b.t.Helper()
	srv := httptest.NewServer(b.handler)
	b.t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

// block is one block of a stream: an event, or what moves the position.
type block struct {
	name, id string
	event    wire.Event
	comment  bool
}

// sse is an open stream.
type sse struct {
	t    *testing.T
	res  *http.Response
	in   *bufio.Reader
	stop context.CancelFunc
}

func follow(t *testing.T, url, token string, headers ...string) *sse {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute) // for all that is read
	t.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("status %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	return &sse{t, res, bufio.NewReader(res.Body), stop}
}

// next reads one block; an error is the end of the stream.
func (s *sse) next() (block, error) {
	var b block
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return b, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return b, nil
		case name == "" || strings.HasPrefix(line, ":"):
			b.comment = true
		case name == "event":
			b.name = value
		case name == "id":
			b.id = value
		case name == "data":
			if err := json.Unmarshal([]byte(value), &b.event); err != nil {
				return b, fmt.Errorf("%w: %s", err, value)
			}
		}
	}
}

func (s *sse) must() block {
	s.t.Helper()
	b, err := s.next()
	if err != nil {
		s.t.Fatalf("stream: %v", err)
	}
	return b
}

// mustEvent reads the next event, which has the given type.
func (s *sse) mustEvent(typ string) wire.Event {
	s.t.Helper()
	b := s.must()
	if b.event.Type != typ || b.id != strconv.FormatInt(b.event.Seq, 10) {
		s.t.Fatalf("got %+v, want %s", b, typ)
	}
	return b.event
}

func TestEventStream(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	url, token := srv.URL+"/api/events", b.tokens[access.Viewer]
	old := b.addJob(echoJob)
	s := follow(t, url, token)
	first := s.must()
	if first.id == "" || first.event.Type != "" {
		t.Fatalf("a stream begins with %+v, not with its position", first)
	}
	j := b.addJob(echoJob)
	e := s.mustEvent("job.queued")
	if e.JobID != j || e.Topic != "job" || e.RunID != "" || e.Data == nil || e.At.IsZero() {
		t.Errorf("event %+v", e)
	}
	b.finish(b.claim())
	started := s.mustEvent("job.started")
	done := s.mustEvent("job.run.completed")
	if started.JobID != old || started.RunID == "" || started.Data["attempt"] != "1" || done.Topic != "run" || done.RunID != started.RunID {
		t.Errorf("started %+v, done %+v", started, done)
	}
	// Coming back, by what the browser sends or by what the URL says.
	for _, again := range []*sse{
		follow(t, url, token, "Last-Event-ID", first.id),
		follow(t, url+"?since="+first.id, token),
		follow(t, url+"?since=0", token, "Last-Event-ID", first.id),
	} {
		if p := again.must(); p.id != first.id {
			t.Errorf("the position is %s, not %s", p.id, first.id)
		}
		if got := again.mustEvent("job.queued"); got.Seq != e.Seq {
			t.Errorf("it continues at %d, not %d", got.Seq, e.Seq)
		}
		again.mustEvent("job.started")
		again.mustEvent("job.run.completed")
	}
	all := follow(t, url+"?since=0", token)
	all.must()
	if got := all.mustEvent("job.queued"); got.JobID != old {
		t.Errorf("the log begins with %+v", got)
	}
	runs := follow(t, url+"?since=0&topics=run,queue", token)
	runs.must()
	runs.mustEvent("job.run.completed")
	one := follow(t, url+"?since=0&topics=job:"+j, token)
	one.must()
	if got := one.mustEvent("job.queued"); got.JobID != j {
		t.Errorf("another job's event: %+v", got)
	}
	b.wait(14) // every stream waits, for its ping and its check
	b.clock.Advance(20 * time.Second)
	if p := one.must(); !p.comment || p.id != strconv.FormatInt(done.Seq, 10) {
		t.Errorf("a ping is %+v; it must move the position to %d", p, done.Seq)
	}
}

func TestEventStreamRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for target, code := range map[string]string{
		"/api/events?topics=moon":                "invalid_parameter",
		"/api/events?topics=job,":                "invalid_parameter",
		"/api/events?topics=run:job_1":           "invalid_parameter",
		"/api/events?since=x":                    "invalid_parameter",
		"/api/events?since=-1":                   "invalid_parameter",
		"/api/events?since=1e3":                  "invalid_parameter",
		"/api/events?since=99999999999999999999": "invalid_parameter",
		"/api/events?from=1":                     "unknown_parameter",
		"/api/events/ws?token=rst_x":             "unknown_parameter",
	} {
		want(t, b.call("GET", target, ""), 400, code)
	}
	for _, id := range []string{"x", "-1", "1.5", "99999999999999999999"} {
		want(t, b.call("GET", "/api/events", "", "Last-Event-ID", id), 400, "invalid_header")
	}
	want(t, b.as("", "GET", "/api/events", ""), 401, "unauthorized")
	want(t, b.call("HEAD", "/api/events", ""), 200, "")
	none := setup(t, func(o *api.Options) { o.Feed = nil })
	want(t, none.call("GET", "/api/events", ""), 404, "not_found")
}

func TestEventStreamResets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	b.addJob(echoJob)
	s := follow(t, srv.URL+"/api/events", b.tokens[access.Viewer], "Last-Event-ID", "4711")
	s.must()
	r := s.must()
	if r.name != "reset" || r.event.Type != "reset" || r.event.Seq != 1 || r.id != "1" {
		t.Fatalf("got %+v", r)
	}
	b.addJob(echoJob)
	if e := s.mustEvent("job.queued"); e.Seq != 2 {
		t.Errorf("after the reset comes %d", e.Seq)
	}
}

func TestEventsOfOtherTenants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	foreign := follow(t, srv.URL+"/api/events?since=0", b.tokens["stranger"])
	foreign.must()
	mine := b.addJob(echoJob)
	if _, err := b.store.Queue.Scale(t.Context(), store.Scale{Workers: 1, Tenant: "other", At: start}); err != nil {
		t.Fatal(err)
	}
	if e := foreign.mustEvent("workers.scaled"); e.JobID == mine {
		t.Errorf("a stranger sees %+v", e)
	}
}

// brief makes a token that is good for 90 seconds.
func (b *bundle) brief() string {
	b.t.Helper()
	text := access.NewToken()
	_, err := b.store.Tokens.Create(b.t.Context(), store.PutToken{Token: access.Token{
		ID: id.New(id.Token, start), Tenant: access.DefaultTenant, Name: "brief", Hash: access.HashToken(text),
		Roles: []access.Role{access.Viewer}, CreatedBy: "test", CreatedAt: start, ExpiresAt: start.Add(90 * time.Second),
	}})
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// wait returns when n timers wait: streams have gone to sleep.
func (b *bundle) wait(n int) {
	b.t.Helper()
	for b.clock.Timers() < n {
		time.Sleep(time.Millisecond)
	}
}

func TestStreamEndsWithTheRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	idle := b.clock.Timers()
	s := follow(t, srv.URL+"/api/events", b.brief())
	s.must()
	b.wait(idle + 2)
	b.clock.Advance(time.Minute)
	if p := s.must(); !p.comment {
		t.Errorf("who may still watch got %+v", p)
	}
	b.wait(idle + 2)
	b.clock.Advance(time.Minute)
	for {
		if _, err := s.next(); err != nil {
			break
		}
	}
}

// TestStreamsEndWithTheServer: closing the feed ends them, and waits for them.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	srv := b.serve()
	s := follow(t, srv.URL+"/api/events", b.tokens[access.Viewer])
	s.must()
	if err := b.feed.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.next(); err == nil {
		t.Error("the stream goes on")
	}
	want(t, b.call("GET", "/api/events", ""), 503, "shutting_down")
}

// TestStreamsDoNotUseUpRequests: they are bounded by themselves.
func TestStreamsDoNotUseUpRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *api.Options) { o.MaxInFlight = 2 })
	srv := b.serve()
	for range 5 {
		follow(t, srv.URL+"/api/events", b.tokens[access.Viewer]).must()
	}
	want(t, b.call("GET", "/api/jobs", ""), 200, "")
}
