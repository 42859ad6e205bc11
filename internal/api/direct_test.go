package api_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

// EchoInput is the body of the tests' direct route.
type EchoInput struct {
	Text  string   `json:"text"`
	Locks []string `json:"locks,omitempty"`
}

// EchoAnswer is its answer.
type EchoAnswer struct {
	wire.DirectAnswer
	Echo string `json:"echo"`
}

const secretText = "a private text, never stored"

// contents are blobs in memory.
type contents struct {
	mu sync.Mutex
	m  blobs
}

func (c *contents) Open(ctx context.Context, sum string) (io.ReadSeekCloser, int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m.Open(ctx, sum)
}

func (c *contents) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
}

type testLog struct{ n int64 }

func (l *testLog) Write(p []byte) (int, error) { l.n += int64(len(p)); return len(p), nil }
func (l *testLog) Close() (int64, bool)        { return l.n, false }

// laneServer is a server with an engine whose job type is an echo.
type laneServer struct {
	t      *testing.T
	store  store.Store
	engine *queue.Engine
	file   string // of the database
	url    string
	tokens map[string]string
	blobs  *contents
	logs   *lockedBuffer
	end    context.CancelCauseFunc // of all requests
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startLane(t *testing.T, e tasktest.Echo, change ...func(*api.Options)) *laneServer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runsheet.db")
	st, err := sqlite.Open(t.Context(), sqlite.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	s := &laneServer{t: t, file: file, store: st, tokens: map[string]string{}, blobs: &contents{m: blobs{}}, logs: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tasks := task.NewRegistry(e, tale{"story"}, tale{"research"})
	s.engine = queue.New(queue.Options{
		Store: st, Tasks: tasks, WorkDir: t.TempDir(), HostID: "host", Exclusive: true, Logger: log, StopGrace: 50 * time.Millisecond,
		OpenLog: func(string) (queue.Log, error) { return &testLog{}, nil },
		PutBlob: func(_ context.Context, r io.Reader, reserve blob.Reserve) (string, int64, error) {
			b, err := io.ReadAll(r)
			if err != nil {
				return "", 0, err
			}
			sum := sha256.Sum256(b)
			h := hex.EncodeToString(sum[:])
			s.blobs.mu.Lock()
			s.blobs.m[h] = string(b)
			s.blobs.mu.Unlock()
			return h, int64(len(b)), reserve(h, int64(len(b)))
		},
	})
	run, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(run) }()
	<-s.engine.Ready()
	var static access.Static
	for _, p := range []access.Principal{
		{Name: "operator", Tenant: access.DefaultTenant, Roles: []access.Role{access.Operator}},
		{Name: "author", Tenant: access.DefaultTenant, Roles: []access.Role{access.Author}},
		{Name: "viewer", Tenant: access.DefaultTenant, Roles: []access.Role{access.Viewer}},
		{Name: "restricted", Tenant: access.DefaultTenant, Roles: []access.Role{access.Operator}, Templates: []string{"*"}},
		{Name: "blind", Tenant: access.DefaultTenant, Roles: []access.Role{access.Operator}, Scopes: []access.Scope{access.JobsWrite}},
	} {
		s.tokens[p.Name] = access.NewToken()
		static = static.With(s.tokens[p.Name], p)
	}
	o := api.Options{
		Store: st, Tasks: tasks, Identity: identity.New(identity.Options{Store: st, Static: static}), Blobs: s.blobs, Logger: log,
		Direct: append(api.DirectRoutes(), api.DirectRoute{
			Kind: "echo", ID: "echo_now", Path: "/echo/now", Summary: "Say it now", Body: EchoInput{}, Answer: EchoAnswer{},
		}),
		Lane: s.engine, BodyKey: bytes.Repeat([]byte("k"), 32),
	}
	for _, c := range change {
		c(&o)
	}
	h, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	base, end := context.WithCancelCause(context.Background())
	s.end = end
	srv.Config.BaseContext = func(net.Listener) context.Context { return base }
	srv.Start()
	s.url = srv.URL
	t.Cleanup(func() {
		end(nil)
		srv.CloseClientConnections()
		srv.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// post makes a direct request.
func (s *laneServer) post(ctx context.Context, who, body string, headers ...string) (*http.Response, error) {
	target := s.url + "/echo/now"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "query" {
			target += headers[i+1]
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.tokens[who])
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return http.DefaultClient.Do(r)
}

// say asks for the answer at once.
func (s *laneServer) say(who, body string, headers ...string) answer {
	s.t.Helper()
	res, err := s.post(s.t.Context(), who, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res, text}
}

// laneFrame is one event of a stream.
type laneFrame struct{ name, data string }

// laneFrames reads a stream to its end. It calls each with every event.
func laneFrames(t *testing.T, r io.Reader, each func(laneFrame)) []laneFrame {
	t.Helper()
	var out []laneFrame
	var f laneFrame
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		name, value, _ := strings.Cut(sc.Text(), ": ")
		switch name {
		case "event":
			f.name = value
		case "data":
			f.data = value
		case "":
			if f.name != "" {
				out = append(out, f)
				if each != nil {
					each(f)
				}
			}
			f = laneFrame{}
		}
	}
	return out
}

func sayBody(text string) string { return fmt.Sprintf(`{"text":%q}`, text) }

// hold keeps the one slot busy with a job until the returned function is called.
func (s *laneServer) hold(open chan struct{}, began <-chan string) (jobID string) {
	s.t.Helper()
	now := time.Now()
	added, err := s.store.Jobs.Add(s.t.Context(), store.AddJobs{Jobs: []job.Job{{
		ID: id.New(id.Job, now), Tenant: access.DefaultTenant, Type: "echo", Params: []byte("{}"), Priority: 5, OnCrash: job.CrashFail,
		Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
	}}})
	if err != nil {
		s.t.Fatal(err)
	}
	<-began
	s.t.Cleanup(func() {
		select {
		case <-open:
		default:
			close(open)
		}
	})
	return added[0].Job.ID
}

// busy is an echo whose jobs last until open is closed.
func busy() (e tasktest.Echo, open chan struct{}, began chan string) {
	open, began = make(chan struct{}), make(chan string, 10)
	return tasktest.Echo{Jobs: func(ctx context.Context, a task.Attempt, _ task.Host) error {
		began <- a.JobID
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}, open, began
}

func TestDirectAnswer(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{})
	got := want(t, s.say("operator", sayBody(secretText)), 200, "").json(t)
	runID, _ := got["run_id"].(string)
	arts, _ := got["artifacts"].(map[string]any)
	if got["echo"] != secretText || got["success"] != true || id.Check(id.Run, runID) != nil || arts["echo.txt"] == nil {
		t.Errorf("answer %v", got)
	}
	for _, k := range []string{"success", "run_id", "artifacts", "tokens", "queue_wait_ms", "waited_for", "interrupted_jobs"} {
		if _, ok := got[k]; !ok {
			t.Errorf("the answer has no %s", k)
		}
	}
	r := want(t, s.get("viewer", "/api/job-runs/"+runID), 200, "").json(t)
	if r["job_id"] != nil || r["trigger"] != "direct" || r["job_type"] != "echo" || r["status"] != "COMPLETED" || r["waited_for"] == nil {
		t.Errorf("run %v", r)
	}
	params, _ := r["params"].(map[string]any)
	if h, _ := params["request"].(string); !strings.HasPrefix(h, "hmac-sha256:") || len(params) != 1 {
		t.Errorf("the run keeps %v", params)
	}
	if list := want(t, s.get("viewer", "/api/job-runs"), 200, "").json(t); !strings.Contains(fmt.Sprint(list), runID) {
		t.Errorf("not listed: %v", list)
	}
	want(t, s.send("operator", "POST", "/api/job-runs/"+runID+"/retry"), 409, "direct_not_repeatable")
	if doc := s.get("viewer", "/api/openapi.json"); !strings.Contains(string(doc.body), `"echo_now"`) {
		t.Error("the route is not in the document")
	}
}

func (s *laneServer) get(who, target string) answer { return s.send(who, "GET", target) }

func (s *laneServer) send(who, method, target string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.tokens[who])
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res, b}
}

func TestDirectRefusals(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{})
	want(t, s.say("viewer", sayBody("x")), 403, "forbidden")
	want(t, s.say("restricted", sayBody("x")), 403, "forbidden")
	want(t, s.say("nobody", sayBody("x")), 401, "unauthorized")
	want(t, s.say("operator", `{"text":1}`), 422, "invalid_input")
	want(t, s.say("operator", `{"other":"x"}`), 422, "invalid_input")
	want(t, s.say("operator", sayBody(strings.Repeat("x", api.MaxBody))), 413, "body_too_large")
	want(t, s.say("operator", sayBody("x"), "query", "?on_disconnect=perhaps"), 400, "invalid_parameter")
	p, err := s.store.Runs.List(t.Context(), store.ListRuns{Tenant: access.DefaultTenant, Limit: 10})
	if err != nil || len(p.Runs) != 0 {
		t.Errorf("runs %v, %v", p.Runs, err)
	}
}

