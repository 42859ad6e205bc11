package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/bus/redis"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// instance is one server of several that share a database.
type instance struct {
	store store.Store
	feed  *feed.Feed
	url   string
	token string
}

func newInstance(t *testing.T, dsn, redisURL string, poll time.Duration) *instance {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: dsn, AllowUnsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{store: s, token: access.NewToken()}
	o := feed.Options{Events: s.Events, Poll: poll}
	var bus *redis.Bus
	if redisURL != "" {
		if bus, err = redis.Open(redis.Options{URL: redisURL}); err != nil {
			t.Fatal(err)
		}
		o.Bus = bus
	}
	i.feed = feed.New(o)
	tokens := access.Static{}.With(i.token, access.Principal{Name: "v", Tenant: access.DefaultTenant, Roles: []access.Role{access.Viewer}})
	h, err := api.New(api.Options{Store: s, Tasks: task.NewRegistry(echo{}), Identity: identity.New(identity.Options{Store: s, Static: tokens}), Feed: i.feed, MaxSockets: 100})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	i.url = srv.URL
	t.Cleanup(func() {
		srv.CloseClientConnections()
		if err := i.feed.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
		if bus != nil {
			if err := bus.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := s.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// add stores n jobs in one transaction.
func (i *instance) add(ctx context.Context, n int) error {
	js := make([]job.Job, n)
	for k := range js {
		js[k] = job.Job{
			ID: id.New(id.Job, start), Tenant: access.DefaultTenant, Name: "j", Type: "echo", Params: []byte(`{}`), Priority: 5,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: start, QueuedAt: start,
		}
	}
	_, err := i.store.Jobs.Add(ctx, store.AddJobs{Jobs: js})
	return err
}

// TestInstancesTellEachOther: with polling off, what one server does reaches the
// viewers of the other through PostgreSQL's notifications, or through Redis where
// a pooler keeps those away.
func TestInstancesTellEachOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ suffix, redisURL string }{
		"notify": {},
		"redis":  {"&pooler=transaction", testsvc.Redis(t)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := testsvc.Postgres(t) + c.suffix
			one, two := newInstance(t, dsn, c.redisURL, time.Hour), newInstance(t, dsn, c.redisURL, time.Hour)
			for _, i := range []*instance{one, two} {
				for ok := false; !ok; ok, _ = i.feed.Health() {
					time.Sleep(10 * time.Millisecond)
				}
			}
			s := follow(t, two.url+"/api/events", two.token)
			s.must()
			for range 3 {
				if err := one.add(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				s.mustEvent("job.queued")
			}
		})
	}
}

// TestRedisTrouble: while Redis is frozen or gone, events of the other server
// arrive by polling, and nothing is lost.
func TestRedisTrouble(t *testing.T) {
	t.Parallel()
	dsn, srv := testsvc.Postgres(t)+"&pooler=transaction", testsvc.OwnRedis(t)
	one, two := newInstance(t, dsn, srv.URL(), 0), newInstance(t, dsn, srv.URL(), 0)
	s := follow(t, two.url+"/api/events?since=0", two.token)
	s.must()
	var last int64
	for _, trouble := range []func(){func() {}, srv.Stop, srv.Continue, srv.Kill, srv.Restart, func() { srv.Do("FLUSHALL") }} {
		trouble()
		for range 3 {
			begin := time.Now()
			if err := one.add(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			e := s.mustEvent("job.queued")
			if e.Seq != last+1 {
				t.Errorf("seq %d after %d", e.Seq, last)
			}
			last = e.Seq
			if took := time.Since(begin); took > 30*time.Second { // two on a machine that has time
				t.Errorf("it took %s", took)
			}
		}
	}
}

// TestReadersMissNothing: many writers commit interleaved on two servers, while
// readers of both come and go at random and continue with since. Each reader
// sees each event once, in order.
func TestReadersMissNothing(t *testing.T) {
	t.Parallel()
	dsn := testsvc.Postgres(t)
	both := []*instance{newInstance(t, dsn, "", 0), newInstance(t, dsn, "", 0)}
	const writers, rounds, readers = 8, 12, 6
	total := 0
	var writing, reading sync.WaitGroup
	for w := range writers {
		for n := range rounds {
			total += 1 + (w*5+n)%4
		}
		writing.Go(func() {
			for n := range rounds {
				if err := both[(w+n)%2].add(t.Context(), 1+(w*5+n)%4); err != nil {
					t.Errorf("add: %v", err)
				}
			}
		})
	}
	logs := make([][]wire.Event, readers)
	for r := range readers {
		reading.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(r), 1))
			for last := int64(0); len(logs[r]) < total && t.Context().Err() == nil; {
				i := both[chance.IntN(2)]
				some := 1 + chance.IntN(40)
				read := readSSE
				if r%2 == 1 {
					read = readWS
				}
				evs, err := read(t.Context(), i, last, min(some, total-len(logs[r])))
				if err != nil {
					t.Errorf("reader %d after %d events: %v", r, len(logs[r]), err)
					return
				}
				logs[r] = append(logs[r], evs...)
				last = evs[len(evs)-1].Seq
			}
		})
	}
	writing.Wait()
	reading.Wait()
	truth, err := both[0].store.Events.Since(t.Context(), access.DefaultTenant, 0, total+10)
	if err != nil || len(truth) != total {
		t.Fatalf("the log has %d events, want %d, %v", len(truth), total, err)
	}
	for r, log := range logs {
		for k := range min(len(log), total) {
			if log[k].Seq != truth[k].Seq || log[k].JobID != truth[k].JobID {
				t.Fatalf("reader %d: event %d is %d %s, want %d %s", r, k, log[k].Seq, log[k].JobID, truth[k].Seq, truth[k].JobID)
			}
		}
		if len(log) != total {
			t.Errorf("reader %d got %d of %d events", r, len(log), total)
		}
	}
}

// readSSE reads n events behind a position, then hangs up.
func readSSE(ctx context.Context, i *instance, since int64, n int) ([]wire.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/events?since=%d", i.url, since), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+i.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	s := &sse{in: bufio.NewReader(res.Body)}
	var out []wire.Event
	for len(out) < n {
		b, err := s.next()
		if err != nil {
			return nil, err
		}
		if b.name != "" {
			return nil, fmt.Errorf("a %s at %d", b.name, since)
		}
		if b.event.Seq > 0 {
			out = append(out, b.event)
		}
	}
	return out, nil
}

// readWS is readSSE on a WebSocket.
func readWS(ctx context.Context, i *instance, since int64, n int) ([]wire.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	url := strings.Replace(i.url, "http://", "ws://", 1)
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("%s/api/events/ws?since=%d", url, since), &websocket.DialOptions{ //nolint:bodyclose // the connection has it
		HTTPHeader: http.Header{"Authorization": {"Bearer " + i.token}},
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseNow() }()
	var out []wire.Event
	for len(out) < n {
		_, text, err := c.Read(ctx)
		if err != nil {
			return nil, err
		}
		var e wire.Event
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, err
		}
		switch e.Type {
		case "snapshot", "ping":
		case "reset":
			return nil, fmt.Errorf("a reset at %d", since)
		default:
			out = append(out, e)
		}
	}
	return out, nil
}
