package store

import (
	"context"
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/job"
)

// Schedules keeps schedules, their versions and what became of their nominals.
type Schedules interface {
	// Create stores version 1; name_taken. p.Key as in Jobs.Add.
	Create(ctx context.Context, p PutSchedule) (agenda.Schedule, error)
	// Schedule returns the current version by id or by name; not_found.
	Schedule(ctx context.Context, tenant, idOrName string) (agenda.Schedule, error)
	// Version returns the definition that a schedule had, UpdatedAt and ChangedBy being
	// when and by whom that version was made; not_found.
	Version(ctx context.Context, tenant, id string, version int) (agenda.Schedule, error)
	// List returns a page ordered by name, with the last runs as their jobs are now.
	List(ctx context.Context, p ListSchedules) (SchedulePage, error)
	// Update stores p.Schedule, whose Version must be one above the stored one or,
	// when only its state was changed, the stored one; version_mismatch, name_taken,
	// not_found. conflict when p.Epoch is not that of the row any more: read it with
	// Look and try again.
	Update(ctx context.Context, p PutSchedule) (agenda.Schedule, error)
	// Delete removes the schedule from view and frees its name. Its jobs stay;
	// not_found.
	Delete(ctx context.Context, p DeleteSchedule) error
	// Claim gives the caller schedules that are due, or whose run they wait for has
	// ended, for p.TTL. No other claim returns them until then, or until they are
	// decided or changed by a person.
	Claim(ctx context.Context, p ClaimSchedules) (DueSchedules, error)
	// Look returns what a decision about one schedule goes by, without claiming it.
	Look(ctx context.Context, tenant, idOrName string) (DueSchedule, error)
	// Decide carries out decisions in one transaction: state and cursor, fire keys,
	// history and jobs. Items are independent: the result has one error per item.
	// conflict: the schedule was claimed, decided or changed since, or a job that was
	// to be replaced has started; nothing of the item is done. A nominal that has
	// fired does not fire again, its job is left out.
	Decide(ctx context.Context, items []Decided) ([]error, error)
	// Claims renews (p.TTL > 0) or ends the claims of a planner, or ends those of all
	// others.
	Claims(ctx context.Context, p KeepClaims) error
	// NextDue tells when Claim can return something.
	NextDue(ctx context.Context, now time.Time) (NextDue, error)
	// History returns what became of a schedule's nominals, latest first; not_found.
	History(ctx context.Context, p ListHistory) (HistoryPage, error)
}

// Happenings sets off schedules that wait for something, and forgets what is old.
// What jobs and approvals do is written with their events.
type Happenings interface {
	// Started sets off the schedules of all tenants that wait for a server's start.
	Started(ctx context.Context, p ServerStarted) error
	// Expire deletes at most p.Limit rows each of what has set schedules off and of
	// skipped nominals, if they were decided before p.Before, and returns how many.
	// What fired stays, because a nominal fires only once.
	Expire(ctx context.Context, p ExpireHappenings) (int, error)
}

// ServerStarted are the parameters of Happenings.Started.
type ServerStarted struct {
	// By names this start: telling of it again changes nothing.
	By  string
	Now time.Time // zero = the authority's clock
}

// ExpireHappenings are the parameters of Happenings.Expire.
type ExpireHappenings struct {
	Before time.Time
	Limit  int // at least 1
}

// PutSchedule are the parameters of Schedules.Create and Update.
type PutSchedule struct {
	Schedule agenda.Schedule
	// Epoch is that of Look; 0 = whatever it is.
	Epoch int64
	By    string
	Key   *Key
	Audit *audit.Entry
}

// DeleteSchedule are the parameters of Schedules.Delete.
type DeleteSchedule struct {
	Tenant, ID string
	At         time.Time
	Audit      *audit.Entry
}

// ListSchedules are the parameters of Schedules.List.
type ListSchedules struct {
	Tenant    string
	Text      string
	Statuses  []agenda.Status
	Templates []string          // ids of the templates that they start; empty = whatever
	Labels    map[string]string // all of which they must have
	AfterName string
	// ByNext orders by what State.Next says, then by name; those without come last.
	// AfterNext is the one of AfterName then.
	ByNext    bool
	AfterNext time.Time
	Limit     int
}

// SchedulePage is a page of schedules.
type SchedulePage struct {
	Schedules []agenda.Schedule
	More      bool
}

// ClaimSchedules are the parameters of Schedules.Claim.
type ClaimSchedules struct {
	// By names the planner: host:pid:boot.
	By  string
	TTL time.Duration
	// Now may be zero.
	Now   time.Time
	Limit int
}

// DueSchedules is what Schedules.Claim returns.
type DueSchedules struct {
	// Now is the time at which they were due; decisions go by it.
	Now   time.Time
	Items []DueSchedule
}

