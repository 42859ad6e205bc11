package client

import (
	"context"
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
	// GroupID chooses the members of a group.
	GroupID string
	// RetryOf chooses what repeats the run of this id.
	RetryOf string
	Labels  map[string]string
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
	return values{}.list("status", f.Status).list("job_type", f.JobType).list("template_id", f.TemplateID).text("group_id", f.GroupID).text("retry_of", f.RetryOf).
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

// GroupFilter chooses groups. The zero value chooses all.
type GroupFilter struct {
	// Status are PENDING, RUNNING, COMPLETED, PARTIAL.
	Status []string
	// Query is searched in names.
	Query string
	// PageSize is the number of groups for one request, 1..200; 0 = the server's
	// default.
	PageSize int
}

// AddGroup puts a group of jobs into the queue, all of them or none: new ones, or
// ones that wait already. The answer has them all.
func (c *Client) AddGroup(ctx context.Context, in JobGroupInput, call Call) (JobGroup, error) {
	var out JobGroup
	err := c.post(ctx, "/api/job-groups", in, call, &out)
	return out, err
}

// Groups walks over all groups that match, newest first, without their members.
func (c *Client) Groups(ctx context.Context, f GroupFilter) iter.Seq2[JobGroup, error] {
	return pages(func(cursor string) ([]JobGroup, *string, error) {
		var page JobGroupList
		q := values{}.list("status", f.Status).text("q", f.Query).number("limit", f.PageSize).text("cursor", cursor)
		err := c.get(ctx, "/api/job-groups", q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Group returns one group with the first page of its members.
func (c *Client) Group(ctx context.Context, groupID string) (JobGroup, error) {
	var out JobGroup
	err := c.get(ctx, "/api/job-groups/"+escape(groupID), values{}.number("limit", maxPage).url(), &out)
	return out, err
}

// maxPage is the most items that a server gives at a time.
const maxPage = 200

// GroupJobs walks over the members of a group in list order.
func (c *Client) GroupJobs(ctx context.Context, groupID string) iter.Seq2[Job, error] {
	return pages(func(cursor string) ([]Job, *string, error) {
		var page JobGroup
		err := c.get(ctx, "/api/job-groups/"+escape(groupID), values{}.number("limit", maxPage).text("cursor", cursor).url(), &page)
		return page.Jobs, page.NextCursor, err
	})
}

// AddGroupJobs adds members to a group that has not begun. The answer has those
// that were added.
func (c *Client) AddGroupJobs(ctx context.Context, groupID string, jobs []JobInput, call Call) (JobGroup, error) {
	var out JobGroup
	err := c.post(ctx, "/api/job-groups/"+escape(groupID)+"/jobs", JobGroupJobs{Jobs: jobs}, call, &out)
	return out, err
}

// CancelGroup cancels the waiting members of a group and asks the running ones to
// stop; those end a little later.
func (c *Client) CancelGroup(ctx context.Context, groupID string, call Call) (JobGroup, error) {
	var out JobGroup
	err := c.post(ctx, "/api/job-groups/"+escape(groupID)+"/cancel", nil, call, &out)
	return out, err
}

// DissolveGroup makes the waiting members of a group ordinary jobs again, one
// behind the other at its place.
func (c *Client) DissolveGroup(ctx context.Context, groupID string, call Call) (JobGroupDissolved, error) {
	var out JobGroupDissolved
	err := c.post(ctx, "/api/job-groups/"+escape(groupID)+"/dissolve", nil, call, &out)
	return out, err
}

// Ended reports whether all members of the group have ended.
func (g JobGroup) Ended() bool { return g.Status == "COMPLETED" || g.Status == "PARTIAL" }
