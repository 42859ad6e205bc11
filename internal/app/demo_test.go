package app_test

import (
	"errors"
	"fmt"
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
		if len(first.Templates) != 4 || len(first.Jobs) != 16 || len(first.Workflows) != 3 {
			t.Errorf("round %d: %+v", round, first)
		}
		again, err := cl.StartDemo(t.Context())
		if diff := cmp.Diff(first, again); diff != "" || err != nil {
			t.Errorf("started twice: %v %s", err, diff)
		}
		if got := there(t, cl); got != "5 16 3" {
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
	if got := there(t, cl); got != "4 16 3" {
		t.Errorf("there are %s", got)
	}
}

// until waits for what get returns to be want.
func until(t *testing.T, what, want string, get func() string) {
	t.Helper()
	got := get()
	for range 600 {
		if got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
		got = get()
	}
	t.Fatalf("%s: %s, want %s", what, got, want)
}

// TestDemonstrationLeads: what a new user tries can be tried: to reorder the queue, to
// retry a run, to roll a workflow back and to decide a request.
func TestDemonstrationLeads(t *testing.T) {
	t.Parallel()
	c := settings(t)
	c.AdminToken = config.Secret(strings.Repeat("a", 32))
	cl := served(t, c)
	if _, err := cl.StartDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs := func(f client.WorkflowRunFilter) []client.WorkflowRun {
		t.Helper()
		list, err := client.Collect(cl.WorkflowRuns(t.Context(), f), 0)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	word := func(flow string, version int) func() string {
		return func() string {
			var out []string
			for _, r := range runs(client.WorkflowRunFilter{WorkflowID: flow, Version: version}) {
				out = append(out, r.Status)
			}
			return strings.Join(out, " ")
		}
	}
	ends := func(id string) {
		t.Helper()
		until(t, id, "COMPLETED", func() string {
			r, err := cl.WorkflowRun(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return r.Status
		})
	}

	// A version that works, a newer one that does not; going back helps.
	until(t, "runs of the version that works", "COMPLETED COMPLETED", word("demo_pipeline", 1))
	until(t, "runs of the newest version", "FAILED", word("demo_pipeline", 2))
	if _, err := cl.RollBackWorkflow(t.Context(), "demo_pipeline", client.WorkflowMoveInput{Tag: "works", Reason: "the sum is wrong"}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	r, err := cl.RunWorkflow(t.Context(), "demo_pipeline", client.WorkflowRunInput{}, client.Call{})
	if err != nil || r.Version != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	ends(r.WorkflowRunID)

	// A run that fails once.
	until(t, "the run that fails", "FAILED", word("demo_flaky", 0))
	r, err = cl.RetryWorkflowRun(t.Context(), runs(client.WorkflowRunFilter{WorkflowID: "demo_flaky"})[0].WorkflowRunID, client.WorkflowRetryInput{}, client.Call{})
	if err != nil {
		t.Fatal(err)
	}
	ends(r.WorkflowRunID)

	// A request that an administrator may decide, but not the server that asks.
	until(t, "the run that asks", "WAITING", word("demo_release", 0))
	asks := runs(client.WorkflowRunFilter{WorkflowID: "demo_release"})[0].WorkflowRunID
	list, err := client.Collect(cl.Approvals(t.Context(), client.ApprovalFilter{WorkflowRunID: asks, Statuses: []string{"PENDING"}}), 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d requests, %v", len(list), err)
	}
	in := client.DecisionInput{ContentHash: list[0].ContentHash}
	var p *client.Problem
	if _, err := cl.Approve(t.Context(), list[0].ApprovalID, in, client.Call{}); !errors.As(err, &p) || p.Code != "self_approval" {
		t.Errorf("who asks: %v", err)
	}
	local, err := config.ReadLocal(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(client.Options{URL: local.URL, Token: c.AdminToken.Reveal(), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Approve(t.Context(), list[0].ApprovalID, in, client.Call{}); err != nil {
		t.Fatal(err)
	}
	ends(asks)

	// Jobs that wait, hold no slot, and start in the order that a person gave them.
	line := func() string {
		waiting, err := client.Collect(cl.Jobs(t.Context(), client.JobFilter{Status: []string{"QUEUED"}, Query: "demo-line", Sort: "queue"}), 0)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, j := range waiting {
			if j.Waiting == nil || j.Waiting.Code != "lock" {
				t.Errorf("%s waits for %+v", j.Name, j.Waiting)
			}
			out = append(out, j.Name)
		}
		return strings.Join(out, " ")
	}
	if got := line(); got != "demo-line-1 demo-line-2 demo-line-3 demo-line-4 demo-line-5" {
		t.Errorf("the line is %s", got)
	}
	last, err := client.Collect(cl.Jobs(t.Context(), client.JobFilter{Query: "demo-line-5"}), 0)
	if err != nil || len(last) != 1 {
		t.Fatalf("%d jobs, %v", len(last), err)
	}
	if _, err := cl.MoveJob(t.Context(), last[0].JobID, client.JobMove{Top: true}, client.Call{}); err != nil {
		t.Fatal(err)
	}
	if got := line(); got != "demo-line-5 demo-line-1 demo-line-2 demo-line-3 demo-line-4" {
		t.Errorf("after the move the line is %s", got)
	}

	if err := cl.RemoveDemo(t.Context(), client.Call{}); err != nil {
		t.Fatal(err)
	}
	if got := there(t, cl); got != "0 0 0" {
		t.Errorf("after its end there are %s", got)
	}
	if l, err := cl.Lock(t.Context(), "demo:line"); err != nil || len(l.Holders) != 0 {
		t.Errorf("after its end the lock is %+v, %v", l, err)
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
