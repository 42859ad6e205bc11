// Package store is the contract between Runsheet and its database: what is
// kept, which operations exist, and what each guarantees. It holds no SQL.
//
// The engines are in sqlite and postgres; what they share is in portable; the
// suite in storetest defines their behaviour and runs on all of them.
//
// Every method is one transaction: it happened wholly and durably when it
// returns nil, and not at all when it returns a fault. An error with code
// storage_unavailable means unknown: the caller repeats it with the same
// idempotency key, or reads. Methods are safe for concurrent use. A tenant
// argument restricts the method to that tenant's rows; another tenant's object
// is not_found.
//
// Where a method takes a time, the zero time means "the authority's clock": the
// database's on PostgreSQL, the process's on SQLite. Tests pass a value.
package store

import (
	"context"
	"io"
	"time"

	"github.com/runsheet/runsheet/internal/event"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/run"
)

// Store is the roles of one open database.
type Store struct {
	Jobs         Jobs
	Runs         Runs
	Templates    Templates
	Directives   Directives
	Calls        Calls
	Budgets      Budgets
	Calendars    Calendars
	Approvals    Approvals
	Schedules    Schedules
	Fires        Fires
	Happenings   Happenings
	Artifacts    Artifacts
	Events       Events
	Leases       Leases
	Queue        Queue
	Order        Order
	Groups       Groups
	Locks        Locks
	Direct       Direct
	Keys         Keys
	Retention    Retention
	Tenants      Tenants
	Users        Users
	Tokens       Tokens
	Sessions     Sessions
	Audit        Audit
	Webhooks     Webhooks
	Outbox       Outbox
	Secrets      Secrets
	Workflows    Workflows
	WorkflowRuns WorkflowRuns
	WorkflowLog  WorkflowLog
	Health       Health
	Snapshots    Snapshots
	Views        Views
	LegacyCalls  LegacyCalls
}

// Jobs keeps jobs and their order.
type Jobs interface {
	// Add stores new jobs, all or none, each where its zone or p.Place says. It
	// sets Rank and, where zero, CreatedAt and QueuedAt. With p.Key, a request seen
	// before yields *Replay as error and adds nothing. not_unique (with the id of
	// the other job as its field) when p.Unique finds one, or that job with p.Unique.Return; not_found or
	// already_started when p.Place names a job that does not wait;
	// group_started when the group of a job has begun.
	Add(ctx context.Context, p AddJobs) ([]Added, error)
	// Job returns one job; not_found.
	Job(ctx context.Context, tenant, id string) (job.Job, error)
	// List returns a page. Sort "queue" is the order in which jobs start.
	List(ctx context.Context, p ListJobs) (JobPage, error)
	// Move carries out a change that a person asked for, if the row still has
	// c.Before's version; conflict otherwise. It returns the stored job.
	Move(ctx context.Context, p MoveJob) (job.Job, error)
	// MoveEach is Move (and Order.Restore) for several jobs in one transaction. Items
	// are independent: one whose row has changed gets conflict, and the others go
	// on.
	MoveEach(ctx context.Context, p MoveJobs) ([]Moved, error)
	// Claim lets p.Decide choose among the waiting jobs and starts the chosen,
	// each with a new run and its locks, under one serialised transaction per
	// installation. It returns stale_lease when the instance's lease is gone.
	// What is over by then (delays, start deadlines, locks from outside) is ended
	// first, in transactions of its own. Where one process has the database for itself,
	// a claim that found nothing is not repeated before something has changed; a lease
	// that ends meanwhile is then not noticed here.
	Claim(ctx context.Context, p ClaimJobs) (Claims, error)
	// Running returns the running attempts of an instance, oldest claim first. It
	// tells what a Claim did whose outcome was unknown.
	Running(ctx context.Context, instanceID string) ([]Claimed, error)
	// Attempts returns what is stored of the attempts of jobs of any tenants, by job:
	// whoever works on one asks whether it is still his and whether to stop. Unknown
	// jobs are missing.
	Attempts(ctx context.Context, jobIDs []string) (map[string]Attempt, error)
	// Finish ends attempts: job and run change together, locks are freed. Items
	// are independent: the result has one error per item. stale_lease: the
	// attempt was taken over, drop its result. conflict: the job changed
	// meanwhile (a cancel was asked); read it and apply the event again. Those that touch
	// no rows but their own share a transaction; members of groups never do.
	Finish(ctx context.Context, items []Finish) []error
	// Situation is what the claim decision would see now, without the waiting
	// jobs, and the positions of the given jobs.
	Situation(ctx context.Context, jobs []job.Job) (Situation, error)
	// Counts returns the number of jobs by state, of all tenants when tenant is
	// empty. Zero counts may be missing.
	Counts(ctx context.Context, tenant string) (map[job.State]int, error)
	// Statistics are numbers about the queue for people. Their cost grows with the
	// number of waiting jobs and of those that ended since p.Since: do not ask for
	// them with each request.
	Statistics(ctx context.Context, p AskStatistics) (Statistics, error)
}

