package courier_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/courier"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = access.DefaultTenant

// quick is a policy whose delays are milliseconds.
func quick() webhook.Policy {
	return webhook.Policy{
		Base: 10 * time.Millisecond, Cap: 50 * time.Millisecond, Life: 30 * time.Minute, BreakAfter: 5, Pause: 20 * time.Millisecond,
		PauseCap: 50 * time.Millisecond, DisableAfter: time.Hour,
	}
}

type bundle struct {
	t     *testing.T
	store store.Store
	log   *lockedBuffer
	stop  func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
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

func render(n webhook.Note) ([]byte, error) {
	return json.Marshal(map[string]string{"event": string(n.Event.Type), "job_id": n.Event.JobID})
}

// setup opens a store and runs a courier on it.
func setup(t *testing.T, edit ...func(*courier.Options)) *bundle {
	t.Helper()
	return setupAt(t, clock.System{}, edit...)
}

// setupAt is setup with the clock of the store and the courier.
func setupAt(t *testing.T, c clock.Clock, edit ...func(*courier.Options)) *bundle {
	t.Helper()
	s, err := sqlite.OpenMemory(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{t: t, store: s, log: &lockedBuffer{}}
	b.stop = b.run(append([]func(*courier.Options){func(o *courier.Options) { o.Clock = c }}, edit...)...)
	t.Cleanup(func() {
		b.stop()
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// run starts a courier and returns what stops it.
func (b *bundle) run(edit ...func(*courier.Options)) func() {
	b.t.Helper()
	client, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1:*"}, MaxResponse: 1 << 62})
	if err != nil {
		b.t.Fatal(err)
	}
	o := courier.Options{
		Outbox: b.store.Outbox, Webhooks: b.store.Webhooks, Watch: b.store.Events.Watch, Render: render, Client: client, Policy: quick(),
		Timeout: time.Minute, Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, e := range edit {
		e(&o)
	}
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- courier.New(o).Run(ctx) }()
	return sync.OnceFunc(func() {
		end()
		if err := <-done; err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
}

// endpoint stores one that wants everything.
func (b *bundle) endpoint(name, url string, edit ...func(*webhook.Endpoint)) webhook.Endpoint {
	b.t.Helper()
	now := time.Now()
	e := webhook.Endpoint{
		ID: id.New(id.Webhook, now), Tenant: tenant, Name: name, URL: url, Events: []event.Type{webhook.All}, MaxAttempts: 3, Enabled: true,
		Secrets: webhook.Secrets{Current: webhook.NewSecret()}, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	for _, f := range edit {
		f(&e)
	}
	e, err := b.store.Webhooks.Create(b.t.Context(), store.PutWebhook{Endpoint: e})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// add puts n jobs into the queue, which makes n events.
func (b *bundle) add(n int) {
	b.t.Helper()
	now := time.Now()
	jobs := make([]job.Job, n)
	for i := range jobs {
		jobs[i] = job.Job{
			ID: id.New(id.Job, now), Tenant: tenant, Name: "j", Type: "command", Params: []byte(`{}`), Priority: job.PriorityNormal,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now,
		}
	}
	if _, err := b.store.Jobs.Add(b.t.Context(), store.AddJobs{Jobs: jobs}); err != nil {
		b.t.Fatal(err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		if clock.Sleep(t.Context(), clock.System{}, 5*time.Millisecond) != nil {
			return
		}
	}
}

// all returns every delivery of an endpoint.
func (b *bundle) all(webhookID string) []webhook.Delivery {
	b.t.Helper()
	p := store.ListDeliveries{Tenant: tenant, WebhookID: webhookID, Limit: 100_000}
	page, err := b.store.Outbox.List(b.t.Context(), p)
	if err != nil {
		b.t.Fatal(err)
	}
	return page.Deliveries
}

// settled waits until n deliveries of an endpoint have ended.
func (b *bundle) settled(webhookID string, n int) []webhook.Delivery {
	b.t.Helper()
	var out []webhook.Delivery
	until(b.t, fmt.Sprintf("%d deliveries ended", n), func() bool {
		out = b.ended(webhookID)
		return len(out) >= n
	})
	return out
}

// ended returns the deliveries of an endpoint that have ended.
func (b *bundle) ended(webhookID string) []webhook.Delivery {
	b.t.Helper()
	var out []webhook.Delivery
	for _, d := range b.all(webhookID) {
		if !d.Status.Open() {
			out = append(out, d)
		}
	}
	return out
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A server notices that the sender has gone only behind the body.
		text, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(text)))
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestSignsAndDelivers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := make(chan *http.Request, 1)
	body := make(chan string, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got <- r
		body <- string(text)
	})
	old := webhook.NewSecret()
	e := b.endpoint("a", s.URL+"/in?x=1", func(e *webhook.Endpoint) {
		e.Secrets = webhook.Secrets{Current: old}.Rotate(webhook.NewSecret(), time.Now(), time.Hour)
	})
	b.add(1)
	r, text := <-got, <-body
	d := b.settled(e.ID, 1)[0]
	if d.Status != webhook.Delivered || d.LastStatus != 200 || d.Attempts != 1 {
		t.Errorf("%+v", d)
	}
	if r.Method != "POST" || r.Header.Get("Webhook-Id") != d.ID || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "x=1" {
		t.Errorf("request: %s %s %v", r.Method, r.URL, r.Header)
	}
	// A receiver's own computation, for each key.
	for i, secret := range []webhook.Secret{e.Secrets.Current, old} {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Reveal(), "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		m := hmac.New(sha256.New, key)
		m.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + text))
		want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
		if given := strings.Fields(r.Header.Get("Webhook-Signature")); len(given) != 2 || given[i] != want {
			t.Errorf("signature %d: %v", i, given)
		}
	}
	if whole, err := b.store.Outbox.Delivery(t.Context(), tenant, d.ID); err != nil || string(whole.Body) != text || len(whole.Log) != 1 {
		t.Errorf("stored: %s %v, %v", whole.Body, whole.Log, err)
	}
}

// secretText is what answers hold.
const secretText = "the-answer-is-private"

// trouble is a receiver, and what becomes of a message to it.
type trouble struct {
	handle   http.HandlerFunc
	url      string
	code     string
	attempts int
	status   webhook.Status // "" = dead
}

// badReceivers are all kinds of trouble; trap is where redirects lead.
func badReceivers(t *testing.T, trap string) map[string]trouble {
	t.Helper()
	forever := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat(secretText, 100)); err != nil {
				return
			}
		}
	}
	tls := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(tls.Close)
	return map[string]trouble{
		"down":     {url: "http://127.0.0.1:1", code: "target_unreachable", attempts: 3},
		"bad TLS":  {url: tls.URL, code: "target_untrusted", attempts: 3},
		"no https": {url: "http://example.com/", code: "target_not_allowed", attempts: 1},
		"metadata": {url: "https://169.254.169.254/latest", code: "target_not_allowed", attempts: 1},
		"500": {handle: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, secretText)
		}, code: "unexpected_status", attempts: 3},
		"slow": {handle: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, code: "target_timeout", attempts: 3},
		"redirect": {handle: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, trap, http.StatusTemporaryRedirect)
		}, code: "redirect", attempts: 3},
		"to metadata": {handle: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		}, code: "redirect", attempts: 3},
		"gone":    {handle: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, code: "gone", attempts: 1},
		"endless": {handle: forever, attempts: 1, status: webhook.Delivered},
		"endless 500": {handle: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			forever(w, r)
		}, code: "unexpected_status", attempts: 3},
		"huge": {handle: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "999999999999")
			w.WriteHeader(200)
		}, attempts: 1, status: webhook.Delivered},
		"not HTTP":    {url: rawServer(t, "SSH-2.0-x\r\n"), code: "target_broken", attempts: 3},
		"slow header": {url: rawServer(t, "HTTP/1.1 200 OK\r\nX-A:"), code: "target_timeout", attempts: 3},
	}
}

