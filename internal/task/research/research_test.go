package research

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/extract/extracttest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

const note = "The harbour burned in 1702 and was rebuilt.\n\nMerchants paid for most of the new houses.\n"

func TestReport(t *testing.T) {
	t.Parallel()
	b := setup(t, good)
	b.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html><head><title>Old town</title></head><body><script>x()</script><p>The old town has many wooden houses.</p></body></html>")
	})
	b.file(t, "note.md", note)
	b.file(t, "book.pdf", string(extracttest.PDF("Nothing here", "The second page tells of three fires.")))
	err := b.run(t, `{"topic":"Bergen [1] <b>","questions":["What burned?","Who sang?"],"sources":[{"path":"{dir}/note.md"},
		{"path":"{dir}/book.pdf"},{"url":"{url}/town?key=secret#part"},{"text":"A short text of five words or more.","name":"mine"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	r := b.report(t, map[string]string{
		"s1": note, "s2": "Nothing here\nThe second page tells of three fires.\n",
		"s3": "The old town has many wooden houses.", "s4": "A short text of five words or more.",
	})
	if len(r.Findings) != 5 || r.Basis != BasisSources || r.Model != "tiny" || len(r.Notes) != 0 {
		t.Errorf("%d findings, basis %s, model %s, notes %v", len(r.Findings), r.Basis, r.Model, r.Notes)
	}
	f := r.Findings[slices.IndexFunc(r.Findings, func(f Finding) bool { return *f.SourceID == "s2" })]
	if *f.Page != 1 || f.Line != nil {
		t.Errorf("page %v, line %v", *f.Page, f.Line)
	}
	if got := r.Sources[2]; got.Origin != b.url+"/town" || got.Name != "Old town" || got.Format != "html" || got.Kind != "url" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"Who sang?", "Why?"}, r.OpenQuestions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Fire", "harbour"}, r.Tags); diff != "" {
		t.Error(diff)
	}
	if want := "All of it matters [1]. Some does not . Both [1, 2].\n\nEnd."; r.Summary != want {
		t.Errorf("summary %q", r.Summary)
	}
	want := []string{"reading 1/4", "reading 2/4", "reading 3/4", "reading 4/4", "chunk 1/4", "chunk 2/4", "chunk 3/4", "chunk 4/4", "reduce", "summary"}
	if diff := cmp.Diff(want, stages(b.host.ProgressList())); diff != "" {
		t.Error(diff)
	}
	if calls := b.host.Calls(); len(calls) != 6 || calls[0].Stage != "chunk" || calls[0].Outcome != run.CallOK {
		t.Errorf("%+v", calls)
	}
	for name, text := range map[string]string{
		"log": b.host.LogText(), "checkpoint": strings.Join(b.host.Checkpoints(), ""), "outputs": fmt.Sprint(b.host.Outputs()),
	} {
		for _, private := range []string{"harbour", "secret", "Bergen", "town", "mine", "matters"} {
			if strings.Contains(text, private) {
				t.Errorf("the %s has %q: %s", name, private, text)
			}
		}
	}
	for name, f := range b.host.Artifacts() {
		if strings.Contains(f.Content, "key=secret") {
			t.Errorf("%s has the URL's query", name)
		}
	}
}

func TestWithoutSources(t *testing.T) {
	t.Parallel()
	b := setup(t, good)
	b.attempt.Directive = nil
	if err := b.run(t, `{"topic":"Water","questions":["Is it wet?"]}`); err != nil {
		t.Fatal(err)
	}
	r := b.report(t, nil)
	if r.Basis != BasisModel || len(r.Findings) != 2 || r.Findings[0].SourceID != nil || !slices.Contains(codes(r), noteNoSources) {
		t.Errorf("%+v", r)
	}
	md := b.host.Artifacts()[markdownName].Content
	if !strings.Contains(md, "the model's own and has no source") || strings.Contains(md, "[1]") {
		t.Error(md)
	}
}

// TestWeakModels: whatever a model says, the report is valid, or there is nothing
// to report.
func TestWeakModels(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nonsense":        "the the of of to to and",
		"empty":           "",
		"other JSON":      `[1,2,3]`,
		"wrong types":     `{"findings":"none","open_questions":3,"tags":{"a":1},"keep":"all"}`,
		"wrong items":     `{"findings":[1,"x",null],"keep":["a"]}`,
		"invented quotes": `{"findings":[{"text":"It rained.","quote":"it rained for forty days","question":9}],"keep":[7,-1,0]}`,
		"no quotes":       `{"findings":[{"text":"It burned."},{"text":"","quote":"harbour burned"}],"open_questions":[null,"x",{}],"tags":[1,"#t"]}`,
		"deep":            strings.Repeat("[", 5000),
		"long":            `{"findings":[` + strings.Repeat(`{"text":"`+strings.Repeat("x", 5000)+`","quote":"the harbour burned in","question":"1"},`, 50) + `{"text":"y","quote":"z"}]}`,
		"markup":          `{"findings":[{"text":"See [7](javascript:x) ![a](http://b) <img src=x> [2]","quote":"The HARBOUR  burned in 1702","question":1}],"open_questions":["[9]"],"tags":["<b>"]}`,
		"thinks":          `<think>well [3]</think>` + "```json\n" + `{"findings":[{"text":"a","quote":"“Merchants paid for most”"}]}` + "\n```",
		"bad UTF-8":       "{\"findings\":[{\"text\":\"a\xff\",\"quote\":\"Merchants paid for most\"}]}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(string, string, int) (string, error) { return answer, nil })
			if err := b.run(t, `{"topic":"x","questions":["q"],"sources":[{"text":`+quoted(note)+`}]}`); err != nil {
				t.Fatal(err)
			}
			r := b.report(t, map[string]string{"s1": note})
			if len(r.Findings) == 0 && r.Chunks.Unusable == 0 && r.Chunks.Dropped == 0 {
				t.Errorf("nothing was found, and the report does not say why: %+v", r)
			}
			b.host = &tasktest.Host{}
			err := b.run(t, `{"topic":"x"}`)
			if err != nil {
				ends(t, err, fault.LLMUnusable, true)
			} else {
				b.report(t, nil)
			}
		})
	}
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestRepair: an answer of another form is repaired once.
func TestRepair(t *testing.T) {
	t.Parallel()
	b := setup(t, func(stage, prompt string, before int) (string, error) {
		if stage == "chunk" && before == 0 {
			return "Sure! Here you go.", nil
		}
		if stage == "chunk" {
			if !strings.Contains(prompt, "not valid JSON") {
				t.Errorf("the model is not told what was wrong: %s", prompt)
			}
			return `{"findings":[{"text":"It burned.","quote":"the harbour burned","question":1}]}`, nil
		}
		return good(stage, prompt, before)
	})
	if err := b.run(t, `{"topic":"x","sources":[{"text":`+quoted(note)+`}]}`); err != nil {
		t.Fatal(err)
	}
	if r := b.report(t, map[string]string{"s1": note}); len(r.Findings) != 1 || *r.Findings[0].Quote != "The harbour burned" {
		t.Errorf("%+v", r.Findings)
	}
}

// long is a text of n paragraphs, a few to a chunk.
func long(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Paragraph number %d of the text begins here. %s\n\n", i, strings.Repeat("It goes on for a while. ", 60))
	}
	return b.String()
}

// TestResume: an attempt that was killed between chunks is continued without asking
// again, and the report is the same as without the interruption.
func TestResume(t *testing.T) {
	t.Parallel()
	params := `{"topic":"x","questions":["q"],"max_findings":6,"sources":[{"path":"{dir}/a.txt"}]}`
	text := long(20)
	whole := setup(t, good)
	whole.file(t, "a.txt", text)
	if err := whole.run(t, params); err != nil {
		t.Fatal(err)
	}
	all := len(whole.model.stages())
	chunks := whole.report(t, map[string]string{"s1": text}).Chunks.Asked
	if chunks < 4 {
		t.Fatalf("only %d chunks", chunks)
	}
	for _, at := range []string{"chunk", "reduce", "summary"} {
		b := setup(t, nil)
		b.file(t, "a.txt", text)
		ctx, cancel := context.WithCancelCause(t.Context())
		b.model.answer = func(stage, prompt string, before int) (string, error) {
			if stage == at && (at != "chunk" || before == 2) {
				cancel(task.ErrShutdown)
				return "", task.ErrShutdown
			}
			return good(stage, prompt, before)
		}
		b.prepare(t, params)
		if err := b.task.Run(ctx, b.attempt, b.host); err != task.ErrShutdown { //nolint:errorlint // it is returned as it is
			t.Fatalf("%s: %v", at, err)
		}
		first := len(b.model.stages())
		b.again()
		b.model.answer = good
		if err := b.task.Run(t.Context(), b.attempt, b.host); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		if got := len(b.model.stages()); got != all+1 {
			t.Errorf("%s: %d calls, of them %d before the end, want %d and the one that was broken off", at, got, first, all)
		}
		for name, f := range whole.host.Artifacts() {
			want := strings.ReplaceAll(f.Content, filepath.ToSlash(whole.dir), filepath.ToSlash(b.dir))
			if got := b.host.Artifacts()[name].Content; got != want {
				t.Errorf("%s: %s differs: %s", at, name, cmp.Diff(want, got))
			}
		}
	}
}

// TestResumeWithAnotherSource: what changed is asked for again, and the report says it.
func TestResumeWithAnotherSource(t *testing.T) {
	t.Parallel()
	b := setup(t, good)
	b.file(t, "a.txt", note)
	params := `{"topic":"x","sources":[{"path":"{dir}/a.txt"},{"text":"This text stays as it is for ever."}]}`
	if err := b.run(t, params); err != nil {
		t.Fatal(err)
	}
	before := len(b.model.stages())
	other := "Another harbour did not burn at all.\n"
	b.file(t, "a.txt", other)
	for range 2 { // the note survives another interruption
		b.again()
		if err := b.run(t, params); err != nil {
			t.Fatal(err)
		}
		r := b.report(t, map[string]string{"s1": other, "s2": "This text stays as it is for ever."})
		if !slices.Contains(codes(r), noteChanged) || r.Notes[0].SourceID != "s1" {
			t.Errorf("%+v", r.Notes)
		}
	}
	// The changed chunk, the choice and the summary.
	if got := b.model.stages()[before:]; !cmp.Equal(got, []string{"chunk", "reduce", "summary"}) {
		t.Errorf("asked again: %v", got)
	}
}

// TestForgedArtifact: what an earlier attempt kept is not believed.
func TestForgedArtifact(t *testing.T) {
	t.Parallel()
	b := setup(t, good)
	if err := b.run(t, `{"topic":"x","sources":[{"text":`+quoted(note)+`}]}`); err != nil {
		t.Fatal(err)
	}
	b.again()
	open := b.attempt.Open
	b.attempt.Open = func(ctx context.Context, runID, name string) (io.ReadCloser, error) {
		f, err := open(ctx, runID, name)
		if err != nil || name != "chunks/0001.json" {
			return f, err
		}
		raw, err := io.ReadAll(f)
		return io.NopCloser(strings.NewReader(strings.ReplaceAll(string(raw), "harbour", "forgery"))), err
	}
	if err := b.task.Run(t.Context(), b.attempt, b.host); err != nil {
		t.Fatal(err)
	}
	if r := b.report(t, map[string]string{"s1": note}); len(r.Findings) != 1 || r.Chunks.Dropped != 1 {
		t.Errorf("%+v", r)
	}
}

func TestDirectiveLimit(t *testing.T) {
	t.Parallel()
	text := long(20)
	b := setup(t, good)
	b.file(t, "a.txt", text)
	b.directive.Content.Limits = directive.Limits{Tokens: 2400}
	params := `{"topic":"x","sources":[{"path":"{dir}/a.txt"}]}`
	if err := b.run(t, params); err != nil {
		t.Fatal(err)
	}
	r := b.report(t, map[string]string{"s1": text})
	if !slices.Contains(codes(r), noteLimit) || r.Chunks.Asked == 0 || r.Chunks.Asked == r.Chunks.Total || len(r.Findings) == 0 {
		t.Errorf("%+v %v", r.Chunks, r.Notes)
	}
	b.host = &tasktest.Host{}
	b.directive.Content.Limits = directive.Limits{Tokens: 10}
	ends(t, b.run(t, params), "directive_limit", true)
}

func TestReduceIsBounded(t *testing.T) {
	t.Parallel()
	for _, weak := range []bool{false, true} {
		b := setup(t, func(stage, prompt string, before int) (string, error) {
			if weak && stage == "reduce" {
				return "no", nil
			}
			return good(stage, prompt, before)
		})
		w := &work{t: b.task, a: b.attempt, h: b.host, p: params{Topic: "x", MaxFindings: 7}}
		w.asker = newAsker(b)
		var list []Finding
		for i := range 1000 {
			list = append(list, Finding{ID: i, Text: fmt.Sprintf("finding %d", i)})
		}
		got, err := w.reduce(t.Context(), list)
		if err != nil || len(got) != 7 {
			t.Errorf("%d findings, %v", len(got), err)
		}
		if n := len(b.model.stages()); n > 120 {
			t.Errorf("%d questions", n)
		}
		if weak != slices.ContainsFunc(w.notes, func(n Note) bool { return n.Code == noteUnsorted }) {
			t.Errorf("weak %v: %v", weak, w.notes)
		}
	}
}

func TestModelErrors(t *testing.T) {
	t.Parallel()
	b := setup(t, func(string, string, int) (string, error) {
		return "", fault.New(fault.LLMModelMissing, "no such model")
	})
	ends(t, b.run(t, `{"topic":"x"}`), fault.LLMModelMissing, true)
	b = setup(t, func(string, string, int) (string, error) { return "", fault.New(fault.LLMTimeout, "too slow") })
	err := b.run(t, `{"topic":"x"}`)
	ends(t, err, fault.LLMTimeout, false)
	if task.VerdictOf(err).After == 0 {
		t.Error("the next attempt may begin at once")
	}
	if len(b.host.Calls()) == 0 {
		t.Error("the call was not recorded")
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, good)
	b.attempt.JobID = ""
	b.prepare(t, `{"topic":"x","sources":[{"text":`+quoted(note)+`}]}`)
	var caller tasktest.Caller
	got, err := b.task.Answer(t.Context(), b.attempt, b.host, &caller)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Report   json.RawMessage `json:"report"`
		Markdown string          `json:"markdown"`
	}
	if err := json.Unmarshal(got, &answer); err != nil {
		t.Fatal(err)
	}
	trueReport(t, string(answer.Report), answer.Markdown, map[string]string{"s1": note})
	if caller.Text() != answer.Markdown {
		t.Errorf("streamed %q", caller.Text())
	}
	files := b.host.Artifacts()
	if len(files) != 2 || len(b.host.Checkpoints()) != 0 {
		t.Errorf("%d artifacts, %d checkpoints", len(files), len(b.host.Checkpoints()))
	}
	again, err := b.task.Recall(t.Context(), func(name string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(files[name].Content)), nil
	})
	if err != nil || string(again) != string(got) {
		t.Errorf("recalled %s, %v", again, err)
	}
	gone := fault.New(fault.ArtifactGone, "gone")
	if _, err := b.task.Recall(t.Context(), func(string) (io.ReadCloser, error) { return nil, gone }); !fault.Is(err, fault.ArtifactGone) {
		t.Errorf("%v", err)
	}
}

// TestAnswerTellsNothing: errors of a direct request have nothing of its params.
func TestAnswerTellsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, good)
	b.attempt.JobID = ""
	secret := filepath.Join(b.dir, "canary-7f3a.txt")
	for _, params := range []string{
		`{"topic":"canary-7f3a","model":"m","sources":[{"path":` + quoted(secret) + `}]}`,
		`{"topic":"canary-7f3a","model":"m","sources":[{"path":"/elsewhere/canary-7f3a"}]}`,
		`{"topic":"canary-7f3a","canary-7f3a":1}`,
	} {
		b.attempt.Params = json.RawMessage(params)
		_, err := b.task.Answer(t.Context(), b.attempt, b.host, &tasktest.Caller{})
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(b.host.LogText(), "canary") {
			t.Errorf("%v, log %s", err, b.host.LogText())
		}
	}
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
