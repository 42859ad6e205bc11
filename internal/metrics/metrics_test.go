package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runsheet/runsheet/internal/claim"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/clock/clocktest"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/llm"
	"github.com/runsheet/runsheet/internal/metrics"
	"github.com/runsheet/runsheet/internal/run"
	"github.com/runsheet/runsheet/internal/store"
	"github.com/runsheet/runsheet/internal/store/sqlite"
)

var update = flag.Bool("update", false, "rewrite the golden file and the table of docs/metrics.md")

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bundle is a registry in front of a real store.
type bundle struct {
	t     *testing.T
	clock *clocktest.Manual
	m     *metrics.Metrics
	s     store.Store
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, clock: clocktest.New(start)}
	b.m = metrics.New(metrics.Options{Version: "v1", Clock: b.clock, KnownType: func(s string) bool { return s == "command" }})
	plain, err := sqlite.OpenMemory(t.Context(), b.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plain.Health.Close(); err != nil {
			t.Error(err)
		}
	})
	b.s = b.m.Store(plain)
	return b
}

func (b *bundle) text() string {
	b.t.Helper()
	var out bytes.Buffer
	if err := b.m.WriteTo(b.t.Context(), &out); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

// has fails the test unless every line is among the metrics.
func (b *bundle) has(lines ...string) {
	b.t.Helper()
	all := strings.Split(b.text(), "\n")
	for _, l := range lines {
		if !slices.Contains(all, l) {
			name, _, _ := strings.Cut(l, "{")
			name, _, _ = strings.Cut(name, " ")
			b.t.Errorf("no line %q among %q", l, slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, name) }))
		}
	}
}

// touch makes every metric have a value.
func (b *bundle) touch() {
	b.t.Helper()
	b.m.Watch(metrics.Sources{
		Survey: b.s.Health.Survey, Space: func() (uint64, uint64, error) { return 5, 10, nil }, Attempts: func() int { return 2 }, DirectWaiting: func() int { return 3 },
		Connections: func() map[string]int { return map[string]int{"idle": 3} }, Checks: func() map[string]float64 { return map[string]float64{"database": 1} },
	})
	b.work()
	b.plan()
	b.m.Batch(3)
	b.m.WebhookAttempt("delivered", 20*time.Millisecond)
	b.m.WebhookBacklog(1, 2)
	n := int64(3)
	b.m.LLMCall(llm.Call{Usage: llm.Usage{Server: "default", Model: "m", Prompt: &n}})
	put := b.m.PutBlob(func(context.Context, io.Reader, blob.Reserve) (string, int64, error) { return "", 7, nil })
	if _, _, err := put(b.t.Context(), strings.NewReader("x"), nil); err != nil {
		b.t.Fatal(err)
	}
	b.m.Begin()
	b.m.End("/api/jobs", "GET", 200, 10, time.Second)
	b.m.Refuse("busy")
	b.m.Direct("served")
}

// plan lets a schedule fire once, three seconds late, and skip two nominals.
func (b *bundle) plan() {
	t := b.t
	t.Helper()
	n := agenda.Schedule{ID: id.New(id.Schedule, start), Tenant: "default", CreatedAt: start, UpdatedAt: start}
	n.Name, n.Zone, n.Policy, n.State = "s", "UTC", agenda.NewPolicy(), agenda.State{}.Begin(start)
	_, err := b.s.Schedules.Create(t.Context(), store.PutSchedule{Schedule: n})
	must(t, err)
	due, err := b.s.Schedules.Claim(t.Context(), store.ClaimSchedules{By: "p", TTL: time.Minute, Now: start, Limit: 5})
	must(t, err)
	d := store.Decided{ID: n.ID, Tenant: "default", Version: 1, Epoch: due.Items[0].Epoch, Now: start.Add(3 * time.Second)}
	d.Outcome.State = due.Items[0].Schedule.State
	d.Outcome.Decisions = []agenda.Decision{
		{Nominal: start, Due: start, Fire: true, Source: agenda.SourceSchedule},
		{Nominal: start.Add(time.Second), Last: start.Add(2 * time.Second), Count: 2, Reason: agenda.ReasonOverlap},
	}
	d.Jobs = []job.Job{{ID: id.New(id.Job, start), Tenant: "default", Name: "j", Type: "command", Params: []byte("{}"), Priority: job.PriorityNormal, HeldReason: "held"}}
	// What is refused is not counted.
	for _, want := range []bool{true, false} {
		errs, err := b.s.Schedules.Decide(t.Context(), []store.Decided{d})
		must(t, err)
		if (errs[0] == nil) != want {
			t.Fatalf("decided: %v", errs[0])
		}
	}
}

