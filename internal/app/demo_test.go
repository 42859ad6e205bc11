package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

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
		if len(first.Templates) != 4 || len(first.Jobs) != 9 || len(first.Workflows) != 1 {
			t.Errorf("round %d: %+v", round, first)
		}
		again, err := cl.StartDemo(t.Context())
		if diff := cmp.Diff(first, again); diff != "" || err != nil {
			t.Errorf("started twice: %v %s", err, diff)
		}
		if got := there(t, cl); got != "5 9 1" {
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
	if got := there(t, cl); got != "4 9 1" {
		t.Errorf("there are %s", got)
	}
}

// TestDemonstrationWithoutPrograms: a server that may run none has the workflow.
func TestDemonstrationWithoutPrograms(t *testing.T) {
	t.Parallel()
	cl := demoServer(t)
	d, err := cl.StartDemo(t.Context())
	if err != nil || len(d.Workflows) != 1 || len(d.Jobs) != 3 {
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
