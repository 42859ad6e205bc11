package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/blob/s3"
	"github.com/runsheet/runsheet/internal/health"
)

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
		if place.Dir != "" {
			own = place.Dir
		}
		a.blobs, err = blob.OpenFolder(own, blob.Options{})
		if place.Dir != "" {
			a.checkBlobs(func(context.Context) error {
				_, err := os.Stat(own)
				return err
			})
		}
		return err
	}
	bucket, err := s3.Open(ctx, s3.Options{
		Place: place, AccessKey: a.o.Config.BlobAccessKey.Reveal(), SecretKey: a.o.Config.BlobSecretKey.Reveal(),
		Spool: filepath.Join(own, "tmp"), Clock: a.o.Clock,
	})
	if err != nil {
		return err
	}
	a.blobs, a.tidy = bucket, bucket.Sweep
	a.checkBlobs(bucket.Reach)
	a.log.Info("artifacts are kept in a bucket", "place", place.String())
	return nil
}

// checkBlobs makes the reach of the artifacts' place part of readiness. Without
// it jobs are accepted and most of them run, so the server is degraded; failing,
// all instances would be at once.
func (a *App) checkBlobs(reach func(context.Context) error) {
	a.checks = append(a.checks, health.Check{
		Name: "artifacts", Every: blobEvery, Timeout: pingTimeout,
		Run: func(ctx context.Context) (string, error) { return "", health.Degrade(reach(ctx)) },
	})
}

// tidyBlobs removes what dead servers have left in the place of the artifacts.
func (a *App) tidyBlobs(ctx context.Context) {
	if a.tidy == nil {
		return
	}
	n, err := a.tidy(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		a.log.Warn("cannot remove unfinished uploads", "error", err)
	case n > 0:
		a.log.Info("removed unfinished uploads", "count", n)
	}
}
