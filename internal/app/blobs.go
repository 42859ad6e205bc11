package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/runsheet/runsheet/internal/blob"
	"github.com/runsheet/runsheet/internal/blob/s3"
	"github.com/runsheet/runsheet/internal/clock"
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
	a.checkBlobs = cached(a.o.Clock, checkEvery, a.blobs.Check)
	if a.shared {
		a.log.Info("artifacts and run logs are kept in a shared place", "place", place.String())
	}
	return a.claimPlace(ctx)
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

// checkEvery is how long the outcome of a check of the place counts.
const checkEvery = 15 * time.Second

// cached makes a check cheap: within every it repeats its last answer. Who comes
// while it is under way waits for it.
func cached(c clock.Clock, every time.Duration, check func(context.Context) error) func(context.Context) error {
	var mu sync.Mutex
	var last error
	var at time.Time
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if now := c.Now(); at.IsZero() || now.Sub(at) >= every {
			last = check(ctx)
			if ctx.Err() != nil {
				return last // says nothing of the place
			}
			at = now
		}
		return last
	}
}
