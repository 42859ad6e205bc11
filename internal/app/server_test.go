package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSlowRequestsAndLongAnswers: who sends a body by drops is cut off after the
// time limit; an answer that takes longer than the limit is not.
func TestSlowRequestsAndLongAnswers(t *testing.T) {
	t.Parallel()
	begun, cut, next := make(chan struct{}, 2), make(chan struct{}), make(chan struct{}, 2)
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			close(cut)
		}
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "first,")
		_ = http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-next
		if r.Context().Err() != nil {
			t.Errorf("%s: the request was ended while its answer was made", r.Method)
		}
		_, _ = io.WriteString(w, "last")
	})
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := newServer(context.WithoutCancel(t.Context()), mux, slog.New(slog.DiscardHandler), 2*time.Second)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()

	got := make(chan string, 2)
	for method, body := range map[string]string{"GET": "", "POST": "{}"} {
		go func() { got <- method + " " + long(t, method, "http://"+l.Addr().String()+"/long", body) }()
	}
	<-begun
	<-begun
	// This request begins later than the others, so that when its time is over,
	// theirs is too.
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	select {
	case <-cut:
	case <-deadline.C:
		t.Error("a slow body was not cut off")
	}
	next <- struct{}{}
	next <- struct{}{}
	for range 2 {
		if s := <-got; !strings.HasSuffix(s, " first,last") {
			t.Errorf("a long answer was cut off: %s", s)
		}
	}
}

func long(t *testing.T, method, url, body string) string {
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
