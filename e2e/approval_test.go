//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestApprovals (T13) asks for approvals by the hundred and lets eight actors race
// for each of them, while the servers are killed: two people approve, one rejects,
// one asks again, one cancels the job, one edits it and decides what he saw before,
// one fetches links, and the server's own timer expires it. Half of the requests
// need two approvals. Then the judge compares what the actors were told, the
// approvals, their jobs and runs, the audit record and the witness (I11).
// RUNSHEET_CHAOS=full makes it 10,000 requests.
func TestApprovals(t *testing.T) {
	if testing.Short() {
		t.Skip("kills real servers")
	}
	n, kills := 300, 4
	if os.Getenv("RUNSHEET_CHAOS") == "full" {
		n, kills = 10_000, 40
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		race(t, n, kills, newServer(t, "", "--workers", "8"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		db, place := testsvc.DurablePostgres(t), "file://"+filepath.Join(t.TempDir(), "shared")
		one := func() *server { return newServer(t, db, "--workers", "4", "--blob-url", place, "--lease-ttl", "5s") }
		race(t, n, kills, one(), one())
	})
}

// ring is where requests are raced for.
type ring struct {
	t       *testing.T
	dir     string // the witness's
	servers []*server
	people  map[string]http.Header // by name: how each proves who he is

	mu    sync.Mutex
	urls  []string
	words []told
}

// told is what an actor was told about his decision.
type told struct {
	approval, by, verb string
	code               int
	status             string // of the approval, "" = it was refused or nobody knows
}

// raceLife is how long each request can be decided: the actors come until a
// little later.
const raceLife = 1500 * time.Millisecond

// newRing hires who decides; the servers must be up.
func newRing(t *testing.T, servers ...*server) *ring {
	r := &ring{t: t, dir: t.TempDir(), servers: servers, people: map[string]http.Header{}}
	for _, s := range servers {
		r.urls = append(r.urls, s.url)
	}
	for _, name := range []string{"ann", "bob", "eve"} {
		r.hire(name)
	}
	return r
}

func race(t *testing.T, n, kills int, servers ...*server) {
	for _, s := range servers {
		s.start()
	}
	r := newRing(t, servers...)
	stop, killed := make(chan struct{}), make(chan int, 1)
	go func() { killed <- r.murder(kills, stop) }()
	var wg sync.WaitGroup
	work := make(chan int)
	for range min(n/4, 128) {
		wg.Go(func() {
			for i := range work {
				r.fight(i)
			}
		})
	}
	begin := time.Now()
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	close(stop)
	t.Logf("%d requests in %v, %d kills", n, time.Since(begin).Round(time.Second), <-killed)
	runDry(t, servers[0])
	j := newJury(t, r)
	j.judge(n)
	r.replay(j)
}

// murder kills the servers one after the other until it is told to stop, and
// returns how often it did. There is always one that is up, or comes up.
func (r *ring) murder(kills int, stop <-chan struct{}) int {
	for k := 0; ; k++ {
		// The kills are spread over the race of n requests in a window of time that
		// nobody knows: after the planned number they go on, but seldom.
		wait := time.Duration(500+rand.IntN(1500)) * time.Millisecond
		if k >= kills {
			wait = 5 * time.Second
		}
		select {
		case <-stop:
			return k
		case <-time.After(wait):
		}
		i := k % len(r.servers)
		r.servers[i].kill()
		r.servers[i].start()
		r.mu.Lock()
		r.urls[i] = r.servers[i].url
		r.mu.Unlock()
	}
}

func (r *ring) url() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.urls[rand.IntN(len(r.urls))]
}

// hire makes a user who may decide, and logs him in.
func (r *ring) hire(name string) {
	r.t.Helper()
	const password = "correct horse battery staple 9"
	r.servers[0].must(http.MethodPost, "/api/users", map[string]any{"name": name, "roles": []string{"approver"}, "password": password}, http.StatusCreated)
	code, header, _ := r.send(http.Header{}, http.MethodPost, "/api/session", map[string]any{"name": name, "password": password})
	if code != http.StatusCreated {
		r.t.Fatalf("log in %s: %d", name, code)
	}
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	r.people[name] = http.Header{"Cookie": {cookie}, "Sec-Fetch-Site": {"same-origin"}}
}

// admin is who asks.
func (r *ring) admin() http.Header { return http.Header{"Authorization": {"Bearer " + adminToken}} }

// send makes a request to some server; code 0 means that no answer came.
func (r *ring) send(who http.Header, method, path string, body any) (int, http.Header, map[string]any) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, nil
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url()+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, nil
	}
	req.Header = who.Clone()
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, nil
	}
	var out map[string]any
	_ = json.Unmarshal(text, &out) // text answers give nil
	return res.StatusCode, res.Header, out
}

// ask adds a job that needs an approval, again and again until that is
// acknowledged.
func (r *ring) ask(i int) (jobID, approvalID string) {
	rules := map[string]any{"expires_in": fmt.Sprintf("PT%.3fS", raceLife.Seconds()), "min_approvals": 1 + i%2}
	if i%5 == 0 {
		rules["on_expire"], rules["max_re_requests"] = "re_request", 2
	}
	body := command(built.witness, r.dir, "1", fmt.Sprintf("content=%d", i))
	body["name"], body["approval"], body["retry_on_restart"] = fmt.Sprintf("race-%d", i), rules, true
	who := r.admin()
	who.Set("Idempotency-Key", body["name"].(string))
	for r.t.Context().Err() == nil {
		code, _, j := r.send(who, http.MethodPost, "/api/jobs", body)
		switch {
		case code == http.StatusCreated:
			return text(j["job_id"]), text(j["approval_id"])
		case code != 0 && code < 500 && code != http.StatusConflict && code != http.StatusTooManyRequests:
			r.t.Errorf("ask: %d %v", code, j)
			return "", ""
		}
		pause(20 * time.Millisecond)
	}
	return "", ""
}

