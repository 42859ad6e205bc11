package logtriage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/directive"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/task"
	"github.com/runsheet/runsheet/internal/task/logtriage"
	"github.com/runsheet/runsheet/internal/task/tasktest"
)

func TestMain(m *testing.M) {
	// The model server's own waiter ends with the process.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/runsheet/runsheet/internal/testsvc.account.serve.func1"))
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixed is a clock that stands at noon; its timers fire at once.
type fixed struct{ clock.System }

func (fixed) Now() time.Time                       { return noon }
func (f fixed) NewTimer(time.Duration) clock.Timer { return f.System.NewTimer(0) }

// model is a scripted model. answer gets the question's clusters.
type model struct {
	answer func(n int, r llm.Request, ids []string) (string, error)

	mu    sync.Mutex
	calls []llm.Request
}

func (m *model) Chat(ctx context.Context, r llm.Request) (llm.Answer, error) {
	m.mu.Lock()
	m.calls = append(m.calls, r)
	n := len(m.calls)
	m.mu.Unlock()
	if ctx.Err() != nil {
		return llm.Answer{}, context.Cause(ctx)
	}
	var q struct{ Clusters []struct{ ID string } }
	for _, msg := range r.Messages {
		if msg.Role == llm.User && strings.HasPrefix(msg.Content, "{") {
			if err := json.Unmarshal([]byte(msg.Content), &q); err != nil {
				return llm.Answer{}, err
			}
		}
	}
	var ids []string
	for _, c := range q.Clusters {
		ids = append(ids, c.ID)
	}
	text, err := m.answer(n, r, ids)
	one := int64(1)
	return llm.Answer{Text: text, Usage: llm.Usage{Prompt: &one, Completion: &one, Model: r.Model, Stop: llm.StopNatural}}, err
}

func (m *model) asked() string {
	var b strings.Builder
	for _, c := range m.calls {
		for _, msg := range c.Messages {
			b.WriteString(msg.Content)
		}
	}
	return b.String()
}

func helpful(_ int, _ llm.Request, ids []string) (string, error) {
	var out []string
	for _, id := range ids {
		out = append(out, fmt.Sprintf(`{"id":%q,"severity":"error","cause":"cause %s","suggestion":"step %s"}`, id, id, id))
	}
	return `{"clusters":[` + strings.Join(out, ",") + `]}`, nil
}

type bench struct {
	dir   string
	host  *tasktest.Host
	model *model
	task  *logtriage.Task
	a     task.Attempt
}

// setup returns a triage whose directive allows dir/logs and everything below.
func setup(t testing.TB, params string) *bench {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{dir: dir, host: &tasktest.Host{}, model: &model{answer: helpful}}
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.task = logtriage.New(logtriage.Options{Chat: b.model, Clock: fixed{}, DockerSocket: filepath.Join(dir, "sock")})
	b.a = task.Attempt{
		JobID: "job_1", Params: json.RawMessage(strings.ReplaceAll(params, "DIR", dir)),
		Directive: &directive.Snapshot{Name: "ops", Content: directive.Content{Allow: directive.Allow{
			Files: []string{dir + "/logs/**"}, Containers: []string{"web*"},
		}}},
	}
	return b
}

func (b *bench) write(t testing.TB, name, content string) {
	t.Helper()
	p := filepath.Join(b.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

type cluster struct {
	ID, Template, Severity, Cause, Suggestion string
	Count, Lines                              int64
	FirstSeen                                 *time.Time `json:"first_seen"`
	LastSeen                                  *time.Time `json:"last_seen"`
	Samples, Sources                          []string
}

type report struct {
	Version int
	Notes   []string
	Sources []struct {
		Name, Kind   string
		Read         bool
		Lines, Bytes int64
		Notes        []string
	}
	Totals struct {
		Lines, Blank, Events int64
		Clusters             int
		OutsideWindow        int64                                   `json:"outside_window"`
		NotShown             struct{ Clusters, Events, Lines int64 } `json:"not_shown"`
		Ungrouped            struct{ Events, Lines int64 }
	}
	Clusters []cluster
}

// balance checks that every line was counted once.
func (r report) balance() error {
	sum := r.Totals.Blank + r.Totals.OutsideWindow + r.Totals.NotShown.Lines + r.Totals.Ungrouped.Lines
	events := r.Totals.NotShown.Events + r.Totals.Ungrouped.Events
	for _, c := range r.Clusters {
		sum += c.Lines
		events += c.Count
	}
	var read int64
	for _, s := range r.Sources {
		read += s.Lines
	}
	if sum != r.Totals.Lines || read != r.Totals.Lines || events != r.Totals.Events {
		return fmt.Errorf("%d lines counted, %d in sources, %d in totals; %d of %d events", sum, read, r.Totals.Lines, events, r.Totals.Events)
	}
	return nil
}

// run makes an attempt that must succeed and returns its report.
func (b *bench) run(t testing.TB) report {
	t.Helper()
	if err := b.task.Run(t.Context(), b.a, b.host); err != nil {
		t.Fatalf("Run = %v", err)
	}
	return b.report(t)
}

func (b *bench) report(t testing.TB) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(b.host.Artifacts()["report.json"].Content), &r); err != nil {
		t.Fatalf("report.json: %v", err)
	}
	if err := r.balance(); err != nil {
		t.Error(err)
	}
	return r
}

func code(err error) string {
	if v := task.VerdictOf(err); v != nil {
		return v.Code
	}
	return ""
}

func TestTriage(t *testing.T) {
	t.Parallel()
	b := setup(t, `{"sources":[{"path":"DIR/logs/app.log"},{"path":"DIR/logs/missing.log"}],"model":"m","seed":7,"language":"German"}`)
	b.write(t, "logs/app.log", `2026-03-01T10:00:00Z INFO started in 5 ms
2026-03-01T10:00:01Z ERROR cannot reach 10.0.0.1:5432 password=hunter2
2026-03-01T10:00:02Z ERROR cannot reach 10.0.0.2:5432 password=hunter3

2026-03-01T10:00:03Z FATAL out of memory
	at a.b
`)
	r := b.run(t)
	var got []string
	for _, c := range r.Clusters {
		got = append(got, fmt.Sprintf("%s %d %d %s: %s / %s", c.Severity, c.Count, c.Lines, c.Template, c.Cause, c.Suggestion))
	}
	want := []string{
		"fatal 1 2 FATAL out of memory: cause 1 / step 1",
		"error 2 2 ERROR cannot reach <ip> password=<secret>: cause 2 / step 2",
		"info 1 1 INFO started in <num> ms: cause 3 / step 3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
	if r.Totals.Lines != 6 || r.Totals.Blank != 1 || len(r.Sources) != 2 || r.Sources[1].Notes[0] != "is not there" {
		t.Errorf("report %+v", r)
	}
	if c := r.Clusters[1]; !c.FirstSeen.Equal(time.Date(2026, 3, 1, 10, 0, 1, 0, time.UTC)) || !c.LastSeen.Equal(time.Date(2026, 3, 1, 10, 0, 2, 0, time.UTC)) {
		t.Errorf("seen %v to %v", c.FirstSeen, c.LastSeen)
	}
	for name, f := range b.host.Artifacts() {
		if strings.Contains(f.Content, "hunter") {
			t.Errorf("%s has a secret", name)
		}
	}
	if q := b.model.asked(); strings.Contains(q, "hunter") || !strings.Contains(q, "German") || strings.Contains(b.host.LogText(), "memory") {
		t.Errorf("asked %q, log %q", q, b.host.LogText())
	}
	if n := len(b.host.Calls()); n != 1 {
		t.Errorf("%d calls recorded", n)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t, ``)
	b.write(t, "logs/sub/a.log", "x\n")
	b.write(t, "secret.txt", "x\n")
	for link, to := range map[string]string{"logs/link.log": "secret.txt", "logs/folder": ".", "logs/sub/up.log": "secret.txt"} {
		if err := os.Symlink(filepath.Join(b.dir, to), filepath.Join(b.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ source, refused string }{
		{`{"path":"DIR/secret.txt"}`, "DIR/secret.txt"},
		{`{"path":"DIR/logs/link.log"}`, "DIR/logs/link.log"},
		{`{"path":"DIR/logs/folder/secret.txt"}`, "DIR/logs/folder/secret.txt"},
		{`{"path":"DIR/logs/sub/*.log"}`, "DIR/logs/sub/up.log"},
		{`{"path":"DIR/logs/folder/*.txt"}`, "DIR/logs/folder/*.txt"},
		{`{"path":"DIR/*"}`, "DIR/*"},
		{`{"path":"DIR/**/secret.*"}`, "DIR/**/secret.*"},
		{`{"container":"db"}`, "container db"},
	} {
		h := &tasktest.Host{}
		a := b.a
		a.Params = json.RawMessage(strings.ReplaceAll(`{"model":"m","sources":[`+c.source+`]}`, "DIR", b.dir))
		err := b.task.Run(t.Context(), a, h)
		want := strings.ReplaceAll(c.refused, "DIR", b.dir)
		if code(err) != string(fault.SourceNotAllowed) || !task.VerdictOf(err).Final || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Run = %v", c.source, err)
		}
		if diff := cmp.Diff([]string{want}, h.RefusedSources()); diff != "" {
			t.Errorf("%s: refused (-want +got):\n%s", c.source, diff)
		}
		if len(h.Artifacts()) > 0 {
			t.Errorf("%s: left %v", c.source, h.Artifacts())
		}
	}
	a := b.a
	a.Directive, a.Params = nil, json.RawMessage(`{"model":"m","sources":[{"path":"`+b.dir+`/logs/sub/a.log"}]}`)
	if err := b.task.Run(t.Context(), a, b.host); code(err) != string(fault.SourceNotAllowed) {
		t.Errorf("without a directive: %v", err)
	}
}

func TestGuide(t *testing.T) {
	t.Parallel()
	b := setup(t, ``)
	for _, c := range []struct{ params, want string }{
		{`{"sources":[{"path":"DIR/logs/a.log"},{"path":"DIR/logs/**/*.gz"},{"container":"web1"}],"model":"m"}`, ""},
		{`{"sources":[{"path":"DIR/**/*.log"}],"model":"m"}`, ""}, // may be; Run knows
		{`{"sources":[{"path":"DIR/logs/a.log"},{"path":"/etc/shadow"}],"model":"m"}`, "source_not_allowed /sources/1"},
		{`{"sources":[{"path":"/etc/*"}],"model":"m"}`, "source_not_allowed /sources/0"},
		{`{"sources":[{"container":"db"}],"model":"m"}`, "source_not_allowed /sources/0"},
		{`{"sources":[{"path":"DIR/logs/a.log"}]}`, "invalid_input /model"},
		{`{"sources":[{"path":"DIR/logs/a.log"}],"allow_without_model":true}`, ""},
	} {
		_, err := b.task.Guide(json.RawMessage(strings.ReplaceAll(c.params, "DIR", b.dir)), b.a.Directive)
		got := ""
		if err != nil {
			f := fault.From(err)
			got = string(f.Code) + " " + f.Fields[0].Pointer
		}
		if got != c.want {
			t.Errorf("Guide(%s) = %v, want %q", c.params, err, c.want)
		}
	}
	for _, bad := range []string{
		`{"sources":[{}]}`, `{"sources":[{"path":"a.log"}]}`, `{"sources":[{"path":"/a/../b"}]}`, `{"sources":[{"path":"/a","container":"b"}]}`,
		`{"sources":[{"path":"/a","tail":3}]}`, `{"since":"soon"}`, `{"since":"1h","until":"2h"}`, `{"timezone":"Mars"}`, `{"sources":[{"path":"/a/x**"}]}`, `{"x":1}`,
	} {
		if err := b.task.Check(json.RawMessage(bad)); !fault.Is(err, fault.InvalidInput) {
			t.Errorf("Check(%s) = %v", bad, err)
		}
	}
	if got := b.task.Locks(json.RawMessage(`{"model":"m"}`)); !cmp.Equal(got, []string{"model:m"}) {
		t.Errorf("Locks = %v", got)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	b := setup(t, `{"model":"m","sources":[{"path":"DIR/logs/no.log"},{"path":"DIR/logs/*.none"},{"container":"web"},{"path":"DIR/logs/folder"}]}`)
	if err := os.Mkdir(filepath.Join(b.dir, "logs/folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := b.task.Run(t.Context(), b.a, b.host)
	if code(err) != "source_unreadable" || task.VerdictOf(err).Final {
		t.Errorf("Run = %v", err)
	}
}

// TestWeakModels: whatever the model says, the report has all counts.
func TestWeakModels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		answer func(int, llm.Request, []string) (string, error)
		calls  int
		cause  string
	}{
		{"repaired", func(n int, r llm.Request, ids []string) (string, error) {
			if n == 1 {
				return "Sure! Here it is:", nil
			}
			return helpful(n, r, ids)
		}, 2, "cause 1"},
		{"never JSON", func(int, llm.Request, []string) (string, error) { return "once upon a time", nil }, 2, ""},
		{"empty", func(int, llm.Request, []string) (string, error) { return "", nil }, 2, ""},
		{"ids of its own", func(int, llm.Request, []string) (string, error) {
			return `{"clusters":[{"id":"77","severity":"error","cause":"x","suggestion":"y"}]}`, nil
		}, 2, ""},
		{"one of two", func(int, llm.Request, []string) (string, error) {
			return `{"clusters":[{"id":"1","severity":"error","cause":"x","suggestion":"y"}]}`, nil
		}, 2, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, `{"model":"m","sources":[{"path":"DIR/logs/a.log"}]}`)
			b.write(t, "logs/a.log", "ERROR disk full\nINFO hello\n")
			b.model.answer = c.answer
			r := b.run(t)
			if len(r.Clusters) != 2 || r.Clusters[0].Cause != c.cause || len(b.model.calls) != c.calls {
				t.Errorf("%d calls, clusters %+v", len(b.model.calls), r.Clusters)
			}
		})
	}
}

func TestModelThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	down := func(int, llm.Request, []string) (string, error) {
		return "", fault.New(fault.LLMUnreachable, "no connection")
	}
	b := setup(t, `{"model":"m","sources":[{"path":"DIR/logs/a.log"}]}`)
	b.write(t, "logs/a.log", "ERROR disk full\n")
	b.model.answer = down
	if v := task.VerdictOf(b.task.Run(t.Context(), b.a, b.host)); v == nil || v.Code != "llm_unreachable" || v.Final || v.After == 0 {
		t.Errorf("verdict %+v", v)
	}
	b = setup(t, `{"model":"m","allow_without_model":true,"sources":[{"path":"DIR/logs/a.log"}]}`)
	b.write(t, "logs/a.log", "ERROR disk full\n")
	b.model.answer = down
	if r := b.run(t); len(r.Clusters) != 1 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "llm_unreachable") {
		t.Errorf("report %+v", r)
	}
}

