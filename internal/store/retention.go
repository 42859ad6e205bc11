package store

import (
	"context"
	"time"
)

// Retention deletes what is old. Every method is bounded, so that other work is
// not held up; the caller repeats it until nothing is left. All of them may run
// on several instances at once.
type Retention interface {
	// Turn reports whether holder may do a periodic piece of work now, and keeps
	// others from it for ttl. The holder may take its own turn again. It saves
	// work; nothing depends on it for being right.
	Turn(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (bool, error)
	// Cutoff is when the oldest of the keep newest finished runs ended, over all
	// tenants; the zero time if there are no more than keep.
	Cutoff(ctx context.Context, keep int) (time.Time, error)
	// ExpireJobs deletes at most limit jobs that finished before the given time,
	// with their runs, artifacts and checkpoints, oldest first, and with the last
	// member of a group that has ended the group; when no such job is left, at most
	// limit runs of direct requests. A job of which an
	// unfinished job repeats a run stays. Nothing else of the installation names
	// what it deletes but audit rows and events.
	ExpireJobs(ctx context.Context, before time.Time, limit int) (Expired, error)
	// ExpireEvents deletes at most limit events from the beginning of the whole log:
	// those before the first that is not older than the given time, but never one
	// of the keep newest. It returns how many. Their numbers are never given again.
	ExpireEvents(ctx context.Context, before time.Time, keep, limit int) (int, error)
	// Known returns those of the given runs that exist, whatever their tenant.
	Known(ctx context.Context, runIDs []string) ([]string, error)
	// BeginRemoval marks those of the given content, by SHA-256, that no artifact
	// names and no reservation holds at now, and returns them. Until EndRemoval
	// nobody can reserve them.
	BeginRemoval(ctx context.Context, sums []string, now time.Time) ([]string, error)
	// EndRemoval ends what BeginRemoval began, when the content is gone or stays
	// because it was put a short time ago.
	EndRemoval(ctx context.Context, sums []string) error
	// Unended returns at most limit contents whose removal began before the given
	// time: whoever did it died.
	Unended(ctx context.Context, before time.Time, limit int) ([]string, error)
}

// Expired is what Retention.ExpireJobs deleted.
type Expired struct {
	Jobs   int
	RunIDs []string
	// Sums are the contents that the artifacts named; others may name them too.
	Sums []string
	// Bytes is the size of the artifacts.
	Bytes int64
}

// Reservation announces the content of an artifact.
type Reservation struct {
	ArtifactID string
	Tenant     string
	RunID      string
	Name       string
	SHA256     string
	Size       int64 // bytes
	Until      time.Time
	Limits     ArtifactLimits
}

// ArtifactLimits bound what artifacts take, in bytes, as if each had its own
// content. 0 = no limit.
type ArtifactLimits struct {
	Run    int64
	Tenant int64
}

// Usage is what artifacts take, as if each had its own content.
type Usage struct {
	Bytes int64
	Count int64
}
