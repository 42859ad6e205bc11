package client

import (
	"context"
	"iter"
)

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

// AddGroup puts a group of jobs into the queue, all of them or none. The answer
// has them all.
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

// Ended reports whether all members of the group have ended.
func (g JobGroup) Ended() bool { return g.Status == "COMPLETED" || g.Status == "PARTIAL" }
