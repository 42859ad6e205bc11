package store

import (
	"time"

	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/run"
)

// AddJobs are the parameters of Jobs.Add.
type AddJobs struct {
	Jobs []job.Job
	Key  *Key
}

// Added is one stored job and its position in the order at that moment, from 0.
type Added struct {
	Job      job.Job
	Position int
}

// Sort is the order of a list of jobs.
type Sort string

// The sorts.
const (
	SortQueue   Sort = "queue"       // as they start: priority, then place
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
	Priority  int
	Seq       int64
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
	Key    *Key
}

// ClaimJobs are the parameters of Jobs.Claim.
type ClaimJobs struct {
	Instance string
	Now      time.Time // zero = the authority's clock
	Room     int       // attempts that this instance takes at most
	// Decide is the pure claim decision. It may be called more than once.
	Decide func(job.Snapshot) job.Decision
}

// Claims are what Jobs.Claim started.
type Claims struct {
	Started []Claimed
	// NextAt is when the next waiting job's time comes; zero = none waits for a time.
	NextAt time.Time
}

// Claimed is one started attempt.
type Claimed struct {
	Job job.Job
	Run run.Run
}

// Finish ends one attempt.
type Finish struct {
	Job job.Change
	Run run.Change
}

// ListRuns are the parameters of Runs.List. Empty fields do not filter.
type ListRuns struct {
	Tenant        string
	JobID         string
	States        []run.State
	Types         []string
	TemplateIDs   []string
	Labels        map[string]string
	Text          string // substring of the job's name, any case
	StartedAfter  time.Time
	StartedBefore time.Time
	Ascending     bool
	After         *RunMark
	Limit         int // at least 1
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
	Job job.Job
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
	Version                int64
	UpdatedAt              time.Time
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
	// ID is the job's id for HintJob, the tenant's for HintEvents, "" otherwise.
	ID string
	// Remote says that another instance changed it.
	Remote bool
}

// HintTopic is the class of a hint.
type HintTopic string

// The topics.
const (
	HintQueue  HintTopic = "queue"  // a job may be startable, or settings changed
	HintJob    HintTopic = "job"    // a job or its run changed
	HintEvents HintTopic = "events" // a tenant has new events
	HintOutbox HintTopic = "outbox" // a webhook has something to be sent
	HintAll    HintTopic = "all"    // hints may have been lost: look at everything
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
	// LastEvent is the highest sequence number of the log of events. Unnumbered
	// events are committed, but no reader can see them yet; the count stops at
	// 10,000. It is 0 on SQLite.
	LastEvent  int64
	Unnumbered int
	// DatabaseBytes and LogBytes are the sizes of the database and of its
	// write-ahead log; LogBytes is 0 on PostgreSQL, whose log the server keeps.
	DatabaseBytes, LogBytes int64
}
