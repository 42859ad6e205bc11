package store

import (
	"time"

	"github.com/runsheet/runsheet/internal/agenda"
	"github.com/runsheet/runsheet/internal/approval"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/rank"
	"github.com/runsheet/runsheet/internal/run"
)

// Unique says which other jobs stand in the way of one with the same UniqueKey.
type Unique struct {
	// Since: only jobs created later count; zero = all.
	Since time.Time
	// States in which they count; empty = QUEUED and RUNNING.
	States []job.State
	// Return makes Add return the other job, marked as Existing, in place of a
	// refusal; only with one job.
	Return bool
}

// Place is a place in the order. Exactly one field is set, but for Position,
// which may be 0 when Before and After are empty and Top and Bottom false.
type Place struct {
	Before, After string // job or group ids
	Top, Bottom   bool
	Position      int // from 0, among all other places
}

// PlaceJobs are the parameters of Order.Place.
type PlaceJobs struct {
	Tenant string
	// IDs of jobs or groups. Several with Place: they go there, in the given order.
	// Several without: they take, in the given order, the places that they have.
	// A single member of a group moves inside its group.
	IDs   []string
	Place *Place
	// IfRevision refuses when the order has another revision by now; 0 = whatever.
	IfRevision int64
	At         time.Time
	// Allow returns an error for a job that the caller must not move; nil: all.
	Allow func(job.Job) error
	Key   *Key
	Audit *audit.Entry
}

// Placed is what Order.Place did.
type Placed struct {
	Revision int64
	// Moved are the ids that have a new place or were named and kept theirs;
	// Ignored are those that do not wait any more.
	Moved, Ignored []string
	// Job is the job of a single move, as it is now, with its positions before and
	// after. For a group, its first waiting member.
	Job                      job.Job
	OldPosition, NewPosition int
}

// Situation is what Jobs.Situation returns.
type Situation struct {
	// Snapshot has no Heads and no Room.
	Snapshot job.Snapshot
	// Positions of the waiting jobs that were asked for, by id.
	Positions map[string]int
	Settings  Settings
}

// Front is the beginning of the order.
type Front struct {
	Jobs   []job.Job
	Groups map[string]job.Group // by id
}

// SetRules are the parameters of Queue.SetRules.
type SetRules struct {
	Rules     job.Rules
	IfVersion int64 // 0 = whatever the version
	Tenant    string
	At        time.Time
	Key       *Key
	Audit     *audit.Entry
}

// AddGroup are the parameters of Groups.Create. The members' group and rank are
// set by the store.
type AddGroup struct {
	Group    job.Group
	Jobs     []job.Job
	Priority int    // of the group's place
	Place    *Place // nil = behind the others of its priority
	Key      *Key
}

// AddMembers are the parameters of Groups.Add.
type AddMembers struct {
	Tenant, GroupID string
	Jobs            []job.Job
	Key             *Key
}

// FormGroup are the parameters of Groups.Form.
type FormGroup struct {
	Group job.Group
	// JobIDs are the members in list order, each once.
	JobIDs []string
	// IfRevision refuses when the order has another revision by now; 0 = whatever.
	IfRevision int64
	// Allow returns an error for a job that the caller must not change; nil: all.
	Allow func(job.Job) error
	Key   *Key
	Audit *audit.Entry
}

// DissolveGroup are the parameters of Groups.Dissolve.
type DissolveGroup struct {
	Tenant, ID string
	IfRevision int64 // as in FormGroup
	At         time.Time
	Allow      func(job.Job) error // as in FormGroup
	Key        *Key
	Audit      *audit.Entry
}

// GroupDissolved is what Groups.Dissolve did.
type GroupDissolved struct {
	// Group is what is left of it: its members are those that have begun or ended.
	// Deleted says that there are none, and no such group any more.
	Group   job.Group
	Deleted bool
	// JobIDs are those that left, in their order; Position is the first one's.
	JobIDs   []string
	Position int
	Revision int64
}

// GroupAdded is a group and members that were added to it.
type GroupAdded struct {
	Group    job.Group
	Jobs     []job.Job
	Position int   // of the group
	Revision int64 // of the order, after Form
}

