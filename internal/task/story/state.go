package story

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/runsheet/runsheet/internal/task"
)

// Artifacts.
const (
	outlineFile = "outline.json"
	storyFile   = "story.md"
	markdown    = "text/markdown; charset=utf-8"
)

// maxStored bounds a section or an outline that is read again, in bytes.
const maxStored = 4 << 20

// saved is the checkpoint: hashes and counts, no text. It is made durable before
// the artifact that it names, so that an artifact that is there and has the hash is
// one that was finished.
type saved struct {
	Version int `json:"version"`
	// Params and Outline are hashes, of what was asked and of outline.json.
	Params   string  `json:"params"`
	Outline  string  `json:"outline"`
	Sections []piece `json:"sections,omitempty"`
}

// piece is a finished section. Without a hash it was left out, because the model
// gave nothing.
type piece struct {
	SHA256 string `json:"sha256,omitempty"`
	Words  int    `json:"words"`
}

const savedVersion = 1

// restore reads a checkpoint and reports whether it can be used.
func (s *saved) restore(raw []byte) bool {
	return len(raw) > 0 && json.Unmarshal(raw, s) == nil && s.Version == savedVersion
}

// section is a finished section with its text.
type section struct {
	piece
	text string // without the heading
}

func sectionFile(i int) string { return fmt.Sprintf("sections/%02d.md", i+1) }

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// resume takes over what an earlier attempt has finished, and stores it again for
// this run. What cannot be read is made again.
func (w *writer) resume(ctx context.Context) error {
	var s saved
	if w.a.JobID == "" || !s.restore(w.a.Checkpoint) || s.Params != w.state.Params {
		return nil
	}
	raw, err := w.again(ctx, outlineFile, s.Outline)
	if err != nil {
		return err
	}
	if !w.outline.restore(raw) {
		return nil
	}
	w.state.Outline = s.Outline
	if err := w.store(ctx, outlineFile, "application/json", raw); err != nil {
		return err
	}
	for i, one := range s.Sections[:min(len(s.Sections), len(w.outline.Sections))] {
		if one.SHA256 == "" {
			w.done = append(w.done, section{piece: one})
			continue
		}
		raw, err := w.again(ctx, sectionFile(i), one.SHA256)
		if err != nil {
			return err
		}
		if raw == nil {
			break
		}
		if err := w.store(ctx, sectionFile(i), markdown, raw); err != nil {
			return err
		}
		text := strings.TrimSpace(strings.TrimPrefix(string(raw), w.heading(i)))
		w.done = append(w.done, section{piece: one, text: text})
	}
	fmt.Fprintf(w.h.Log(), "going on after section %d of %d\n", len(w.done), len(w.outline.Sections))
	return nil
}

// again reads an artifact of an earlier attempt; nil if it is not the one with the
// hash.
func (w *writer) again(ctx context.Context, name, sum string) ([]byte, error) {
	raw, err := read(ctx, w.a, "", name, maxStored)
	switch {
	case gone(err), err == nil && hash(raw) != sum:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return raw, nil
}

// keep makes an artifact durable, and before that the checkpoint that names it.
func (w *writer) keep(ctx context.Context, name, mediaType string, content []byte) error {
	if err := w.save(ctx); err != nil {
		return err
	}
	return w.store(ctx, name, mediaType, content)
}

func (w *writer) save(ctx context.Context) error {
	w.state.Sections = w.state.Sections[:0]
	for _, s := range w.done {
		w.state.Sections = append(w.state.Sections, s.piece)
	}
	raw, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	if err := w.h.Checkpoint(ctx, raw); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	return nil
}

func (w *writer) store(ctx context.Context, name, mediaType string, content []byte) error {
	if _, err := w.h.Artifact(ctx, name, mediaType, bytes.NewReader(content)); err != nil {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, task.ErrLeaseLost):
			return err
		}
		return task.Unstored(err)
	}
	return nil
}