// TestBadReceivers: each kind of trouble ends in a dead delivery with a code that
// tells, and none of the answer's text is kept.
func TestBadReceivers(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	trap := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	for name, c := range badReceivers(t, trap.URL) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(o *courier.Options) {
				if c.code == "target_timeout" {
					o.Timeout = 300 * time.Millisecond
				}
			})
			if c.handle != nil {
				c.url = serve(t, c.handle).URL
			}
			if c.status == "" {
				c.status = webhook.Dead
			}
			e := b.endpoint("a", c.url)
			b.add(1)
			d, err := b.store.Outbox.Delivery(t.Context(), tenant, b.settled(e.ID, 1)[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			if d.Status != c.status || d.ErrorCode != c.code || d.Attempts != c.attempts || len(d.Log) != c.attempts {
				t.Errorf("%s %q after %d attempts: %s", d.Status, d.ErrorCode, d.Attempts, d.ErrorMessage)
			}
			for _, where := range []string{fmt.Sprint(d.Log), d.ErrorMessage, b.log.String()} {
				if strings.Contains(where, secretText) || strings.Contains(where, e.Secrets.Current.Reveal()[8:]) {
					t.Errorf("a secret leaks: %s", where)
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := reached.Load(); n != 0 {
			t.Errorf("%d redirects were followed", n)
		}
	})
}

// rawServer answers each connection with a text and then says nothing.
func rawServer(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer conn.Close()
				// Not before the request has come: nobody asked yet.
				if _, err := conn.Read(make([]byte, 1)); err != nil {
					return
				}
				if _, err := io.WriteString(conn, text); err == nil {
					_, _ = io.Copy(io.Discard, conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Wait()
	})
	return "http://" + l.Addr().String()
}

// TestSameMessageOnRetry: id and body stay, the timestamp and with it the
// signature may change, and Retry-After is honoured.
func TestSameMessageOnRetry(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var mu sync.Mutex
	var got []string
	var at []time.Time
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got, at = append(got, r.Header.Get("Webhook-Id")+" "+string(text)), append(at, time.Now())
		if len(got) == 1 {
			w.Header().Set("Retry-After", "1")
		}
		if len(got) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	e := b.endpoint("a", s.URL)
	b.add(1)
	d := b.settled(e.ID, 1)[0]
	mu.Lock()
	defer mu.Unlock()
	if d.Status != webhook.Delivered || len(got) != 3 || got[0] != got[1] || got[1] != got[2] {
		t.Errorf("%s: %q", d.Status, got)
	}
	if wait := at[1].Sub(at[0]); wait < 900*time.Millisecond {
		t.Errorf("tried again after %s", wait)
	}
}

// backlogs are what a courier counts.
type backlogs chan [2]int

func (backlogs) WebhookAttempt(string, time.Duration) {}
func (b backlogs) WebhookBacklog(notes, open int)     { b <- [2]int{notes, open} }

// TestFindsWhatNobodyToldOf: a hint that is lost costs a while and no message, and what
// has been delivered is not counted for ever.
func TestFindsWhatNobodyToldOf(t *testing.T) {
	t.Parallel()
	count := make(backlogs, 100)
	b := setup(t, func(o *courier.Options) {
		o.Watch = func() (<-chan store.Hint, func()) { return nil, func() {} }
		o.Meter = count
	})
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	<-count // the first round is over, which looks without a hint
	e := b.endpoint("a", s.URL)
	b.add(1)
	b.settled(e.ID, 1)
	if n := <-count; n != [2]int{} {
		t.Errorf("after it, %d wait", n)
	}
}

// TestStopCutsOff: what is under way when the server stops is sent again by the
// next one, with the same id, and does not count as a failure.
func TestStopCutsOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	arrived := make(chan string, 2)
	var stuck atomic.Bool
	stuck.Store(true)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Header.Get("Webhook-Id")
		if stuck.Load() {
			<-r.Context().Done()
		}
	})
	e := b.endpoint("a", s.URL)
	b.add(1)
	first := <-arrived
	b.stop()
	stuck.Store(false)
	b.stop = b.run()
	if again := <-arrived; again != first {
		t.Errorf("%s, then %s", first, again)
	}
	if d := b.settled(e.ID, 1)[0]; d.Status != webhook.Delivered || d.Attempts != 1 {
		t.Errorf("%s after %d attempts", d.Status, d.Attempts)
	}
}
