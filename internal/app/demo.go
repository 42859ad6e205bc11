package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/runsheet/runsheet/client"
	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/fault"
)

// demoLabel marks everything that --demo adds.
const demoLabel = "demo"

// demoLock is what the jobs to reorder wait for. A program outside of the queue has
// it, which nobody runs: that costs no slot, so whatever else is added runs at once.
const (
	demoLock   = "demo:line"
	demoHolder = "demo"
	demoHeld   = "PT24H"
	demoLine   = 5
	demoLow    = 8 // the priority low
)

// The workflows need nothing outside of the server. Each is called as its id is, as its runs and
// jobs are: one thing has one name on all pages.
const (
	demoPipeline = `kind: Workflow
workflow_id: demo_pipeline
name: demo_pipeline
description: Adds up three orders and checks the sum. Its newest version is wrong, so roll it back.
labels: {demo: "true"}
nodes:
  - {node_id: orders, type: data, data_type: set, config: {values: {amounts: [120, 80, 45], expected: 245}}, next: breathe}
  - {node_id: breathe, type: wait, wait_type: duration, config: {for: 3s}, next: total}
  - {node_id: total, type: data, data_type: set, config: {values: {sum: "{{sum(outputs.orders.amounts)}}"}}, next: check}
  - {node_id: check, type: judgment, config: {expr: "outputs.total.sum == outputs.orders.expected"}, next: {"true": report, "false": wrong}}
  - {node_id: report, type: data, data_type: set, config: {values: {text: "3 orders, {{outputs.total.sum}} in all"}}}
  - {node_id: wrong, type: stop, config: {status: FAILED, reason: "the sum is {{outputs.total.sum}}, and should be {{outputs.orders.expected}}"}}
outputs: {text: "{{outputs.report?.text}}"}
`
	demoFlaky = `kind: Workflow
workflow_id: demo_flaky
name: demo_flaky
description: Finds an empty list and fails. A retry finds it filled, and ends well.
labels: {demo: "true"}
nodes:
  - {node_id: price, type: data, data_type: set, config: {values: {first: "{{ (run.trigger == 'retry' ? [120, 80, 45] : [])[0] }}"}}}
  - {node_id: report, type: data, data_type: set, config: {values: {text: "the first price is {{outputs.price.first}}"}}}
outputs: {text: "{{outputs.report.text}}"}
`
	demoRelease = `kind: Workflow
workflow_id: demo_release
name: demo_release
description: Asks a person before it goes on. Nothing leaves the server.
labels: {demo: "true"}
nodes:
  - node_id: collect
    type: data
    data_type: set
    config: {values: {rows: [{order: "A-1", amount: 120}, {order: "A-2", amount: 80}, {order: "A-3", amount: 45}]}}
    next: ask
  - node_id: ask
    type: approval
    config:
      title: "Publish the demo report?"
      summary: "{{len(outputs.collect.rows)}} orders, {{sum(map(outputs.collect.rows, .amount))}} in all. A demonstration: nothing leaves the server."
      show: {table: "{{outputs.collect.rows}}", columns: [order, amount], totals: [amount]}
      expires_in: P7D
    next: {approved: publish, rejected: keep, expired: keep}
  - {node_id: publish, type: data, data_type: set, config: {values: {text: "published"}}}
  - {node_id: keep, type: data, data_type: set, join: any, config: {values: {text: "not published"}}}
`
	// What waits in the queue to be reordered works for two seconds, so that it is seen at work.
	demoStep = `kind: Workflow
workflow_id: demo_step
name: demo_step
description: Works for two seconds in two steps, and logs each. It waits in the queue to be reordered.
labels: {demo: "true"}
nodes:
  - {node_id: begin, type: action, action_type: command, config: {argv: [echo, "step 1 of 2 begins"]}}
  - {node_id: first, type: action, action_type: command, config: {argv: [sleep, "1"]}}
  - {node_id: middle, type: action, action_type: command, config: {argv: [echo, "step 2 of 2 begins"]}}
  - {node_id: second, type: action, action_type: command, config: {argv: [sleep, "1"]}}
  - {node_id: done, type: action, action_type: command, config: {argv: [echo, "both steps are done"]}}
`
	// The same where no programs may run.
	demoWait = `kind: Workflow
workflow_id: demo_step
name: demo_step
description: Takes two seconds, in two waits, one run at a time. It waits in the queue to be reordered.
labels: {demo: "true"}
concurrency: {key: demo_step, limit: 1}
nodes:
  - {node_id: first, type: wait, wait_type: duration, config: {for: 1s}}
  - {node_id: second, type: wait, wait_type: duration, config: {for: 1s}}
  - {node_id: done, type: data, data_type: set, config: {values: {text: "done"}}}
`
)

// demoWorse is the second version of the pipeline: it forgets the first order.
var demoWorse = strings.Replace(demoPipeline, "sum(outputs.orders.amounts)", "sum(outputs.orders.amounts[1:])", 1)

