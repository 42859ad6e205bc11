package postgres_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/store/postgres"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// silent is the address of a server that accepts and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // ends the test's own listener
	return l.Addr().String()
}

func TestOpenSaysWhereAndWhy(t *testing.T) {
	t.Parallel()
	const password = "geheim"
	const closed = "127.0.0.1:1" // no free port: another test could take it
	mute := silent(t)
	for name, c := range map[string]struct {
		url  string
		code fault.Code
		want []string
	}{
		"refused":         {"postgres://ann:" + password + "@" + closed + "/db", fault.StorageUnavailable, []string{closed, "connection refused"}},
		"several hosts":   {"postgres://ann:" + password + "@" + closed + "," + mute + "/db?connect_timeout=1", fault.StorageUnavailable, []string{closed, mute}},
		"no answer":       {"postgres://ann:" + password + "@" + mute + "/db?connect_timeout=1&sslmode=disable", fault.StorageUnavailable, []string{mute, "no answer within 1s"}},
		"no such host":    {"postgres://ann:" + password + "@db.invalid:5432/db", fault.StorageUnavailable, []string{"db.invalid:5432", "host name"}},
		"wrong parameter": {"postgres://ann:" + password + "@" + closed + "/db?sslmode=perhaps", fault.InvalidInput, []string{"sslmode"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), postgres.Options{URL: c.url})
			var f *fault.Error
			if !errors.As(err, &f) || f.Code != c.code {
				t.Fatalf("err = %v, want %s", err, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(f.Detail, want) {
					t.Errorf("%q is not said: %s", want, f.Detail)
				}
			}
			if strings.Contains(f.Detail+f.Hint+err.Error(), password) {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
}

func TestOpenTellsTheServersOwnReason(t *testing.T) {
	t.Parallel()
	url := testsvc.Postgres(t)
	i, j := strings.Index(url, "://"), strings.Index(url, "?")
	if i < 0 || j < 0 {
		t.Fatalf("the test server's URL has another form: %s", url)
	}
	_, err := postgres.Open(context.WithoutCancel(t.Context()), postgres.Options{URL: url[:strings.LastIndex(url[:j], "/")+1] + "nosuchdb" + url[j:]})
	var f *fault.Error
	if !errors.As(err, &f) || !strings.Contains(f.Detail, `database "nosuchdb" does not exist`) {
		t.Errorf("err = %v", err)
	}
}