func TestDirectStream(t *testing.T) {
	t.Parallel()
	e, open, began := busy()
	s := startLane(t, e)
	want(t, s.say("operator", sayBody("before")), 200, "") // it is known how long one takes
	start := clock.System{}.Now()
	jobID := s.hold(open, began)
	res, err := s.post(t.Context(), "operator", sayBody(secretText), "Accept", "text/event-stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %s", ct)
	}
	var once sync.Once
	got := laneFrames(t, res.Body, func(f laneFrame) {
		if f.name == "queued" {
			once.Do(func() { close(open) })
		}
	})
	var names []string
	var text string
	for _, f := range got {
		if len(names) == 0 || names[len(names)-1] != f.name {
			names = append(names, f.name)
		}
		if f.name == "token" {
			var tok wire.DirectToken
			if err := json.Unmarshal([]byte(f.data), &tok); err != nil {
				t.Fatal(err)
			}
			text += tok.Text
		}
	}
	if diff := cmp.Diff([]string{"queued", "started", "token", "result"}, names); diff != "" {
		t.Fatal(diff, got)
	}
	var q wire.DirectQueued
	if err := json.Unmarshal([]byte(got[0].data), &q); err != nil {
		t.Fatal(err)
	}
	if text != secretText || q.Position != 0 || q.ETA == nil || q.ETA.Before(start) {
		t.Errorf("tokens %q, queued %s", text, got[0].data)
	}
	var r EchoAnswer
	if err := json.Unmarshal([]byte(got[len(got)-1].data), &r); err != nil {
		t.Fatal(err)
	}
	if r.Echo != secretText || len(r.WaitedFor) != 1 || r.WaitedFor[0] != jobID || !cmp.Equal(r.WaitedFor, r.InterruptedJobs) {
		t.Errorf("result %+v", r)
	}
}

