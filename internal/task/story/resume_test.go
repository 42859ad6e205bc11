package story_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

type readCloser = io.ReadCloser

const five = `{"topic":"x","length":500,"sections":5,"model":"tiny","seed":3}`

// half gives half of what it is asked for, so that a section takes several calls.
func half(ctx context.Context, q asked) (string, error) {
	if q.section > 0 && q.words > 30 {
		q.words /= 2
	}
	q.nth = int(*q.req.Seed) // what a question gets must not depend on earlier attempts
	return good(ctx, q)
}

// birth is where an attempt begins, and when it dies.
type birth struct {
	number int
	at     int // the operation at which it dies; 0 = it lives
	after  bool
	saved  []byte
	kept   map[string]string
}

// life runs one attempt and returns what survived it and how it ended.
func life(t *testing.T, b bundle, o birth) (*mortal, error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	m := &mortal{Host: &tasktest.Host{}, die: cancel, at: o.at, after: o.after, saved: o.saved, kept: maps.Clone(o.kept)}
	if m.kept == nil {
		m.kept = map[string]string{}
	}
	a := attempt(five)
	a.Number, a.RunID = o.number, fmt.Sprintf("run_%d", o.number)
	a.Checkpoint, a.Open = o.saved, open(o.kept)
	return m, b.Run(ctx, a, m)
}

// TestAKilledRunGoesOnWithTheNextSection kills at every operation that makes
// something durable, before and after it, and compares with a run that lived.
func TestAKilledRunGoesOnWithTheNextSection(t *testing.T) {
	t.Parallel()
	whole := setup(half)
	lived, err := life(t, whole, birth{number: 1})
	if err != nil {
		t.Fatal(err)
	}
	total := lived.n
	if total < 20 {
		t.Fatalf("only %d operations", total)
	}
	for at := 1; at <= total; at++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%t", at, after), func(t *testing.T) {
				t.Parallel()
				first, second := setup(half), setup(half)
				dead, err := life(t, first, birth{number: 1, at: at, after: after})
				if err == nil && (at < total || !after) {
					t.Fatal("it did not die")
				}
				alive, err := life(t, second, birth{number: 2, saved: dead.saved, kept: dead.kept})
				if err != nil {
					t.Fatal(err)
				}
				for name, text := range dead.kept {
					if name != "story.md" && alive.Artifacts()[name].Content != text {
						t.Errorf("%s is another than before", name)
					}
					var n int
					if name == "outline.json" {
						n = second.count("outline", 0)
					} else if _, err := fmt.Sscanf(name, "sections/%d.md", &n); err == nil {
						n = second.count("section", n) + second.count("more", n)
					}
					if name != "story.md" && n != 0 {
						t.Errorf("%s was finished, and asked for %d times again", name, n)
					}
				}
				want, got := texts(lived), texts(alive)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// texts are the artifacts without what differs from run to run.
func texts(m *mortal) map[string]string {
	out := map[string]string{}
	for name, f := range m.Artifacts() {
		out[name] = f.Content
		if name == "story.md" {
			_, out[name], _ = strings.Cut(f.Content, "\n---\n")
		}
	}
	return out
}

func TestOneDeathAfterTheOther(t *testing.T) {
	t.Parallel()
	whole := setup(half)
	lived, _ := life(t, whole, birth{number: 1})
	b := setup(half)
	var saved []byte
	kept := map[string]string{}
	for n := 1; ; n++ {
		if n > 200 {
			t.Fatal("it makes no headway")
		}
		m, err := life(t, b, birth{number: n, at: 14, after: n%2 == 0, saved: saved, kept: kept})
		saved, kept = m.saved, m.kept
		if err == nil {
			if diff := cmp.Diff(texts(lived), texts(m)); diff != "" {
				t.Error(diff)
			}
			break
		}
	}
}

func TestWhatIsGoneOrChangedIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(half)
	dead, _ := life(t, b, birth{number: 1, at: 24, after: true})
	if len(dead.kept) < 4 {
		t.Fatalf("only %v were finished", slices.Sorted(maps.Keys(dead.kept)))
	}
	for name, change := range map[string]func(map[string]string, *[]byte){
		"a section is gone":    func(k map[string]string, _ *[]byte) { delete(k, "sections/02.md") },
		"a section is another": func(k map[string]string, _ *[]byte) { k["sections/02.md"] += "x" },
		"the outline is gone":  func(k map[string]string, _ *[]byte) { delete(k, "outline.json") },
		"no checkpoint":        func(_ map[string]string, cp *[]byte) { *cp = nil },
		"a broken checkpoint":  func(_ map[string]string, cp *[]byte) { *cp = []byte("{") },
		"of another version":   func(_ map[string]string, cp *[]byte) { *cp = []byte(`{"version":99}`) },
		"of other params": func(_ map[string]string, cp *[]byte) {
			*cp = []byte(strings.Replace(string(*cp), `"params":"`, `"params":"0`, 1))
		},
		"hostile": func(_ map[string]string, cp *[]byte) {
			*cp = []byte(`{"version":1,"sections":[{"words":-9},{},{},{},{},{},{},{}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, cp := maps.Clone(dead.kept), slices.Clone(dead.saved)
			change(kept, &cp)
			again := setup(half)
			m, err := life(t, again, birth{number: 2, saved: cp, kept: kept})
			if err != nil {
				t.Fatal(err)
			}
			f, _ := split(t, m.Artifacts()["story.md"].Content)
			if f.Sections != 5 || f.Words < 425 || f.Words > 575 || f.Notes != nil {
				t.Errorf("%+v", f)
			}
			if n := again.count("section", 2); n != 1 {
				t.Errorf("section 2 was asked for %d times", n)
			}
		})
	}
}

func TestAnArtifactThatCannotBeReadNowIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(half)
	dead, _ := life(t, b, birth{number: 1, at: 24, after: true})
	a := attempt(five)
	a.Checkpoint = dead.saved
	a.Open = func(context.Context, string, string) (io.ReadCloser, error) {
		return nil, fault.New(fault.StorageUnavailable, "away")
	}
	calls := len(b.asked)
	v := task.VerdictOf(b.Run(t.Context(), a, &tasktest.Host{}))
	if v == nil || v.Code != "storage_unavailable" || v.Final || len(b.asked) != calls {
		t.Errorf("%+v after %d calls", v, len(b.asked)-calls)
	}
}

// TestTheCheckpointHasNoText has a model and a topic that would be seen.
func TestTheCheckpointHasNoText(t *testing.T) {
	t.Parallel()
	b := setup(half)
	m, _ := life(t, b, birth{number: 1})
	for _, word := range []string{"bird", "Chapter", "Long", "Thing", "topic", "tiny"} {
		if strings.Contains(string(m.saved), word) {
			t.Errorf("%q is in the checkpoint %s", word, m.saved)
		}
	}
	if len(m.saved) == 0 {
		t.Error("there is no checkpoint")
	}
}
