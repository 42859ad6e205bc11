package research

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/task"
)

// maxKept bounds an answer that an earlier attempt kept, in bytes.
const maxKept = 4 << 20

// state is the checkpoint: numbers and hashes only.
type state struct {
	Version int `json:"v"`
	// Sources are the hashes of the sources as they were read, "" = not read.
	Sources []string `json:"sources"`
	// Changed are the indices of sources that were another at an earlier attempt.
	Changed []int `json:"changed,omitempty"`
	Chunks  int   `json:"chunks"`
}

// durable reports whether there can be another attempt. Of a direct request
// nothing is kept but the report.
func (w *work) durable() bool { return w.a.JobID != "" }

// snapshot compares the sources to those of the attempt before and saves what they
// are now.
func (w *work) snapshot(ctx context.Context) error {
	if !w.durable() {
		return nil
	}
	now := state{Version: Version, Chunks: len(w.chunks)}
	var before state
	if len(w.a.Checkpoint) > 0 && json.Unmarshal(w.a.Checkpoint, &before) == nil && before.Version == Version {
		w.resumed = true
	}
	for i, d := range w.docs {
		sum := d.entry.SHA256
		now.Sources = append(now.Sources, sum)
		changed := i < len(before.Sources) && before.Sources[i] != sum && before.Sources[i] != "" && sum != ""
		for _, was := range before.Changed {
			changed = changed || was == i
		}
		if changed {
			now.Changed = append(now.Changed, i)
			w.note(noteChanged, d.entry.ID, "it changed while the job was interrupted; the report is about what it is now")
		}
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := w.h.Checkpoint(ctx, b); err != nil {
		return w.hostError(ctx, err)
	}
	return nil
}

// kept is the content of an artifact that keeps an answer.
type kept struct {
	// Key is the hash of the question.
	Key    string          `json:"key"`
	Answer json.RawMessage `json:"answer"`
}

// keep fills out with what an earlier attempt kept under name for the same
// question, or with what work makes of the model's answer, and keeps it for the
// next attempt.
func (w *work) keep(ctx context.Context, name string, q ask.Question, out any, work func() error) error {
	if !w.durable() {
		return work()
	}
	key := w.key(q)
	if w.resumed && w.recall(ctx, name, key, out) {
		w.reused++
	} else if err := work(); err != nil {
		return err
	}
	answer, err := json.Marshal(out)
	if err != nil {
		return err
	}
	b, err := json.Marshal(kept{key, answer})
	if err != nil {
		return err
	}
	return w.store(ctx, name, "application/json", b)
}

func (w *work) recall(ctx context.Context, name, key string, out any) bool {
	if w.a.Open == nil {
		return false
	}
	f, err := w.a.Open(ctx, "", name)
	if err != nil {
		return false // gone: it is made again
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKept))
	_ = f.Close()
	var k kept
	return err == nil && json.Unmarshal(b, &k) == nil && k.Key == key && json.Unmarshal(k.Answer, out) == nil
}

// key is the hash of all that decides what the model answers.
func (w *work) key(q ask.Question) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n", promptVersion, w.asker.Model())
	if d := w.a.Directive; d != nil {
		fmt.Fprintf(h, "%s %d\n", d.ID, d.Version)
	}
	for _, v := range []any{w.p.Seed, w.p.Temperature, w.p.Questions, q.Format, q.MaxTokens} {
		b, _ := json.Marshal(v) // these types cannot fail
		fmt.Fprintf(h, "%s\n", b)
	}
	for _, m := range q.Messages {
		fmt.Fprintf(h, "%s %d\n%s\n", m.Role, len(m.Content), m.Content)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// store keeps an artifact.
func (w *work) store(ctx context.Context, name, mediaType string, b []byte) error {
	if _, err := w.h.Artifact(ctx, name, mediaType, bytes.NewReader(b)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return task.Unstored(err)
	}
	return nil
}

// hostError is the verdict on an error of the host.
func (w *work) hostError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Recall makes the answer of an earlier request again.
func (*Task) Recall(_ context.Context, open func(string) (io.ReadCloser, error)) (json.RawMessage, error) {
	report, err := slurp(open, jsonName)
	if err != nil {
		return nil, err
	}
	markdown, err := slurp(open, markdownName)
	if err != nil {
		return nil, err
	}
	if !json.Valid(report) {
		return nil, fault.New(fault.ArtifactGone, "research.json cannot be read any more")
	}
	return fields(report, string(markdown))
}

func slurp(open func(string) (io.ReadCloser, error), name string) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSource))
}

// fields are those of an answer.
func fields(report json.RawMessage, markdown string) (json.RawMessage, error) {
	return json.Marshal(struct {
		Report   json.RawMessage `json:"report"`
		Markdown string          `json:"markdown"`
	}{report, markdown})
}
