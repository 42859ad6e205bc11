package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// RunFilter chooses runs, like JobFilter.
type RunFilter struct {
	JobID string
	// Status are ACTIVE (executes now), COMPLETED, FAILED, SKIPPED.
	Status     []string
	JobType    []string
	TemplateID []string
	Labels     map[string]string
	// Query is searched in the jobs' names.
	Query                       string
	StartedAfter, StartedBefore time.Time
	// Sort is started_at or -started_at; "" = newest first.
	Sort     string
	PageSize int
}

func (f RunFilter) query() values {
	return values{}.text("job_id", f.JobID).list("status", f.Status).list("job_type", f.JobType).
		list("template_id", f.TemplateID).labels(f.Labels).text("q", f.Query).
		time("started_after", f.StartedAfter).time("started_before", f.StartedBefore).
		text("sort", f.Sort).number("limit", f.PageSize)
}

// Runs walks over all runs that match, newest first, page by page.
func (c *Client) Runs(ctx context.Context, f RunFilter) iter.Seq2[Run, error] {
	return pages(func(cursor string) ([]Run, *string, error) {
		page, err := c.RunPage(ctx, f, cursor)
		return page.Items, page.NextCursor, err
	})
}

// RunPage returns one page; "" is the cursor of the first.
func (c *Client) RunPage(ctx context.Context, f RunFilter, cursor string) (RunList, error) {
	var out RunList
	err := c.get(ctx, "/api/job-runs", f.query().text("cursor", cursor).url(), &out)
	return out, err
}

// Run returns one run.
func (c *Client) Run(ctx context.Context, runID string) (Run, error) {
	var out Run
	err := c.get(ctx, "/api/job-runs/"+escape(runID), nil, &out)
	return out, err
}

// RetryRun puts a new job into the queue that does the work of a run again, with
// the changes that in names; the zero value changes nothing. It returns the new
// job.
func (c *Client) RetryRun(ctx context.Context, runID string, in RetryInput, call Call) (Job, error) {
	var out Job
	err := c.post(ctx, "/api/job-runs/"+escape(runID)+"/retry", in, call, &out)
	return out, err
}

// RunArtifacts lists the files that a run produced.
func (c *Client) RunArtifacts(ctx context.Context, runID string) ([]Artifact, error) {
	var out ArtifactList
	err := c.get(ctx, "/api/job-runs/"+escape(runID)+"/artifacts", nil, &out)
	return out.Items, err
}

// OpenArtifact returns the content of an artifact; the caller closes it.
func (c *Client) OpenArtifact(ctx context.Context, artifactID string) (io.ReadCloser, error) {
	res, err := c.stream(ctx, request{method: http.MethodGet, path: "/api/artifacts/" + escape(artifactID)})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// LogOptions choose a part of a log. The zero value is the whole log as it is.
type LogOptions struct {
	// Tail is the number of last lines to begin with; 0 = from the beginning.
	Tail int
	// Follow goes on until the run has ended.
	Follow bool
}

// RunLog returns the output of a run as text; the caller closes it. With Follow
// it ends when the run does, or with an error when the connection breaks.
func (c *Client) RunLog(ctx context.Context, runID string, o LogOptions) (io.ReadCloser, error) {
	q := values{}.number("tail", o.Tail)
	if o.Follow {
		q.text("follow", strconv.FormatBool(true))
	}
	res, err := c.stream(ctx, request{
		method: http.MethodGet, path: "/api/job-runs/" + escape(runID) + "/logs", query: q.url(), accept: "text/plain",
	})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
