package job_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// events is one of each, and more where a guard reads the event.
func events() []any {
	high := job.PriorityHigh
	return []any{
		job.Claimed{At: noon, RunID: "run_2", Instance: "inst_b", Epoch: 7},
		job.Succeeded{At: noon},
		job.Passed{At: noon, Reason: "nothing new"},
		job.Broke{At: noon, Failure: job.Failure{Code: "exit_nonzero"}, Jitter: 0.5},
		job.Broke{At: noon, Failure: job.Failure{Code: "exit_nonzero"}, Fatal: true},
		job.CancelAsked{At: noon, By: "ann"},
		job.Interrupted{At: noon},
		job.Returned{At: noon},
		job.Held{At: noon, Reason: "wait for the data"},
		job.Released{At: noon},
		job.Edited{At: noon, Priority: &high},
		job.Placed{At: noon, Rank: "cx"},
		job.Due{At: noon},
		job.Dropped{At: noon, Reason: job.ReasonDeadline, RunID: "run_9"},
		job.Restored{At: noon},
		job.Approved{At: noon},
		job.Rerequested{At: noon, ApprovalID: "appr_2", Until: noon.Add(time.Hour)},
		job.GroupBegan{At: noon},
		job.Grouped{At: noon, GroupID: "group_1", Rank: "cx!0000000"},
		job.Ungrouped{At: noon, Rank: "cx"},
		job.Edited{At: noon, NotBefore: &noon},
		job.Parked{At: noon, For: "approval", Until: noon.Add(time.Hour)},
		job.Parked{At: noon, For: "timer", CancelSeen: true},
		job.Parked{At: noon, Locks: []string{"gpu:0"}},
		job.Woken{At: noon},
	}
}

// variants are the circumstances that guards and effects tell apart.
func variants() []struct {
	name string
	set  func(*job.Job)
} {
	return []struct {
		name string
		set  func(*job.Job)
	}{
		{"plain", func(*job.Job) {}},
		{"held", func(j *job.Job) { j.HeldReason = "by hand" }},
		{"unapproved", func(j *job.Job) { j.ApprovalID, j.ApprovalUntil = "appr_1", noon.Add(time.Minute) }},
		{"cancel-asked", func(j *job.Job) { j.CancelAskedAt = noon.Add(-time.Second) }},
		{"retry-left", func(j *job.Job) { j.Retry = job.Retry{MaxAttempts: 3} }},
		{"crash-retry", func(j *job.Job) { j.OnCrash = job.CrashRetry }},
		{"crash-ask", func(j *job.Job) { j.OnCrash = job.CrashAsk }},
		{"crash-resume", resume},
		{"resume-cancel", func(j *job.Job) { resume(j); j.CancelAskedAt = noon.Add(-time.Second) }},
		{"resume-third", func(j *job.Job) { resume(j); j.Crashes = job.PoisonCrashes - 1 }},
		{"parked", func(j *job.Job) { parked(j, "timer", noon.Add(time.Minute)) }},
		{"parked-held", func(j *job.Job) { parked(j, "event", time.Time{}); j.HeldReason = "by hand" }},
		{"parked-locks", func(j *job.Job) { resume(j); j.ResumeLocks = []string{"gpu:0"} }},
		{"member", func(j *job.Job) { j.GroupID, j.GroupActive = "group_1", true }},
		{"parked-member", func(j *job.Job) {
			parked(j, "timer", noon.Add(time.Minute))
			j.GroupID, j.GroupActive = "group_1", true
		}},
		{"of-workflow", func(j *job.Job) { j.Trigger = job.TriggerWorkflow }},
		{"third-crash", func(j *job.Job) { j.OnCrash, j.Crashes = job.CrashRetry, job.PoisonCrashes-1 }},
	}
}

// resume makes j a job of a durable type, whose run goes on where it waits.
func resume(j *job.Job) {
	j.OnCrash = job.CrashResume
	j.Resuming = j.State == job.Queued
}

func parked(j *job.Job, why string, until time.Time) {
	if resume(j); j.Resuming {
		j.Parked, j.NotBefore = why, until
	}
}

func sample(s job.State) job.Job {
	j := job.Job{
		ID: "job_1", Tenant: "default", State: s, Version: 3, Priority: job.PriorityNormal, Rank: rank.Natural(12, 9),
		OnCrash: job.CrashFail, Attempt: 1, RunID: "run_1", Epoch: 4, QueuedAt: noon.Add(-time.Hour), CreatedAt: noon.Add(-time.Hour),
	}
	if s == job.Running {
		j.Instance, j.StartedAt = "inst_a", noon.Add(-time.Minute)
	}
	if s.Terminal() {
		j.FinishedAt = noon.Add(-time.Second)
	}
	return j
}

// TestVerdicts compares the answer to every event in every state, under every
// circumstance, with the reviewed one.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, s := range job.States() {
		for _, v := range variants() {
			for _, ev := range events() {
				j := sample(s)
				v.set(&j)
				fmt.Fprintf(&got, "%-9s %-13s %-11s -> %s\n", s, v.name, eventName(ev), verdict(j, ev))
			}
		}
	}
	golden(t, "verdicts.golden", got.String())
}

func eventName(ev any) string {
	if b, ok := ev.(job.Broke); ok && b.Fatal {
		return "Broke!"
	}
	return reflect.TypeOf(ev).Name()
}