func TestDirectStreamTellsFailures(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{Before: func(context.Context, task.Attempt, task.Host) error {
		return task.Fail("model_broken", fmt.Errorf("the model has no weights"))
	}})
	res, err := s.post(t.Context(), "operator", sayBody("x"), "Accept", "text/event-stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := laneFrames(t, res.Body, nil)
	last := got[len(got)-1]
	var p wire.Problem
	if err := json.Unmarshal([]byte(last.data), &p); err != nil {
		t.Fatal(err)
	}
	if last.name != "error" || p.Code != "direct_failed" || p.Status != 502 || !strings.Contains(p.Detail, "no weights") {
		t.Errorf("last event %+v", last)
	}
	want(t, s.say("operator", sayBody("x")), 502, "direct_failed")
}

func TestDirectFaultsOfTheWork(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{Before: func(context.Context, task.Attempt, task.Host) error {
		return task.Fail(string(fault.TargetTimeout), fmt.Errorf("the model took too long"))
	}})
	a := s.say("operator", sayBody("x"))
	if a.StatusCode != 503 && a.StatusCode != 422 || a.text(t, "code") != "target_timeout" {
		t.Errorf("answered %d %s", a.StatusCode, a.body)
	}
}

func TestDirectLimits(t *testing.T) {
	t.Parallel()
	e, open, began := busy()
	s := startLane(t, e)
	rules := job.DefaultRules()
	rules.DirectWaiting, rules.DirectTimeout = 0, 50*time.Millisecond
	set := func() {
		if _, err := s.store.Queue.SetRules(t.Context(), store.SetRules{Rules: rules, Tenant: access.DefaultTenant, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	set()
	s.hold(open, began)
	if a := want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 429, "direct_lane_full"); a.Header.Get("Retry-After") != "10" {
		t.Errorf("retry after %q", a.Header.Get("Retry-After"))
	}
	rules.DirectWaiting = 1
	set()
	// The key of what never ran is free again.
	if a := want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 503, "direct_wait_timeout"); a.Header.Get("Retry-After") != "30" {
		t.Errorf("retry after %q", a.Header.Get("Retry-After"))
	}
	rules.DirectTimeout = time.Hour // so that it gets its turn on any machine
	set()
	close(open)
	want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 200, "")
}

