package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
)

// SecretFilter chooses secrets. The zero value chooses all.
type SecretFilter struct {
	// Query is searched in names.
	Query    string
	PageSize int
}

// Secrets walks over all secrets that match, by name, page by page. Values are never
// shown.
func (c *Client) Secrets(ctx context.Context, f SecretFilter) iter.Seq2[Secret, error] {
	return pages(func(cursor string) ([]Secret, *string, error) {
		var page SecretList
		err := c.get(ctx, "/api/secrets", values{}.text("q", f.Query).number("limit", f.PageSize).text("cursor", cursor).url(), &page)
		return page.Items, page.NextCursor, err
	})
}

// Secret returns what is known of a secret, without its value.
func (c *Client) Secret(ctx context.Context, name string) (Secret, error) {
	var out Secret
	err := c.get(ctx, "/api/secrets/"+escape(name), nil, &out)
	return out, err
}

// PutSecret makes or changes a secret. The fields are those of SecretInput; what is
// absent stays as it is.
func (c *Client) PutSecret(ctx context.Context, name string, fields map[string]any, call Call) (Secret, error) {
	var out Secret
	b, err := json.Marshal(fields)
	if err != nil {
		return out, fmt.Errorf("client: %w", err)
	}
	err = c.send(ctx, request{
		method: http.MethodPut, path: "/api/secrets/" + escape(name), body: b, media: "application/json", accept: "application/json", call: call,
	}, &out)
	return out, err
}

// DeleteSecret removes a secret. Workflows that refer to it fail when they need it.
func (c *Client) DeleteSecret(ctx context.Context, name string, call Call) error {
	return c.remove(ctx, "/api/secrets/"+escape(name), nil, call)
}
