package client

import (
	"context"
	"iter"
	"net/http"
	"strconv"
)

// DirectiveFilter chooses directives. The zero value chooses all.
type DirectiveFilter struct {
	// Query is searched in names.
	Query string
	// Archived chooses only archived or only living directives; nil = both.
	Archived *bool
	PageSize int
}

func directivePath(idOrName string) string { return "/api/directives/" + escape(idOrName) }

// CreateDirective makes version 1 of a directive.
func (c *Client) CreateDirective(ctx context.Context, in DirectiveInput, call Call) (Directive, error) {
	var out Directive
	err := c.post(ctx, "/api/directives", in, call, &out)
	return out, err
}

// Directives walks over all directives that match, by name, page by page.
func (c *Client) Directives(ctx context.Context, f DirectiveFilter) iter.Seq2[Directive, error] {
	return pages(func(cursor string) ([]Directive, *string, error) {
		page, err := c.DirectivePage(ctx, f, cursor)
		return page.Items, page.NextCursor, err
	})
}

// DirectivePage returns one page; "" is the cursor of the first.
func (c *Client) DirectivePage(ctx context.Context, f DirectiveFilter, cursor string) (DirectiveList, error) {
	q := values{}.text("q", f.Query).number("limit", f.PageSize).text("cursor", cursor)
	if f.Archived != nil {
		q.text("archived", strconv.FormatBool(*f.Archived))
	}
	var out DirectiveList
	err := c.get(ctx, "/api/directives", q.url(), &out)
	return out, err
}

// Directive returns the current version of a directive, by id or name.
func (c *Client) Directive(ctx context.Context, idOrName string) (Directive, error) {
	var out Directive
	err := c.get(ctx, directivePath(idOrName), nil, &out)
	return out, err
}

// DirectiveVersions walks over the versions of a directive, newest first.
func (c *Client) DirectiveVersions(ctx context.Context, idOrName string, pageSize int) iter.Seq2[Directive, error] {
	return pages(func(cursor string) ([]Directive, *string, error) {
		var out DirectiveList
		err := c.get(ctx, directivePath(idOrName)+"/versions", values{}.number("limit", pageSize).text("cursor", cursor).url(), &out)
		return out.Items, out.NextCursor, err
	})
}

// DirectiveVersion returns one version, which never changes.
func (c *Client) DirectiveVersion(ctx context.Context, idOrName string, version int) (Directive, error) {
	var out Directive
	err := c.get(ctx, directivePath(idOrName)+"/versions/"+strconv.Itoa(version), nil, &out)
	return out, err
}

// EditDirective changes a directive by a merge patch (RFC 7396), which makes a
// new version; jobs and runs that exist keep theirs. A null removes a value. Use
// call.IfMatch with ETag against lost updates.
func (c *Client) EditDirective(ctx context.Context, idOrName string, patch map[string]any, call Call) (Directive, error) {
	var out Directive
	err := c.patch(ctx, directivePath(idOrName), patch, call, &out)
	return out, err
}

// DeleteDirective removes a directive from view and frees its name. Jobs that are
// bound to it and have not begun fail.
func (c *Client) DeleteDirective(ctx context.Context, idOrName string, call Call) error {
	return c.send(ctx, request{method: http.MethodDelete, path: directivePath(idOrName), accept: "application/json", call: call}, nil)
}

// ETag is the directive's version for Call.IfMatch.
func (d Directive) ETag() string { return strconv.Quote(strconv.Itoa(d.Version)) }

// RunCalls returns what a run asked of language models, in order.
func (c *Client) RunCalls(ctx context.Context, runID string) ([]LLMCall, error) {
	var out LLMCallList
	err := c.get(ctx, "/api/job-runs/"+escape(runID)+"/calls", nil, &out)
	return out.Items, err
}
