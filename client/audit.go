package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"time"
)

// AuditFilter chooses entries of the audit record. The zero value chooses all of
// the own tenant, newest first.
type AuditFilter struct {
	Action []string
	// Actor and Object are names or ids.
	Actor, Object string
	// After and Before bound the time, both exclusive; zero = not.
	After, Before time.Time
	// Oldest lists in the order of the chain.
	Oldest bool
	// Tenant is the id or name of another tenant, "" = the own.
	Tenant   string
	PageSize int
}

// Audit walks over all entries that match, page by page.
func (c *Client) Audit(ctx context.Context, f AuditFilter) iter.Seq2[AuditEntry, error] {
	return pages(func(cursor string) ([]AuditEntry, *string, error) {
		q := values{}.list("action", f.Action).text("actor", f.Actor).text("object", f.Object).
			time("created_after", f.After).time("created_before", f.Before).text("tenant", f.Tenant).
			number("limit", f.PageSize).text("cursor", cursor)
		if f.Oldest {
			q = q.text("sort", "seq")
		}
		var page AuditList
		err := c.get(ctx, "/api/audit", q.url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// VerifyAudit has the server check its whole chain. head is a hash that was noted
// earlier and must still be in it, "" = none. tenant is "" for the own.
func (c *Client) VerifyAudit(ctx context.Context, tenant, head string) (AuditCheck, error) {
	var out AuditCheck
	err := c.get(ctx, "/api/audit/verify", values{}.text("tenant", tenant).text("head", head).url(), &out)
	return out, err
}

// ExportAudit returns the whole chain as JSON Lines of AuditEntry, oldest first.
// The caller closes it; an error before io.EOF means that it is not complete.
// tenant is "" for the own.
func (c *Client) ExportAudit(ctx context.Context, tenant string) (io.ReadCloser, error) {
	res, err := c.stream(ctx, request{method: http.MethodGet, path: "/api/audit/export", query: of(tenant), accept: "application/x-ndjson"})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
