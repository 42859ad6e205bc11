package client

import (
	"context"
	"errors"
	"iter"
	"time"
)

// JobFilter chooses jobs. The zero value chooses all; fields combine with and,
// the values of one field with or.
type JobFilter struct {
	// Status are QUEUED, RUNNING, COMPLETED, FAILED, SKIPPED, CANCELLED.
	Status     []string
	JobType    []string
	TemplateID []string
	Labels     map[string]string
	// Query is searched in names.
	Query                       string
	CreatedAfter, CreatedBefore time.Time
	// Sort is for example -created_at, or queue; "" = the server's default.
	Sort string
	// PageSize is the number of jobs for one request, 1..200; 0 = the server's
	// default.
	PageSize int
}

func (f JobFilter) query() values {
	return values{}.list("status", f.Status).list("job_type", f.JobType).list("template_id", f.TemplateID).
		labels(f.Labels).text("q", f.Query).time("created_after", f.CreatedAfter).time("created_before", f.CreatedBefore).
		text("sort", f.Sort).number("limit", f.PageSize)
}

// AddJob puts a job into the queue. With call.Wait it returns the ended job, or
// the job as it is when the time is over.
func (c *Client) AddJob(ctx context.Context, in JobInput, call Call) (Job, error) {
	var out Job
	err := c.post(ctx, "/api/jobs", in, call, &out)
	return out, err
}

// Jobs walks over all jobs that match, page by page.
func (c *Client) Jobs(ctx context.Context, f JobFilter) iter.Seq2[Job, error] {
	return pages(func(cursor string) ([]Job, *string, error) {
		page, err := c.JobPage(ctx, f, cursor)
		return page.Items, page.NextCursor, err
	})
}

// JobPage returns one page; "" is the cursor of the first.
func (c *Client) JobPage(ctx context.Context, f JobFilter, cursor string) (JobList, error) {
	var out JobList
	err := c.get(ctx, "/api/jobs", f.query().text("cursor", cursor).url(), &out)
	return out, err
}

// Job returns one job.
func (c *Client) Job(ctx context.Context, jobID string) (Job, error) {
	var out Job
	err := c.get(ctx, "/api/jobs/"+escape(jobID), nil, &out)
	return out, err
}

// EditJob changes a job that waits. Labels with a nil value are removed; use
// call.IfMatch against lost updates.
func (c *Client) EditJob(ctx context.Context, jobID string, patch map[string]any, call Call) (Job, error) {
	var out Job
	err := c.patch(ctx, "/api/jobs/"+escape(jobID), patch, call, &out)
	return out, err
}

// CancelJob takes a waiting job out of the queue, or asks a running one to
// stop; that one ends a little later.
func (c *Client) CancelJob(ctx context.Context, jobID string, call Call) (Job, error) {
	return c.jobVerb(ctx, jobID, "cancel", nil, call)
}

// HoldJob keeps a waiting job from starting. The reason is for people, "" =
// none.
func (c *Client) HoldJob(ctx context.Context, jobID, reason string, call Call) (Job, error) {
	return c.jobVerb(ctx, jobID, "hold", reasonBody(reason), call)
}

// ReleaseJob lets a held job start again.
func (c *Client) ReleaseJob(ctx context.Context, jobID string, call Call) (Job, error) {
	return c.jobVerb(ctx, jobID, "release", nil, call)
}

func (c *Client) jobVerb(ctx context.Context, jobID, verb string, in any, call Call) (Job, error) {
	var out Job
	err := c.post(ctx, "/api/jobs/"+escape(jobID)+"/"+verb, in, call, &out)
	return out, err
}

func reasonBody(reason string) any {
	if reason == "" {
		return nil
	}
	return Reason{Reason: reason}
}

// Ended reports whether the job is done with: nothing will run for it again.
func (j Job) Ended() bool {
	switch j.Status {
	case "COMPLETED", "FAILED", "SKIPPED", "CANCELLED":
		return true
	}
	return false
}

// patience is how many times in a row WaitJob bears that a server does not
// answer, for example because it starts again: about a minute.
const patience = 30

// WaitJob returns the job when it has ended. It asks about twice a second and
// calls each, unless it is nil, with every answer; each may return an error to
// stop. A server that goes away is waited for, for about a minute; meanwhile
// each gets the last answer with the error.
func (c *Client) WaitJob(ctx context.Context, jobID string, each func(Job, error) error) (Job, error) {
	const interval = 500 * time.Millisecond
	var last Job
	for silent := 0; ; {
		job, err := c.Job(ctx, jobID)
		var un *Unreachable
		switch {
		case err == nil:
			last, silent = job, 0
		case errors.As(err, &un) && silent < patience:
			silent++
		default:
			return last, err
		}
		if each != nil {
			if err := each(last, err); err != nil {
				return last, err
			}
		}
		if err == nil && job.Ended() {
			return job, nil
		}
		if !sleep(ctx, interval) {
			return last, ctx.Err()
		}
	}
}
