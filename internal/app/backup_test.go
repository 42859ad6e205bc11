package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/config"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/store"
)

// TestRestore: what a server backs up comes back into another folder, with the
// content of artifacts, and a server that starts there owns it.
func TestRestore(t *testing.T) {
	t.Parallel()
	a := openOnly(t, nil)
	a.register(t)
	c := a.attempt(t)
	art := a.keep(t, c, "a", "content")
	a.end(t, c, clock.System{}.Now())
	b, err := a.backup(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := b.WriteTo(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir() // whose database was moved away
	mark := filepath.Join(to, "artifacts", placeName)
	if err := errors.Join(os.Mkdir(filepath.Dir(mark), 0o700), os.WriteFile(mark, []byte("place_gone\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(context.Background(), config.Config{Data: to, Workers: 4, ArtifactMaxBytes: 3}, RestoreOptions{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil },
	}); err != nil {
		t.Fatal(err)
	}
	back := openOnly(t, func(c *config.Config) { c.Data = to })
	if !back.has(t, art.SHA256) || !back.owned {
		t.Errorf("restored: content %t, owned %t", back.has(t, art.SHA256), back.owned)
	}
}

// TestRestoreBesideTheOriginal: the first start on a restored database ends no
// processes of the server that was backed up, which may go on on this machine.
func TestRestoreBesideTheOriginal(t *testing.T) {
	t.Parallel()
	a := openOnly(t, nil)
	a.register(t)
	c := a.attempt(t)
	b, err := a.backup(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := errors.Join(b.WriteTo(t.Context(), &file), b.Close()); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if _, err := Restore(t.Context(), config.Config{Data: to, Workers: 4}, RestoreOptions{
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file.Bytes())), nil },
	}); err != nil {
		t.Fatal(err)
	}
	back := openOnly(t, func(c *config.Config) { c.Data = to })
	var swept []store.Leftover
	e := queue.New(queue.Options{
		Store: back.store, Tasks: back.tasks, OpenLog: back.openLog, PutBlob: back.blobs.Put, WorkDir: t.TempDir(),
		HostID: back.hostID(), Exclusive: true, LeaseTTL: time.Minute, Clock: clock.System{}, Logger: back.log,
		Sweep: func(_ context.Context, dead []store.Leftover) error {
			swept = append(swept, dead...)
			return nil
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	select {
	case <-e.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(swept) > 0 {
		t.Errorf("processes of %s were ended", swept[0].Run.ID)
	}
	if j, err := back.store.Jobs.Job(t.Context(), c.Job.Tenant, c.Job.ID); err != nil || j.State == job.Running {
		t.Errorf("the job is %s: %v", j.State, err)
	}
}

// TestAQueueThatIsElsewhere: a folder whose queue was migrated is not served with
// another database, which is not even asked.
func TestAQueueThatIsElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "runsheet.db.moved"), []byte("was migrated to x on h:5432 at 2026-01-01T00:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := New(Options{Config: config.Config{Data: dir, Workers: 1, Listen: "127.0.0.1:0", DatabaseURL: "postgres://127.0.0.1:1/y"}})
	if err := a.Start(t.Context()); !fault.Is(err, fault.StoreMoved) {
		t.Errorf("err = %v", err)
	}
}