// Runs keeps execution attempts.
type Runs interface {
	// Run returns one run; not_found.
	Run(ctx context.Context, tenant, id string) (run.Run, error)
	// List returns a page, newest first unless p.Ascending.
	List(ctx context.Context, p ListRuns) (RunPage, error)
	// Report records what active attempts say of themselves. Items are
	// independent; stale_lease where the attempt was taken over or has ended.
	Report(ctx context.Context, items []Report) []error
	// SaveCheckpoint stores data for the job's next attempt, in place of earlier
	// data, and clears the job's count of crashes. stale_lease as in Report.
	SaveCheckpoint(ctx context.Context, c Checkpoint) error
	// Checkpoint returns what was saved last for a job, nil if nothing was.
	Checkpoint(ctx context.Context, jobID string) ([]byte, error)
	// Durations returns the latest successful runs' durations of each kind, over
	// all tenants, newest first.
	Durations(ctx context.Context, p Durations) ([]Duration, error)
}

// Templates keeps job templates and all their versions.
type Templates interface {
	// Create stores version 1; name_taken. p.Key as in Jobs.Add.
	Create(ctx context.Context, p PutTemplate) (job.Template, error)
	// Template returns the current version by id or by name; not_found.
	Template(ctx context.Context, tenant, idOrName string) (job.Template, error)
	// Version returns one version by id; not_found.
	Version(ctx context.Context, tenant, id string, version int) (job.Template, error)
	// List returns a page ordered by name.
	List(ctx context.Context, p ListTemplates) (TemplatePage, error)
	// Update stores p.Template, whose Version must be one above the stored one,
	// as the new current version; version_mismatch, name_taken, not_found.
	Update(ctx context.Context, p PutTemplate) (job.Template, error)
	// Delete removes the template from view and frees its name. Jobs, runs and
	// versions that name it stay; not_found.
	Delete(ctx context.Context, p DeleteTemplate) error
}

// Artifacts binds names of runs to stored content.
type Artifacts interface {
	// Reserve announces that content will be stored for an artifact. From then on
	// until it is bound, or r.Until has passed, the content is not removed as one
	// that nothing names. Repeating it is no error. quota_exceeded when Put would
	// refuse it; storage_busy while the content is being removed: try again.
	Reserve(ctx context.Context, r Reservation) error
	// Put binds an artifact, in place of an earlier one of the same run and name,
	// ends its reservation and changes the tenant's usage. stale_lease when epoch
	// is not the active attempt's; quota_exceeded when the run or the tenant would
	// have more than the limits allow.
	Put(ctx context.Context, a run.Artifact, epoch int64, l ArtifactLimits) error
	// Of returns the artifacts of the given runs by run id, each sorted by name.
	Of(ctx context.Context, tenant string, runIDs ...string) (map[string][]run.Artifact, error)
	// Artifact returns one; not_found.
	Artifact(ctx context.Context, tenant, id string) (run.Artifact, error)
	// Usage is what the artifacts of a tenant take.
	Usage(ctx context.Context, tenant string) (Usage, error)
	// Place returns the id of the place where content is kept, which becomes
	// candidate if there was none.
	Place(ctx context.Context, candidate string) (string, error)
	// MovePlace changes that id; conflict if it is not from any more.
	MovePlace(ctx context.Context, from, to string) error
}

