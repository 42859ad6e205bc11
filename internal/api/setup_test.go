package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/runlog"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/vault"
)

// echo is a job type that only the API looks at: nothing executes here.
type echo struct{}

func (echo) Type() string { return "echo" }
func (echo) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","additionalProperties":false,"required":["text"],
		"properties":{"text":{"type":"string"},"times":{"type":"integer","minimum":1},"model":{"type":"string"}}}`)
}

func (echo) Check(p json.RawMessage) error {
	if bytes.Contains(p, []byte("forbidden")) {
		return fault.New(fault.CommandNotAllowed, "not this text").At("/text", "not_allowed", "is not allowed")
	}
	return nil
}

func (echo) Locks(p json.RawMessage) []string {
	var v struct{ Model string }
	if json.Unmarshal(p, &v) == nil && v.Model != "" {
		return []string{"model:" + v.Model}
	}
	return nil
}
func (echo) Privileged() []string                               { return []string{"model"} }
func (echo) OnCrash() job.CrashPolicy                           { return job.CrashFail }
func (echo) Run(context.Context, task.Attempt, task.Host) error { return errors.New("not here") }

// blobs holds content by hash.
type blobs map[string]string

type content struct{ *strings.Reader }

func (content) Close() error { return nil }

func (b blobs) Open(_ context.Context, sum string) (io.ReadSeekCloser, int64, error) {
	text, ok := b[sum]
	if !ok {
		return nil, 0, fault.New(fault.ArtifactGone, "no such content")
	}
	return content{strings.NewReader(text)}, int64(len(text)), nil
}

type bundle struct {
	t       *testing.T
	clock   *clocktest.Manual
	store   store.Store
	handler http.Handler
	tokens  map[access.Role]string
	blobs   blobs
	logs    *runlog.Folder
	feed    *feed.Feed
}

var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func setup(t *testing.T, change ...func(*api.Options)) *bundle {
	t.Helper()
	s, err := sqlite.OpenMemory(t.Context(), clocktest.New(start))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return setupOn(t, s, change...)
}

// setupOn is setup with a store.
func setupOn(t *testing.T, s store.Store, change ...func(*api.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: clocktest.New(start), store: s, tokens: map[access.Role]string{}, blobs: blobs{}}
	var err error
	if b.logs, err = runlog.Open(t.TempDir(), runlog.Options{Clock: b.clock}); err != nil {
		t.Fatal(err)
	}
	// It has a clock of its own: what follows the log must not stand still.
	b.feed = feed.New(feed.Options{Events: b.store.Events})
	t.Cleanup(func() {
		if err := b.feed.Close(); err != nil {
			t.Error(err)
		}
	})
	var tokens access.Static
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Author, access.Approver, access.Admin} {
		b.tokens[role] = access.NewToken()
		tokens = tokens.With(b.tokens[role], access.Principal{Name: string(role), Tenant: access.DefaultTenant, Roles: []access.Role{role}})
	}
	b.tokens["stranger"] = access.NewToken()
	tokens = tokens.With(b.tokens["stranger"], access.Principal{Name: "stranger", Tenant: "other", Roles: []access.Role{access.Admin}})
	o := api.Options{
		Store: b.store, Tasks: task.NewRegistry(echo{}), Identity: identity.New(identity.Options{Store: b.store, Static: tokens, Digest: api.DigestUser, Clock: b.clock}), Blobs: b.blobs, Logs: b.logs, Feed: b.feed, Clock: b.clock, Version: "test",
		Vault:  vault.New(vault.Options{Store: b.store.Secrets, Key: strings.Repeat("0f", 32), Clock: b.clock}),
		Direct: api.DirectRoutes(), BodyKey: bytes.Repeat([]byte("k"), 32),
	}
	for _, c := range change {
		c(&o)
	}
	if b.handler, err = api.New(o); err != nil {
		t.Fatal(err)
	}
	return b
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.body, &m); err != nil {
		t.Fatalf("not JSON: %v: %s", err, a.body)
	}
	return m
}

func (a answer) text(t *testing.T, key string) string {
	t.Helper()
	s, _ := a.json(t)[key].(string)
	return s
}

// as makes a request with the token of a role; "" sends none. Headers are
// pairs of name and value.
func (b *bundle) as(role access.Role, method, target, body string, headers ...string) answer {
	b.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(b.t.Context(), method, "http://localhost"+target, in)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := b.tokens[role]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	res := w.Result()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res, text}
}

func (b *bundle) call(method, target, body string, headers ...string) answer {
	b.t.Helper()
	return b.as(access.Admin, method, target, body, headers...)
}

// want fails the test unless the answer has the status, and the code if it is
// a problem.
func want(t *testing.T, a answer, status int, code string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	if status < 400 {
		return a
	}
	if ct := a.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
	p := a.json(t)
	if p["code"] != code || p["type"] != "/problems/"+code || p["request_id"] == "" || p["request_id"] != a.Header.Get("X-Request-Id") {
		t.Errorf("problem %s, want code %s", a.body, code)
	}
	return a
}

const echoJob = `{"job_type":"echo","params":{"text":"hi"}}`

func (b *bundle) addJob(body string) string {
	b.t.Helper()
	return want(b.t, b.call("POST", "/api/jobs", body), 201, "").text(b.t, "job_id")
}

func (b *bundle) jobCount() int {
	b.t.Helper()
	p, err := b.store.Jobs.List(b.t.Context(), store.ListJobs{Tenant: access.DefaultTenant, Limit: 200})
	if err != nil {
		b.t.Fatal(err)
	}
	return len(p.Jobs)
}

// claim starts the first job on a fresh instance.
func (b *bundle) claim() store.Claimed {
	b.t.Helper()
	ctx := b.t.Context()
	inst := store.Instance{ID: id.New(id.Instance, b.clock.Now()), HostID: id.New(id.Instance, start), Hostname: "h", StartedAt: start}
	if err := b.store.Leases.Register(ctx, inst, time.Hour); err != nil {
		b.t.Fatal(err)
	}
	c, err := b.store.Jobs.Claim(ctx, store.ClaimJobs{Instance: inst.ID, Now: b.clock.Now(), Room: 1, Decide: claim.Decide})
	if err != nil || len(c.Started) != 1 {
		b.t.Fatalf("claim: %v, %d started", err, len(c.Started))
	}
	return c.Started[0]
}

// finish ends a claimed attempt well.
func (b *bundle) finish(c store.Claimed) {
	b.t.Helper()
	j, err := b.store.Jobs.Job(b.t.Context(), c.Job.Tenant, c.Job.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	jc, err := job.Apply(j, job.Succeeded{At: b.clock.Now()})
	if err != nil {
		b.t.Fatal(err)
	}
	rc, err := run.Apply(c.Run, run.Succeeded{At: b.clock.Now()})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Jobs.Finish(b.t.Context(), []store.Finish{{Job: jc, Run: rc}})[0]; err != nil {
		b.t.Fatal(err)
	}
}
