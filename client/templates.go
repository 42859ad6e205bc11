package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"
)

// TemplateFilter chooses templates. The zero value chooses all.
type TemplateFilter struct {
	JobType []string
	Labels  map[string]string
	// Query is searched in names.
	Query string
	// Archived chooses only archived or only living templates; nil = both.
	Archived *bool
	PageSize int
}

// CreateTemplate makes version 1 of a template.
func (c *Client) CreateTemplate(ctx context.Context, in JobTemplateInput, call Call) (JobTemplate, error) {
	var out JobTemplate
	err := c.post(ctx, "/api/job-templates", in, call, &out)
	return out, err
}

// Templates walks over all templates that match, by name, page by page.
func (c *Client) Templates(ctx context.Context, f TemplateFilter) iter.Seq2[JobTemplate, error] {
	return pages(func(cursor string) ([]JobTemplate, *string, error) {
		page, err := c.TemplatePage(ctx, f, cursor)
		return page.Items, page.NextCursor, err
	})
}

// TemplatePage returns one page; "" is the cursor of the first.
func (c *Client) TemplatePage(ctx context.Context, f TemplateFilter, cursor string) (JobTemplateList, error) {
	q := values{}.list("job_type", f.JobType).labels(f.Labels).text("q", f.Query).
		number("limit", f.PageSize).text("cursor", cursor)
	if f.Archived != nil {
		q.text("archived", strconv.FormatBool(*f.Archived))
	}
	var out JobTemplateList
	err := c.get(ctx, "/api/job-templates", q.url(), &out)
	return out, err
}

// Template returns the current version of a template, by id or name.
func (c *Client) Template(ctx context.Context, idOrName string) (JobTemplate, error) {
	var out JobTemplate
	err := c.get(ctx, "/api/job-templates/"+escape(idOrName), nil, &out)
	return out, err
}

// EditTemplate changes a template by a merge patch (RFC 7396), which makes a
// new version; jobs that exist keep theirs. A null removes a value. Use
// call.IfMatch with ETag against lost updates.
func (c *Client) EditTemplate(ctx context.Context, idOrName string, patch map[string]any, call Call) (JobTemplate, error) {
	var out JobTemplate
	err := c.patch(ctx, "/api/job-templates/"+escape(idOrName), patch, call, &out)
	return out, err
}

// DeleteTemplate removes a template from view and frees its name. Jobs and runs
// made from it stay.
func (c *Client) DeleteTemplate(ctx context.Context, idOrName string, call Call) error {
	return c.send(ctx, request{
		method: http.MethodDelete, path: "/api/job-templates/" + escape(idOrName), accept: "application/json", call: call,
	}, nil)
}

// ETag is the template's version for Call.IfMatch.
func (t JobTemplate) ETag() string { return strconv.Quote(strconv.Itoa(t.Version)) }