// Events is the durable log of announcements.
type Events interface {
	// Since returns at most limit events of a tenant with Seq > seq, in order. A
	// reader that continues with the last Seq it got misses none.
	Since(ctx context.Context, tenant string, seq int64, limit int) ([]event.Event, error)
	// Range says how far the log reaches, for all tenants: what was committed
	// before the call is counted. Whatever removes events removes the oldest of
	// the whole log, never some from the middle, so that Floor tells which
	// positions lost something.
	Range(ctx context.Context) (event.Range, error)
	// Watch returns a channel of hints and a function that ends it. A hint may be
	// lost or doubled: whoever needs certainty polls too. The channel is never
	// closed by the store.
	Watch() (<-chan Hint, func())
}

// Leases says which server processes are alive.
type Leases interface {
	// Register adds an instance with a fresh id and a lease of ttl.
	Register(ctx context.Context, i Instance, ttl time.Duration) error
	// Extend renews the lease by ttl from now; stale_lease when it was condemned
	// or released.
	Extend(ctx context.Context, instanceID string, now time.Time, ttl time.Duration) error
	// Condemn marks instances as lost for ever: those whose lease has been over
	// for grace, and, when p.HostID is set, all others of that host (the caller
	// holds the host's file lock, so they are dead). Direct requests that wait
	// there vanish.
	Condemn(ctx context.Context, p Condemn) error
	// Lost tells whether Condemn would do anything, p.HostID aside, or Leftovers find
	// anything. It holds nobody up.
	Lost(ctx context.Context, p Condemn) (bool, error)
	// Leftovers returns running jobs and active runs whose instance is lost or
	// released.
	Leftovers(ctx context.Context) ([]Leftover, error)
	// Release ends a lease in good order, and the waiting of its direct requests.
	// Releasing twice is not an error.
	Release(ctx context.Context, instanceID string, now time.Time) error
	// Instances returns the living, oldest first.
	Instances(ctx context.Context) ([]Instance, error)
}

// Queue keeps the settings of the installation's one queue.
type Queue interface {
	// Await calls wait, and claims before it returns if somebody told of something to
	// start and the store could claim in that very transaction, which saves the job a
	// commit: then rode is true and the rest is as of Jobs.Claim. A store that several
	// processes write only waits.
	Await(ctx context.Context, p ClaimJobs, wait Waiting) (c Claims, rode bool, err error)
	// Settings returns the current settings.
	Settings(ctx context.Context) (Settings, error)
	// Scale sets the worker count; version_mismatch when p.IfVersion is set and differs.
	Scale(ctx context.Context, p Scale) (Settings, error)
	// Pause stops or, with paused false, resumes starting jobs.
	Pause(ctx context.Context, p Pause) (Settings, error)
	// SetRules replaces the rules; version_mismatch when p.IfVersion is set and
	// differs.
	SetRules(ctx context.Context, p SetRules) (Settings, error)
	// SetLoaded notes which models are in memory, by the names of their locks;
	// models that something running holds count besides. The next claims and
	// explanations go by it, until more work is started.
	SetLoaded(ctx context.Context, models []string) error
}

// Order is the one order of all waiting jobs.
type Order interface {
	// Place changes the order and nothing else. version_mismatch when
	// p.IfRevision is set and differs; wrong_group when it would tear a group
	// apart. Jobs that do not wait are reported in Ignored; a job that a single
	// move names and that does not exist is not_found.
	Place(ctx context.Context, p PlaceJobs) (Placed, error)
	// Restore puts a cancelled job that never started back at its old place, if
	// c.Before is still the row; conflict otherwise.
	Restore(ctx context.Context, p MoveJob) (job.Job, error)
	// Places is the number of places in the order of all tenants. A group is one.
	Places(ctx context.Context) (int, error)
	// Front returns the first n waiting jobs of all tenants in order, and the
	// groups that they are in.
	Front(ctx context.Context, n int) (Front, error)
}

