package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
)

// TestConnectionsAreBounded: a full server closes the connection that has been
// idle longest, and lets others wait while all are in use.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := newConns(l, 2)
	arrived, answer := make(chan struct{}, 8), make(chan struct{})
	srv := newServer(context.WithoutCancel(t.Context()), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			arrived <- struct{}{}
			<-answer
		}
	}), slog.New(slog.DiscardHandler), time.Minute)
	srv.ConnState = limited.note
	served := make(chan error, 1)
	go func() { served <- srv.Serve(limited) }()

	first := ask(t, l, "/")
	idle(t, limited, 1) // an answer arrives before the server is done
	second := ask(t, l, "/")
	idle(t, limited, 2)
	third := ask(t, l, "/") // in place of the first
	if _, err := io.ReadAll(first); err != nil {
		t.Errorf("the first was not closed in good order: %v", err)
	}
	for _, c := range []net.Conn{second, third} {
		send(t, c, "/hold")
		<-arrived
	}
	late := dial(t, l)
	send(t, late, "/hold")
	if n := limited.count(); n["active"] != 2 || n["idle"] != 0 {
		t.Errorf("connections %v", n)
	}
	select {
	case <-arrived:
		t.Error("a third request was served")
	default:
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for waiting := false; !waiting; {
		limited.mu.Lock()
		waiting = limited.waiting
		limited.mu.Unlock()
		if !waiting && clock.Sleep(ctx, clock.System{}, time.Millisecond) != nil {
			t.Fatal("the late connection was not accepted")
		}
	}
	close(answer)
	<-arrived // the late one, in place of one that became idle
	for _, c := range []net.Conn{second, third, late} {
		_ = c.Close() // only the server's view matters
	}
	for n := limited.count(); n["new"]+n["active"]+n["idle"] > 0; n = limited.count() {
		if clock.Sleep(ctx, clock.System{}, time.Millisecond) != nil {
			t.Fatalf("connections are left: %v", n)
		}
	}
	if len(limited.slots) != 0 {
		t.Errorf("%d slots are taken", len(limited.slots))
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// idle waits until so many connections are idle.
func idle(t *testing.T, c *conns, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for c.count()["idle"] != n {
		if clock.Sleep(ctx, clock.System{}, time.Millisecond) != nil {
			t.Fatalf("connections %v, want %d idle", c.count(), n)
		}
	}
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // closed before, or not of interest
	if err := c.SetDeadline(clock.System{}.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c net.Conn, path string) {
	t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// ask makes a request and reads its answer, which has no body.
func ask(t *testing.T, l net.Listener, path string) net.Conn {
	t.Helper()
	c := dial(t, l)
	send(t, c, path)
	var tail [4]byte
	for one := make([]byte, 1); string(tail[:]) != "\r\n\r\n"; {
		if _, err := io.ReadFull(c, one); err != nil {
			t.Fatal(err)
		}
		copy(tail[:], append(tail[1:], one[0]))
	}
	return c
}
