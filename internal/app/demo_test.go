package app_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/app"
	"github.com/runsheet/runsheet/internal/config"
)

// demoServer is a started server without workers, and a client of its administrator.
func demoServer(t *testing.T, allow ...string) *client.Client {
	t.Helper()
	c := settings(t)
	c.Workers = 0 // a job would start this test as its supervisor
	c.CommandAllow = allow
	return served(t, c)
}

// served starts a server, and returns a client of its local administrator.
func served(t *testing.T, c config.Config) *client.Client {
	t.Helper()
	a := app.New(app.Options{Config: c})
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	local, err := config.ReadLocal(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.New(client.Options{URL: local.URL, Token: local.Token, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// there is how many templates, waiting jobs and workflows there are.
func there(t *testing.T, cl *client.Client) string {
	t.Helper()
	templates, err := client.Collect(cl.Templates(t.Context(), client.TemplateFilter{}), 0)
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := client.Collect(cl.Jobs(t.Context(), client.JobFilter{Status: []string{"QUEUED"}}), 0)
	if err != nil {
		t.Fatal(err)
	}
	flows, err := client.Collect(cl.Workflows(t.Context(), client.WorkflowFilter{}), 0)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(len(templates), " ", len(jobs), " ", len(flows))
}

func TestDemonstration(t *testing.T) {
	t.Parallel()
	cl := demoServer(t, "*")
	own, err := cl.CreateTemplate(t.Context(), client.JobTemplateInput{Name: "own", JobType: "command", Params: []byte(`{"argv":["/bin/true"]}`)}, client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 { // what was removed can be added again
		first, err := cl.StartDemo(t.Context())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if len(first.Templates) != 4 || len(first.Jobs) != 16 || len(first.Workflows) != 4 {
			t.Errorf("round %d: %+v", round, first)
		}
		again, err := cl.StartDemo(t.Context())
		if diff := cmp.Diff(first, again); diff != "" || err != nil {
			t.Errorf("started twice: %v %s", err, diff)
		}
		for w, err := range cl.Workflows(t.Context(), client.WorkflowFilter{}) {
			if err != nil || w.Name != w.WorkflowID { // its runs and jobs are called as it is
				t.Errorf("workflow %s is called %q: %v", w.WorkflowID, w.Name, err)
			}
		}
		if got := there(t, cl); got != "5 16 4" {
			t.Errorf("there are %s", got)
		}
		if err := cl.RemoveDemo(t.Context(), client.Call{}); err != nil {
			t.Fatal(err)
		}
		if got := there(t, cl); got != "1 0 0" {
			t.Errorf("after its end there are %s", got)
		}
	}
	if err := cl.RemoveDemo(t.Context(), client.Call{}); err != nil { // nothing is there
		t.Error(err)
	}
	if _, err := cl.Template(t.Context(), own.TemplateID); err != nil {
		t.Errorf("what nobody called a demonstration: %v", err)
	}
}

// TestDemonstrationInUse: while a schedule starts one of its workflows, or uses one of its
// templates, nothing of it is removed, nothing says so, and the refusal names the schedule.
func TestDemonstrationInUse(t *testing.T) {
	t.Parallel()
	cl := demoServer(t, "*")
	every := "PT1H"
	inline := &client.ScheduleJobInput{JobType: "workflow", Params: []byte(`{"workflow_id":"demo_pipeline"}`)}
	started, err := cl.StartDemo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	removed := func() int {
		t.Helper()
		list, err := client.Collect(cl.Audit(t.Context(), client.AuditFilter{Action: []string{"demo.remove"}}), 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for _, in := range []client.ScheduleInput{{Name: "hourly", WorkflowID: "demo_pipeline"}, {Name: "hourly", Job: inline}, {Name: "hourly", TemplateID: started.Templates[0]}} {
		code, uses := "workflow_in_use", "starts workflow demo_pipeline"
		if in.TemplateID != "" {
			code, uses = "conflict", "uses template "+in.TemplateID
		}
		in.Trigger = &client.TriggerInput{Type: "INTERVAL", Interval: &every}
		s, err := cl.CreateSchedule(t.Context(), in, client.Call{})
		if err != nil {
			t.Fatal(err)
		}
		before := there(t, cl)
		var p *client.Problem
		if err := cl.RemoveDemo(t.Context(), client.Call{}); !errors.As(err, &p) || p.Status != 409 || p.Code != code {
			t.Fatalf("removed while a schedule starts it: %v", err)
		}
		if !strings.Contains(p.Detail, "the schedule hourly ("+s.ScheduleID+") "+uses) {
			t.Errorf("refused with %s", p.Detail)
		}
		if after := there(t, cl); after != before {
			t.Errorf("a removal that was refused left %s of %s", after, before)
		}
		if n := removed(); n != 0 {
			t.Errorf("a removal that was refused left %d entries in the audit log", n)
		}
		if err := cl.DeleteSchedule(t.Context(), s.ScheduleID, client.Call{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := cl.RemoveDemo(t.Context(), client.Call{}); err != nil {
		t.Fatal(err)
	}
	if got := there(t, cl); got != "0 0 0" {
		t.Errorf("after its end there are %s", got)
	}
	if n := removed(); n != 1 {
		t.Errorf("the audit log has %d removals", n)
	}
}

// TestDemonstrationAtOnce: two who ask at the same time get one demonstration.
func TestDemonstrationAtOnce(t *testing.T) {
	t.Parallel()
	cl := demoServer(t, "*")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := cl.StartDemo(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := there(t, cl); got != "4 16 4" {
		t.Errorf("there are %s", got)
	}
}

// until waits for what get returns to be want.
func until(t *testing.T, what, want string, get func() string) {
	t.Helper()
	got := get()
	for range 2400 {
		if got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
		got = get()
	}
	t.Fatalf("%s: %s, want %s", what, got, want)
}

// shown is a demonstration on a server with one worker, which runs no programs.
type shown struct {
	*testing.T
	local, admin *client.Client
}

func show(t *testing.T) shown {
	t.Helper()
	c := settings(t)
	c.AdminToken = config.Secret(strings.Repeat("a", 32))
	s := shown{T: t, local: served(t, c)}
	at, err := config.ReadLocal(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	if s.admin, err = client.New(client.Options{URL: at.URL, Token: c.AdminToken.Reveal(), Retries: -1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin.StartDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// runs waits until the runs of a version of a workflow (0 = all) have these statuses,
// newest first, and returns them.
func (s shown) runs(flow string, version int, want string) []client.WorkflowRun {
	s.Helper()
	var list []client.WorkflowRun
	until(s.T, flow, want, func() string {
		var err error
		if list, err = client.Collect(s.admin.WorkflowRuns(s.Context(), client.WorkflowRunFilter{WorkflowID: flow, Version: version}), 0); err != nil {
			s.Fatal(err)
		}
		var out []string
		for _, r := range list {
			out = append(out, r.Status)
		}
		return strings.Join(out, " ")
	})
	return list
}

// TestDemonstrationRollsBack: there is a version that works and a newer one that does
// not, and going back helps.
func TestDemonstrationRollsBack(t *testing.T) {
	t.Parallel()
	s := show(t)
	s.runs("demo_pipeline", 1, "COMPLETED COMPLETED")
	s.runs("demo_pipeline", 2, "FAILED")
	if _, err := s.admin.RollBackWorkflow(t.Context(), "demo_pipeline", client.WorkflowMoveInput{Tag: "works", Reason: "the sum is wrong"}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin.RunWorkflow(t.Context(), "demo_pipeline", client.WorkflowRunInput{}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	s.runs("demo_pipeline", 1, "COMPLETED COMPLETED COMPLETED")
}

// TestDemonstrationRetries: a run fails, and ends well when it is retried.
func TestDemonstrationRetries(t *testing.T) {
	t.Parallel()
	s := show(t)
	failed := s.runs("demo_flaky", 0, "FAILED")[0]
	if _, err := s.admin.RetryWorkflowRun(t.Context(), failed.WorkflowRunID, client.WorkflowRetryInput{}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	s.runs("demo_flaky", 0, "COMPLETED FAILED")
}

// TestDemonstrationAsks: an administrator may decide the request, also the one who
// started the demonstration, but not the server that asks.
func TestDemonstrationAsks(t *testing.T) {
	t.Parallel()
	s := show(t)
	waits := s.runs("demo_release", 0, "WAITING")[0]
	list, err := client.Collect(s.admin.Approvals(t.Context(), client.ApprovalFilter{WorkflowRunID: waits.WorkflowRunID, Statuses: []string{"PENDING"}}), 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d requests, %v", len(list), err)
	}
	in := client.DecisionInput{ContentHash: list[0].ContentHash}
	var p *client.Problem
	if _, err := s.local.Approve(t.Context(), list[0].ApprovalID, in, client.Call{}); !errors.As(err, &p) || p.Code != "self_approval" {
		t.Errorf("who asks: %v", err)
	}
	if _, err := s.admin.Approve(t.Context(), list[0].ApprovalID, in, client.Call{}); err != nil {
		t.Fatal(err)
	}
	s.runs("demo_release", 0, "COMPLETED")
}

// line is the jobs to reorder, in their order.
func (s shown) line() []client.Job {
	s.Helper()
	waiting, err := client.Collect(s.admin.Jobs(s.Context(), client.JobFilter{Status: []string{"QUEUED"}, Query: "demo-", Sort: "queue"}), 0)
	if err != nil {
		s.Fatal(err)
	}
	return slices.DeleteFunc(waiting, func(j client.Job) bool { return len(j.Locks) == 0 })
}

// TestDemonstrationReorders: jobs wait for a lock, hold no slot, and start in the order
// that a person gave them. With the demonstration the lock goes.
func TestDemonstrationReorders(t *testing.T) {
	t.Parallel()
	s := show(t)
	order := func() string {
		var out []string
		for _, j := range s.line() {
			if j.Waiting == nil || j.Waiting.Code != "lock" {
				t.Errorf("%s waits for %+v", j.Name, j.Waiting)
			}
			out = append(out, strings.TrimPrefix(j.Name, "demo-"))
		}
		return strings.Join(out, "")
	}
	if got := order(); got != "12345" {
		t.Fatalf("the line is %s", got)
	}
	if _, err := s.admin.MoveJob(t.Context(), s.line()[4].JobID, client.JobMove{Top: true}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	if got := order(); got != "51234" {
		t.Errorf("after the move the line is %s", got)
	}
	if err := s.admin.RemoveDemo(t.Context(), client.Call{}); err != nil {
		t.Fatal(err)
	}
	until(t, "what is left", "0 0 0", func() string { return there(t, s.admin) }) // a job at work is asked to stop
	if l, err := s.admin.Lock(t.Context(), "demo:line"); err != nil || len(l.Holders) != 0 {
		t.Errorf("after its end the lock is %+v, %v", l, err)
	}
}

// TestDemonstrationIsSeen: a job to reorder lasts two seconds once its lock is free, also
// where no programs may run.
func TestDemonstrationIsSeen(t *testing.T) {
	t.Parallel()
	s := show(t)
	l, err := s.admin.Lock(t.Context(), "demo:line")
	if err != nil || len(l.Holders) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
	if _, err := s.admin.ForceReleaseLock(t.Context(), "demo:line", l.Holders[0].Token, client.Call{}); err != nil {
		t.Fatal(err)
	}
	id := s.line()[0].JobID
	until(t, "the first job", "COMPLETED", func() string {
		j, err := s.admin.Job(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return j.Status
	})
	j, err := s.admin.Job(t.Context(), id)
	if err != nil || j.StartedAt == nil || j.FinishedAt == nil || j.FinishedAt.Sub(*j.StartedAt) < 2*time.Second {
		t.Errorf("it was at work from %v to %v, %v", j.StartedAt, j.FinishedAt, err)
	}
}

// TestDemonstrationWithoutPrograms: a server that may run none has the workflows.
func TestDemonstrationWithoutPrograms(t *testing.T) {
	t.Parallel()
	cl := demoServer(t)
	d, err := cl.StartDemo(t.Context())
	if err != nil || len(d.Workflows) != 4 || len(d.Jobs) != 10 || len(d.Templates) != 0 {
		t.Errorf("%+v, %v", d, err)
	}
	all, err := cl.Config(t.Context())
	if err != nil || len(all) < 10 {
		t.Errorf("%d settings, %v", len(all), err)
	}
	for _, s := range all {
		if s.Key == "admin_token" && s.Value != "" && !strings.Contains(s.Value, "*") {
			t.Errorf("%+v", s)
		}
	}
	s, err := cl.Storage(t.Context())
	if err != nil || s.DatabaseBytes <= 0 || s.Engine == "" {
		t.Errorf("%+v, %v", s, err)
	}
}
