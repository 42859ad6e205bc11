package job

import (
	"strings"
	"time"
)

// Candidate is what a claim decision knows of one waiting job.
type Candidate struct {
	JobID    string
	Tenant   string
	Type     string
	Class    string // jobs of one class are blocked by the same things
	Priority int
	Seq      int64
	Locks    []string
}

// Before reports whether c starts before d when nothing blocks either.
func (c Candidate) Before(d Candidate) bool {
	if c.Priority != d.Priority {
		return c.Priority < d.Priority
	}
	return c.Seq < d.Seq
}

// Class is the key of jobs that are blocked by the same things: the job type
// and the locks. Within a class only the first jobs matter to a claim.
func (j Job) Class() string { return strings.Join(append([]string{j.Type}, j.Locks...), "\x1f") }

// Holder is who has a lock.
type Holder struct {
	Lock   string
	JobID  string
	Tenant string // of the job
	Epoch  int64
}

// Snapshot is all that a claim decision may look at. It was read in the
// transaction that will carry the decision out.
type Snapshot struct {
	Now time.Time
	// Paused means: finish what runs, start nothing.
	Paused bool
	// Workers is the installation's number of slots, Running those in use.
	Workers, Running int
	// Room is how many attempts the claiming instance takes at most.
	Room int
	// Heads are the first jobs of each class, in order.
	Heads []Candidate
	// Held are the locks that are taken, by name.
	Held map[string]Holder
}

// Decision is what Decide made of a snapshot.
type Decision struct {
	// Claims are ids of jobs to start, in order.
	Claims []string
	// Waiting says why each other head does not start.
	Waiting map[string]Waiting
}

// WaitCode is the class of reasons for which a job waits. The text is part of
// the API.
type WaitCode string

// The reasons of this release.
const (
	WaitPosition   WaitCode = "position"    // others come first
	WaitNoSlot     WaitCode = "no_slot"     // every slot is busy, this job is next
	WaitLock       WaitCode = "lock"        // a lock it needs is taken
	WaitPaused     WaitCode = "paused"      // the queue starts nothing
	WaitHeld       WaitCode = "held"        // it is held
	WaitNotBefore  WaitCode = "not_before"  // its time has not come
	WaitRetryDelay WaitCode = "retry_delay" // the last attempt failed, the next one waits
)

// Waiting is why a job waits, for a person.
type Waiting struct {
	Code   WaitCode
	Detail string
	// Holder is the id of what it waits for, "" where that does not apply.
	Holder string
	// Until is when the reason ends by itself; zero = unknown.
	Until time.Time
}
