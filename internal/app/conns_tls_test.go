package app

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/certificate/certificatetest"
	"github.com/runsheet/runsheet/internal/clock"
)

// TestHijackedConnectionsAreForgotten: also those with TLS, which the server
// names by another value than the one that is closed.
func TestHijackedConnectionsAreForgotten(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := newConns(l, 4)
	bounded := make(chan bool, 1)
	srv := newServer(context.WithoutCancel(t.Context()), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		tc, ok := c.(*tls.Conn)
		if !ok {
			t.Errorf("%T is without TLS", c)
			return
		}
		raw, ok := tc.NetConn().(interface{ SetWriteBuffer(bytes int) error })
		bounded <- ok && raw.SetWriteBuffer(4<<10) == nil
		_ = c.Close() // the client sees the end
	}), slog.New(slog.DiscardHandler), time.Minute)
	srv.ConnState = limited.note
	f := certificatetest.Write(t, t.TempDir(), clock.System{}.Now().Add(time.Hour))
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(limited, f.Cert, f.Key) }()

	for range 3 {
		c := tls.Client(dial(t, l), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who answers is known
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(c) // to the end, whatever it is
		if !<-bounded {
			t.Error("the buffer of the connection cannot be bounded")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := limited.count(); n["new"]+n["active"]+n["idle"] > 0; n = limited.count() {
		if clock.Sleep(ctx, clock.System{}, time.Millisecond) != nil {
			t.Fatalf("connections that have ended are still known: %v", n)
		}
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
