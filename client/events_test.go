package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/runsheet/runsheet/client"
)

// TestEvents: connections that break are made anew behind the last event, and a
// reset arrives as one.
func TestEvents(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("topics") != "run,job" || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("asked for %s", r.URL)
		}
		say := func(text string) { fmt.Fprint(w, text) }
		n := calls.Add(1)
		if want := []string{"", "7", "9", "9", "20"}[min(n, 5)-1]; q.Get("since") != want {
			t.Errorf("call %d continues at %q, want %q", n, q.Get("since"), want)
		}
		if n == 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		switch n {
		case 1:
			say("retry: 2000\nid: 7\n\n: ping\nid: 7\n\n")
		case 2:
			say("id: 8\r\ndata: {\"seq\":8,\"type\":\"job.queued\",\"job_id\":\"job_1\",\"data\":{}}\r\n\r\n: ping\nid: 9\n\nid: 10\ndata: {\"seq\":10,")
		case 4:
			say("event: reset\nid: 20\ndata: {\"type\":\"reset\",\"seq\":20,\"reason\":\"gone\"}\n\n")
		case 5:
			say("id: 21\ndata: {\"seq\":21,\"type\":\"job.run.failed\",\"run_id\":\"run_1\",\"data\":{\"code\":\"timeout\"}}\n\n")
		}
	}))
	defer srv.Close()
	c, err := client.New(client.Options{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range c.Events(t.Context(), client.EventFilter{Topics: []string{"run", "job"}}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Seq, e.Type, e.JobID, e.RunID, e.Data))
		if e.Seq == 21 {
			break
		}
	}
	want := "[8job.queuedjob_1map[] 20resetmap[reason:gone] 21job.run.failedrun_1map[code:timeout]]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestEventsEnd(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"code":"forbidden","status":403}`)
	}))
	defer srv.Close()
	c, err := client.New(client.Options{URL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range c.Events(t.Context(), client.EventFilter{}) {
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Code != "forbidden" {
			t.Errorf("err = %v", err)
		}
	}
	srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range c.Events(ctx, client.EventFilter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
	}
}
