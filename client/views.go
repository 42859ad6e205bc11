package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Overview returns what needs attention, in numbers.
func (c *Client) Overview(ctx context.Context) (Overview, error) {
	var out Overview
	err := c.get(ctx, "/api/overview", nil, &out)
	return out, err
}

// DuplicateJob puts another job like this one into the queue, with the changes that
// in names; the zero value changes nothing. It returns the new job.
func (c *Client) DuplicateJob(ctx context.Context, jobID string, in RetryInput, call Call) (Job, error) {
	var out Job
	err := c.post(ctx, "/api/jobs/"+escape(jobID)+"/duplicate", in, call, &out)
	return out, err
}

// JobEvents walks over what happened to a job, oldest first, page by page.
func (c *Client) JobEvents(ctx context.Context, jobID string) iter.Seq2[Event, error] {
	return pages(func(cursor string) ([]Event, *string, error) {
		var out JobEventList
		err := c.get(ctx, "/api/jobs/"+escape(jobID)+"/events", values{}.number("limit", 200).text("cursor", cursor).url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// JobTimeline tells when a job waited, ran and was parked.
func (c *Client) JobTimeline(ctx context.Context, jobID string) (JobTimeline, error) {
	var out JobTimeline
	err := c.get(ctx, "/api/jobs/"+escape(jobID)+"/timeline", nil, &out)
	return out, err
}

// RedeliverFailed sends again what a webhook did not get.
func (c *Client) RedeliverFailed(ctx context.Context, idOrName string, in RedeliverInput) (Redelivered, error) {
	var out Redelivered
	err := c.postSecret(ctx, "/api/webhooks/"+escape(idOrName)+"/redeliver", in, &out)
	return out, err
}

// StartDemo adds demonstration data, unless there is some.
func (c *Client) StartDemo(ctx context.Context) (Demo, error) {
	var out Demo
	err := c.postSecret(ctx, "/api/demo", nil, &out)
	return out, err
}

// RemoveDemo takes demonstration data away.
func (c *Client) RemoveDemo(ctx context.Context, call Call) error {
	return c.send(ctx, request{method: http.MethodDelete, path: "/api/demo", accept: "application/json", call: call}, nil)
}

// Storage tells what the installation takes on disk.
func (c *Client) Storage(ctx context.Context) (Storage, error) {
	var out Storage
	err := c.get(ctx, "/api/storage", nil, &out)
	return out, err
}

// Config returns every setting of the server, and where it comes from.
func (c *Client) Config(ctx context.Context) ([]ConfigSetting, error) {
	var out ConfigList
	err := c.get(ctx, "/api/config", nil, &out)
	return out.Items, err
}

// LegacyUsage tells who called the endpoints outside of /api in the last 30 days.
func (c *Client) LegacyUsage(ctx context.Context) (LegacyUsage, error) {
	var out LegacyUsage
	err := c.get(ctx, "/api/legacy/usage", nil, &out)
	return out, err
}

// FireFilter chooses fires of schedules. The zero value chooses those of all of them
// in the week to come.
type FireFilter struct {
	// From is part of it, To is not. Zero: now, and a week after From. At most 62 days.
	From, To time.Time
	// ScheduleID chooses schedules by id; nil = all.
	ScheduleID []string
}

// ScheduleFires returns what active schedules will do.
func (c *Client) ScheduleFires(ctx context.Context, f FireFilter) (ScheduleFires, error) {
	var out ScheduleFires
	q := values{}.time("from", f.From).time("to", f.To).list("schedule_id", f.ScheduleID)
	err := c.get(ctx, "/api/schedule-fires", q.url(), &out)
	return out, err
}

// WorkflowItemFilter chooses items of a map. The zero value chooses all.
type WorkflowItemFilter struct {
	// Status is pending, running, completed or failed; "" = all.
	Status   string
	PageSize int
}

// WorkflowItems walks over the items of a map of a workflow's run, by index, page by
// page.
func (c *Client) WorkflowItems(ctx context.Context, workflowRunID, nodeID string, f WorkflowItemFilter) iter.Seq2[WorkflowItem, error] {
	return pages(func(cursor string) ([]WorkflowItem, *string, error) {
		q := values{}.text("status", f.Status).number("limit", f.PageSize).text("cursor", cursor)
		var out WorkflowItemList
		err := c.get(ctx, "/api/workflow-runs/"+escape(workflowRunID)+"/nodes/"+escape(nodeID)+"/items", q.url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// PlanCrontab tells which schedules a table of cron would make. It makes none.
func (c *Client) PlanCrontab(ctx context.Context, in CrontabInput) (CrontabPlan, error) {
	var out CrontabPlan
	err := c.postSecret(ctx, "/api/import/crontab", in, &out)
	return out, err
}
