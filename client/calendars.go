package client

import (
	"context"
	"net/http"
	"strings"
)

func calendarPath(code string) string {
	return "/api/calendars/" + escape(strings.ReplaceAll(code, "/", "-"))
}

// PreviewSchedule tells when something would fire; nothing is stored.
func (c *Client) PreviewSchedule(ctx context.Context, in SchedulePreviewInput) ([]Nominal, error) {
	var out SchedulePreview
	err := c.postSecret(ctx, "/api/schedules/preview", in, &out)
	return out.Items, err
}

// Calendars returns all calendars by code.
func (c *Client) Calendars(ctx context.Context) ([]Calendar, error) {
	var out CalendarList
	err := c.get(ctx, "/api/calendars", nil, &out)
	return out.Items, err
}

// Calendar returns a calendar by its code or an alias.
func (c *Client) Calendar(ctx context.Context, code string) (Calendar, error) {
	var out Calendar
	err := c.get(ctx, calendarPath(code), nil, &out)
	return out, err
}

// CalendarSessions returns the sessions of the dates from from to to, such as
// 2026-01-01, both included; "" = today, and a year after.
func (c *Client) CalendarSessions(ctx context.Context, code, from, to string) ([]CalendarSession, error) {
	var out CalendarSessions
	err := c.get(ctx, calendarPath(code)+"/sessions", values{}.text("from", from).text("to", to).url(), &out)
	return out.Items, err
}

// CalendarOverrides returns what is said of single dates of a calendar.
func (c *Client) CalendarOverrides(ctx context.Context, code string) ([]CalendarOverride, error) {
	var out CalendarOverrideList
	err := c.get(ctx, calendarPath(code)+"/overrides", nil, &out)
	return out.Items, err
}

// OverrideChange says how overrides are changed.
type OverrideChange struct {
	// DryRun only tells what would change.
	DryRun bool
	// Merge keeps the overrides of other dates; else all are replaced.
	Merge bool
	// Dates are those whose overrides are removed; none = all.
	Dates []string
}

func (o OverrideChange) values() values {
	v := values{}.list("date", o.Dates)
	if o.DryRun {
		v.text("dry_run", "true")
	}
	if o.Merge {
		v.text("merge", "true")
	}
	return v
}

// PutOverrides overrides dates of a calendar. body is a file of the content type
// media: application/json, text/csv or text/calendar.
func (c *Client) PutOverrides(ctx context.Context, code, media string, body []byte, o OverrideChange) (CalendarChange, error) {
	var out CalendarChange
	err := c.send(ctx, request{
		method: http.MethodPut, path: calendarPath(code) + "/overrides", query: o.values().url(), body: body, media: media, accept: "application/json",
	}, &out)
	return out, err
}

// DeleteOverrides removes overrides of a calendar.
func (c *Client) DeleteOverrides(ctx context.Context, code string, o OverrideChange) (CalendarChange, error) {
	var out CalendarChange
	err := c.send(ctx, request{
		method: http.MethodDelete, path: calendarPath(code) + "/overrides", query: o.values().url(), accept: "application/json",
	}, &out)
	return out, err
}
