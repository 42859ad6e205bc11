package courier_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/courier"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/webhook"
)

// receiver is an endpoint that keeps count.
type receiver struct {
	mu     sync.Mutex
	bodies map[string]string // by webhook-id
	taken  map[string]bool   // answered with 2xx
	mixed  int               // ids that came with two bodies
	busy   int
	most   int       // under way at a time, while none was given up
	sure   time.Time // none is given up or taken twice before
	handle func(w http.ResponseWriter, r *http.Request, first bool)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, _ := io.ReadAll(req.Body)
	ref := req.Header.Get("Webhook-Id")
	r.mu.Lock()
	before, again := r.bodies[ref]
	if again && before != string(text) {
		r.mixed++
	}
	r.bodies[ref] = string(text)
	r.busy++
	if time.Now().Before(r.sure) { // later a handler may not know yet that its sender has gone
		r.most = max(r.most, r.busy)
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.busy--
		r.mu.Unlock()
	}()
	r.handle(w, req, !again)
}

func (r *receiver) ok(w http.ResponseWriter, req *http.Request, _ bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken[req.Header.Get("Webhook-Id")] = true
	w.WriteHeader(http.StatusNoContent)
}

// storm puts jobs into the queue, each labelled for one of the endpoints.
func (b *bundle) storm(endpoints, each int) {
	b.t.Helper()
	now := time.Now()
	for range each {
		jobs := make([]job.Job, endpoints)
		for i := range jobs {
			jobs[i] = job.Job{
				ID: id.New(id.Job, now), Tenant: tenant, Name: "j", Type: "command", Params: []byte(`{}`), Priority: job.PriorityNormal,
				OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: now, QueuedAt: now, Labels: map[string]string{"to": fmt.Sprint(i)},
			}
		}
		if _, err := b.store.Jobs.Add(b.t.Context(), store.AddJobs{Jobs: jobs}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// leaping is the system's clock, which a test puts forward.
type leaping struct {
	clock.System
	by atomic.Int64
}

func (l *leaping) Now() time.Time { return l.System.Now().Add(time.Duration(l.by.Load())) }

// stormTroubles are the endpoints that do not just take what they get. Number 4 is
// down. trap is where redirects lead.
func stormTroubles(trap string) map[int]func(*receiver) func(http.ResponseWriter, *http.Request, bool) {
	return map[int]func(*receiver) func(http.ResponseWriter, *http.Request, bool){
		0: func(*receiver) func(http.ResponseWriter, *http.Request, bool) {
			return func(_ http.ResponseWriter, r *http.Request, _ bool) { <-r.Context().Done() }
		},
		1: func(*receiver) func(http.ResponseWriter, *http.Request, bool) {
			return func(w http.ResponseWriter, _ *http.Request, _ bool) { w.WriteHeader(http.StatusInternalServerError) }
		},
		2: func(*receiver) func(http.ResponseWriter, *http.Request, bool) {
			return func(w http.ResponseWriter, r *http.Request, _ bool) {
				http.Redirect(w, r, trap, http.StatusPermanentRedirect)
			}
		},
		3: func(*receiver) func(http.ResponseWriter, *http.Request, bool) {
			return func(w http.ResponseWriter, _ *http.Request, _ bool) { w.WriteHeader(http.StatusGone) }
		},
		// Refuses the first attempt of each message.
		5: func(r *receiver) func(http.ResponseWriter, *http.Request, bool) {
			return func(w http.ResponseWriter, req *http.Request, first bool) {
				if first {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				r.ok(w, req, first)
			}
		},
	}
}

func surely(all []*receiver, until time.Time) {
	for _, r := range all {
		r.mu.Lock()
		r.sure = until
		r.mu.Unlock()
	}
}

// TestStorm is T16 in short: 2,000 events for 20 endpoints, some of which are in
// trouble. Every event is delivered at least once or listed as dead, retries have
// the same id and body, no endpoint gets more than four at a time, no redirect is
// followed, and the healthy have all they are to get while the others still try.
func TestStorm(t *testing.T) {
	t.Parallel()
	endpoints, each := 20, 100
	if testing.Short() { // under the race detector everything takes longer
		each = 10
	}
	var now leaping
	const life = time.Hour // ends when the healthy have all, however long that takes
	const timeout = 5 * time.Second
	b := setupAt(t, &now, func(o *courier.Options) {
		o.Timeout = timeout
		o.Policy.Life = life
		o.Policy.DisableAfter = 2 * life
	})
	var trapped atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Add(1) }))
	t.Cleanup(trap.Close)
	troubles := stormTroubles(trap.URL)
	var all []*receiver
	var hooks []webhook.Endpoint
	for i := range endpoints {
		r := &receiver{bodies: map[string]string{}, taken: map[string]bool{}}
		r.handle = r.ok
		if f := troubles[i]; f != nil {
			r.handle = f(r)
		}
		if i == 4 {
			r.handle = hangUp
		}
		s := httptest.NewServer(r)
		t.Cleanup(s.Close)
		all = append(all, r)
		hooks = append(hooks, b.endpoint(fmt.Sprint("e", i), s.URL, func(e *webhook.Endpoint) {
			e.Labels, e.MaxAttempts = map[string]string{"to": fmt.Sprint(i)}, 16
		}))
	}
	surely(all, time.Now().Add(timeout))
	b.storm(endpoints, each)
	for i := 6; i < endpoints; i++ {
		for _, d := range b.settled(hooks[i].ID, each) {
			if d.Status != webhook.Delivered {
				t.Errorf("endpoint %d: %s is %s: %s", i, d.ID, d.Status, d.ErrorMessage)
			}
		}
	}
	if open := each - len(b.ended(hooks[0].ID)); open == 0 {
		t.Error("the slow endpoint has no message any more: this test shows nothing of the others' independence")
	}
	surely(all, time.Time{}) // what is under way has no lease any more after the leap
	now.by.Store(int64(life))
	for i, h := range hooks {
		if i != 3 { // which says that it wants no more
			b.settled(h.ID, each)
		}
		ends, r := b.all(h.ID), all[i]
		if len(ends) != each && i != 3 {
			t.Errorf("endpoint %d: %d deliveries of %d events", i, len(ends), each)
		}
		r.mu.Lock()
		for _, d := range ends {
			if d.Status == webhook.Delivered != r.taken[d.ID] || d.Status != webhook.Delivered && d.Status != webhook.Dead {
				t.Errorf("endpoint %d: %s is %s, taken %v", i, d.ID, d.Status, r.taken[d.ID])
			}
		}
		if r.mixed > 0 || r.most > webhook.PerTarget {
			t.Errorf("endpoint %d: %d ids with two bodies, %d at a time", i, r.mixed, r.most)
		}
		r.mu.Unlock()
	}
	if n := trapped.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
	if e, err := b.store.Webhooks.Endpoint(t.Context(), tenant, hooks[3].ID); err != nil || e.Enabled || e.DisabledReason != webhook.Gone {
		t.Errorf("the endpoint that is gone: %+v, %v", e.DisabledReason, err)
	}
}

// hangUp answers nothing, as a server that is down. A closed one could not be used:
// its port may be given to another server of the tests.
func hangUp(w http.ResponseWriter, _ *http.Request, _ bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close() // nobody waits for it
	}
}
