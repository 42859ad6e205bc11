package job

import (
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/rank"
)

// Occupant is something that runs now: an attempt of a job or a direct request.
type Occupant struct {
	JobID string // "" for a direct request
	RunID string
	Needs Class
	// Group is the group in whose slot it runs; "" = it has a slot of its own.
	Group string
	Since time.Time // its start
}

// Holder is who has a unit of a lock.
type Holder struct {
	Lock   string
	Token  int64
	Tenant string
	// JobID is the job, RunID its attempt or the direct request; both empty: Outside
	// names a program outside of the queue.
	JobID, RunID, Outside string
	HeldAt                time.Time
	// ExpiresAt is when an outside holder loses it; zero = with the attempt's end.
	ExpiresAt time.Time
	// Lost says that the server that ran the holder is gone: the lock is free when
	// its processes are known to be.
	Lost bool
}

// Overtaken is how often a job was overtaken that could not start, or that stood
// back for a loaded model, see Rules.MaxOvertakes.
type Overtaken struct {
	JobID string
	Rank  rank.Rank
	// Starts of jobs behind it, and how many of them by model affinity.
	Starts, Affinity int
	// Since is when it was overtaken first.
	Since time.Time
	// Needs of the job. The store fills it in.
	Needs Class
}

// GroupWork is what a decision knows of a group that has its slot, or of one
// that would get it.
type GroupWork struct {
	Group Group
	// Running is the number of its members that run, Lent that a direct request
	// uses its slot.
	Running int
	Lent    bool
	// Next are its members that may start, in list order, as many as could.
	Next []Candidate
	// Blocked says that the next member in list order waits for something else
	// (it is held or delayed), so that a sequential group cannot go on.
	Blocked bool
}

// Direct is a direct request that waits.
type Direct struct {
	RunID    string
	Tenant   string
	Kind     string
	Locks    []string
	Instance string
	Seq      int64
	// CreatedBy is who asks, Since when it arrived.
	CreatedBy string
	Since     time.Time
}

// Needs is what the request takes while it runs.
func (d Direct) Needs() Class { return Class{Tenant: d.Tenant, Locks: d.Locks} }

// Heads gives a decision the waiting jobs, lazily.
type Heads interface {
	// Walk yields ready jobs in order, of all classes that nothing blocks. blocked
	// is asked again after each job, because the consumer takes resources. It ends
	// with the jobs or when yield returns false. Members of groups are not
	// yielded one by one: g is the group's work then, and c its first member. A
	// second walk begins at the front again, with what the first one yielded.
	Walk(blocked func(resource string) bool, yield func(c Candidate, g *GroupWork) bool) error
	// Blocked returns the first at most n jobs, in order, that are the first of a
	// class that is blocked. Groups are not among them.
	Blocked(blocked func(resource string) bool, n int) ([]Candidate, error)
}

// Snapshot is all that a claim decision may look at. It was read in the
// transaction that will carry the decision out.
type Snapshot struct {
	Now time.Time
	// Paused means: finish what runs, start nothing.
	Paused bool
	Rules  Rules
	// Workers is the installation's number of slots.
	Workers int
	// Room is how many attempts the claiming instance takes at most, Self its id.
	Room int
	Self string

	Running []Occupant
	// Groups are the groups that have their slot.
	Groups []GroupWork
	// Held are the units of locks that are taken, by the lock's name.
	Held map[string][]Holder
	// Capacity of locks that is not 1.
	Capacity map[string]int
	// Overtaken jobs in order.
	Overtaken []Overtaken
	// Direct requests that wait, first come first.
	Direct []Direct
	// Budgets of tokens, with what is spent of them today.
	Budgets []Budget
	// Loaded are model locks that the last started work used.
	Loaded []string
	// Heads are the waiting jobs.
	Heads Heads
}

// Decision is what Decide made of a snapshot.
type Decision struct {
	// Direct requests to start, by run id.
	Direct []Grant
	// Claims are jobs to start, in order.
	Claims []Claim
	// Overtaken replaces the snapshot's list.
	Overtaken []Overtaken
	// Settled says that a decision right after this one would start nothing, as long as
	// nothing else changes.
	Settled bool
}

// Claim starts a job.
type Claim struct {
	JobID string
	// Needs is what the job needs. One that needs something else by now is not claimed.
	Needs Class
	// Group is the group that gets its slot by this claim, "" = none or it has it.
	Group string
}

// Grant starts a direct request.
type Grant struct {
	RunID string
	// Group is the group that lends its slot, "" = it gets one of its own.
	Group string
}

// WaitCode is the class of reasons for which a job waits. The text is part of
// the API.
type WaitCode string

// The reasons.
const (
	WaitPosition    WaitCode = "position"     // others come first
	WaitNoSlot      WaitCode = "no_slot"      // every slot is busy, this job is next
	WaitLock        WaitCode = "lock"         // a lock it needs is taken
	WaitLimit       WaitCode = "limit"        // a limit is reached
	WaitPaused      WaitCode = "paused"       // the queue starts nothing
	WaitHeld        WaitCode = "held"         // it is held
	WaitApproval    WaitCode = "approval"     // nobody has approved it yet
	WaitNotBefore   WaitCode = "not_before"   // its time has not come
	WaitRetryDelay  WaitCode = "retry_delay"  // the last attempt failed, the next one waits
	WaitGroup       WaitCode = "group"        // its group lets others go first
	WaitParked      WaitCode = "parked"       // its run has begun and waits for something else
	WaitDirectFirst WaitCode = "direct_first" // a direct request takes what it needs
)

// Waiting is why a job waits, for a person.
type Waiting struct {
	Code   WaitCode
	Detail string
	// For is what a parked run waits for, "" otherwise: a workflow's approval, timer,
	// event, job, retry_delay, turn, or paused.
	For string
	// Holder is the id of what it waits for (a job, a run or the name that a program
	// gave itself), "" where that does not apply.
	Holder string
	// HeldBy is who holds a held job, "" when the server does; Reason is what the person
	// said, "" for nothing.
	HeldBy, Reason string
	// Until is when the reason ends by itself; zero = unknown.
	Until time.Time
}

// modelLock is the prefix of locks that name a model.
const modelLock = "model:"

// IsModelLock reports whether a lock names a model.
func IsModelLock(lock string) bool { return strings.HasPrefix(lock, modelLock) }

// ModelLocks are those of the given locks that name a model.
func ModelLocks(locks []string) []string {
	var out []string
	for _, l := range locks {
		if IsModelLock(l) {
			out = append(out, l)
		}
	}
	return out
}
