package docker_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/task/logtriage/docker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine listens on a Unix socket and speaks as dockerd does.
func engine(t *testing.T, h http.HandlerFunc) *docker.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return docker.New(socket)
}

func frame(stream byte, text string) string {
	head := [8]byte{stream}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head[:]) + text
}

// serve answers as an engine of API 1.47 that has one container.
func serve(tty bool, log string, asked *string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/_ping":
			w.Header().Set("Api-Version", "1.47")
		case "/v1.47/containers/web/json":
			tt := "false"
			if tty {
				tt = "true"
			}
			_, _ = io.WriteString(w, `{"Id":"abc123","Name":"/web","Config":{"Tty":`+tt+`}}`)
		case "/v1.47/containers/abc123/logs":
			*asked = r.URL.Query().Encode()
			_, _ = io.WriteString(w, log)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}
}

const stamp = "2026-03-01T10:00:00.000000001Z "

func TestLogs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40<<10)
	for _, c := range []struct {
		name, log, want string
		tty             bool
	}{
		{"terminal", stamp + "one\r\n" + stamp + "two\r\n", stamp + "one\r\n" + stamp + "two\r\n", true},
		{"streams", frame(1, stamp+"out\n") + frame(2, stamp+"err\n"), stamp + "out\n" + stamp + "err\n", false},
		{
			"a line in pieces", frame(1, stamp+long[:16<<10]) + frame(2, stamp+"err\n") + frame(1, stamp+long[16<<10:32<<10]) + frame(1, stamp+long[32<<10:]+"\n"),
			stamp + "err\n" + stamp + long + "\n", false,
		},
		{"several lines in a frame", frame(1, stamp+"a\n"+stamp+"b\n"), stamp + "a\n" + stamp + "b\n", false},
		{"no end of line", frame(1, stamp+"a"), stamp + "a\n", false},
		{"an empty frame", frame(1, "") + frame(1, stamp+"a\n"), stamp + "a\n", false},
		{"nothing", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked string
			cl := engine(t, serve(c.tty, c.log, &asked))
			found, err := cl.Find(t.Context(), "web")
			if err != nil || found.Name != "web" || found.ID != "abc123" || found.TTY != c.tty {
				t.Fatalf("Find = %+v, %v", found, err)
			}
			r, err := cl.Logs(t.Context(), found, docker.Options{Since: time.Unix(100, 5), Tail: 7})
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(b)); diff != "" {
				t.Errorf("log (-want +got):\n%.400s", diff)
			}
			if want := "since=100.000000005&stderr=1&stdout=1&tail=7&timestamps=1"; asked != want {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	}
}

func TestLogsThatBreak(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, log string }{
		{"frame cut off", frame(1, stamp+"whole\n") + frame(1, "0123456789")[:12]},
		{"header cut off", frame(1, stamp+"whole\n") + "\x01\x00\x00"},
		{"no header", frame(1, stamp+"whole\n") + "text without frames"},
		{"a length of four gigabytes", frame(1, stamp+"whole\n") + "\x01\x00\x00\x00\xff\xff\xff\xffabc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked string
			cl := engine(t, serve(false, c.log, &asked))
			found, err := cl.Find(t.Context(), "web")
			if err != nil {
				t.Fatal(err)
			}
			r, err := cl.Logs(t.Context(), found, docker.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			b, err := io.ReadAll(r)
			if !errors.Is(err, docker.ErrBroken) || !strings.HasPrefix(string(b), stamp+"whole\n") {
				t.Errorf("read %q, %v", b, err)
			}
		})
	}
}

func TestLineOfAnyLength(t *testing.T) {
	t.Parallel()
	var asked string
	piece := strings.Repeat("y", 1<<20)
	cl := engine(t, serve(false, strings.Repeat(frame(1, piece), 10)+frame(1, "\n")+frame(1, stamp+"after\n"), &asked))
	found, err := cl.Find(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	r, err := cl.Logs(t.Context(), found, docker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || len(b) > 200<<10 || !strings.HasSuffix(string(b), "\n"+stamp+"after\n") {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	var asked string
	cl := engine(t, serve(false, "", &asked))
	if _, err := cl.Find(t.Context(), "other"); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("Find(other) = %v", err)
	}
	if _, err := cl.Find(t.Context(), "../_ping"); !errors.Is(err, docker.ErrNotFound) {
		t.Errorf("Find(../_ping) = %v", err)
	}
	if _, err := docker.New(filepath.Join(t.TempDir(), "no")).Find(t.Context(), "web"); !errors.Is(err, docker.ErrUnreachable) {
		t.Errorf("no socket: %v", err)
	}
	cl = engine(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	if _, err := cl.Find(t.Context(), "web"); !errors.Is(err, docker.ErrRefused) {
		t.Errorf("403: %v", err)
	}
	cl = engine(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if _, err := cl.Find(t.Context(), "web"); !errors.Is(err, docker.ErrBroken) {
		t.Errorf("no JSON: %v", err)
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := cl.Find(ctx, "web"); !errors.Is(err, gone) {
		t.Errorf("cancelled: %v", err)
	}
}
