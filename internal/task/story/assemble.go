package story

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/llm/ask"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
)

// tolerance is how far the length may be from what was asked, in percent.
const tolerance = 15

// heading is what stands before section i. A story in one piece has none.
func (w *writer) heading(i int) string {
	if len(w.outline.Sections) == 1 {
		return ""
	}
	return "## " + w.outline.Sections[i].Heading + "\n\n"
}

// assemble puts the story together, stores it, and returns it without its front
// matter.
func (w *writer) assemble(ctx context.Context) (string, error) {
	words := w.words()
	if words == 0 && !w.limited {
		return "", w.empty(ctx)
	}
	if w.limited && 100*words < (100-tolerance)*w.p.Length {
		return "", task.Fatal(ask.CodeLimit, fmt.Errorf("%w: %d of %d words are written", ask.ErrLimit, words, w.p.Length))
	}
	n := int64(len(w.outline.Sections))
	w.h.Progress(run.Progress{Stage: "assembling", Done: n, Total: n})
	parts := []string{"# " + w.outline.Title + "\n"}
	written := 0
	for i, s := range w.done {
		if s.text != "" {
			parts = append(parts, w.heading(i)+s.text+"\n")
			written++
		}
	}
	body := strings.Join(parts, "\n")
	front, err := w.front(words, written)
	if err != nil {
		return "", err
	}
	if err := w.store(ctx, storyFile, markdown, []byte(front+"\n"+body)); err != nil {
		return "", err
	}
	w.h.Output("words", strconv.Itoa(words))
	w.h.Output("sections", strconv.Itoa(written))
	w.h.Output("model", w.p.Model)
	fmt.Fprintf(w.h.Log(), "story: %d words in %d sections\n", words, written)
	return body, nil
}

// front is the front matter: YAML, of which JSON is a part, so that each value is
// quoted by encoding/json and stands in one line.
func (w *writer) front(words, sections int) (string, error) {
	type field struct {
		name  string
		value any
	}
	type version struct {
		Name    string `json:"name"`
		Version int    `json:"version"`
	}
	var d any
	if s := w.a.Directive; s != nil {
		d = version{s.Name, s.Version}
	}
	fields := []field{{"title", w.outline.Title}}
	if w.a.JobID != "" {
		// What a direct request asks for is stored nowhere; the params of a job are.
		fields = append(fields, field{"topic", w.p.Topic}, field{"genre", w.p.Genre}, field{"style", w.p.Style})
	}
	fields = append(fields, field{"language", w.p.Language}, field{"model", w.p.Model}, field{"directive", d},
		field{"seed", w.p.Seed}, field{"words", words}, field{"length", w.p.Length}, field{"sections", sections},
		field{"research_run_id", w.p.ResearchRun}, field{"date", w.clk.Now().UTC().Format(time.RFC3339)},
		field{"run_id", w.a.RunID}, field{"notes", w.notes(words)})
	var b strings.Builder
	b.WriteString("---\n")
	for _, f := range fields {
		raw, err := json.Marshal(f.value)
		if err != nil {
			return "", err
		}
		if s := string(raw); s != `""` && s != "null" {
			fmt.Fprintf(&b, "%s: %s\n", f.name, s)
		}
	}
	b.WriteString("---\n")
	return b.String(), nil
}

// notes say what is not as it was asked for.
func (w *writer) notes(words int) []string {
	var out []string
	if w.outline.Fixed {
		out = append(out, "the model gave no usable outline; a fixed one was used")
	}
	if w.material.note != "" {
		out = append(out, w.material.note)
	}
	for i, s := range w.done {
		if s.text == "" {
			out = append(out, fmt.Sprintf("section %d was left out: the model gave nothing for it", i+1))
		}
	}
	if w.limited {
		out = append(out, "the story ends early: a limit of the directive was reached")
	}
	if 100*words < (100-tolerance)*w.p.Length {
		out = append(out, fmt.Sprintf("the story is shorter than the %d words that were asked for: the model gave no more", w.p.Length))
	}
	return out
}

// body is a stored story without its front matter.
func body(stored string) string {
	rest, ok := strings.CutPrefix(stored, "---\n")
	if !ok {
		return stored
	}
	if _, text, ok := strings.Cut(rest, "\n---\n"); ok {
		return strings.TrimPrefix(text, "\n")
	}
	return stored
}
