package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/blob/s3"
	"github.com/runsheet/runsheet/internal/health"
)

// files is the place of artifacts and logs.
type files interface {
	blob.Store
	blob.Shelf
	// Check returns nil when the place answers.
	Check(ctx context.Context) error
	// Sweep removes what dead servers left unfinished, and returns how many.
	Sweep(ctx context.Context) (int, error)
}

// openBlobs opens the place of the artifacts. A bucket that does not work stops
// the start: a run that has ended could not keep what it made.
func (a *App) openBlobs(ctx context.Context) (err error) {
	place, own := blob.Place{}, filepath.Join(a.o.Config.Data, "artifacts")
	if a.o.Config.BlobURL != "" {
		if place, err = blob.ParsePlace(a.o.Config.BlobURL); err != nil {
			return fmt.Errorf("blob_url: %w", err)
		}
	}
	if place.Bucket == "" {
		dir := own
		if place.Dir != "" {
			dir = place.Dir
		}
		a.shared = !within(dir, a.o.Config.Data)
		a.blobs, err = blob.OpenFolder(dir, blob.Options{MaxBytes: a.o.Config.ArtifactMaxBytes, Shared: a.shared, Clock: a.o.Clock})
	} else {
		a.shared = true
		a.blobs, err = s3.Open(ctx, s3.Options{
			Place: place, AccessKey: a.o.Config.BlobAccessKey.Reveal(), SecretKey: a.o.Config.BlobSecretKey.Reveal(),
			SessionToken: a.o.Config.BlobSessionToken.Reveal(), MaxBytes: a.o.Config.ArtifactMaxBytes,
			Spool: filepath.Join(own, "tmp"), Clock: a.o.Clock,
		})
	}
	if err != nil {
		return err
	}
	if a.shared {
		a.checkBlobs(a.blobs.Check)
		a.log.Info("artifacts and run logs are kept in a shared place", "place", place.String())
	}
	return nil
}

// within reports whether path is dir or below it, links resolved.
func within(path, dir string) bool {
	for _, p := range []*string{&path, &dir} {
		if abs, err := filepath.Abs(*p); err == nil {
			*p = abs
		}
		if real, err := filepath.EvalSymlinks(*p); err == nil {
			*p = real
		}
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// checkBlobs makes the reach of the artifacts' place part of readiness. Without
// it jobs are accepted and most of them run, so the server is degraded; failing,
// all instances would be at once.
func (a *App) checkBlobs(reach func(context.Context) error) {
	a.checks = append(a.checks, health.Check{
		Name: "artifacts", Every: blobEvery, Timeout: pingTimeout, Mild: true,
		Run: func(ctx context.Context) (string, error) { return "", health.Degrade(reach(ctx)) },
	})
}

// tidyBlobs removes what dead servers have left in the place of the artifacts.
func (a *App) tidyBlobs(ctx context.Context) {
	n, err := a.blobs.Sweep(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.Warn("cannot remove unfinished uploads", "error", err)
	case n > 0:
		a.log.Info("removed unfinished uploads", "count", n)
	}
}
