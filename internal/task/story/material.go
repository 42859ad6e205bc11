package story

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/task"
)

// researchFile is the artifact of a run of type research that is read.
const researchFile = "research.json"

const (
	maxResearch = 8 << 20 // bytes of research.json
	maxFindings = 200
	maxFinding  = 600 // characters of one finding
)

var (
	marks = regexp.MustCompile(` ?\[\^?\d{1,3}(, ?\d{1,3})*\]`)
	links = regexp.MustCompile(`\[([^\]\n]*)\]\([^)\s]*\)|<?\bhttps?://[^\s)>\]]*>?`)
)

// material is what a research run gives to a story.
type material struct {
	text string // findings, one a line; "" = none
	note string // what a reader should know of it
}

// research reads the findings of a research run.
func research(ctx context.Context, a task.Attempt, runID string) (material, error) {
	raw, err := read(ctx, a, runID, researchFile, maxResearch)
	if gone(err) {
		return material{}, task.Fatal(string(fault.ArtifactGone), errors.New("the run that research_run_id names has no research.json, or it was removed: run the research again, or leave research_run_id out"))
	}
	if err != nil {
		return material{}, err
	}
	var said struct {
		Version  int    `json:"version"`
		Basis    string `json:"basis"`
		Findings []struct {
			Text string `json:"text"`
		} `json:"findings"`
	}
	if json.Unmarshal(raw, &said) != nil || said.Version != 1 {
		return material{}, task.Fatal("research_unreadable", errors.New("research.json of the run that research_run_id names cannot be read"))
	}
	var b strings.Builder
	for _, f := range said.Findings[:min(len(said.Findings), maxFindings)] {
		if s := uncited(line(f.Text)); s != "" {
			r := []rune(s)
			b.WriteString("- " + string(r[:min(len(r), maxFinding)]) + "\n")
		}
	}
	m := material{text: b.String()}
	switch {
	case m.text == "":
		m.note = "the research has no findings; nothing of it was used"
	case said.Basis == "model":
		m.note = "the research had no sources: its findings are claims of a model"
	}
	return m, nil
}

// uncited takes marks of sources and links out of a text: a story has no list of
// sources, and what a model would point to need not exist.
func uncited(s string) string { return marks.ReplaceAllString(links.ReplaceAllString(s, "$1"), "") }

// read is the content of an artifact. A fault other than that it is not there is a
// verdict: it may be there the next time.
func read(ctx context.Context, a task.Attempt, runID, name string, limit int64) ([]byte, error) {
	if a.Open == nil {
		return nil, fault.New(fault.ArtifactGone, name+" is not there")
	}
	f, err := a.Open(ctx, runID, name)
	if err != nil {
		return nil, unread(ctx, err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, unread(ctx, err)
	}
	if int64(len(raw)) > limit {
		return nil, task.Fatal("artifact_too_large", errors.New(name+" is too large to be read"))
	}
	return bytes.ToValidUTF8(raw, nil), nil
}

func unread(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if gone(err) {
		return err
	}
	return task.Fail(string(fault.From(err).Code), errors.New("an artifact of an earlier run could not be read"))
}

// gone reports whether err says that an artifact is not there.
func gone(err error) bool { return fault.Is(err, fault.ArtifactGone) || fault.Is(err, fault.NotFound) }