// DueSchedule is what a decision about a schedule goes by.
type DueSchedule struct {
	Schedule agenda.Schedule
	// Runs are those whose end is not recorded.
	Runs []agenda.Run
	// Happened is what the schedule waits for and is not decided yet, in order, and
	// the one before. Look does not fill it in.
	Happened []agenda.Happened
	// Epoch fences the decision.
	Epoch int64
}

// Current returns the schedule with its last run as the run's job is now: the end of
// a run is recorded with the next decision only.
func (d DueSchedule) Current() agenda.Schedule {
	n := d.Schedule
	for _, x := range d.Runs {
		if x.JobID == n.State.Last.JobID {
			n.State.Last.Status = x.Status
		}
	}
	return n
}

// Decided is a decision about a schedule.
type Decided struct {
	ID, Tenant string
	// Name and Was are the schedule's name and status before, for those who are told.
	Name string
	Was  agenda.Status
	// Before is the schedule's state before, if there may be need of it.
	Before agenda.State
	// Version is the definition that it was made by.
	Version int
	Epoch   int64
	Now     time.Time
	Outcome agenda.Outcome
	// Jobs has one for each decision that fires, in their order. Their trigger must be
	// schedule or manual.
	Jobs []job.Job
	// Unique says, by the id of one of Jobs, which others stand in its way: then its
	// nominal is skipped, and a person who asked for the run gets not_unique.
	Unique map[string]Unique
	// On is what the schedule waits for, if that is not what is stored.
	On *agenda.On
	// Approvals are requests without which their subjects, which are among Jobs, must
	// not start.
	Approvals []approval.Request
	By        string // who asks for the cancels; "" = the schedule
	Key       *Key   // only for a single item; what it renders is the Decided itself
	Audit     *audit.Entry
}

// KeepClaims are the parameters of Schedules.Claims.
type KeepClaims struct {
	By string
	// Others ends the claims of everybody else: the caller knows that they are dead.
	Others bool
	TTL    time.Duration
	Now    time.Time
}

// NextDue is when there is something to decide.
type NextDue struct {
	// At is zero when nothing is to come by itself. What ends a run that a schedule
	// waits for gives HintPlans.
	At  time.Time
	Now time.Time
}

// ListHistory are the parameters of Schedules.History.
type ListHistory struct {
	Tenant, ID string
	// From is inclusive, Before exclusive, both about nominals; zero = no bound.
	From, Before time.Time
	// Kind restricts to runs or to what was skipped; "" = both.
	Kind HistoryKind
	// Reasons restricts to what was skipped for them, Sources to runs; empty = no
	// restriction.
	Reasons []agenda.Reason
	Sources []agenda.Source
	// After continues behind the last entry of an earlier page.
	After *HistoryMark
	Limit int
}

// HistoryKind is what an entry of a history is.
type HistoryKind string

// The kinds.
const (
	HistoryRun  HistoryKind = "run"
	HistorySkip HistoryKind = "skip"
)

// HistoryMark is a place in a history: the sort key of one entry. Entries are in the
// order of nominals, latest first; at the same nominal runs come before what was
// skipped, runs with the highest Again first, the rest by Reason.
type HistoryMark struct {
	Nominal time.Time
	Kind    HistoryKind
	Again   int           // of a run
	Reason  agenda.Reason // of what was skipped
}

// Mark returns the place of e.
func (e HistoryEntry) Mark() *HistoryMark {
	m := &HistoryMark{Nominal: e.Run.Nominal, Kind: HistoryRun, Again: e.Run.Again}
	if e.Reason != "" {
		m.Kind, m.Again, m.Reason = HistorySkip, 0, e.Reason
	}
	return m
}

// HistoryPage is a page of a schedule's history.
type HistoryPage struct {
	Entries []HistoryEntry
	More    bool
}

// HistoryEntry is a run, or a stretch of skipped nominals.
type HistoryEntry struct {
	Run agenda.Run
	// Previous, Version and Calendars belong to both, see agenda.Decision.
	Previous  time.Time
	Version   int
	Calendars int64
	// Reason is set for a stretch of Count nominals from Run.Nominal to Last.
	Reason agenda.Reason
	Last   time.Time
	Count  int64
}

// Fires tells which jobs schedules made.
type Fires interface {
	// Of returns what schedules, also deleted ones, made of the given jobs, by the
	// jobs' ids. Jobs that no schedule made are missing.
	Of(ctx context.Context, tenant string, jobIDs ...string) (map[string]Fire, error)
}

// Fire is how a schedule made a job.
type Fire struct {
	ScheduleID string
	// Zone is that of the version of the schedule that made it.
	Zone string
	HistoryEntry
}