// ListGroups are the parameters of Groups.List.
type ListGroups struct {
	Tenant string
	States []job.GroupState
	Text   string // substring of the name, any case
	After  *GroupMark
	Limit  int // at least 1
}

// GroupMark is a place in a list of groups.
type GroupMark struct {
	CreatedAt time.Time
	ID        string
}

// GroupPage is one page. More says that groups follow.
type GroupPage struct {
	Groups []job.Group
	More   bool
}

// CancelGroup are the parameters of Groups.Cancel.
type CancelGroup struct {
	Tenant, ID string
	By         string
	At         time.Time
	Key        *Key
}

// EnterDirect are the parameters of Direct.Enter.
type EnterDirect struct {
	// Run is the request as a run: id, tenant, name, kind as job type, who, labels. Its Params
	// hold no more than a keyed hash.
	Run      run.Run
	Locks    []string // sorted, no duplicates
	Instance string
	TTL      time.Duration
	Now      time.Time // zero = the authority's clock
	// Key's answer is made from an Entered. It names the request by its Location,
	// and nothing of it may tell what the request or its result contains.
	Key *Key
}

// LeaveDirect are the parameters of Direct.Leave.
type LeaveDirect struct {
	RunID string
	// Key is the one that the request entered with, nil = none; Location that of
	// its stored answer. A key with another answer stays.
	Key      *Key
	Location string
}

// Entered is what Direct.Enter found.
type Entered struct {
	// WaitedFor are ids of the tenant's jobs and direct runs that run now.
	WaitedFor []string
	// Ahead is the number of direct requests that wait before this one.
	Ahead     int
	ArrivedAt time.Time
	// Timeout is how long the request may wait by the rules of that moment.
	Timeout time.Duration
}

// DirectState is where a direct request stands.
type DirectState struct {
	RunID   string
	Started bool
	Ahead   int
}

// DirectStarted is one direct request that a claim started.
type DirectStarted struct{ Run run.Run }

// Durations are the parameters of Runs.Durations.
type Durations struct {
	// Kinds are what is asked for.
	Kinds []Kind
	// Last is how many of each, at most.
	Last int
}

// Kind is what runs have in common that take about as long.
type Kind struct {
	JobType    string
	TemplateID string // "" = whatever the template
}

// Duration is the length of one run of a kind.
type Duration struct {
	Kind Kind
	Took time.Duration
}

// Added is one stored job and its position in the order at that moment, from 0.
type Added struct {
	Job      job.Job
	Position int
	// Existing says that nothing was added: this is the equal job that was there.
	// Its position is 0 when it does not wait.
	Existing bool
}

// Sort is the order of a list of jobs.
type Sort string

// The sorts.
const (
	SortQueue   Sort = "queue"       // as they start
	SortCreated Sort = "created_at"  // oldest first
	SortNewest  Sort = "-created_at" // newest first
)

// ListJobs are the parameters of Jobs.List. Empty fields do not filter.
type ListJobs struct {
	Tenant        string
	States        []job.State
	Types         []string
	TemplateIDs   []string
	Labels        map[string]string
	GroupID       string
	ScheduleID    string // only what this schedule made; "" = whatever
	RetryOf       string // only what repeats this run; "" = whatever
	Text          string // substring of the name, any case
	CreatedAfter  time.Time
	CreatedBefore time.Time
	Sort          Sort // "" = SortNewest
	// After continues behind the last job of an earlier page.
	After *JobMark
	Limit int // at least 1
}

// JobMark is a place in a list of jobs: the sort key of one job.
type JobMark struct {
	Rank      rank.Rank
	CreatedAt time.Time
	ID        string
}

// JobPage is one page. More says that jobs follow.
type JobPage struct {
	Jobs []job.Job
	More bool
}

// MoveJob are the parameters of Jobs.Move.
type MoveJob struct {
	Change job.Change
	// Unique, if set, refuses a change after which the job has an equal (not_unique).
	Unique *Unique
	Key    *Key
}