// Groups keeps groups of jobs.
type Groups interface {
	// Create stores a group and its members, all or none. p.Key as in Jobs.Add;
	// not_found or already_started when p.Place names what does not wait.
	Create(ctx context.Context, p AddGroup) (GroupAdded, error)
	// Add appends members to a pending group; group_started, not_found.
	Add(ctx context.Context, p AddMembers) (GroupAdded, error)
	// Form stores a group of jobs that wait, all or none. It takes the place of the
	// first of them in the order, and its members stand in the order of p.JobIDs.
	// not_found, already_started, already_finished or not_groupable for a job that
	// cannot be a member; version_mismatch as in Order.Place. p.Key as in Jobs.Add.
	Form(ctx context.Context, p FormGroup) (GroupAdded, error)
	// Dissolve lets the waiting members of a group that has not ended be ordinary
	// jobs, one behind the other at the group's place. Those that have begun stay
	// its members; without any member the group is deleted. already_finished;
	// already_started when all that is left of it has begun; version_mismatch as in
	// Order.Place.
	Dissolve(ctx context.Context, p DissolveGroup) (GroupDissolved, error)
	// Group returns one; not_found.
	Group(ctx context.Context, tenant, id string) (job.Group, error)
	// Members returns the jobs of a group in list order, at most limit behind a rank.
	Members(ctx context.Context, tenant, id string, after rank.Rank, limit int) ([]job.Job, error)
	// List returns a page, newest first.
	List(ctx context.Context, p ListGroups) (GroupPage, error)
	// Cancel cancels the waiting members and asks the running ones to stop;
	// already_finished. It does not matter what OnFailure says.
	Cancel(ctx context.Context, p CancelGroup) (job.Group, error)
}

// Locks keeps who holds which lock.
type Locks interface {
	// List returns all locks that are held, have a capacity or were asked for,
	// ordered by name.
	List(ctx context.Context, p ListLocks) (LockPage, error)
	// Lock returns one, also if nobody holds it and nothing is known of it.
	Lock(ctx context.Context, name string) (Lock, error)
	// Acquire takes a unit for a program outside; lock_held with who holds it, as
	// far as the tenant may know. p.Key as in Jobs.Add, also in Renew and Release.
	Acquire(ctx context.Context, p AcquireLock) (job.Holder, error)
	// Renew moves the expiry; lock_not_held when it has expired or was given back.
	Renew(ctx context.Context, p RenewLock) (job.Holder, error)
	// Release gives a unit back; lock_not_held as in Renew. With p.Force it takes
	// any unit away, also that of an attempt, which goes on without it.
	Release(ctx context.Context, p ReleaseLock) (job.Holder, error)
	// Take gives a unit of each lock to an attempt that runs, or of none. What it has
	// already counts as given: an attempt has one unit of a lock at most. It comes
	// behind the runs in the lane of resumed runs that could take a lock next, and
	// behind direct requests that wait for one. stale_lease when p.Epoch is not the
	// active attempt's. The end of the attempt frees what it has, whatever that end is.
	Take(ctx context.Context, p TakeLocks) (TakenLocks, error)
	// Free gives units of an attempt back, those that it was claimed with too. What it
	// does not have is passed over; stale_lease as in Take.
	Free(ctx context.Context, p FreeLocks) error
	// SetCapacity says how many units a lock has; 1 forgets it.
	SetCapacity(ctx context.Context, p SetCapacity) (Lock, error)
}

// Direct keeps the direct requests that wait or run.
type Direct interface {
	// Enter makes a request wait, behind the others. direct_lane_full when
	// too many wait already; stale_lease when the instance's lease is gone. It
	// returns the runs and jobs that run now. With p.Key, a request seen before
	// yields *Replay as error and enters nothing; its Location is p.Key's answer's.
	Enter(ctx context.Context, p EnterDirect) (Entered, error)
	// Beat renews the leases of the waiting requests of an instance and returns
	// where each of its requests stands.
	Beat(ctx context.Context, instance string, ttl time.Duration) ([]DirectState, error)
	// Running returns the active runs of an instance's requests, oldest first. It
	// tells what a Claim did whose outcome was unknown.
	Running(ctx context.Context, instance string) ([]run.Run, error)
	// Leave withdraws a request that waits, so that it never starts. It reports
	// false when it runs already or is not there. Unless the request has a run,
	// its key is forgotten: nothing was done under it.
	Leave(ctx context.Context, p LeaveDirect) (bool, error)
	// Finish ends requests that run: run and request change together, locks are
	// freed. Errors as in Jobs.Finish.
	Finish(ctx context.Context, items []run.Change) []error
	// Waiting lists those that wait, first come first.
	Waiting(ctx context.Context) ([]job.Direct, error)
}