// work lets jobs of two types run: one succeeds, one is retried, one is lost
// with its server, and one write comes too late.
func (b *bundle) work() {
	t := b.t
	t.Helper()
	ctx := t.Context()
	inst := store.Instance{ID: "inst_a", HostID: "h", StartedAt: start}
	must(t, b.s.Leases.Register(ctx, inst, time.Hour))
	_, err := b.s.Queue.Scale(ctx, store.Scale{Workers: 3, Tenant: "default", At: start})
	must(t, err)
	var js []job.Job
	for _, kind := range []string{"command", "command", "users-text"} {
		js = append(js, job.Job{
			ID: id.New(id.Job, start), Tenant: "default", Name: kind, Type: kind, Params: []byte("{}"), Priority: job.PriorityNormal,
			OnCrash: job.CrashFail, Trigger: job.TriggerAPI, CreatedAt: start.Add(-time.Minute), QueuedAt: start.Add(-time.Minute),
			Retry: job.Retry{MaxAttempts: 2},
		})
	}
	_, err = b.s.Jobs.Add(ctx, store.AddJobs{Jobs: js})
	must(t, err)
	c, err := b.s.Jobs.Claim(ctx, store.ClaimJobs{Instance: "inst_a", Now: start, Room: 3, Decide: claim.Decide})
	must(t, err)
	if len(c.Started) != 3 {
		t.Fatalf("%d started", len(c.Started))
	}
	end := start.Add(2 * time.Second)
	broke := run.Failure{Code: "exit_code", Message: "exit 1"}
	lost := job.CrashFailure(c.Started[2].Job)
	for i, ev := range [][2]any{
		{job.Succeeded{At: end}, run.Succeeded{At: end}},
		{job.Broke{At: end, Failure: broke}, run.Broke{At: end, Failure: broke}},
		{job.Interrupted{At: end}, run.Broke{At: end, Failure: lost}},
	} {
		f := store.Finish{}
		f.Job, err = job.Apply(c.Started[i].Job, ev[0])
		must(t, err)
		f.Run, err = run.Apply(c.Started[i].Run, ev[1])
		must(t, err)
		must(t, b.s.Jobs.Finish(ctx, []store.Finish{f})[0])
		if i != 1 { // the second refusal is that of a rescuer
			if err := b.s.Jobs.Finish(ctx, []store.Finish{f})[0]; !fault.Is(err, fault.StaleLease) {
				t.Fatalf("a second end: %v", err)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.touch()
	b.has(
		`runsheet_claims_total{outcome="started"} 1`,
		`runsheet_starts_total{job_type="command"} 2`,
		`runsheet_starts_total{job_type="other"} 1`,
		`runsheet_queue_wait_seconds_sum{job_type="other"} 60`,
		`runsheet_runs_total{job_type="command",result="COMPLETED"} 1`,
		`runsheet_runs_total{job_type="command",result="FAILED"} 1`,
		`runsheet_run_duration_seconds_sum{job_type="command",result="COMPLETED"} 2`,
		`runsheet_retries_total{job_type="command"} 1`,
		`runsheet_jobs_finished_total{job_type="command",state="COMPLETED"} 1`,
		`runsheet_interrupted_total{by="crash",job_type="other"} 1`,
		`runsheet_stale_writes_refused_total{method="finish"} 1`,
		`runsheet_store_errors_total{code="stale_lease",method="finish",role="jobs"} 2`,
		`runsheet_store_duration_seconds_count{method="finish",role="jobs"} 5`,
		`runsheet_jobs{state="QUEUED"} 2`,
		`runsheet_jobs{state="RUNNING"} 0`,
		`runsheet_schedules{status="active"} 1`,
		`runsheet_schedules{status="paused"} 0`,
		`runsheet_schedule_claims_total 1`,
		`runsheet_schedule_fires_total{source="schedule"} 1`,
		`runsheet_schedule_skips_total{reason="overlap"} 2`,
		`runsheet_schedule_lag_seconds_count 1`,
		`runsheet_schedule_lag_seconds_bucket{le="2.5"} 0`,
		`runsheet_schedule_lag_seconds_bucket{le="5"} 1`,
		`runsheet_slots 3`,
		`runsheet_artifacts_put_bytes_total 7`,
		`runsheet_http_requests_total{method="GET",route="/api/jobs",status="2xx"} 1`,
		`runsheet_http_requests_in_flight 0`,
		`runsheet_data_free_bytes 5`,
		`runsheet_ready{check="database"} 1`,
	)
	if s := b.text(); strings.Contains(s, "users-text") {
		t.Error("text of a user is a label")
	}
}

// TestScrapesAreCheap: however many scrape, the database is asked once in five
// seconds, and its trouble leaves the last numbers.
func TestScrapesAreCheap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	asked, broken := 0, false
	b.m.Watch(metrics.Sources{Survey: func(context.Context) (store.Survey, error) {
		asked++
		if broken {
			return store.Survey{}, errors.New("gone")
		}
		return store.Survey{Queued: 7, At: start, OldestReadyAt: start.Add(-time.Minute)}, nil
	}})
	for range 10 {
		b.has(`runsheet_jobs{state="QUEUED"} 7`, `runsheet_queue_oldest_seconds 60`)
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	broken = true
	b.clock.Advance(6 * time.Second)
	for range 3 {
		b.has(`runsheet_jobs{state="QUEUED"} 7`, `runsheet_queue_oldest_seconds 66`, `runsheet_survey_age_seconds 6`, `runsheet_survey_errors_total 1`)
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// TestEveryRoleIsTimed: a role or an operation that the generated wrapper does
// not know would pass unseen.
func TestEveryRoleIsTimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, b.s.Health.Ping(t.Context()))
	if _, err := b.s.Templates.Template(t.Context(), "default", "none"); !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	b.has(`runsheet_store_duration_seconds_count{method="ping",role="health"} 1`,
		`runsheet_store_errors_total{code="not_found",method="template",role="templates"} 1`)
}

var family = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)

// TestNames: the names that a scrape shows are those of the golden file and of
// names.go, and each, also the standard ones, is explained in docs/metrics.md.
func TestNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.touch()
	var got, standard []string
	kinds := map[string]string{}
	for _, m := range family.FindAllStringSubmatch(b.text(), -1) {
		if strings.HasPrefix(m[1], "runsheet_") {
			got = append(got, m[1]+" "+m[2])
			kinds[m[1]] = m[2]
		} else {
			standard = append(standard, m[1])
		}
	}
	golden(t, filepath.Join("testdata", "names.txt"), strings.Join(got, "\n")+"\n")
	for _, d := range metrics.Defs() {
		if kinds[d.Name] != string(d.Kind) {
			t.Errorf("%s is a %q, names.go says %s", d.Name, kinds[d.Name], d.Kind)
		}
		delete(kinds, d.Name)
		if len(d.Labels) != len(d.Values) || d.Help == "" {
			t.Errorf("%s is not explained", d.Name)
		}
	}
	for name := range kinds {
		t.Errorf("%s is not in Defs", name)
	}
	if !slices.Contains(standard, "go_goroutines") {
		t.Error("the metrics of the Go runtime are missing")
	}
	page(t, standard)
}

// Marks around the table in docs/metrics.md.
const (
	tableBegin = "<!-- metrics: written by go test ./internal/metrics -update -->\n"
	tableEnd   = "<!-- /metrics -->\n"
)

func page(t *testing.T, standard []string) {
	t.Helper()
	var table strings.Builder
	table.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, d := range metrics.Defs() {
		var labels []string
		for i, l := range d.Labels {
			labels = append(labels, "`"+l+"`: "+d.Values[i])
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", d.Name, d.Kind, strings.Join(labels, "; "), d.Help)
	}
	path := filepath.Join("..", "..", "docs", "metrics.md")
	b, err := os.ReadFile(path)
	must(t, err)
	head, rest, found := strings.Cut(string(b), tableBegin)
	old, tail, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		t.Fatalf("%s has no table between its marks", path)
	}
	if *update {
		must(t, os.WriteFile(path, []byte(head+tableBegin+table.String()+tableEnd+tail), 0o600))
		return
	}
	if diff := cmp.Diff(table.String(), old); diff != "" {
		t.Errorf("the table is not up to date; go test ./internal/metrics -update writes it:\n%s", diff)
	}
	for _, name := range standard {
		prefix, _, _ := strings.Cut(name, "_")
		if !strings.Contains(tail, "`"+prefix+"_*`") {
			t.Errorf("%s is not explained", name)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(path, []byte(got), 0o600))
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(string(b), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
