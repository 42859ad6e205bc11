package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
)

// WorkflowFilter chooses workflows. The zero value chooses all that are in use.
type WorkflowFilter struct {
	// Query is searched in ids and names.
	Query  string
	Labels map[string]string
	// Archived chooses the archived ones instead.
	Archived bool
	PageSize int
}

// ApplyOptions say how a file with workflows is applied.
type ApplyOptions struct {
	// Draft stores new versions without using them.
	Draft bool
	// Message says what was changed, File names the file in messages.
	Message, File string
}

func workflowPath(id string) string { return "/api/workflows/" + escape(id) }

const yamlMedia = "application/yaml"

// ApplyWorkflows applies a file, YAML or JSON, with workflows, templates and
// schedules.
func (c *Client) ApplyWorkflows(ctx context.Context, file []byte, o ApplyOptions, call Call) (Applied, error) {
	q := values{}.text("message", o.Message).text("file", o.File)
	if o.Draft {
		q.text("activate", "false")
	}
	var out Applied
	err := c.send(ctx, request{
		method: http.MethodPost, path: "/api/workflows", query: q.url(), body: file, media: yamlMedia, accept: "application/json", call: call,
	}, &out)
	return out, err
}

// PlanWorkflows tells what the workflows of a file will do.
func (c *Client) PlanWorkflows(ctx context.Context, file []byte, name string) (WorkflowPlans, error) {
	var out WorkflowPlans
	err := c.send(ctx, request{
		method: http.MethodPost, path: "/api/workflows/plan", query: values{}.text("file", name).url(), body: file, media: yamlMedia,
		accept: "application/json", plain: true,
	}, &out)
	return out, err
}

// Workflows walks over all workflows that match, by id, page by page.
func (c *Client) Workflows(ctx context.Context, f WorkflowFilter) iter.Seq2[Workflow, error] {
	return pages(func(cursor string) ([]Workflow, *string, error) {
		q := values{}.text("q", f.Query).labels(f.Labels).number("limit", f.PageSize).text("cursor", cursor)
		if f.Archived {
			q.text("archived", "true")
		}
		var out WorkflowList
		err := c.get(ctx, "/api/workflows", q.url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// Workflow returns a workflow with the definition of its active, or else newest,
// version.
func (c *Client) Workflow(ctx context.Context, id string) (Workflow, error) {
	var out Workflow
	err := c.get(ctx, workflowPath(id), nil, &out)
	return out, err
}

// WorkflowVersions walks over the versions of a workflow, newest first.
func (c *Client) WorkflowVersions(ctx context.Context, id string, pageSize int) iter.Seq2[WorkflowVersion, error] {
	return pages(func(cursor string) ([]WorkflowVersion, *string, error) {
		var out WorkflowVersionList
		err := c.get(ctx, workflowPath(id)+"/versions", values{}.number("limit", pageSize).text("cursor", cursor).url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// WorkflowVersion returns one version, by its number or by a tag. It never changes, but
// for its tags.
func (c *Client) WorkflowVersion(ctx context.Context, id, version string) (WorkflowVersion, error) {
	var out WorkflowVersion
	err := c.get(ctx, workflowPath(id)+"/versions/"+escape(version), nil, &out)
	return out, err
}

// WorkflowActivations walks over the log of which version was used when, latest
// first.
func (c *Client) WorkflowActivations(ctx context.Context, id string, pageSize int) iter.Seq2[WorkflowActivation, error] {
	return pages(func(cursor string) ([]WorkflowActivation, *string, error) {
		var out WorkflowActivationList
		err := c.get(ctx, workflowPath(id)+"/activations", values{}.number("limit", pageSize).text("cursor", cursor).url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// DiffWorkflow compares two versions, by their numbers or by tags; from "" is the active
// one, to "" the newest.
func (c *Client) DiffWorkflow(ctx context.Context, id, from, to string) (WorkflowDiff, error) {
	var out WorkflowDiff
	err := c.get(ctx, workflowPath(id)+"/diff", values{}.text("from", from).text("to", to).url(), &out)
	return out, err
}

// TagWorkflow lets a tag name a version, in place of the one that it named.
func (c *Client) TagWorkflow(ctx context.Context, id, tag string, version int, call Call) (WorkflowTag, error) {
	var out WorkflowTag
	b, err := json.Marshal(WorkflowTagInput{Version: version})
	if err != nil {
		return out, err
	}
	err = c.send(ctx, request{
		method: http.MethodPut, path: workflowPath(id) + "/tags/" + escape(tag), body: b, media: "application/json", accept: "application/json", call: call,
	}, &out)
	return out, err
}

// UntagWorkflow takes a tag away.
func (c *Client) UntagWorkflow(ctx context.Context, id, tag string, call Call) error {
	return c.send(ctx, request{method: http.MethodDelete, path: workflowPath(id) + "/tags/" + escape(tag), accept: "application/json", call: call}, nil)
}

// ActivateWorkflow lets new runs use another version.
func (c *Client) ActivateWorkflow(ctx context.Context, id string, in WorkflowMoveInput, call Call) (WorkflowMoved, error) {
	var out WorkflowMoved
	err := c.post(ctx, workflowPath(id)+"/activate", in, call, &out)
	return out, err
}

// RollBackWorkflow goes back to another version.
func (c *Client) RollBackWorkflow(ctx context.Context, id string, in WorkflowMoveInput, call Call) (WorkflowRolledBack, error) {
	var out WorkflowRolledBack
	err := c.post(ctx, workflowPath(id)+"/rollback", in, call, &out)
	return out, err
}

// DeleteWorkflow archives a workflow: no new run of it begins.
func (c *Client) DeleteWorkflow(ctx context.Context, id string, call Call) error {
	return c.send(ctx, request{method: http.MethodDelete, path: workflowPath(id), accept: "application/json", call: call}, nil)
}
