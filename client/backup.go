package client

import (
	"context"
	"io"
	"net/http"
)

// BackupOptions choose what a backup holds. The zero value is everything.
type BackupOptions struct {
	// WithoutArtifacts leaves the content of artifacts out.
	WithoutArtifacts bool
}

// Backup returns an archive of the whole installation; the caller closes it. It
// proves at its end that it is whole: an archive that broke off must not be kept.
func (c *Client) Backup(ctx context.Context, o BackupOptions) (io.ReadCloser, error) {
	q := values{}
	if o.WithoutArtifacts {
		q.text("artifacts", "false")
	}
	res, err := c.stream(ctx, request{method: http.MethodPost, path: "/api/backup", query: q.url()})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
