//go:build unix

package story_test

import (
	"strings"
	"testing"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/task/story"
	"github.com/runsheet/runsheet/internal/task/tasktest"
	"github.com/runsheet/runsheet/internal/testsvc"
)

// TestARealModelWritesAStory asks a server with a model that knows a handful of
// words and nothing of JSON: as weak as a model can be.
func TestARealModelWritesAStory(t *testing.T) {
	t.Parallel()
	pool, err := llm.New(llm.Options{Servers: []llm.Server{{Name: "default", URL: testsvc.Ollama(t).URL}}})
	if err != nil {
		t.Fatal(err)
	}
	tk := story.New(story.Options{Chat: pool, Clock: clock.System{}})
	const params = `{"topic":"a small robot","length":300,"sections":3,"model":"` + testsvc.OllamaTiny + `","temperature":0.9,"seed":`
	tell := func(seed string, d *directive.Snapshot) (front, string, *tasktest.Host) {
		var h tasktest.Host
		a := attempt(params + seed + "}")
		a.Directive = d
		if err := tk.Run(t.Context(), a, &h); err != nil {
			t.Fatal(err)
		}
		f, body := split(t, h.Artifacts()["story.md"].Content)
		return f, body, &h
	}
	f, first, h := tell("7", nil)
	if f.Words < 255 || f.Words > 345 || f.Sections != 3 {
		t.Errorf("%d words in %d sections: %q", f.Words, f.Sections, f.Notes)
	}
	for _, c := range h.Calls() {
		if c.Prompt == nil || *c.Prompt <= 0 || c.Completion == nil || c.Outcome != "ok" || c.Server != "default" {
			t.Errorf("call %+v", c)
		}
	}
	speed := false
	for _, p := range h.ProgressList() {
		speed = speed || strings.HasPrefix(p.Stage, "section 2/3, ") && strings.HasSuffix(p.Stage, " tokens/s")
	}
	if !speed {
		t.Errorf("progress %+v", h.ProgressList())
	}
	if _, again, _ := tell("7", nil); again != first {
		t.Errorf("the same seed gives another story:\n%s\n%s", first, again)
	}
	if _, other, _ := tell("8", nil); other == first {
		t.Error("another seed gives the same story")
	}
	t.Logf("%d calls, notes %q\n%s", len(h.Calls()), f.Notes, first)
}
