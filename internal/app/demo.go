package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
)

// demoLabel marks everything that --demo adds.
const demoLabel = "demo"

// demoWorkflow needs nothing outside of the server.
const demoWorkflow = `kind: Workflow
workflow_id: demo_pipeline
name: Demo pipeline
labels: {demo: "true"}
nodes:
  - {node_id: prepare, type: data, data_type: set, config: {values: {who: "Runsheet"}}}
  - {node_id: breathe, type: wait, wait_type: duration, config: {for: 3s}}
  - {node_id: greet, type: data, data_type: set, config: {values: {text: "hello from {{outputs.prepare.who}}"}}}
`

// addDemo fills an installation that has no demonstration data yet, through
// the same API as everybody else: a few templates, and jobs that show a good
// end, a bad one, a retry, a hold and a start time.
func (a *App) addDemo(ctx context.Context) error {
	if !a.o.Config.Demo {
		return nil
	}
	return demo{a}.add(ctx)
}

// demo is the demonstration data of an installation.
type demo struct{ a *App }

func (d demo) client() (*client.Client, error) {
	return client.New(client.Options{URL: d.a.localURL(), Token: d.a.local, HTTPClient: d.a.localClient(), UserAgent: "runsheet-demo"})
}

// Start implements api.Demo.
func (d demo) Start(ctx context.Context) (wire.Demo, error) {
	out := wire.Demo{Templates: []string{}, Jobs: []string{}, Workflows: []string{}}
	if err := d.add(ctx); err != nil {
		return out, err
	}
	c, err := d.client()
	if err != nil {
		return out, err
	}
	labels := map[string]string{demoLabel: "true"}
	for t, err := range c.Templates(ctx, client.TemplateFilter{Labels: labels}) {
		if err != nil {
			return out, err
		}
		out.Templates = append(out.Templates, t.Name)
	}
	for j, err := range c.Jobs(ctx, client.JobFilter{Labels: labels, Status: []string{"QUEUED", "RUNNING"}}) {
		if err != nil {
			return out, err
		}
		if out.Jobs = append(out.Jobs, j.JobID); len(out.Jobs) == 100 {
			break
		}
	}
	for w, err := range c.Workflows(ctx, client.WorkflowFilter{Labels: labels}) {
		if err != nil {
			return out, err
		}
		out.Workflows = append(out.Workflows, w.WorkflowID)
	}
	return out, nil
}

// Remove implements api.Demo.
func (d demo) Remove(ctx context.Context) error {
	d.a.demoMu.Lock()
	defer d.a.demoMu.Unlock()
	c, err := d.client()
	if err != nil {
		return err
	}
	labels := map[string]string{demoLabel: "true"}
	for range 10 { // 1000 jobs each
		done, err := c.BulkJobs(ctx, client.BulkInput{Filter: &client.BulkFilter{Labels: labels}, Action: "cancel"}, client.Call{})
		if err != nil {
			return fmt.Errorf("cancel demo jobs: %w", err)
		}
		if !done.More || done.Done == 0 {
			break
		}
	}
	var templates, workflows []string
	for t, err := range c.Templates(ctx, client.TemplateFilter{Labels: labels}) {
		if err != nil {
			return err
		}
		templates = append(templates, t.TemplateID)
	}
	for w, err := range c.Workflows(ctx, client.WorkflowFilter{Labels: labels}) {
		if err != nil {
			return err
		}
		workflows = append(workflows, w.WorkflowID)
	}
	for _, id := range templates {
		if err := c.DeleteTemplate(ctx, id, client.Call{}); err != nil {
			return fmt.Errorf("delete demo template: %w", err)
		}
	}
	for _, id := range workflows {
		if err := c.DeleteWorkflow(ctx, id, client.Call{}); err != nil {
			return fmt.Errorf("archive demo workflow: %w", err)
		}
	}
	return nil
}

func (d demo) add(ctx context.Context) error {
	a := d.a
	a.demoMu.Lock() // of two who find nothing, the second would add it again
	defer a.demoMu.Unlock()
	c, err := d.client()
	if err != nil {
		return err
	}
	labels := map[string]string{demoLabel: "true"}
	for _, err := range c.Templates(ctx, client.TemplateFilter{Labels: labels}) {
		if err != nil {
			return fmt.Errorf("look for demo data: %w", err)
		}
		return nil // it is there
	}
	for _, err := range c.Workflows(ctx, client.WorkflowFilter{Labels: labels}) {
		if err != nil {
			return fmt.Errorf("look for demo data: %w", err)
		}
		return nil
	}
	delay, later := "PT2S", a.o.Clock.Now().Add(24*time.Hour).UTC()
	templates := []client.JobTemplateInput{
		{Name: "demo-hello", Description: "Says hello.", Params: argv("echo", "hello from Runsheet")},
		{Name: "demo-system", Description: "Shows what system this is.", Params: argv("uname", "-a")},
		{Name: "demo-nap", Description: "Sleeps, so that there is something to watch.", Params: argv("sleep", "5")},
		{
			Name: "demo-broken", Description: "Fails, and fails again when it is retried.", Params: argv("false"),
			RetryPolicy: &client.RetryPolicyInput{MaxAttempts: 2, Backoff: "fixed", Initial: &delay},
		},
	}
	for _, t := range templates {
		t.JobType, t.Labels = "command", labels
		var p *client.Problem
		_, err := c.CreateTemplate(ctx, t, client.Call{})
		if errors.As(err, &p) && p.Code == string(fault.JobTypeDisabled) {
			return d.flow(ctx, c, labels) // this server runs no programs
		}
		if err != nil {
			return fmt.Errorf("add demo template %s: %w", t.Name, err)
		}
	}
	jobs := []client.JobInput{
		{TemplateID: "demo-hello"},
		{TemplateID: "demo-broken"},
		{TemplateID: "demo-nap"},
		{TemplateID: "demo-system"},
		{TemplateID: "demo-hello", Name: "demo-held", Hold: true},
		{TemplateID: "demo-hello", Name: "demo-tomorrow", RunAt: &later},
	}
	for _, j := range jobs {
		if _, err := c.AddJob(ctx, j, client.Call{}); err != nil {
			return fmt.Errorf("add demo job: %w", err)
		}
	}
	if err := d.flow(ctx, c, labels); err != nil {
		return err
	}
	a.log.Info("demo data added", "templates", len(templates), "jobs", len(jobs), "workflows", 1)
	return nil
}

// flow adds a workflow and runs it a few times.
func (d demo) flow(ctx context.Context, c *client.Client, labels map[string]string) error {
	if _, err := c.ApplyWorkflows(ctx, []byte(demoWorkflow), client.ApplyOptions{File: "demo.yaml"}, client.Call{}); err != nil {
		return fmt.Errorf("apply demo workflow: %w", err)
	}
	for n := range 3 {
		if _, err := c.RunWorkflow(ctx, "demo_pipeline", client.WorkflowRunInput{Name: fmt.Sprintf("demo_pipeline, run %d", n+1), Labels: labels}, client.Call{}); err != nil {
			return fmt.Errorf("run demo workflow: %w", err)
		}
	}
	return nil
}

func argv(words ...string) json.RawMessage {
	b, err := json.Marshal(map[string][]string{"argv": words})
	if err != nil {
		panic("app: argv: " + err.Error()) // strings always encode
	}
	return b
}
