package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Queue returns the queue with one page of the waiting jobs: at most limit (0 =
// the server's default, 200 at most) behind cursor ("" = from the first).
func (c *Client) Queue(ctx context.Context, cursor string, limit int) (QueueState, error) {
	var out QueueState
	err := c.get(ctx, "/api/queue", values{}.text("cursor", cursor).number("limit", limit).url(), &out)
	return out, err
}

// Revision is the ETag of the order with a revision, for Call.IfMatch.
func Revision(n int64) string { return `"` + strconv.FormatInt(n, 10) + `"` }

// SetOrder changes the order of the waiting jobs and groups. With call.IfMatch
// it is refused with version_mismatch when a person has changed the order since.
func (c *Client) SetOrder(ctx context.Context, in OrderInput, call Call) (OrderChange, error) {
	var out OrderChange
	b, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("client: %w", err)
	}
	err = c.send(ctx, request{
		method: http.MethodPut, path: "/api/queue/order", body: b, media: "application/json", accept: "application/json", call: call,
	}, &out)
	return out, err
}

// MoveJob moves a job that waits to another place in the order.
func (c *Client) MoveJob(ctx context.Context, jobID string, to JobMove, call Call) (OrderChange, error) {
	var out OrderChange
	err := c.post(ctx, "/api/jobs/"+escape(jobID)+"/move", to, call, &out)
	return out, err
}

// RestoreJob takes back a job that was cancelled before it started.
func (c *Client) RestoreJob(ctx context.Context, jobID string, call Call) (Job, error) {
	return c.jobVerb(ctx, jobID, "restore", nil, call)
}

// BulkJobs changes many jobs at once, 1000 at most.
func (c *Client) BulkJobs(ctx context.Context, in BulkInput, call Call) (BulkResult, error) {
	var out BulkResult
	err := c.post(ctx, "/api/jobs/bulk", in, call, &out)
	return out, err
}

// Limits returns how many jobs may run at a time, and how many do.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	var out Limits
	err := c.get(ctx, "/api/limits", nil, &out)
	return out, err
}

// SetLimits changes limits by a merge patch: a nil value removes a limit.
func (c *Client) SetLimits(ctx context.Context, patch map[string]any, call Call) (Limits, error) {
	var out Limits
	err := c.patch(ctx, "/api/limits", patch, call, &out)
	return out, err
}

// Settings returns the rules by which the queue decides.
func (c *Client) Settings(ctx context.Context) (Rules, error) {
	var out Rules
	err := c.get(ctx, "/api/settings", nil, &out)
	return out, err
}

// SetSettings changes rules by a merge patch: a nil value restores a default.
func (c *Client) SetSettings(ctx context.Context, patch map[string]any, call Call) (Rules, error) {
	var out Rules
	err := c.patch(ctx, "/api/settings", patch, call, &out)
	return out, err
}