// fight lets all actors at one request, each at a moment of his own. They go for
// what has taken its place, too.
func (r *ring) fight(i int) {
	jobID, first := r.ask(i)
	if jobID == "" {
		return
	}
	var id atomic.Value
	id.Store(first)
	hash := ""
	for hash == "" && r.t.Context().Err() == nil {
		_, _, a := r.send(r.admin(), http.MethodGet, "/api/approvals/"+first, nil)
		hash = text(a["content_hash"])
	}
	path := func(verb string) string { return "/api/approvals/" + id.Load().(string) + "/" + verb }
	word := map[string]any{"content_hash": hash}
	decide := func(by, verb string) { r.decide(&id, hash, by, verb) }
	actors := []func(){
		func() { decide("ann", "approve") },
		func() { decide("bob", "approve") },
		func() { decide("eve", "reject") },
		func() { decide("eve", "re-request") },
		func() { r.send(r.admin(), http.MethodPost, "/api/jobs/"+jobID+"/cancel", map[string]any{}) },
		func() { r.edit(jobID, id.Load().(string)) },
		func() { r.visit(path, "/api/executions/"+jobID+"/approve") },
		func() { // who asked
			code, _, a := r.send(r.admin(), http.MethodPost, path("approve"), word)
			if code == http.StatusOK {
				r.t.Errorf("the requester approved: %v", a)
			}
		},
	}
	r.letLoose(actors, func(n int) bool {
		// Those who end it must not always be faster than the others and the timer.
		return n >= 2 && n <= 4 && rand.IntN(2) == 0
	})
}

// decide says a person's word about a request, or lets him ask again.
func (r *ring) decide(id *atomic.Value, hash, by, verb string) {
	target := id.Load().(string)
	code, _, a := r.send(r.people[by], http.MethodPost, "/api/approvals/"+target+"/"+verb, map[string]any{"content_hash": hash})
	r.tell(told{target, by, verb, code, text(a["status"])}, a)
	if verb == "re-request" && code == http.StatusCreated {
		id.Store(text(a["approval_id"]))
	}
}

// visit only looks at what decides when it is posted to.
func (r *ring) visit(path func(verb string) string, more ...string) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, verb := range []string{"", "approve", "reject", "re-request"} {
			r.send(r.people["ann"], method, strings.TrimSuffix(path(verb), "/"), nil)
		}
		for _, p := range more {
			r.send(r.people["ann"], method, p, nil)
		}
	}
}

// letLoose lets each actor do his thing at a moment of his own, and waits for all.
func (r *ring) letLoose(actors []func(), stays func(n int) bool) {
	var wg sync.WaitGroup
	for n, act := range actors {
		if stays(n) {
			continue
		}
		after := rand.N(raceLife + raceLife/4)
		if rand.IntN(3) == 0 {
			after = raceLife - time.Duration(rand.IntN(60))*time.Millisecond // the last moment
		}
		wg.Go(func() {
			pause(after)
			act()
		})
	}
	wg.Wait()
}

// edit changes the waiting job and decides with a hash of something else: what was
// seen before is not what is approved now.
func (r *ring) edit(jobID, approvalID string) {
	who := r.admin()
	who.Set("Content-Type", "application/merge-patch+json")
	r.send(who, http.MethodPatch, "/api/jobs/"+jobID, map[string]any{"labels": map[string]string{"edited": "yes"}})
	code, _, a := r.send(r.people["bob"], http.MethodPost, "/api/approvals/"+approvalID+"/approve", map[string]any{"content_hash": "sha256:" + strings.Repeat("0", 64)})
	if code == http.StatusOK {
		r.t.Errorf("other content was approved: %v", a)
	}
}

// tell writes down what an actor was told.
func (r *ring) tell(w told, a map[string]any) {
	switch w.code {
	case http.StatusOK, http.StatusCreated:
	case 0, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusInternalServerError:
		w.status = "" // it may have happened, or not
	case http.StatusConflict:
		if c := text(a["code"]); c != "approval_closed" && c != "already_decided" && c != "re_requests_exhausted" && c != "conflict" {
			r.t.Errorf("%s of %s by %s: %v", w.verb, w.approval, w.by, a)
		}
		w.status = ""
	default:
		r.t.Errorf("%s of %s by %s: %d %v", w.verb, w.approval, w.by, w.code, a)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words = append(r.words, w)
}

// replay sends decisions about requests that have ended once more: nothing may
// come of it.
func (r *ring) replay(j *jury) {
	tried, before := 0, len(j.entries())
	for id, a := range j.approvals {
		if tried++; tried > 60 {
			break
		}
		for _, verb := range []string{"approve", "reject", "re-request"} {
			for by := range r.people {
				code, _, out := r.send(r.people[by], http.MethodPost, "/api/approvals/"+id+"/"+verb, map[string]any{"content_hash": a.ContentHash})
				if code != http.StatusConflict || text(out["code"]) != "approval_closed" {
					r.t.Errorf("%s of %s, which is %s: %d %v", verb, id, a.Status, code, out)
				}
			}
		}
		if a.Subject.Type != "job" {
			continue
		}
		if code, _, out := r.send(r.people["ann"], http.MethodPost, "/api/executions/"+a.Subject.ID+"/approve", map[string]any{"approved": true}); code != http.StatusConflict {
			r.t.Errorf("the execution of %s, which is %s: %d %v", id, a.Status, code, out)
		}
	}
	if after := len(j.entries()); after != before {
		r.t.Errorf("replayed decisions left %d entries in the audit record", after-before)
	}
}
