package action

import (
	"context"

	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/workflow"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// Job adds a job to the queue and, if it is to, waits for its end. It implements
// node.Node, node.Resuming and node.Abandoning. Make one with NewJob.
type Job struct{ queue node.Queue }

// NewJob returns the node.
func NewJob(q node.Queue) Job { return Job{q} }

// Kind implements node.Node.
func (Job) Kind() workflow.Kind {
	return workflow.Kind{
		Type: "action", Subtype: "job", SubtypeField: "action_type", Doc: "adds a job to the queue and waits for its end",
		Outcomes: []string{"success"}, OnCrash: workflow.CrashRetry, Effect: true, Stores: true,
		Fields: []workflow.Field{
			{Name: "template_id", Type: workflow.FieldString, Constant: true, Doc: "a job template; or job_type"},
			{Name: "job_type", Type: workflow.FieldString, Constant: true, Doc: "with params, where no template is named"},
			{Name: "params", Type: workflow.FieldObject},
			{Name: "name", Type: workflow.FieldString, Doc: "without it that of the template, or the type"},
			{Name: "wait", Type: workflow.FieldBoolean, Doc: "true without it; with false the node ends as soon as the job is in the queue"},
		},
		Check: checkJob,
	}
}

// oneOf is a check that exactly one of two fields is there.
func oneOf(a, b string) func(workflow.Node, func(source.Pos, string, string)) {
	return func(n workflow.Node, report func(at source.Pos, code, text string)) {
		if (n.Config.Get(a) == nil) == (n.Config.Get(b) == nil) {
			report(n.Config.Pos, "required", n.ID+" needs one of "+a+" and "+b)
		}
	}
}

// checkJob looks at what decides which program runs: it is the author's word, not
// that of an input.
func checkJob(n workflow.Node, report func(at source.Pos, code, text string)) {
	oneOf("template_id", "job_type")(n, report)
	kind, params := n.Config.Get("job_type"), n.Config.Get("params")
	if params == nil || kind != nil && kind.Str != "command" { // a template may be one of that type
		return
	}
	argv := params.Get("argv")
	if params.Kind != source.Map || argv != nil && (argv.Kind != source.List || len(argv.Items) > 0 && computed(argv.Items[0])) {
		report(params.Pos, "shell_script", "params must be written out, and argv must name the program: neither can be computed as a whole, because it decides what runs")
		return
	}
	inner := n
	inner.Config = params
	checkCommand(inner, report)
}

// Run implements node.Node. The job is added once for each attempt, whatever crashes.
func (j Job) Run(ctx context.Context, c node.Call) (node.Result, error) {
	params, err := node.Params(c.Config["params"])
	if err != nil {
		return node.Result{}, err
	}
	s := node.Submission{Params: params}
	s.TemplateID, _ = c.Config["template_id"].(string)
	s.Type, _ = c.Config["job_type"].(string)
	s.Name, _ = c.Config["name"].(string)
	wait, given := c.Config["wait"].(bool)
	return node.Start(ctx, j.queue, c, s, wait || !given)
}

// Resume implements node.Resuming.
func (j Job) Resume(ctx context.Context, c node.Call, woke node.Woke) (node.Result, error) {
	child, err := node.Resume(ctx, j.queue, c, woke)
	if err != nil {
		return node.Result{}, err
	}
	return node.Ended(child)
}

// Abandon implements node.Abandoning: it cancels the job.
func (j Job) Abandon(ctx context.Context, c node.Call, w workflow.Wait) error {
	return j.queue.Cancel(ctx, c.Tenant, w.Ref, "the workflow run "+c.RunID+" does not wait for it any more")
}