// addDemo fills an installation that has no demonstration data yet, through
// the same API as everybody else: jobs that show a good end, a bad one, a retry, a
// hold and a start time; and for each of what a new user tries something to do it
// with: jobs to reorder, a run to retry, a version to roll back, a request to decide.
// All of it is the server's own, so every administrator may decide the request.
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
func (d demo) Remove(ctx context.Context, record func() error) error {
	d.a.demoMu.Lock()
	defer d.a.demoMu.Unlock()
	c, err := d.client()
	if err != nil {
		return err
	}
	labels := map[string]string{demoLabel: "true"}
	templates, err := client.Collect(c.Templates(ctx, client.TemplateFilter{Labels: labels}), 0)
	if err != nil {
		return err
	}
	var workflows []string
	for w, err := range c.Workflows(ctx, client.WorkflowFilter{Labels: labels}) {
		if err != nil {
			return err
		}
		workflows = append(workflows, w.WorkflowID)
	}
	if err := d.unused(ctx, c, templates, workflows); err != nil { // before anything is gone
		return err
	}
	if err := record(); err != nil {
		return err
	}
	for _, id := range workflows { // first: a schedule that came meanwhile refuses it
		if err := c.DeleteWorkflow(ctx, id, client.Call{}); err != nil {
			return passed(err, "archive demo workflow")
		}
	}
	for range 20 { // 1000 jobs each; what changes meanwhile is refused, and gets its turn again
		done, err := c.BulkJobs(ctx, client.BulkInput{Filter: &client.BulkFilter{Labels: labels}, Action: "cancel"}, client.Call{})
		if err != nil {
			return passed(err, "cancel demo jobs")
		}
		if done.Refused == 0 && (!done.More || done.Done == 0) {
			break
		}
	}
	for _, t := range templates {
		if err := c.DeleteTemplate(ctx, t.TemplateID, client.Call{}); err != nil {
			return passed(err, "delete demo template")
		}
	}
	return d.free(ctx, c)
}

// unused says which schedules start one of the workflows, which would be refused to be
// archived, or are made of one of the templates, and would fail from then on.
func (demo) unused(ctx context.Context, c *client.Client, templates []client.JobTemplate, workflows []string) error {
	var by []string
	code := fault.Conflict
	for x, err := range c.Schedules(ctx, client.ScheduleFilter{}) {
		if err != nil {
			return fmt.Errorf("look for schedules of the demonstration: %w", err)
		}
		if id := startedBy(x); slices.Contains(workflows, id) {
			by, code = append(by, fmt.Sprintf("the schedule %s (%s) starts workflow %s", x.Name, x.ScheduleID, id)), fault.WorkflowInUse
		}
		if i := slices.IndexFunc(templates, func(t client.JobTemplate) bool { return x.TemplateID != nil && t.TemplateID == *x.TemplateID }); i >= 0 {
			by = append(by, fmt.Sprintf("the schedule %s (%s) uses template %s", x.Name, x.ScheduleID, templates[i].Name))
		}
		if len(by) == 10 {
			break
		}
	}
	if len(by) == 0 {
		return nil
	}
	return fault.New(code, strings.Join(by, ", ")+". Nothing was removed.").
		WithHint("Delete these schedules, or let them start something else. Then remove the demonstration.")
}

// startedBy is the workflow that a schedule starts, also by a job of its own; "" = none.
func startedBy(s client.Schedule) string {
	if s.WorkflowID != nil {
		return *s.WorkflowID
	}
	var params struct {
		WorkflowID string `json:"workflow_id"`
	}
	if s.Job == nil || s.Job.JobType != "workflow" || json.Unmarshal(s.Job.Params, &params) != nil {
		return ""
	}
	return params.WorkflowID
}

// passed is what the API refused, as its own refusal: what came between the look and the
// change is the caller's to mend.
func passed(err error, what string) error {
	var p *client.Problem
	if !errors.As(err, &p) || p.Status >= http.StatusInternalServerError {
		return fmt.Errorf("%s: %w", what, err)
	}
	f := fault.Wrap(err, fault.Code(p.Code), p.Detail)
	for _, e := range p.Errors {
		f = f.At(e.Pointer, e.Code, e.Detail)
	}
	return f
}