// verdict says in a line what ev does to j.
func verdict(j job.Job, ev any) string {
	c, err := job.Apply(j, ev)
	if err != nil {
		var f *fault.Error
		if !errors.As(err, &f) {
			return "plain error " + err.Error()
		}
		return "refused: " + string(f.Code)
	}
	words := []string{string(c.After.State)}
	if c.After.Resuming {
		words = append(words, "resuming")
	}
	if c.After.Parked != "" {
		words = append(words, "parked for "+c.After.Parked)
	}
	if len(c.After.ResumeLocks) > 0 {
		words = append(words, "needs "+strings.Join(c.After.ResumeLocks, " "))
	}
	if c.After.HeldReason != "" {
		words = append(words, "held")
	}
	if !c.After.NotBefore.IsZero() {
		words = append(words, "in "+c.After.NotBefore.Sub(noon).String())
	}
	if !c.After.ApprovalUntil.IsZero() {
		words = append(words, "needs "+c.After.ApprovalID)
	}
	if c.After.Failure.Code != "" {
		words = append(words, c.After.Failure.Code)
	}
	for _, e := range c.Emit {
		word := "+" + string(e.Type)
		if code := e.Data["code"]; code != "" {
			word += "(" + code + ")"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestEventsAreComplete makes sure that the golden file covers the table.
func TestEventsAreComplete(t *testing.T) {
	t.Parallel()
	var have []string
	for _, ev := range events() {
		have = append(have, reflect.TypeOf(ev).Name())
	}
	for _, r := range job.Table.Rules() {
		if !slices.Contains(have, r.Event) {
			t.Errorf("no sample of event %s", r.Event)
		}
		for _, s := range append(slices.Clone(r.From), r.To) {
			if !slices.Contains(job.States(), job.State(s)) {
				t.Errorf("%s: state %s is not in States()", r.Event, s)
			}
		}
		// A cancelled job that never started is the one that can come back.
		if r.Event != "Restored" && slices.ContainsFunc(r.From, func(s string) bool { return job.State(s).Terminal() }) {
			t.Errorf("%s moves a job out of a final state: %v", r.Event, r.From)
		}
	}
}

// TestLife applies random events to a job and checks what must hold after each.
func TestLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := sample(job.Queued)
		j.Attempt, j.RunID, j.Epoch = 0, "", 0
		j.Retry = job.Retry{MaxAttempts: rapid.IntRange(0, job.MaxAttempts).Draw(t, "max_attempts")}
		j.OnCrash = rapid.SampledFrom([]job.CrashPolicy{job.CrashFail, job.CrashRetry, job.CrashAsk, job.CrashResume}).Draw(t, "on_crash")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			ev := rapid.SampledFrom(events()).Draw(t, "event")
			before := j
			c, err := job.Apply(j, ev)
			if diff := cmp.Diff(before, j); diff != "" {
				t.Fatalf("Apply changed its argument:\n%s", diff)
			}
			if err != nil {
				want := fault.Conflict
				if j.State.Terminal() {
					want = fault.AlreadyFinished
				}
				if !fault.Is(err, want) {
					t.Fatalf("%s on %s: %v, want %s", eventName(ev), j.State, err, want)
				}
				continue
			}
			if j.State.Terminal() && (eventName(ev) != "Restored" || j.State != job.Cancelled || j.Attempt > 0) {
				t.Fatalf("%s moved a job out of %s", eventName(ev), j.State)
			}
			checkStep(t, c)
			j = c.After
		}
	})
}

func checkStep(t *rapid.T, c job.Change) {
	b, a := c.Before, c.After
	if a.ID != b.ID || a.Tenant != b.Tenant || a.CreatedAt != b.CreatedAt {
		t.Fatalf("identity changed: %+v -> %+v", b, a)
	}
	if a.Version != b.Version+1 {
		t.Fatalf("version %d -> %d", b.Version, a.Version)
	}
	if (a.Instance != "") != (a.State == job.Running) {
		t.Fatalf("%s with instance %q", a.State, a.Instance)
	}
	if a.State.Terminal() == a.FinishedAt.IsZero() {
		t.Fatalf("%s finished at %v", a.State, a.FinishedAt)
	}
	claimed := b.State == job.Queued && a.State == job.Running
	checkRun(t, b, a)
	if want := b.Attempt; !claimed && a.Attempt != want || claimed && !b.Resuming && a.Attempt != want+1 {
		t.Fatalf("attempt %d -> %d (%s -> %s)", b.Attempt, a.Attempt, b.State, a.State)
	}
	if claimed && b.HeldReason != "" {
		t.Fatal("a held job was claimed")
	}
	if a.State == job.Running && a.HeldReason != "" {
		t.Fatal("a running job is held")
	}
	if a.Failures > max(1, a.Retry.MaxAttempts) {
		t.Fatalf("%d failures of at most %d attempts", a.Failures, a.Retry.MaxAttempts)
	}
	for _, e := range c.Emit {
		if e.JobID != b.ID || e.Tenant != b.Tenant || e.Type == "" || e.At.IsZero() {
			t.Fatalf("incomplete event %+v", e)
		}
	}
}

// checkRun checks what holds of runs that outlive their slot.
func checkRun(t *rapid.T, b, a job.Job) {
	if a.Resuming && (a.State != job.Queued || a.OnCrash != job.CrashResume || a.Attempt == 0) {
		t.Fatalf("a run goes on of %+v", a)
	}
	if a.Parked != "" && (!a.Resuming || a.Ready()) || a.Parked != "" && len(a.ResumeLocks) > 0 {
		t.Fatalf("parked: %+v", a)
	}
	if b.Resuming && (a.RunID != b.RunID || a.Attempt != b.Attempt || a.State != job.Queued && a.State != job.Running) {
		t.Fatalf("a run that goes on was left behind: %+v -> %+v", b, a)
	}
	if b.Resuming && !a.CancelAskedAt.IsZero() && b.CancelAskedAt.IsZero() && !a.Ready() && !a.GroupActive {
		t.Fatalf("a cancelled run cannot end: %+v", a)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s is not what comes out; after review: go test -update (-want +got):\n%s", path, diff)
	}
}