func TestDirectRepetition(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{})
	first := want(t, s.say("operator", sayBody(secretText), "Idempotency-Key", "k"), 200, "").json(t)
	again := want(t, s.say("operator", sayBody(secretText), "Idempotency-Key", "k"), 200, "")
	if diff := cmp.Diff(first, again.json(t)); diff != "" || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("repeated: %s", diff)
	}
	want(t, s.say("operator", sayBody("other"), "Idempotency-Key", "k"), 422, "idempotency_mismatch")
	s.blobs.clear()
	want(t, s.say("operator", sayBody(secretText), "Idempotency-Key", "k"), 410, "direct_gone")
	if _, err := s.store.Retention.ExpireJobs(t.Context(), time.Now().Add(time.Hour), 10); err != nil {
		t.Fatal(err)
	}
	want(t, s.get("viewer", "/api/job-runs/"+first["run_id"].(string)), 404, "not_found")
	want(t, s.say("operator", sayBody(secretText), "Idempotency-Key", "k"), 410, "direct_gone")
}

func TestDirectRepetitionOfAFailure(t *testing.T) {
	t.Parallel()
	n := 0
	s := startLane(t, tasktest.Echo{Before: func(context.Context, task.Attempt, task.Host) error {
		n++
		return task.Fail("model_broken", fmt.Errorf("no luck"))
	}})
	first := want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 502, "direct_failed").json(t)
	again := want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 502, "direct_failed").json(t)
	if n != 1 || first["detail"] != again["detail"] {
		t.Errorf("done %d times: %v, %v", n, first, again)
	}
}

func TestDirectRepetitionInFlight(t *testing.T) {
	t.Parallel()
	e, open, began := busy()
	s := startLane(t, e)
	s.hold(open, began)
	done := make(chan answer, 1)
	go func() { done <- s.say("operator", sayBody("x"), "Idempotency-Key", "k") }()
	s.waiting(1)
	want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 409, "idempotency_in_flight")
	close(open)
	want(t, <-done, 200, "")
}