// MoveJobs are the parameters of Jobs.MoveEach.
type MoveJobs struct {
	// Changes are all of one tenant, each of another job. Those that take a
	// cancelled job back are carried out like Order.Restore.
	Changes []job.Change
	Tenant  string
	At      time.Time
	Key     *Key
	Audit   *audit.Entry // recorded if anything changed
}

// Moved is what MoveEach did with one change.
type Moved struct {
	// Job is the stored job, or the one before the change when Err is set.
	Job job.Job
	Err error
}

// AskStatistics are the parameters of Jobs.Statistics.
type AskStatistics struct {
	Tenant string
	// Since is when the jobs have ended that count as completed or failed.
	Since time.Time
	// Starts is how many of the latest starts the average wait is made of.
	Starts int
}

// Statistics are numbers about the queue of one tenant.
type Statistics struct {
	// Queued are all that wait. Held and Delayed (until a time, or a retry) are
	// among them.
	Queued, Held, Delayed int
	Running               int
	// Completed and Failed are jobs that ended since AskStatistics.Since.
	Completed, Failed int
	// AverageWait from entering the queue to the start, nil when nothing started yet.
	AverageWait *time.Duration
}

// ListRuns are the parameters of Runs.List. Empty fields do not filter.
type ListRuns struct {
	Tenant        string
	JobID         string
	ScheduleID    string // only of jobs that this schedule made; "" = whatever
	WorkflowID    string // only runs of this workflow; "" = whatever
	States        []run.State
	Types         []string
	TemplateIDs   []string
	Labels        map[string]string
	Text          string // substring of the job's name, any case
	StartedAfter  time.Time
	StartedBefore time.Time
	// InWork leaves out active runs that wait without a slot until they go on.
	InWork    bool
	Ascending bool
	After     *RunMark
	Limit     int // at least 1
}

// RunMark is a place in a list of runs.
type RunMark struct {
	StartedAt time.Time
	ID        string
}

// RunPage is one page. More says that runs follow.
type RunPage struct {
	Runs []run.Run
	More bool
}

// Report is what an active attempt says of itself. Nil fields stay as they are.
type Report struct {
	RunID    string
	Epoch    int64
	Process  *run.Process
	Progress *run.Progress
	Tokens   *run.Tokens
	Outputs  map[string]string // in place of the earlier ones, when not nil
	LogBytes *int64
}

// Checkpoint is data for a job's next attempt.
type Checkpoint struct {
	JobID, RunID string
	Epoch        int64
	Data         []byte
	At           time.Time
}

// PutTemplate are the parameters of Templates.Create and Update.
type PutTemplate struct {
	Template job.Template
	Key      *Key
	Audit    *audit.Entry
}

// DeleteTemplate are the parameters of Templates.Delete.
type DeleteTemplate struct {
	Tenant, ID string
	At         time.Time
	Audit      *audit.Entry
}

// ListTemplates are the parameters of Templates.List.
type ListTemplates struct {
	Tenant   string
	Types    []string
	Labels   map[string]string
	Text     string // substring of the name, any case
	Archived *bool
	// AfterName continues behind a name; "" = from the start.
	AfterName string
	Limit     int // at least 1
}

// TemplatePage is one page. More says that templates follow.
type TemplatePage struct {
	Templates []job.Template
	More      bool
}

// Instance is one server process. Its id is new at every start, so a
// restarted server is never taken for the dead one.
type Instance struct {
	ID string
	// HostID identifies the data folder, not the machine's name: two instances
	// with one HostID cannot live at the same time, because a file lock forbids it.
	HostID   string
	Hostname string // for people only
	Pid      int
	Version  string
	// Place is the id of the shared place of its artifacts and logs; "" if no
	// other instance reaches them.
	Place      string
	StartedAt  time.Time
	LeaseUntil time.Time
}

// Condemn are the parameters of Leases.Condemn.
type Condemn struct {
	Self   string    // never condemned
	HostID string    // "" = judge by the lease only
	Now    time.Time // zero = the authority's clock
	Grace  time.Duration
}

// Leftover is an attempt whose instance is gone.
type Leftover struct {
	Job job.Job // the zero value for a direct request
	Run run.Run
	// HostID is the data folder of the instance that ran it.
	HostID string
}

