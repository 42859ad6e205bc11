package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/access"
	"github.com/runsheet/runsheet/internal/api"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/store"
)

// archive is a backup that writes what it is told to.
type archive struct {
	text   string
	err    error
	gate   chan struct{} // nil = does not wait
	closed *bool
}

func (a archive) WriteTo(_ context.Context, w io.Writer) error {
	if _, err := io.WriteString(w, a.text); err != nil {
		return err
	}
	if a.gate != nil {
		<-a.gate
	}
	return a.err
}

func (a archive) Close() error {
	*a.closed = true
	return nil
}

func backups(b api.Backup, without *bool) func(*api.Options) {
	return func(o *api.Options) {
		o.Backup = func(_ context.Context, w bool) (api.Backup, error) {
			*without = w
			return b, nil
		}
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	var closed, without bool
	b := setup(t, backups(archive{text: "everything", closed: &closed}, &without))
	for _, role := range []access.Role{access.Viewer, access.Operator, access.Author, "stranger"} {
		want(t, b.as(role, "POST", "/api/backup", ""), 403, "forbidden")
	}
	a := b.as(access.Admin, "POST", "/api/backup?artifacts=false", "")
	if a.StatusCode != 200 || !bytes.Equal(a.body, []byte("everything")) || !closed || !without {
		t.Errorf("%d %q, closed = %v, without artifacts = %v", a.StatusCode, a.body, closed, without)
	}
	page, err := b.store.Audit.List(t.Context(), store.ListAudit{Tenant: access.DefaultTenant, Limit: 10})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Action != audit.BackupMade {
		t.Errorf("audit: %+v %v", page, err)
	}
}

// TestBackupThatBreaks does not end like a whole one.
func TestBackupThatBreaks(t *testing.T) {
	t.Parallel()
	var closed, without bool
	b := setup(t, backups(archive{text: strings.Repeat("some", 1<<16), err: errors.New("disk"), closed: &closed}, &without),
		func(o *api.Options) { o.Clock = clock.System{} }) // a connection's time limit is real
	s := httptest.NewServer(b.handler)
	defer s.Close()
	res := post(t, b, s.URL)
	defer func() { _ = res.Body.Close() }() // only read
	if text, err := io.ReadAll(res.Body); err == nil || len(text) == 0 {
		t.Errorf("read %d bytes, %v", len(text), err)
	}
}

func TestOneBackupAtATime(t *testing.T) {
	t.Parallel()
	var closed bool
	gate, taken := make(chan struct{}), make(chan struct{})
	b := setup(t, func(o *api.Options) {
		o.Backup = func(context.Context, bool) (api.Backup, error) {
			close(taken)
			return archive{text: "x", gate: gate, closed: &closed}, nil
		}
	})
	done := make(chan answer, 1)
	go func() { done <- b.as(access.Admin, "POST", "/api/backup", "") }()
	<-taken
	want(t, b.as(access.Admin, "POST", "/api/backup", ""), 429, "too_many_requests")
	close(gate)
	if a := <-done; a.StatusCode != 200 {
		t.Errorf("the first one: %d", a.StatusCode)
	}
}

func post(t *testing.T, b *bundle, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/backup", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.tokens[access.Admin])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	return res
}
