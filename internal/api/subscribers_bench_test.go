package api_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/feed"
	"github.com/runsheet/runsheet/internal/identity"
	"github.com/runsheet/runsheet/internal/store/sqlite"
	"github.com/runsheet/runsheet/internal/task"
)

// viewer reads frames of a WebSocket with as little work as possible: a thousand of
// them share the processors with the server.
type viewer struct {
	conn net.Conn
	in   *bufio.Reader
}

func newViewer(b *testing.B, addr, path, token string) *viewer {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, addr, token); err != nil {
		b.Fatal(err)
	}
	v := &viewer{conn: conn, in: bufio.NewReaderSize(conn, 4096)}
	status, err := v.in.ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		b.Fatalf("%q, %v", status, err)
	}
	for line := status; line != "\r\n"; {
		if line, err = v.in.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	if err := v.frame(); err != nil { // the snapshot
		b.Fatal(err)
	}
	return v
}

// frame reads one frame of text.
func (v *viewer) frame() error {
	for {
		kind, err := v.in.ReadByte()
		if err != nil {
			return err
		}
		short, err := v.in.ReadByte()
		if err != nil {
			return err
		}
		n := int(short & 0x7f)
		if n == 126 {
			var long [2]byte
			if _, err := io.ReadFull(v.in, long[:]); err != nil {
				return err
			}
			n = int(binary.BigEndian.Uint16(long[:]))
		} else if n == 127 {
			return errors.New("a frame is too large")
		}
		if _, err := v.in.Discard(n); err != nil {
			return err
		}
		if kind&0x0f == 1 {
			return nil
		}
	}
}

// BenchmarkSubscribers measures the time from the beginning of a step of a run, which
// is written durably, until each of the viewers has read the frame, over loopback.
// Each viewer is one sample.
func BenchmarkSubscribers(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("viewers=%d", n), func(b *testing.B) { benchSubscribers(b, n) })
	}
}

func benchSubscribers(b *testing.B, viewers int) {
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "runsheet.db"), Clock: clock.System{}})
	if err != nil {
		b.Fatal(err)
	}
	live := feed.New(feed.Options{Events: s.Events})
	token := access.NewToken()
	tokens := access.Static{}.With(token, access.Principal{Name: "bench", Tenant: access.DefaultTenant, Roles: []access.Role{access.Admin}})
	handler, err := api.New(api.Options{
		Store: s, Tasks: task.NewRegistry(echo{}), Identity: identity.New(identity.Options{Store: s, Static: tokens, Digest: api.DigestUser}), Feed: live, Version: "bench",
		MaxSockets: viewers,
	})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	b.Cleanup(func() {
		srv.CloseClientConnections()
		if err := errors.Join(live.Close(), s.Health.Close()); err != nil {
			b.Error(err)
		}
		srv.Close()
	})
	f := addFlow(b, s, clock.System{}).begin(b)
	var begun atomic.Int64
	origin := time.Now()
	got, samples := make(chan time.Duration, viewers), make([]time.Duration, 0, viewers*100)
	var reading sync.WaitGroup
	for range viewers {
		v := newViewer(b, srv.Listener.Addr().String(), "/api/v1/workflows/"+f.id+"/subscribe", token)
		reading.Go(func() {
			for v.frame() == nil {
				got <- time.Since(origin) - time.Duration(begun.Load())
			}
		})
		b.Cleanup(func() { _ = v.conn.Close() })
	}
	b.Cleanup(reading.Wait)
	b.Cleanup(func() { // the last of the frames, if the benchmark ended early
		go func() {
			for range got { // nobody wants them
			}
		}()
	})
	b.ResetTimer()
	for i := range b.N {
		begun.Store(int64(time.Since(origin)))
		f.step(b, nil, told(event.WorkflowNodeStarted, fmt.Sprintf("n%d", i), "READY", "RUNNING", ""))
		for range viewers {
			samples = append(samples, <-got)
		}
	}
	b.StopTimer()
	slices.Sort(samples)
	b.ReportMetric(float64(samples[len(samples)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(samples[len(samples)*99/100].Microseconds())/1000, "p99-ms")
}
