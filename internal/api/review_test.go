package api_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/store"
)

// TestFollowedLogEndsWithTheRight: as an event stream does, and visibly cut off.
func TestFollowedLogEndsWithTheRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := &matrix{bundle: b}
	var ref string
	token := m.token(func(k *access.Token) { ref = k.ID })
	b.addJob(echoJob)
	c := b.claim()
	w, err := b.logs.Writer(c.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fmt.Fprint(w, "one\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cut := make(chan bool, 1)
	go func() {
		defer func() { cut <- recover() == http.ErrAbortHandler }() //nolint:errorlint // compared by identity
		r := httptest.NewRequestWithContext(ctx, "GET", "http://localhost/api/job-runs/"+c.Run.ID+"/logs?follow=true", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		b.handler.ServeHTTP(httptest.NewRecorder(), r)
	}()
	b.waitFor(func() bool { return b.clock.Timers() > 0 })
	b.clock.Advance(time.Minute)
	b.waitFor(func() bool { return b.clock.Timers() > 0 })
	select {
	case <-cut:
		t.Fatal("a stream ended whose caller may follow")
	default:
	}
	if err := b.store.Tokens.Revoke(ctx, store.RevokeToken{Tenant: access.DefaultTenant, ID: ref, At: b.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case ok := <-cut:
			if !ok || ctx.Err() != nil {
				t.Error("the stream did not end as one that was cut off")
			}
			return
		case <-time.After(10 * time.Millisecond):
			b.clock.Advance(10 * time.Second)
		}
	}
}

// TestStreamOfATokenWithARate: a stream goes on while the token's rate is used
// up by other requests.
func TestStreamOfATokenWithARate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := &matrix{bundle: b}
	token := m.token(func(k *access.Token) { k.RatePerMinute = 2 })
	srv := b.serve()
	idle := b.clock.Timers()
	s := follow(t, srv.URL+"/api/events", token)
	s.must()
	b.wait(idle + 2)
	b.clock.Advance(59 * time.Second)
	if p := s.must(); !p.comment {
		t.Errorf("got %+v", p)
	}
	b.wait(idle + 2)
	for m.ask("GET", "/api/session", bearer(token)...) != 429 {
		continue
	}
	b.clock.Advance(21 * time.Second) // it is asked for, and pings
	if p := s.must(); !p.comment {
		t.Errorf("got %+v", p)
	}
	b.addJob(echoJob)
	s.mustEvent("job.queued")
}

// TestOtherTenantsSeeNothingOfTheMachine: what concerns the installation is the
// default tenant's.
func TestOtherTenantsSeeNothingOfTheMachine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.store.Leases.Register(t.Context(), store.Instance{
		ID: "ins_01jh0000000000000000000000", HostID: "h", Hostname: "secret-host", Pid: 471142, Version: "v", StartedAt: start,
	}, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/workers", "/api/scheduler"} {
		own, foreign := b.as(access.Viewer, "GET", path, ""), b.as("stranger", "GET", path, "")
		if !strings.Contains(string(own.body), "secret-host") || !strings.Contains(string(own.body), "471142") {
			t.Errorf("%s: %s", path, own.body)
		}
		if foreign.StatusCode != 200 || strings.Contains(string(foreign.body), "secret-host") || strings.Contains(string(foreign.body), "471142") {
			t.Errorf("%s for another tenant: %s", path, foreign.body)
		}
	}
}

// TestSocketOriginIsExact: a page without TLS may have been written by anybody on
// the way, so it is not a page of a server with TLS.
func TestSocketOriginIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for origin, refused := range map[string]bool{"http://localhost": true, "https://localhost": false} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "https://localhost/api/events/ws", nil)
		r.TLS = &tls.ConnectionState{}
		for _, h := range [][2]string{
			{"Origin", origin},
			{"Connection", "Upgrade"},
			{"Upgrade", "websocket"},
			{"Sec-WebSocket-Version", "13"},
			{"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="},
			{"Authorization", "Bearer " + b.tokens[access.Viewer]},
		} {
			r.Header.Set(h[0], h[1])
		}
		w := httptest.NewRecorder() // it cannot become a WebSocket: only who is refused matters
		b.handler.ServeHTTP(w, r)
		if (w.Code == 403) != refused {
			t.Errorf("%s: %d %s", origin, w.Code, w.Body)
		}
	}
}
