package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/run"
)

// Views reads what lists show beside their items. Each method is one statement, or
// few, whatever the number of things that it is asked about, and looks at a bounded
// number of rows.
type Views interface {
	// RunsByTime counts the runs that a list of runs would have, by the time at which
	// they started and by state, oldest first. Times without runs are left out. It
	// counts the newest p.Most of them; complete is false when there are more.
	RunsByTime(ctx context.Context, p RunsByTime) (bars []RunBar, complete bool, err error)
	// WorkflowResults returns the newest p.Last runs of each workflow, newest first.
	WorkflowResults(ctx context.Context, p AskResults) (map[string][]WorkflowResult, error)
	// VersionResults counts runs by version, among the newest most runs of the
	// workflow.
	VersionResults(ctx context.Context, tenant, workflowID string, most int) (map[int]VersionTally, error)
	// ScheduleResults returns what became of the latest p.Last nominals of each
	// schedule that fired, latest first.
	ScheduleResults(ctx context.Context, p AskResults) (map[string][]HistoryEntry, error)
	// WaitingApprovals counts the pending requests about nodes, by workflow.
	WaitingApprovals(ctx context.Context, tenant string) (map[string]int, error)
	// PendingApprovals counts the pending requests of a tenant.
	PendingApprovals(ctx context.Context, tenant string) (int, error)
	// QueuedBefore counts the jobs that wait and were added before a time, up to most.
	QueuedBefore(ctx context.Context, tenant string, at time.Time, most int) (int, error)
	// JobEvents returns what is kept of the events job.* about one job, oldest first. What
	// has been committed a moment ago may be missing.
	JobEvents(ctx context.Context, p ListJobEvents) (EventPage, error)
	// Names returns the names of jobs, templates and runs of workflows by their ids. What
	// is unknown, or of another tenant, is missing; a deleted template keeps its name.
	Names(ctx context.Context, tenant string, ids []string) (map[string]string, error)
	// DeliveryResults counts the newest p.Last deliveries of each webhook.
	DeliveryResults(ctx context.Context, p AskResults) (map[string]DeliveryTally, error)
}

// RunsByTime are the parameters of Views.RunsByTime.
type RunsByTime struct {
	// Filter is the list; its After and Limit do not count.
	Filter ListRuns
	// Bucket is what is counted together, at least a second. Bars begin at its
	// multiples since the Unix epoch.
	Bucket time.Duration
	Most   int // at least 1
}

// RunBar is how many runs of one state started from At to At + Bucket.
type RunBar struct {
	At    time.Time
	State run.State
	Count int
}

// AskResults names things and how much to read of each.
type AskResults struct {
	Tenant string
	IDs    []string
	Last   int // at least 1
}

// WorkflowResult is a run of a workflow. Status is "" until it ends.
type WorkflowResult struct {
	RunID     string
	Version   int
	Status    string
	StartedAt time.Time // zero = it has not begun
	EndedAt   time.Time // zero = it has not ended
}

// VersionTally counts runs of a version: all, and by how they ended.
type VersionTally struct {
	Runs, Completed, Failed, Cancelled, Skipped int
	// LastAt is when the newest of them was added.
	LastAt time.Time
}

// ListJobEvents are the parameters of Views.JobEvents.
type ListJobEvents struct {
	Tenant, JobID string
	After         int64 // continues behind this seq
	Limit         int   // at least 1
}

// EventPage is one page. More says that events follow.
type EventPage struct {
	Events []event.Event
	More   bool
}

// DeliveryTally counts deliveries by what became of them.
type DeliveryTally struct {
	Delivered, Failed, Dead, Pending int
}