// waiting waits until n direct requests wait.
func (s *laneServer) waiting(n int) {
	s.t.Helper()
	for range 12_000 {
		w, err := s.store.Direct.Waiting(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if len(w) == n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatalf("never did %d direct requests wait", n)
}

// TestDirectRepetitionAfterACrash: the key says that a request entered, and no
// server has it.
func TestDirectRepetitionAfterACrash(t *testing.T) {
	t.Parallel()
	e, open, began := busy()
	s := startLane(t, e)
	s.hold(open, began)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		res, err := s.post(ctx, "operator", sayBody("x"), "Idempotency-Key", "k")
		if err == nil {
			err = res.Body.Close()
		}
		done <- err
	}()
	s.waiting(1)
	w, err := s.store.Direct.Waiting(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Without its key, as a dead server's place vanishes.
	if left, err := s.store.Direct.Leave(t.Context(), store.LeaveDirect{RunID: w[0].RunID}); err != nil || !left {
		t.Fatal(left, err)
	}
	close(open)
	got := want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 200, "").json(t)
	if got["run_id"] == w[0].RunID {
		t.Error("the first request ran")
	}
	leave()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestDirectIsPrivate looks for the text everywhere but in the artifact and the
// answer.
func TestDirectIsPrivate(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{})
	want(t, s.say("operator", sayBody(secretText), "Idempotency-Key", "k"), 200, "")
	plain := sha256.Sum256([]byte(sayBody(secretText)))
	for name, text := range map[string]string{"database": dump(t, s.file), "log": s.logs.String()} {
		if text == "" || strings.Contains(text, secretText) || strings.Contains(text, hex.EncodeToString(plain[:])) {
			t.Errorf("the %s tells: %d bytes", name, len(text))
		}
	}
}

func TestDirectCallerGoes(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"application/json", "text/event-stream"} {
		for policy, state := range map[string]string{"finish": "COMPLETED", "cancel": "FAILED"} {
			t.Run(policy+" "+accept, func(t *testing.T) {
				t.Parallel()
				began, on := make(chan string, 1), make(chan struct{})
				s := startLane(t, tasktest.Echo{Before: func(ctx context.Context, a task.Attempt, _ task.Host) error {
					began <- a.RunID
					if policy == "cancel" {
						<-ctx.Done()
						return context.Cause(ctx)
					}
					<-on
					return nil
				}})
				ctx, leave := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					if res, err := s.post(ctx, "operator", sayBody("x"), "Accept", accept, "query", "?on_disconnect="+policy); err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				}()
				runID := <-began
				leave()
				<-done
				close(on)
				for range 12_000 {
					r, err := s.store.Runs.Run(t.Context(), access.DefaultTenant, runID)
					if err != nil {
						t.Fatal(err)
					}
					if r.State.Terminal() {
						if string(r.State) != state {
							t.Errorf("ended %s, %+v", r.State, r.Failure)
						}
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
				t.Error("it never ended")
			})
		}
	}
}

func TestDirectWhenTheServerStops(t *testing.T) {
	t.Parallel()
	e, open, began := busy()
	s := startLane(t, e)
	s.hold(open, began)
	done := make(chan answer, 1)
	go func() { done <- s.say("operator", sayBody("x")) }()
	s.waiting(1)
	s.end(fault.New(fault.ShuttingDown, "the server is stopping"))
	want(t, <-done, 503, "shutting_down")
	s.waiting(0)
}

// torrent is a lane whose work says more at once than a caller may be behind.
type torrent struct{ api.Lane }

func (l torrent) Direct(ctx context.Context, r queue.DirectRequest) (queue.DirectAnswer, error) {
	if r.Caller != nil {
		r.Caller.Queued(0)
		r.Caller.Token(strings.Repeat("x", 2<<20))
	}
	return l.Lane.Direct(ctx, r)
}

// TestDirectSlowCaller: who is too far behind is cut off, and the work is done.
func TestDirectSlowCaller(t *testing.T) {
	t.Parallel()
	s := startLane(t, tasktest.Echo{}, func(o *api.Options) { o.Lane = torrent{o.Lane} })
	res, err := s.post(t.Context(), "operator", sayBody("x"), "Accept", "text/event-stream", "Idempotency-Key", "k")
	if err == nil {
		var text []byte
		text, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil || bytes.Contains(text, []byte("event: result")) {
			t.Errorf("the stream looks complete: %.200s", text)
		}
	}
	want(t, s.say("operator", sayBody("x"), "Idempotency-Key", "k"), 200, "")
}
