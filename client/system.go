package client

import (
	"context"
	"io"
	"net/http"
)

// Workers returns the slots and who fills them.
func (c *Client) Workers(ctx context.Context) (Workers, error) {
	var out Workers
	err := c.get(ctx, "/api/workers", nil, &out)
	return out, err
}

// ScaleWorkers sets the worker count, 0..1024. Lowering it stops no job.
func (c *Client) ScaleWorkers(ctx context.Context, count int, call Call) (Workers, error) {
	var out Workers
	err := c.patch(ctx, "/api/workers", WorkersPatch{Count: count}, call, &out)
	return out, err
}

// Scheduler returns the state of the queue and of the server.
func (c *Client) Scheduler(ctx context.Context) (Scheduler, error) {
	var out Scheduler
	err := c.get(ctx, "/api/scheduler", nil, &out)
	return out, err
}

// Pause lets running jobs finish and starts no other, until Resume. The reason
// is for people, "" = none.
func (c *Client) Pause(ctx context.Context, reason string, call Call) (Scheduler, error) {
	var out Scheduler
	err := c.post(ctx, "/api/scheduler/pause", reasonBody(reason), call, &out)
	return out, err
}

// Resume ends a Pause.
func (c *Client) Resume(ctx context.Context, call Call) (Scheduler, error) {
	var out Scheduler
	err := c.post(ctx, "/api/scheduler/resume", nil, call, &out)
	return out, err
}

// JobTypes lists the kinds of work that the server can do.
func (c *Client) JobTypes(ctx context.Context) ([]JobType, error) {
	var out JobTypeList
	err := c.get(ctx, "/api/job-types", nil, &out)
	return out.Items, err
}

// Ready returns nil when the server can take work.
func (c *Client) Ready(ctx context.Context) error { return c.get(ctx, "/readyz", nil, nil) }

// BackupOptions choose what a backup holds. The zero value is everything.
type BackupOptions struct {
	// WithoutArtifacts leaves the content of artifacts out.
	WithoutArtifacts bool
}

// Backup returns an archive of the whole installation; the caller closes it. It
// proves at its end that it is whole: an archive that broke off must not be kept.
func (c *Client) Backup(ctx context.Context, o BackupOptions) (io.ReadCloser, error) {
	q := values{}
	if o.WithoutArtifacts {
		q.text("artifacts", "false")
	}
	res, err := c.stream(ctx, request{method: http.MethodPost, path: "/api/backup", query: q.url()})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
