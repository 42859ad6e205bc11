package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/queue"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// TestOnePlaceIsShared: instances live together if they keep files in one place.
func TestOnePlaceIsShared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second, hint string
		refused             bool
	}{
		{"p", "p", "", false},
		{"p", "q", "same blob_url", true},
		{"p", "", "start this one with the same blob_url", true},
		{"", "p", "start that one with the same blob_url", true},
		{"", "", "one shared folder or bucket", true},
	} {
		b := setup(t, idle)
		b.opts.Exclusive, b.opts.Alone, b.opts.Place = false, true, c.first
		b.start()
		second := b.opts
		second.HostID, second.Place, second.WorkDir = "other host", c.second, t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		e := queue.New(second)
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		select {
		case <-e.Ready():
			if c.refused {
				t.Errorf("%q beside %q: it started", c.second, c.first)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		case err := <-done:
			var f *fault.Error
			if !c.refused || !errors.As(err, &f) || f.Code != fault.OtherInstance || !strings.Contains(f.Hint, c.hint) {
				t.Errorf("%q beside %q: %v, hint %+v", c.second, c.first, err, f)
			}
		}
		cancel()
	}
}

func TestAPostponedAttemptDoesNotCount(t *testing.T) {
	t.Parallel()
	b := setup(t, func(context.Context, task.Attempt, task.Host) error {
		return task.Postpone(errors.New("the disk is full"), time.Hour)
	})
	b.start()
	j := b.add(nil)
	for j.Attempt == 0 || j.State == job.Running {
		var err error
		if j, err = b.store.Jobs.Job(t.Context(), tenant, j.ID); err != nil {
			t.Fatal(err)
		}
	}
	if j.State != job.Queued || j.Failures != 0 || time.Until(j.NotBefore) < 50*time.Minute {
		t.Errorf("%+v", j)
	}
	r, err := b.store.Runs.Run(t.Context(), tenant, j.RunID)
	if err != nil || r.Failure.Code != "postponed" || !strings.Contains(r.Failure.Message, "the disk is full") {
		t.Errorf("%+v, %v", r.Failure, err)
	}
}

func TestQuotaEndsContent(t *testing.T) {
	t.Parallel()
	b := setup(t, func(ctx context.Context, _ task.Attempt, h task.Host) error {
		if _, err := h.Artifact(ctx, "a", "text/plain", strings.NewReader("12345")); err != nil {
			return err
		}
		_, err := h.Artifact(ctx, "b", "text/plain", strings.NewReader("123456"))
		return task.Unstored(err)
	})
	b.opts.Limits = store.ArtifactLimits{Run: 10}
	b.start()
	j := b.ended(b.add(nil).ID)
	if j.State != job.Failed || j.Failure.Code != "quota_exceeded" {
		t.Errorf("%s %+v", j.State, j.Failure)
	}
	as, err := b.store.Artifacts.Of(t.Context(), tenant, j.RunID)
	if err != nil || len(as[j.RunID]) != 1 {
		t.Errorf("%+v, %v", as, err)
	}
}