// free gives the lock back.
func (d demo) free(ctx context.Context, c *client.Client) error {
	l, err := c.Lock(ctx, demoLock)
	if err != nil {
		return err
	}
	for _, h := range l.Holders {
		if h.Holder == nil || *h.Holder != demoHolder {
			continue
		}
		var p *client.Problem
		if err := c.ReleaseLock(ctx, demoLock, h.Token, client.Call{}); err != nil && (!errors.As(err, &p) || p.Code != string(fault.LockNotHeld)) {
			return fmt.Errorf("free the demo lock: %w", err)
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
	programs, err := d.templates(ctx, c, labels)
	if err != nil {
		return err
	}
	if err := d.flows(ctx, c, labels); err != nil { // first: they are what a new user looks for
		return err
	}
	if programs {
		if err := d.jobs(ctx, c); err != nil {
			return err
		}
	}
	if err := d.line(ctx, c, labels, programs); err != nil {
		return err
	}
	a.log.Info("demo data added", "programs", programs)
	return nil
}

// templates adds the templates; false = this server runs no programs.
func (d demo) templates(ctx context.Context, c *client.Client, labels map[string]string) (bool, error) {
	delay := "PT2S"
	for _, t := range []client.JobTemplateInput{
		{Name: "demo-hello", Description: "Says hello.", Params: argv("echo", "hello from Runsheet")},
		{Name: "demo-system", Description: "Shows what system this is.", Params: argv("uname", "-a")},
		{Name: "demo-nap", Description: "Sleeps, so that there is something to watch.", Params: argv("sleep", "5")},
		{
			Name: "demo-broken", Description: "Fails, and fails again when it is retried.", Params: argv("false"),
			RetryPolicy: &client.RetryPolicyInput{MaxAttempts: 2, Backoff: "fixed", Initial: &delay},
		},
	} {
		t.JobType, t.Labels = "command", labels
		var p *client.Problem
		_, err := c.CreateTemplate(ctx, t, client.Call{})
		if errors.As(err, &p) && p.Code == string(fault.JobTypeDisabled) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("add demo template %s: %w", t.Name, err)
		}
	}
	return true, nil
}

// jobs adds a job of each template, and two that wait for a person and for a time.
func (d demo) jobs(ctx context.Context, c *client.Client) error {
	later := d.a.o.Clock.Now().Add(24 * time.Hour).UTC()
	for _, j := range []client.JobInput{
		{TemplateID: "demo-hello"},
		{TemplateID: "demo-broken"},
		{TemplateID: "demo-nap"},
		{TemplateID: "demo-system"},
		{TemplateID: "demo-hello", Name: "demo-held", Hold: true},
		{TemplateID: "demo-hello", Name: "demo-tomorrow", RunAt: &later},
	} {
		if _, err := c.AddJob(ctx, j, client.Call{}); err != nil {
			return fmt.Errorf("add demo job: %w", err)
		}
	}
	return nil
}

// flows adds workflows and runs them: a version that works and one that does not,
// one that fails until it is retried, one that waits for an approval.
func (d demo) flows(ctx context.Context, c *client.Client, labels map[string]string) error {
	good, err := d.apply(ctx, c, demoPipeline, "add up the orders")
	if err != nil {
		return err
	}
	worse, err := d.apply(ctx, c, demoWorse, "leave out the first line, which is a header")
	if err != nil {
		return err
	}
	if _, err := c.TagWorkflow(ctx, "demo_pipeline", "works", good, client.Call{}); err != nil {
		return fmt.Errorf("tag demo workflow: %w", err)
	}
	for _, text := range []string{demoFlaky, demoRelease} {
		if _, err := d.apply(ctx, c, text, ""); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		flow    string
		version int
		name    string
	}{
		{"demo_pipeline", good, "demo_pipeline, run 1"},
		{"demo_pipeline", good, "demo_pipeline, run 2"},
		{"demo_pipeline", worse, "demo_pipeline, run 3"},
		{"demo_flaky", 0, ""},
		{"demo_release", 0, ""},
	} {
		if _, err := c.RunWorkflow(ctx, r.flow, client.WorkflowRunInput{Version: r.version, Name: r.name, Labels: labels}, client.Call{}); err != nil {
			return fmt.Errorf("run demo workflow %s: %w", r.flow, err)
		}
	}
	return nil
}

// apply returns the version that the text is.
func (d demo) apply(ctx context.Context, c *client.Client, text, message string) (int, error) {
	done, err := c.ApplyWorkflows(ctx, []byte(text), client.ApplyOptions{File: "demo.yaml", Message: message}, client.Call{})
	if err != nil {
		return 0, fmt.Errorf("apply demo workflow: %w", err)
	}
	return done.Items[0].Version, nil
}

// line adds jobs to reorder: they wait for one lock, and start one by one in their
// order when it is free, which it is after a day at the latest. Their priority is low,
// so that they stand in nobody's way.
func (d demo) line(ctx context.Context, c *client.Client, labels map[string]string, programs bool) error {
	var p *client.Problem
	_, err := c.AcquireLock(ctx, demoLock, client.LockInput{Holder: demoHolder, TTL: demoHeld}, client.Call{})
	if err != nil && (!errors.As(err, &p) || p.Code != string(fault.LockHeld)) {
		return fmt.Errorf("take the demo lock: %w", err)
	}
	text := demoStep
	if !programs {
		text = demoWait
	}
	if _, err := d.apply(ctx, c, text, ""); err != nil {
		return err
	}
	j := client.JobInput{JobType: "workflow", Params: json.RawMessage(`{"workflow_id":"demo_step"}`), Locks: []string{demoLock}, Labels: labels, Priority: new(demoLow)}
	for n := range demoLine {
		j.Name = fmt.Sprintf("demo-%d", n+1) // short: the queue must show the number
		if _, err := c.AddJob(ctx, j, client.Call{}); err != nil {
			return fmt.Errorf("add demo job %s: %w", j.Name, err)
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