// TestResume: an attempt that follows a broken one asks only what is left.
func TestResume(t *testing.T) {
	t.Parallel()
	b := setup(t, `{"model":"m","since":"24h","sources":[{"path":"DIR/logs/a.log"}]}`)
	var log strings.Builder
	for i := range 20 {
		fmt.Fprintf(&log, "2026-03-01T10:00:00Z ERROR %s\n", strings.Repeat(string(rune('a'+i)), 5)+" broke "+strings.Repeat("x", i+1))
	}
	b.write(t, "logs/a.log", log.String())
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	b.model.answer = func(n int, r llm.Request, ids []string) (string, error) {
		if n == 3 {
			cancel(stop)
			return "", stop
		}
		return helpful(n, r, ids)
	}
	if err := b.task.Run(ctx, b.a, b.host); !errors.Is(err, stop) {
		t.Fatalf("Run = %v", err)
	}
	first := b.host.Artifacts()["answers.json"].Content
	if points := b.host.Checkpoints(); len(points) != 1 || len(points[0]) > 40 {
		t.Fatalf("checkpoints %q", points)
	}
	b.a.Checkpoint = []byte(b.host.Checkpoints()[0])
	b.a.Open = func(_ context.Context, runID, name string) (io.ReadCloser, error) {
		if runID != "" || name != "answers.json" {
			return nil, fault.New(fault.ArtifactGone, "no")
		}
		return io.NopCloser(strings.NewReader(first)), nil
	}
	b.model.calls, b.model.answer = nil, helpful
	r := b.run(t)
	if len(b.model.calls) != 1 || len(r.Clusters) != 20 {
		t.Errorf("%d calls for %d clusters", len(b.model.calls), len(r.Clusters))
	}
	for _, c := range r.Clusters {
		if c.Cause == "" {
			t.Errorf("cluster %s has no cause", c.Template)
		}
	}
	// With everything answered nothing is asked.
	first, b.model.calls = b.host.Artifacts()["answers.json"].Content, nil
	if b.run(t); len(b.model.calls) != 0 {
		t.Errorf("%d calls", len(b.model.calls))
	}
}

func TestLimitOfTheDirective(t *testing.T) {
	t.Parallel()
	b := setup(t, `{"model":"m","sources":[{"path":"DIR/logs/a.log"}]}`)
	b.write(t, "logs/a.log", "ERROR disk full\n")
	d := *b.a.Directive
	d.Content.Limits.Tokens = 1
	b.a.Directive = &d
	if r := b.run(t); len(b.model.calls) != 0 || !strings.Contains(r.Notes[0], "limit") {
		t.Errorf("%d calls, notes %v", len(b.model.calls), r.Notes)
	}
}