// Keys keeps answers of requests that carried an Idempotency-Key. The methods
// that create something store the key in their own transaction (see Key).
type Keys interface {
	// Find returns the stored answer of a key as *Replay error, a fault
	// (idempotency_mismatch, idempotency_in_flight), or nil if it is new.
	Find(ctx context.Context, k Key) error
	// Begin stores the provisional answer of a key, rendered from nil, before what the
	// request does in several parts; errors as Find.
	Begin(ctx context.Context, k Key) error
	// Complete replaces the answer of a key that is in flight.
	Complete(ctx context.Context, k Key, r Reply) error
	// BodyKey returns the installation's secret by which requests are recognised
	// whose bodies are not stored. The first candidate that was ever given is it;
	// backups do not have it.
	BodyKey(ctx context.Context, candidate string) (string, error)
	// Purge deletes keys that expired before now and returns how many.
	Purge(ctx context.Context, now time.Time) (int, error)
}

// Health tells about the database itself.
type Health interface {
	// Ping returns nil when a write could succeed now.
	Ping(ctx context.Context) error
	// Compact gives a bounded part of the space that deleted rows have left back
	// to the file system, and reports whether there is more. PostgreSQL does that
	// by itself.
	Compact(ctx context.Context) (more bool, err error)
	// Version names the engine and its version, for example "sqlite 3.50.4".
	Version(ctx context.Context) (string, error)
	// Durability tells what a commit waits for, as the connections that write have it
	// now, for example "synchronous=FULL" or "fsync=on synchronous_commit=on".
	Durability(ctx context.Context) (string, error)
	// Survey counts what monitoring shows, over all tenants. Its cost is that of
	// counting the entries of the waiting jobs' index; it reads no finished job.
	Survey(ctx context.Context) (Survey, error)
	// Measure is Survey without what has to be counted job by job: the log of events,
	// sizes, and what keeps the database from cleaning up.
	Measure(ctx context.Context) (Survey, error)
	// Close ends the store: it waits for methods under way and frees files.
	Close() error
}

// Snapshots copies the whole database while it is in use.
type Snapshots interface {
	// Snapshot calls f with everything that is stored, as it is at one moment,
	// and returns its error. Writers go on meanwhile. Engines may use folder, which
	// exists, for a temporary copy; f should not take longer than it must, because
	// an engine may have to keep old versions of rows for it. storage_full when the
	// folder has no room.
	Snapshot(ctx context.Context, folder string, f func(context.Context, Snapshot) error) error
}

// Snapshot is the state of a database at one moment. It must not be used after
// the function that it was given to has returned.
type Snapshot interface {
	// Schema is the version of the schema, Engine is "sqlite" or "postgres".
	Schema() int64
	Engine() string
	// Tables lists the tables in an order in which they can be loaded.
	Tables() []string
	// Write writes the rows of a table to w and returns how many there were: JSON
	// Lines, the names of the columns first, equal on all engines.
	Write(ctx context.Context, table string, w io.Writer) (rows int64, err error)
}

// ClaimJobs are the parameters of Jobs.Claim.
type ClaimJobs struct {
	Instance string
	Now      time.Time // zero = the authority's clock
	Room     int       // attempts that this instance takes at most
	// Poll says that nobody told of anything to start. A store that several processes
	// write first looks, without a lock, whether anything waits; where nothing does, it
	// does not look at the lease.
	Poll bool
	// Decide is the pure claim decision. It may be called more than once, and is not
	// called while nothing waits.
	Decide func(job.Snapshot) job.Decision
}

// Waiting returns when its caller has waited long enough, or soon after rode is closed.
// rode may be nil.
type Waiting func(rode <-chan struct{})

// Claims are what Jobs.Claim started.
type Claims struct {
	Started []Claimed
	// Direct are the requests of this instance that got their slot.
	Direct []DirectStarted
	// NextAt is when the next waiting job's time comes; zero = none waits for a time.
	NextAt time.Time
	// Settled says that all that could start has: to claim again right away is in vain.
	Settled bool
}

// Claimed is one started attempt.
type Claimed struct {
	Job job.Job
	Run run.Run
}

// Attempt is what an attempt on a job has to know of the job.
type Attempt struct {
	State         job.State
	Epoch         int64     // of the attempt that has the job, or had it last
	CancelAskedAt time.Time // zero when nobody asked
}

// Finish ends one attempt.
type Finish struct {
	Job job.Change
	Run run.Change
	// Last is the last step of the job's workflow run, which is written in the same
	// transaction; nil = there is none, or it is written already. Where it is refused, as
	// WorkflowRuns.Step refuses it, nothing is written; but one that does not follow the
	// stored one is invalid_input, as one that cannot be stored.
	Last *WorkflowStep
}
