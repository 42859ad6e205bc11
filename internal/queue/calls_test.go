package queue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/task"
)

// forgetful records calls and loses the answer each second time.
type forgetful struct {
	store.Calls
	n atomic.Int32
}

func (f *forgetful) Record(ctx context.Context, p store.RecordCall) error {
	err := f.Calls.Record(ctx, p)
	if err == nil && f.n.Add(1)%2 == 1 {
		return errAway
	}
	return err
}

// TestACallWhoseRecordHasNoAnswerIsCountedOnce also looks at the run before it ends:
// its server may be killed then, and its counts have to be there.
func TestACallWhoseRecordHasNoAnswerIsCountedOnce(t *testing.T) {
	t.Parallel()
	var b *bundle
	b = setup(t, func(ctx context.Context, a task.Attempt, h task.Host) error {
		for range 3 {
			prompt, completion := int64(10), int64(1)
			if err := h.Call(ctx, run.Call{Server: "s", Model: "m", Stage: "x", Outcome: run.CallOK, Prompt: &prompt, Completion: &completion}); err != nil {
				return err
			}
		}
		r, err := b.store.Runs.Run(ctx, tenant, a.RunID)
		if err != nil {
			return err
		}
		if r.Result.Tokens == nil || *r.Result.Tokens.Prompt != 30 {
			t.Errorf("after three calls the run has %+v", r.Result.Tokens)
		}
		return nil
	})
	hurried(b)
	calls := &forgetful{Calls: b.store.Calls}
	b.opts.Store.Calls = calls
	b.start()
	j := b.ended(b.add(nil).ID)
	r := b.runs(j.ID)[0]
	if j.State != job.Completed || *r.Result.Tokens.Prompt != 30 || *r.Result.Tokens.Completion != 3 {
		t.Errorf("%s, %+v", j.State, r.Result.Tokens)
	}
	kept, err := b.store.Calls.Of(t.Context(), tenant, r.ID)
	if err != nil || len(kept) != 3 || calls.n.Load() < 4 {
		t.Errorf("%d calls after %d records, %v", len(kept), calls.n.Load(), err)
	}
	day := time.Now().Add(24 * time.Hour * 400)
	sums, err := b.store.Calls.Usage(t.Context(), store.ListUsage{Tenant: tenant, From: "2000-01-01", To: store.Day(day), Limit: 10})
	if err != nil || len(sums) != 1 || sums[0].Calls != 3 || sums[0].Prompt != 30 {
		t.Errorf("sums %+v, %v", sums, err)
	}
}

type awayArtifacts struct {
	store.Artifacts
	left atomic.Int32
}

func (f *awayArtifacts) Of(ctx context.Context, tenant string, runIDs ...string) (map[string][]run.Artifact, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errAway
	}
	return f.Artifacts.Of(ctx, tenant, runIDs...)
}

// shelf keeps content in memory.
type shelf struct {
	mu      sync.Mutex
	content map[string][]byte
	broken  bool
}

func (s *shelf) open(_ context.Context, sum string) (io.ReadSeekCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.content[sum]
	if !ok {
		return nil, 0, fault.New(fault.ArtifactGone, "gone")
	}
	if s.broken {
		b = bytes.ToUpper(b)
	}
	return blob.NewReader(content{bytes.NewReader(b)}, sum, int64(len(b))), int64(len(b)), nil
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

// TestAnEarlierArtifactIsWaitedForAndOneThatIsDamagedIsGone: what was done is not
// done again because the database is away for a moment, and content that no attempt
// will ever be able to read does not use the attempts up.
func TestAnEarlierArtifactIsWaitedForAndOneThatIsDamagedIsGone(t *testing.T) {
	t.Parallel()
	shelf := &shelf{content: map[string][]byte{}}
	b := setup(t, func(ctx context.Context, a task.Attempt, h task.Host) error {
		if a.Number == 1 {
			if _, err := h.Artifact(ctx, "x", "text/plain", strings.NewReader("hello")); err != nil {
				return err
			}
			return task.Fail("again", errors.New("again"))
		}
		f, err := a.Open(ctx, "", "x")
		if err != nil {
			t.Errorf("attempt %d: %v", a.Number, err)
			return nil
		}
		text, err := io.ReadAll(f)
		_ = f.Close()
		if a.Number == 2 {
			if err != nil || string(text) != "hello" {
				t.Errorf("%q, %v", text, err)
			}
			shelf.mu.Lock()
			shelf.broken = true
			shelf.mu.Unlock()
			return task.Fail("again", errors.New("again"))
		}
		if !fault.Is(err, fault.ArtifactGone) {
			t.Errorf("damaged: %v", err)
		}
		return nil
	})
	hurried(b)
	put := b.opts.PutBlob
	b.opts.PutBlob = func(ctx context.Context, r io.Reader, reserve blob.Reserve) (string, int64, error) {
		raw, err := io.ReadAll(r)
		if err != nil {
			return "", 0, err
		}
		sum, n, err := put(ctx, bytes.NewReader(raw), reserve)
		shelf.mu.Lock()
		defer shelf.mu.Unlock()
		shelf.content[sum] = raw
		return sum, n, err
	}
	b.opts.OpenBlob = shelf.open
	away := &awayArtifacts{Artifacts: b.store.Artifacts}
	away.left.Store(3)
	b.opts.Store.Artifacts = away
	b.start()
	j := b.ended(b.add(func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 3} }).ID)
	if j.State != job.Completed || j.Attempt != 3 {
		t.Errorf("%s after %d attempts, %+v", j.State, j.Attempt, j.Failure)
	}
}
