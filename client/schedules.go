package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// ScheduleFilter chooses schedules. The zero value chooses all.
type ScheduleFilter struct {
	// States are active, paused and finished.
	States []string
	// Query is searched in names.
	Query string
	// TemplateID chooses those that start these templates, by id.
	TemplateID []string
	Labels     map[string]string
	PageSize   int
}

// ScheduleHistoryFilter chooses lines of a schedule's history. The zero value
// chooses all.
type ScheduleHistoryFilter struct {
	// Kind is run or skip.
	Kind string
	// Reasons are those of skipped nominals, Sources those of runs.
	Reasons, Sources []string
	// From is inclusive, To exclusive; both are about nominals.
	From, To time.Time
	PageSize int
}

func schedulePath(idOrName string) string { return "/api/schedules/" + escape(idOrName) }

// CreateSchedule makes a schedule.
func (c *Client) CreateSchedule(ctx context.Context, in ScheduleInput, call Call) (Schedule, error) {
	var out Schedule
	err := c.post(ctx, "/api/schedules", in, call, &out)
	return out, err
}

// Schedules walks over all schedules that match, by name, page by page.
func (c *Client) Schedules(ctx context.Context, f ScheduleFilter) iter.Seq2[Schedule, error] {
	return pages(func(cursor string) ([]Schedule, *string, error) {
		q := values{}.list("state", f.States).text("q", f.Query).list("template_id", f.TemplateID).labels(f.Labels).number("limit", f.PageSize).text("cursor", cursor)
		var out ScheduleList
		err := c.get(ctx, "/api/schedules", q.url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// Schedule returns a schedule, by id or name.
func (c *Client) Schedule(ctx context.Context, idOrName string) (Schedule, error) {
	var out Schedule
	err := c.get(ctx, schedulePath(idOrName), nil, &out)
	return out, err
}

// EditSchedule changes a schedule by a merge patch (RFC 7396), which makes a new
// version. A null removes a value. Use call.IfMatch with ETag against lost updates.
func (c *Client) EditSchedule(ctx context.Context, idOrName string, patch map[string]any, call Call) (Schedule, error) {
	var out Schedule
	err := c.patch(ctx, schedulePath(idOrName), patch, call, &out)
	return out, err
}

// DeleteSchedule removes a schedule and frees its name. Jobs and runs that it made
// stay.
func (c *Client) DeleteSchedule(ctx context.Context, idOrName string, call Call) error {
	return c.send(ctx, request{method: http.MethodDelete, path: schedulePath(idOrName), accept: "application/json", call: call}, nil)
}

// ETag is the schedule's version for Call.IfMatch.
func (s Schedule) ETag() string { return strconv.Quote(strconv.Itoa(s.Version)) }

// ScheduleNext returns when a schedule fires after a time; zero = now. A count of
// 0 is 10.
func (c *Client) ScheduleNext(ctx context.Context, idOrName string, from time.Time, count int) ([]ScheduleNominal, error) {
	var out ScheduleNext
	err := c.get(ctx, schedulePath(idOrName)+"/next", values{}.time("from", from).number("count", count).url(), &out)
	return out.Items, err
}

// ScheduleHistory walks over what became of a schedule's nominals, the latest
// first, page by page.
func (c *Client) ScheduleHistory(ctx context.Context, idOrName string, f ScheduleHistoryFilter) iter.Seq2[ScheduleEntry, error] {
	return pages(func(cursor string) ([]ScheduleEntry, *string, error) {
		q := values{}.text("kind", f.Kind).list("reason", f.Reasons).list("source", f.Sources).time("from", f.From).time("to", f.To).
			number("limit", f.PageSize).text("cursor", cursor)
		var out ScheduleHistory
		err := c.get(ctx, schedulePath(idOrName)+"/history", q.url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// ScheduleVersions walks over the versions of a schedule, newest first.
func (c *Client) ScheduleVersions(ctx context.Context, idOrName string, pageSize int) iter.Seq2[ScheduleVersion, error] {
	return pages(func(cursor string) ([]ScheduleVersion, *string, error) {
		var out ScheduleVersionList
		err := c.get(ctx, schedulePath(idOrName)+"/versions", values{}.number("limit", pageSize).text("cursor", cursor).url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// ScheduleVersion returns one version, which never changes.
func (c *Client) ScheduleVersion(ctx context.Context, idOrName string, version int) (ScheduleVersion, error) {
	var out ScheduleVersion
	err := c.get(ctx, schedulePath(idOrName)+"/versions/"+strconv.Itoa(version), nil, &out)
	return out, err
}

// RunScheduleNow makes a run of a schedule beside its plan. With call.Wait it
// returns the ended job, or the job as it is when the time is over.
func (c *Client) RunScheduleNow(ctx context.Context, idOrName string, in RunNowInput, call Call) (Job, error) {
	var out Job
	err := c.post(ctx, schedulePath(idOrName)+"/run-now", in, call, &out)
	return out, err
}

// BackfillSchedule runs nominals of the past, or lists them.
func (c *Client) BackfillSchedule(ctx context.Context, idOrName string, in BackfillInput, call Call) (Backfill, error) {
	var out Backfill
	err := c.post(ctx, schedulePath(idOrName)+"/backfill", in, call, &out)
	return out, err
}

// PauseSchedule keeps a schedule from firing until it is resumed.
func (c *Client) PauseSchedule(ctx context.Context, idOrName, reason string, call Call) (Schedule, error) {
	return c.onSchedule(ctx, idOrName, "pause", Reason{Reason: reason}, call)
}

// ResumeSchedule lets a schedule fire again.
func (c *Client) ResumeSchedule(ctx context.Context, idOrName string, in ResumeInput, call Call) (Schedule, error) {
	return c.onSchedule(ctx, idOrName, "resume", in, call)
}

// SkipNextOfSchedule says that the next count nominals are not wanted.
func (c *Client) SkipNextOfSchedule(ctx context.Context, idOrName string, count int, call Call) (Schedule, error) {
	return c.onSchedule(ctx, idOrName, "skip-next", SkipNextInput{Count: count}, call)
}

func (c *Client) onSchedule(ctx context.Context, idOrName, verb string, in any, call Call) (Schedule, error) {
	var out Schedule
	err := c.post(ctx, schedulePath(idOrName)+"/"+verb, in, call, &out)
	return out, err
}