// Settings are the settings of the queue.
type Settings struct {
	// Workers is the installation's number of slots, 0..1024.
	Workers int
	Paused  bool
	// PausedBy and PausedReason are for people, empty while not paused.
	PausedBy, PausedReason string
	Rules                  job.Rules
	// Revision of the order: it changes when a person changes the order.
	Revision  int64
	Version   int64
	UpdatedAt time.Time
}

// MaxWorkers is the largest worker count.
const MaxWorkers = 1024

// Scale are the parameters of Queue.Scale.
type Scale struct {
	Workers   int
	IfVersion int64 // 0 = whatever the version
	Tenant    string
	At        time.Time
	Key       *Key
	Audit     *audit.Entry
}

// Pause are the parameters of Queue.Pause.
type Pause struct {
	Paused     bool
	By, Reason string
	Tenant     string
	At         time.Time
	Key        *Key
	Audit      *audit.Entry
}

// Hint says that something changed, so that waiting code looks again.
type Hint struct {
	Topic HintTopic
	// ID is the job's id for HintJob and HintStop, the tenant's for HintEvents, "" otherwise.
	ID string
	// Remote says that another instance changed it.
	Remote bool
	// Claimed says, of HintQueue, that a claim of this process has seen it, see Queue.Await.
	Claimed bool
}

// HintTopic is the class of a hint.
type HintTopic string

// The topics.
const (
	HintQueue     HintTopic = "queue"     // a job may be startable, or settings changed
	HintJob       HintTopic = "job"       // a job or its run changed
	HintStop      HintTopic = "stop"      // an attempt of a job may have to stop: somebody asks for that, or it was taken over
	HintEvents    HintTopic = "events"    // a tenant has new events
	HintApprovals HintTopic = "approvals" // there is a new request for an approval
	HintOutbox    HintTopic = "outbox"    // a webhook has something to be sent
	HintPlans     HintTopic = "plans"     // a person made or changed a schedule, or a calendar, or what a schedule waits for is there
	HintAll       HintTopic = "all"       // hints may have been lost: look at everything
)

// Survey is the state of an installation in numbers.
type Survey struct {
	// Queued are all waiting jobs; Ready of them could start, Delayed wait for a
	// time. The rest is held.
	Queued, Ready, Delayed int
	Running                int
	// OldestReadyAt is when the longest waiting of the jobs that could start
	// entered the queue; zero = there is none. It looks at the first places of each
	// priority only, so an older job that a person moved far back is not seen.
	OldestReadyAt time.Time
	// At is the time by the clock that OldestReadyAt was made with.
	At       time.Time
	Settings Settings
	// Instances is the number of living server processes.
	Instances int
	// Schedules counts schedules by status.
	Schedules map[agenda.Status]int
	// LastEvent is the highest sequence number of the log of events. Unnumbered
	// events are committed, but no reader can see them yet; the count stops at
	// 10,000. It is 0 on SQLite.
	LastEvent  int64
	Unnumbered int
	// DatabaseBytes and LogBytes are the sizes of the database and of its
	// write-ahead log; LogBytes is 0 on PostgreSQL, whose log the server keeps.
	DatabaseBytes, LogBytes int64
	// Held is for how long the oldest transaction of the database has been open that
	// keeps PostgreSQL from removing rows that were deleted or changed since, 0 = there
	// is none. Transactions of other roles are seen by members of pg_read_all_stats only.
	// NotifyUsed is how much of PostgreSQL's queue of notifications is in use, from 0 to
	// 1. Both are 0 on SQLite, where LogBytes tells of a reader that does not end.
	Held       time.Duration
	NotifyUsed float64
}

// AddJobs are the parameters of Jobs.Add.
type AddJobs struct {
	Jobs []job.Job
	// Place is where they go, one behind the other; nil = where their zones say.
	// Only without groups.
	Place *Place
	// Unique refuses the jobs that have a UniqueKey when another one with it is there.
	Unique *Unique
	// Approvals are requests without which their subjects, which are among Jobs, must
	// not start.
	Approvals []approval.Request
	// Seeds are the states with which runs of workflows among Jobs begin; one without
	// begins at the beginning.
	Seeds []WorkflowSeed
	Key   *Key
}
